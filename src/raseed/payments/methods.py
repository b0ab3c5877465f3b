"""Saved cards of an account, as the gateway keeps them for us: kept, put in order, made default, removed.

Everything here is done in transactions and calls nobody: a removed card is forgotten at the gateway by a job
(payments/cards/forgetting.py). Each act is in the audit log and told to the account's Admins. Who changes the order first
takes the account's row, so that two Admins come one after the other.

A gateway knows its own cards only. Those of the gateway before stay, to be seen, removed and used again should the
operator go back; until then they are neither offered nor charged.
"""

import contextlib
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account
from raseed.accounts.notices import Notice, tell_admins
from raseed.audit.log import Facts, Who, record
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.gateways.port import SavedReference
from raseed.payments.cards import limits
from raseed.payments.cards.names import name_of
from raseed.payments.models import PaymentMethod

# What recharge wants to know: a card was added, or is the default now.
CARD_CHANGED_JOB: Final = "payments.card_changed"
FORGET_JOB: Final = "payments.forget_card"


class MethodGone(RaseedError):
    """The card is not one of the account's saved cards (any more)."""

    code = "payment_method_gone"
    status = 404
    message = _("This card is not saved any more. Nothing was changed.")


class MethodElsewhere(RaseedError):
    """The card is kept by a gateway that takes no new payments here."""

    code = "payment_method_elsewhere"
    status = 409
    message = _(
        "This card is saved with a payment provider that is not in use now, so it cannot be charged. Nothing was changed."
    )


class Direction(StrEnum):
    """Which way a card goes in the order of fall-back."""

    UP = "up"
    DOWN = "down"


def saved_methods(account_id: UUID) -> list[PaymentMethod]:
    """The cards of the account at every gateway, the default first, then in the order of fall-back."""
    return list(
        PaymentMethod.objects.filter(account_id=account_id, removed_at__isnull=True).order_by(
            "-is_default", "rank", "created_at"
        )
    )


def offered_methods(account_id: UUID) -> list[PaymentMethod]:
    """The saved cards that may be charged now, in the same order: those kept by the gateway that takes new payments."""
    return [one for one in saved_methods(account_id) if is_offered(one)]


def is_offered(method: PaymentMethod) -> bool:
    """Whether the gateway that takes new payments is the one that keeps this card."""
    return bool(method.gateway == settings.GATEWAY)


# -- added


def usable(account_id: UUID, method_id: UUID) -> PaymentMethod | None:
    """The saved card of this id; if the same card was saved anew since, the one that took its place.

    None if it is gone, or cannot be charged at the gateway that takes new payments.
    """
    here = PaymentMethod.objects.filter(account_id=account_id, gateway=settings.GATEWAY)
    method = here.filter(id=method_id).first()
    if method is None or method.removed_at is None or not method.fingerprint:
        return method if method and method.removed_at is None else None
    return here.filter(fingerprint=method.fingerprint, removed_at__isnull=True).first()


def add(
    account_id: UUID, gateway: str, saved: SavedReference, by: Who, now: datetime
) -> PaymentMethod | None:
    """Keep a card that a person chose to keep, write it down and tell the Admins. Call inside a transaction.

    None if as many accounts as may share this card have it: then it is not kept, and forgotten at the gateway.
    """
    if limits.is_in_too_many_accounts(saved.card.fingerprint, account_id):
        refused = _row(account_id, gateway, saved, now)
        refused.removed_at = now
        PaymentMethod.objects.bulk_create([refused], ignore_conflicts=True)
        defer(FORGET_JOB, account_id=account_id, method_id=refused.id)
        return None
    method = keep(account_id, gateway, saved, now)
    _told(method, "card_added", Notice.CARD_ADDED, by, now, after=_facts(method))
    defer(CARD_CHANGED_JOB, account_id=account_id)
    return method


def keep(account_id: UUID, gateway: str, saved: SavedReference, now: datetime) -> PaymentMethod:
    """Keep a card; the first one at its gateway becomes the default. Call inside a transaction.

    The same card (by fingerprint) kept again takes the place of the one before. Nothing here may make the settling
    transaction fail: a race for the default, or for the card, is lost quietly.
    """
    known = PaymentMethod.objects.filter(
        account_id=account_id, gateway=gateway, reference=saved.reference
    ).first()
    if known is not None:
        return known
    method = _row(account_id, gateway, saved, now)
    try:
        with transaction.atomic():
            _take_the_place_of_the_same(method, now)
            method.save(force_insert=True)
    except IntegrityError:
        # The same card was kept in another transaction at this moment: this reference of it is one too many.
        method.is_default, method.removed_at = False, now
        PaymentMethod.objects.bulk_create([method], ignore_conflicts=True)
        defer(FORGET_JOB, account_id=account_id, method_id=method.id)
        return method
    _make_default_if_first(method)
    return method


def _row(account_id: UUID, gateway: str, saved: SavedReference, now: datetime) -> PaymentMethod:
    last = PaymentMethod.objects.filter(account_id=account_id).aggregate(last=Max("rank"))["last"]
    return PaymentMethod(
        account_id=account_id,
        gateway=gateway,
        reference=saved.reference,
        brand=saved.card.brand,
        last4=saved.card.last4,
        exp_month=saved.card.exp_month,
        exp_year=saved.card.exp_year,
        fingerprint=saved.card.fingerprint,
        chargeable_unattended=saved.chargeable_unattended,
        created_at=now,
        rank=(last or 0) + 1,
    )


