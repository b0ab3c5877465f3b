"""What the bank does with money: open, charge, confirm, cancel, refund. Pure of HTTP; time is passed in.

Every verb is one transaction that writes the book, the state, the key's answer and the letters together, before
anything is told to anyone. It returns a `Turn`: the answer, and what the weather does to it on its way out.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from raseed.sandbox import wire
from raseed.sandbox.cards import PROFILES, TypedCard
from raseed.sandbox.faults import (
    FORCED_DECLINE,
    TRANSPORT,
    Behaviour,
    Stage,
    Transport,
    drawn,
    percent_hit,
)
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import KeyRecord, Letter, Payment, Refund, SavedCard, Store

_SERVER_ERROR = json.dumps(
    {"error": {"type": "server_error", "message": "Something went wrong at the bank."}}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and a JSON body."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What a verb did: the payment as it stands (None where nothing was done), the answer, and its fate."""

    payment: Payment | None
    answer: Answer
    transport: Transport = Transport.ANSWER
    events: tuple[str, ...] = field(default=())


class Bank:
    """The rules. One instance, one thread."""

    def __init__(self, store: Store, settings: SandboxSettings, public_url: str) -> None:
        """`public_url` is the origin that customers reach the pages at."""
        self.store = store
        self.settings = settings
        self.public_url = public_url

    # -- verbs of the merchant

    def create(self, order: wire.Order, key: str, fingerprint: str, now: float) -> Turn:
        """Open a payment, and charge it at once where a saved card is named. Raises wire.ApiError."""
        with self.store.transaction():
            replayed = self._replay(key, fingerprint, now)
            if replayed is not None:
                return Turn(None, replayed)
            if self.settings.unique_references and self.store.reference_taken(order.reference):
                raise wire.ApiError(
                    422, "reference_in_use", "another payment bears this reference", "reference"
                )
            card = self._card_of(order)
            payment = _new_payment(order, key, now, card)
            verdict = _Verdict.of_saved(card, order)
            stage = Stage.CHARGE if verdict.final else Stage.OPEN
            behaviour = self._choose(stage, order.reference)
            if behaviour is Behaviour.G8:
                return Turn(None, Answer(500, _SERVER_ERROR), Transport.RESET)
            if behaviour is Behaviour.G9:
                return self._create_late(payment, verdict, fingerprint, now)
            self.store.add_payment(payment)
            events: tuple[str, ...] = ()
            if verdict.final:
                payment, events = self._settle(payment, FORCED_DECLINE.get(behaviour, verdict.decline), now)
            answer = self._answer(payment, behaviour)
            self.store.put_key(KeyRecord(key, fingerprint, answer.status, answer.body, now))
            return Turn(payment, answer, TRANSPORT[behaviour], events)

    def cancel(self, payment: Payment, now: float) -> Turn:
        """Never charge it, unless it is charged or declined already; the answer is the true state either way."""
        with self.store.transaction():
            events: tuple[str, ...] = ()
            payment = self._again(payment)
            if payment.state == "requires_action":
                payment = self.store.change_payment(
                    payment, state="canceled", step="", hidden=False, due_at=None
                )
                self.store.write_book("cancel", payment, payment.amount, detail="", at=now)
                events = self._announce(
                    "payment.canceled", wire.payment_json(payment, self._page(payment)), now
                )
            return Turn(payment, Answer(200, self.render(payment)), Transport.ANSWER, events)

    def refund(self, order: wire.RefundOrder, key: str, fingerprint: str, now: float) -> Answer:
        """Give back part or all of a captured payment. Raises wire.ApiError."""
        with self.store.transaction():
            replayed = self._replay(key, fingerprint, now)
            if replayed is not None:
                return replayed
            payment = self.store.payment(order.payment)
            if payment is None:
                raise wire.ApiError(404, "not_found", "no such payment", "payment")
            if payment.state != "succeeded" or payment.captured_amount is None:
                raise wire.ApiError(
                    422, "not_captured", "only a succeeded payment can be refunded", "payment"
                )
            left = payment.captured_amount - self.store.refunded(payment.ref)
            if order.amount > left:
                raise wire.ApiError(422, "over_refund", f"only {left} can still be refunded", "amount")
            refund = Refund(
                ref=_token("re"),
                payment=payment.ref,
                amount=order.amount,
                currency=payment.captured_currency or payment.currency,
                state="pending",
                due_at=now + self.settings.refund_s,
                created_at=now,
            )
            self.store.add_refund(refund)
            answer = Answer(200, json.dumps(wire.refund_json(refund, payment)))
            self.store.put_key(KeyRecord(key, fingerprint, answer.status, answer.body, now))
            return answer

    def forget_card(self, ref: str) -> bool:
        """Delete a saved card; says whether there was one."""
        with self.store.transaction():
            return self.store.forget_card(ref)

    # -- verbs of the customer

    def confirm(self, payment: Payment, card: TypedCard, now: float) -> Turn:
        """The customer typed a card and pressed Pay."""
        with self.store.transaction():
            payment = self._again(payment)
            if payment.state != "requires_action" or payment.step != "card":
                return self.look(payment)
            profile = PROFILES[card.profile]
            known = {
                "profile": card.profile,
                "brand": card.brand,
                "last4": card.last4,
                "exp_month": card.exp_month,
                "exp_year": card.exp_year,
                "fingerprint": card.fingerprint,
            }
            if profile.three_ds_first:
                payment = self.store.change_payment(payment, step="three_ds", **known)
                return self.look(payment)
            return self._charge(payment, profile.first, known, now)

    def authenticate(self, payment: Payment, decline: str, now: float) -> Turn:
        """The customer answered 3-D Secure: `decline` is "" for completed, else why it failed."""
        with self.store.transaction():
            payment = self._again(payment)
            if payment.state != "requires_action" or payment.step != "three_ds":
                return self.look(payment)
            return self._charge(payment, decline, {}, now)

    def look(self, payment: Payment) -> Turn:
        """Do nothing: the payment as it stands."""
        return Turn(payment, Answer(200, self.render(payment)))

    # -- the clock

    def tick(self, now: float) -> tuple[str, ...]:
        """Do what has become due: late charges, refunds, forgetting keys. Returns the events announced."""
        late, refunds = self.store.payments_due(now), self.store.refunds_due(now)
        if not late and not refunds:
            return ()
        events: tuple[str, ...] = ()
        with self.store.transaction():
            for payment in late:
                events += self._finish_late(payment, now)
            for refund in refunds:
                events += self._finish_refund(refund, now)
        return events

    def prune(self, now: float) -> None:
        """Forget idempotency keys older than the horizon."""
        with self.store.transaction():
            self.store.prune_keys(now - self.settings.key_horizon_s)

    # -- how it looks from outside

    def render(self, payment: Payment) -> str:
        """The payment as JSON text."""
        return json.dumps(wire.payment_json(payment, self._page(payment)))

    def _page(self, payment: Payment) -> str | None:
        if payment.state != "requires_action":
            return None
        return f"{self.public_url}/{'pay' if payment.step == 'card' else '3ds'}/{payment.ref}"

    def _answer(self, payment: Payment, behaviour: Behaviour) -> Answer:
        if behaviour is Behaviour.G7:
            return Answer(500, _SERVER_ERROR)
        return Answer(402 if payment.state == "failed" else 200, self.render(payment))

    # -- inside the transaction

    def _again(self, payment: Payment) -> Payment:
        again = self.store.payment(payment.ref)
        if again is None:
            raise LookupError(payment.ref)
        return again

    def _replay(self, key: str, fingerprint: str, now: float) -> Answer | None:
        record = self.store.key(key)
        if record is None or (record.status is not None and record.at < now - self.settings.key_horizon_s):
            return None
        if record.fingerprint != fingerprint:
            raise wire.ApiError(422, "key_reused", "this Idempotency-Key was used with another body", None)
        if record.status is None:
            raise wire.ApiError(
                409, "key_in_progress", "the first request with this key is still running", None
            )
        return Answer(record.status, record.body)

    def _card_of(self, order: wire.Order) -> SavedCard | None:
        if order.saved_reference is None:
            return None
        card = self.store.card(order.saved_reference)
        # A card of another customer is as unknown as one that never was.
        if card is None or card.customer != order.customer:
            raise wire.ApiError(404, "no_such_card", "no such saved card", "saved_reference")
        return card

    def _choose(self, stage: Stage, reference: str) -> Behaviour:
        """By reference, else the next one ordered, else by seed; a fault strikes once per reference and stage."""
        if self.store.has_fired(reference, stage):
            return Behaviour.G1
        chosen = self.store.control(f"{stage}:reference:{reference}")
        if chosen is None:
            queue: list[str] = self.store.control(f"{stage}:next") or []
            if queue:
                chosen = queue[0]
                self.store.set_control(f"{stage}:next", queue[1:] or None)
        if chosen is None:
            configured = self.settings.mix if stage is Stage.CHARGE else self.settings.mix_open
            ordered = self.store.control(f"{stage}:mix")
            mix = (
                configured
                if ordered is None
                else {Behaviour(name): weight for name, weight in ordered.items()}
            )
            chosen = drawn(self.settings.seed, stage, reference, mix)
        self.store.mark_fired(reference, stage)
        return Behaviour(chosen)

    def _create_late(self, payment: Payment, verdict: _Verdict, fingerprint: str, now: float) -> Turn:
        late = self.settings.late_s + now
        self.store.add_payment(payment)
        state = "processing" if verdict.final else payment.state
        payment = self.store.change_payment(
            payment, state=state, decline_code=verdict.decline, hidden=True, due_at=late
        )
        self.store.put_key(KeyRecord(payment.idempotency_key, fingerprint, None, "", now))
        return Turn(payment, Answer(500, _SERVER_ERROR), Transport.RESET)

    def _charge(self, payment: Payment, decline: str, known: Mapping[str, Any], now: float) -> Turn:
        behaviour = self._choose(Stage.CHARGE, payment.reference)
        if behaviour is Behaviour.G8:
            return Turn(payment, Answer(500, _SERVER_ERROR), Transport.RESET)
        if known:
            payment = self.store.change_payment(payment, **known)
        if behaviour is Behaviour.G9:
            late = {"state": "processing", "step": "", "decline_code": decline, "hidden": True}
            payment = self.store.change_payment(payment, due_at=now + self.settings.late_s, **late)
            return Turn(payment, Answer(500, _SERVER_ERROR), Transport.RESET)
        payment, events = self._settle(payment, FORCED_DECLINE.get(behaviour, decline), now)
        return Turn(payment, self._answer(payment, behaviour), TRANSPORT[behaviour], events)

    def _settle(self, payment: Payment, decline: str, now: float) -> tuple[Payment, tuple[str, ...]]:
        """The one place where a charge or a decline is written."""
        shown: dict[str, Any] = {"step": "", "hidden": False, "due_at": None}
        if decline:
            payment = self.store.change_payment(payment, state="failed", decline_code=decline, **shown)
            self.store.write_book("decline", payment, payment.amount, detail=decline, at=now)
            kind = "payment.failed"
        else:
            if payment.save_card:
                shown["card_ref"] = self._keep_card(payment)
            payment = self.store.change_payment(
                payment,
                state="succeeded",
                decline_code="",
                captured_amount=payment.amount,
                captured_currency=payment.currency,
                **shown,
            )
            self.store.write_book("charge", payment, payment.amount, detail="", at=now)
            kind = "payment.succeeded"
        return payment, self._announce(kind, wire.payment_json(payment, None), now)

    def _keep_card(self, payment: Payment) -> str:
        ref = _token("card")
        self.store.add_card(
            SavedCard(
                ref=ref,
                customer=payment.customer,
                profile=payment.profile,
                brand=payment.brand,
                last4=payment.last4,
                exp_month=payment.exp_month,
                exp_year=payment.exp_year,
                fingerprint=payment.fingerprint,
            )
        )
        return ref

    def _finish_late(self, payment: Payment, now: float) -> tuple[str, ...]:
        events: tuple[str, ...] = ()
        if payment.state == "processing":
            payment, events = self._settle(payment, payment.decline_code, now)
        else:
            payment = self.store.change_payment(payment, hidden=False, due_at=None)
        record = self.store.key(payment.idempotency_key)
        if record is not None and record.status is None:
            answer = self._answer(payment, Behaviour.G1)
            self.store.put_key(KeyRecord(record.key, record.fingerprint, answer.status, answer.body, now))
        return events

    def _finish_refund(self, refund: Refund, now: float) -> tuple[str, ...]:
        payment = self.store.payment(refund.payment)
        if payment is None:
            raise LookupError(refund.payment)
        self.store.finish_refund(refund.ref)
        self.store.write_book("refund", payment, refund.amount, detail=refund.ref, at=now)
        done = replace(refund, state="succeeded")
        return self._announce("refund.succeeded", wire.refund_json(done, payment), now)

    def _announce(self, kind: str, thing: Mapping[str, Any], now: float) -> tuple[str, ...]:
        ordered = self.store.control("webhook_drop_percent")
        percent = self.settings.webhook_drop_percent if ordered is None else int(ordered)
        if percent_hit(self.settings.seed, f"{kind}:{thing['id']}", percent):
            return ()
        event_id = _token("evt")
        created = datetime.fromtimestamp(now, UTC).isoformat()
        payload = json.dumps(
            {"id": event_id, "type": kind, "created": created, "object": thing}, ensure_ascii=False
        )
        self.store.add_letter(Letter(event_id, payload, 0, now, None))
        return (event_id,)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What becomes of an order with the card it names: `final` False leaves it to the customer."""

    final: bool
    decline: str

    @classmethod
    def of_saved(cls, card: SavedCard | None, order: wire.Order) -> _Verdict:
        if card is None:
            return cls(final=False, decline="")
        profile = PROFILES[card.profile]
        if profile.three_ds_saved:
            return cls(final=False, decline="")
        expiry = (card.exp_year, card.exp_month)
        return cls(final=True, decline="expired_card" if expiry < order.month else profile.saved)


def _new_payment(order: wire.Order, key: str, now: float, card: SavedCard | None) -> Payment:
    payment = Payment(
        ref=_token("pay"),
        reference=order.reference,
        customer=order.customer,
        amount=order.amount,
        currency=order.currency,
        description=order.description,
        return_url=order.return_url,
        language=order.language,
        save_card=order.save_card,
        unattended=order.unattended,
        idempotency_key=key,
        created_at=now,
        state="requires_action",
        step="card" if card is None else "three_ds",
    )
    if card is None:
        return payment
    return replace(
        payment,
        profile=card.profile,
        brand=card.brand,
        last4=card.last4,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        fingerprint=card.fingerprint,
        card_ref=card.ref,
    )


def _token(prefix: str) -> str:
    # 128 random bits: the address of a card page is all that protects it.
    return f"{prefix}_{secrets.token_urlsafe(16)}"
