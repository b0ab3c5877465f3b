"""Cards that the bank keeps for a merchant's customer without charging them. Pure of HTTP; time is passed in.

Each verb is one transaction that writes the state, the card, the key's answer and the letter together. Nothing here
writes the book: no money moves. Bad days of the road are met by letters alone; a merchant must bear them there too.
"""

from __future__ import annotations

import json
from typing import Any

from raseed.sandbox import letters, wire
from raseed.sandbox.bank import Answer, Bank, token
from raseed.sandbox.cards import PROFILES, TypedCard
from raseed.sandbox.rows import KeyRecord, SavedCard, Setup


def create(bank: Bank, order: wire.SetupOrder, key: str, fingerprint: str, now: float) -> Answer:
    """Open a setup, to be finished on the card page. Raises wire.ApiError."""
    store = bank.store
    with store.transaction():
        replayed = bank.replay(key, fingerprint, now)
        if replayed is not None:
            return replayed
        if store.setup_by_reference(order.reference) is not None:
            raise wire.ApiError(422, "reference_in_use", "another setup bears this reference", "reference")
        setup = Setup(
            ref=token("set"),
            reference=order.reference,
            customer=order.customer,
            currency=order.currency,
            return_url=order.return_url,
            language=order.language,
            created_at=now,
        )
        store.add_setup(setup)
        answer = Answer(200, render(bank, setup))
        store.put_key(KeyRecord(key, fingerprint, answer.status, answer.body, now))
        return answer


def confirm(bank: Bank, setup: Setup, card: TypedCard, now: float) -> Setup:
    """The customer typed a card and pressed Save."""
    with bank.store.transaction():
        setup = _again(bank, setup)
        if setup.state != "requires_action" or setup.step != "card":
            return setup
        profile = PROFILES[card.profile]
        known: dict[str, Any] = {
            "profile": card.profile,
            "brand": card.brand,
            "last4": card.last4,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "fingerprint": card.fingerprint,
        }
        if profile.three_ds_first:
            return bank.store.change_setup(setup, step="three_ds", **known)
        return _finish(bank, bank.store.change_setup(setup, **known), profile.first, now)


def authenticate(bank: Bank, setup: Setup, decline: str, now: float) -> Setup:
    """The customer answered 3-D Secure: `decline` is "" for completed, else why it failed."""
    with bank.store.transaction():
        setup = _again(bank, setup)
        if setup.state != "requires_action" or setup.step != "three_ds":
            return setup
        return _finish(bank, setup, decline, now)


def cancel(bank: Bank, setup: Setup, now: float) -> Setup:
    """Keep no card, unless one is kept or declined already."""
    with bank.store.transaction():
        setup = _again(bank, setup)
        if setup.state != "requires_action":
            return setup
        setup = bank.store.change_setup(setup, state="canceled", step="")
        return _tell(bank, setup, now)


def render(bank: Bank, setup: Setup) -> str:
    """The setup as JSON text."""
    return json.dumps(wire.setup_json(setup, page(bank, setup)))


def page(bank: Bank, setup: Setup) -> str | None:
    """Where its customer must act; None where there is nothing to do."""
    if setup.state != "requires_action":
        return None
    return f"{bank.public_url}/{'keep' if setup.step == 'card' else 'keep-3ds'}/{setup.ref}"


def _finish(bank: Bank, setup: Setup, decline: str, now: float) -> Setup:
    if decline:
        setup = bank.store.change_setup(setup, state="failed", step="", decline_code=decline)
        return _tell(bank, setup, now)
    ref = token("card")
    kept = SavedCard(
        ref=ref,
        customer=setup.customer,
        profile=setup.profile,
        brand=setup.brand,
        last4=setup.last4,
        exp_month=setup.exp_month,
        exp_year=setup.exp_year,
        fingerprint=setup.fingerprint,
    )
    bank.store.add_card(kept)
    return _tell(bank, bank.store.change_setup(setup, state="succeeded", step="", card_ref=ref), now)


def _tell(bank: Bank, setup: Setup, now: float) -> Setup:
    letters.announce(bank.store, bank.settings, f"setup.{setup.state}", wire.setup_json(setup, None), now)
    return setup


def _again(bank: Bank, setup: Setup) -> Setup:
    again = bank.store.setup(setup.ref)
    if again is None:
        raise LookupError(setup.ref)
    return again