def _take_the_place_of_the_same(method: PaymentMethod, now: datetime) -> None:
    """The newer reference may have a newer expiry; the older one stays for payments that it is being charged for."""
    if not method.fingerprint:
        return
    same = PaymentMethod.objects.select_for_update().filter(
        account_id=method.account_id,
        gateway=method.gateway,
        fingerprint=method.fingerprint,
        removed_at__isnull=True,
    )
    for older in same:
        method.is_default, method.rank = older.is_default, older.rank
        older.is_default, older.removed_at = False, now
        older.save(update_fields=["is_default", "removed_at"])
        defer(FORGET_JOB, account_id=older.account_id, method_id=older.id)


def _make_default_if_first(method: PaymentMethod) -> None:
    """A default of another gateway gives way to the first card of the one in use: it could not be charged."""
    defaults = PaymentMethod.objects.filter(
        account_id=method.account_id, is_default=True, removed_at__isnull=True
    )
    stays = defaults.filter(gateway=method.gateway) if is_offered(method) else defaults
    if stays.exists():
        return
    with contextlib.suppress(IntegrityError), transaction.atomic():
        defaults.update(is_default=False)
        PaymentMethod.objects.filter(account_id=method.account_id, id=method.id).update(is_default=True)
        method.is_default = True


# -- changed


def make_default(account_id: UUID, method_id: UUID, by: Who, now: datetime) -> bool:
    """Charge this card first; the others keep their order after it. False if it is the default.

    Raises MethodGone and MethodElsewhere.
    """
    with atomic():
        cards = _in_order(account_id)
        method = _one_of(cards, method_id)
        if not is_offered(method):
            raise MethodElsewhere(f"method {method_id} of {method.gateway}")
        if method.is_default:
            return False
        before = next((one for one in cards if one.is_default), None)
        _write_order([method, *(one for one in cards if one is not method)], method)
        _told(
            method,
            "card_made_default",
            Notice.CARD_MADE_DEFAULT,
            by,
            now,
            before={"default": name_of(before.brand, before.last4) if before else ""},
            after={"default": name_of(method.brand, method.last4)},
        )
        defer(CARD_CHANGED_JOB, account_id=account_id)
    return True


def move(account_id: UUID, method_id: UUID, direction: Direction, by: Who, now: datetime) -> bool:
    """Move a card one place among those after the default. False where it cannot go further. Raises MethodGone."""
    with atomic():
        cards = _in_order(account_id)
        method = _one_of(cards, method_id)
        first = 1 if cards[0].is_default else 0
        here = cards.index(method)
        there = here + (1 if direction is Direction.DOWN else -1)
        if here < first or not first <= there < len(cards):
            return False
        before = [name_of(one.brand, one.last4) for one in cards]
        cards[here], cards[there] = cards[there], cards[here]
        _write_order(cards, cards[0] if first else None)
        _record(
            method,
            "card_moved",
            by,
            now,
            before={"order": before},
            after={"order": [name_of(one.brand, one.last4) for one in cards]},
        )
    return True


def remove(account_id: UUID, method_id: UUID, by: Who, now: datetime) -> PaymentMethod:
    """Take a card away; the next in the order becomes the default if it was. The gateway is told by a job.

    Raises MethodGone.
    """
    with atomic():
        cards = _in_order(account_id)
        method = _one_of(cards, method_id)
        was_default, before = method.is_default, _facts(method)
        method.is_default, method.removed_at = False, now
        method.save(update_fields=["is_default", "removed_at"])
        left = [one for one in cards if one is not method]
        if was_default and left:
            _write_order(left, next((one for one in left if is_offered(one)), left[0]))
        _told(method, "card_removed", Notice.CARD_REMOVED, by, now, before=before)
        defer(FORGET_JOB, account_id=account_id, method_id=method.id)
    return method


def _in_order(account_id: UUID) -> list[PaymentMethod]:
    Account.objects.select_for_update(no_key=True).get(id=account_id)
    return saved_methods(account_id)


def _one_of(cards: list[PaymentMethod], method_id: UUID) -> PaymentMethod:
    method = next((one for one in cards if one.id == method_id), None)
    if method is None:
        raise MethodGone(f"method {method_id}")
    return method


def _write_order(cards: list[PaymentMethod], default: PaymentMethod | None) -> None:
    """The old default first gives way: there is one at a time."""
    for place, card in enumerate(cards, start=1):
        is_default = card is default
        if (card.rank, card.is_default) == (place, is_default) or is_default:
            continue
        card.rank, card.is_default = place, False
        card.save(update_fields=["rank", "is_default"])
    if default is not None and not (default.is_default and default.rank == cards.index(default) + 1):
        default.rank, default.is_default = cards.index(default) + 1, True
        default.save(update_fields=["rank", "is_default"])


def _facts(method: PaymentMethod) -> Facts:
    return {
        "brand": method.brand,
        "last4": method.last4,
        "expires": f"{method.exp_month:02d}/{method.exp_year}",
        "default": method.is_default,
    }


def _told(
    method: PaymentMethod,
    action: str,
    notice: Notice,
    by: Who,
    now: datetime,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    _record(method, action, by, now, before=before or {}, after=after or {})
    tell_admins(method.account_id, notice, now, {"thing": name_of(method.brand, method.last4)})


def _record(
    method: PaymentMethod, action: str, by: Who, now: datetime, *, before: Facts, after: Facts
) -> None:
    record(
        by,
        action,
        account_id=method.account_id,
        object_kind="payment_method",
        object_id=method.id,
        at=now,
        before=before,
        after=after,
    )
