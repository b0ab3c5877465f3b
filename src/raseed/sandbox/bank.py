"""What the bank does with money: open, charge, confirm, cancel, refund. Pure of HTTP; time is passed in.

Every verb is one transaction that writes the book, the state, the key's answer and the letters together, before
anything is told to anyone. It returns a `Turn`: the answer, and what the weather does to it on its way out.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from raseed.sandbox import afterwards, letters, weather, wire
from raseed.sandbox.cards import PROFILES, TypedCard
from raseed.sandbox.faults import FORCED_DECLINE, TRANSPORT, Behaviour, Stage, Transport
from raseed.sandbox.rows import KeyRecord, Payment, Refund, SavedCard
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store

_SERVER_ERROR = json.dumps(
    {"error": {"type": "server_error", "message": "Something went wrong at the bank."}}
)
_TOO_MANY = json.dumps({"error": {"type": "too_many_requests", "message": "Ask again later."}})


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, a JSON body and further headers."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


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
            replayed = self.replay(key, fingerprint, now)
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
            if behaviour is Behaviour.G11:
                return Turn(None, self._busy())
            if behaviour is Behaviour.G9:
                return self._create_late(payment, verdict, fingerprint, now)
            self.store.add_payment(payment)
            events: tuple[str, ...] = ()
            if verdict.final and behaviour is Behaviour.G10:
                self.store.strike(payment, behaviour)
            elif verdict.final:
                payment, events = self._settle(payment, verdict.decline, behaviour, now)
            answer = self._answer(payment, behaviour)
            known_since = now
            if behaviour is Behaviour.G12:
                known_since += self.settings.key_horizon_short_s - self.settings.key_horizon_s
            self.store.put_key(KeyRecord(key, fingerprint, answer.status, answer.body, known_since))
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

    def refund(self, order: wire.RefundOrder, key: str, fingerprint: str, now: float) -> Turn:
        """Give back part or all of a captured payment. Raises wire.ApiError."""
        with self.store.transaction():
            replayed = self.replay(key, fingerprint, now)
            if replayed is not None:
                return Turn(None, replayed)
            payment = afterwards.refundable(self.store, order)
            behaviour = self._choose(Stage.REFUND, payment.reference)
            if behaviour is Behaviour.G8:
                return Turn(payment, Answer(500, _SERVER_ERROR), Transport.RESET)
            if behaviour is Behaviour.G11:
                return Turn(payment, self._busy())
            refund = afterwards.open_refund(self.store, self.settings, order, payment, behaviour, now)
            answer = Answer(200, json.dumps(wire.refund_json(refund, payment)))
            self.store.put_key(KeyRecord(key, fingerprint, answer.status, answer.body, now))
            return Turn(payment, answer, TRANSPORT[behaviour])

    def refund_now(self, refund: Refund) -> str:
        """A refund as JSON text."""
        return json.dumps(wire.refund_json(refund, self._payment(refund.payment)))

    def disputes_now(self, payment: Payment) -> str:
        """The disputes of a payment that have opened, as JSON text."""
        return json.dumps(
            {"disputes": [wire.dispute_json(one, payment) for one in self.store.disputes_of(payment.ref)]}
        )

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
        """The customer answered 3-D Secure: `decline` is "" for completed, else why it failed.

        With G10 the answer counts although the merchant has canceled meanwhile: the card's bank was quicker.
        """
        with self.store.transaction():
            payment = self._again(payment)
            waits = payment.state == "requires_action" and payment.step == "three_ds"
            if not waits and not self.charges_late(payment):
                return self.look(payment)
            return self._charge(payment, decline, {}, now)

    def charges_late(self, payment: Payment) -> bool:
        """Whether completing 3-D Secure still charges this canceled payment."""
        return payment.state == "canceled" and self.store.struck(payment) == Behaviour.G10

    def look(self, payment: Payment) -> Turn:
        """Do nothing: the payment as it stands."""
        return Turn(payment, Answer(200, self.render(payment)))

    # -- the clock

    def tick(self, now: float) -> tuple[str, ...]:
        """Do what has become due: late charges, refunds, disputes. Returns the events announced."""
        late, refunds = self.store.payments_due(now), self.store.refunds_due(now)
        disputes = self.store.disputes_due(now)
        if not late and not refunds and not disputes:
            return ()
        events: tuple[str, ...] = ()
        with self.store.transaction():
            for payment in late:
                events += self._finish_late(payment, now)
            for refund in refunds:
                events += afterwards.finish_refund(self.store, self.settings, refund, now)
            for dispute in disputes:
                events += afterwards.go_on_with(self.store, self.settings, dispute, now)
        return events

    def hasten_disputes(self, payment: Payment, now: float) -> tuple[str, ...]:
        """The next step of each dispute of the payment now, whenever it was due. Returns the events announced."""
        events: tuple[str, ...] = ()
        with self.store.transaction():
            for dispute in self.store.disputes_ahead(payment.ref):
                events += afterwards.go_on_with(self.store, self.settings, dispute, now)
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
        if behaviour is Behaviour.G14:
            return Answer(200, json.dumps(self._swapped(wire.payment_json(payment, self._page(payment)))))
        return Answer(402 if payment.state == "failed" else 200, self.render(payment))

    def _busy(self) -> Answer:
        return Answer(429, _TOO_MANY, {"Retry-After": str(self.settings.busy_s)})

    def _swapped(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The answer of G14: all true but the id, which is that of another customer's payment, if there is one."""
        other = self.store.paid_by_another(shown["customer"])
        return shown if other is None else {**shown, "id": other.ref}

    # -- inside the transaction

    def _again(self, payment: Payment) -> Payment:
        return self._payment(payment.ref)

    def _payment(self, ref: str) -> Payment:
        payment = self.store.payment(ref)
        if payment is None:
            raise LookupError(ref)
        return payment

    def replay(self, key: str, fingerprint: str, now: float) -> Answer | None:
        """The answer that this key has had already; None for a new key. Raises wire.ApiError for another body."""
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
        return weather.choose(self.store, self.settings, stage, reference)

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
        if behaviour is Behaviour.G11:
            return Turn(payment, self._busy())
        if known:
            payment = self.store.change_payment(payment, **known)
        if behaviour is Behaviour.G10 and not decline:
            self.store.strike(payment, behaviour)
            if payment.step == "card":
                return self.look(self.store.change_payment(payment, step="three_ds"))
        if behaviour is Behaviour.G9:
            late = {"state": "processing", "step": "", "decline_code": decline, "hidden": True}
            payment = self.store.change_payment(payment, due_at=now + self.settings.late_s, **late)
            return Turn(payment, Answer(500, _SERVER_ERROR), Transport.RESET)
        payment, events = self._settle(payment, decline, behaviour, now)
        return Turn(payment, self._answer(payment, behaviour), TRANSPORT[behaviour], events)

    def _settle(
        self, payment: Payment, decline: str, behaviour: Behaviour, now: float
    ) -> tuple[Payment, tuple[str, ...]]:
        """The one place where a charge or a decline is written."""
        decline = FORCED_DECLINE.get(behaviour, decline)
        shown: dict[str, Any] = {"step": "", "hidden": False, "due_at": None}
        if decline:
            payment = self.store.change_payment(payment, state="failed", decline_code=decline, **shown)
            self.store.write_book("decline", payment, payment.amount, detail=decline, at=now)
            return payment, self._announce("payment.failed", wire.payment_json(payment, None), now)
        if payment.save_card:
            shown["card_ref"] = self._keep_card(payment)
        captured, currency = wire.captured(payment, behaviour)
        payment = self.store.change_payment(
            payment,
            state="succeeded",
            decline_code="",
            captured_amount=captured,
            captured_currency=currency,
            **shown,
        )
        if behaviour is Behaviour.G12:
            self.store.strike(payment, behaviour)
        if behaviour is Behaviour.G15:
            self.store.strike(payment, behaviour, now + self.settings.list_lag_s)
        self.store.write_book("charge", payment, captured, detail="", at=now)
        afterwards.expect_dispute(self.store, self.settings, payment, behaviour, now)
        told = wire.payment_json(payment, None)
        told = self._swapped(told) if behaviour is Behaviour.G14 else told
        return payment, self._announce("payment.succeeded", told, now)

    def _keep_card(self, payment: Payment) -> str:
        ref = token("card")
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
            payment, events = self._settle(payment, payment.decline_code, Behaviour.G9, now)
        else:
            payment = self.store.change_payment(payment, hidden=False, due_at=None)
        record = self.store.key(payment.idempotency_key)
        if record is not None and record.status is None:
            answer = self._answer(payment, Behaviour.G1)
            self.store.put_key(KeyRecord(record.key, record.fingerprint, answer.status, answer.body, now))
        return events

    def _announce(self, kind: str, thing: Mapping[str, Any], now: float) -> tuple[str, ...]:
        return letters.announce(self.store, self.settings, kind, thing, now)


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
        ref=token("pay"),
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


def token(prefix: str) -> str:
    """A reference that nobody can guess, beginning with what it names."""
    # 128 random bits: the address of a card page is all that protects it.
    return f"{prefix}_{secrets.token_urlsafe(16)}"
