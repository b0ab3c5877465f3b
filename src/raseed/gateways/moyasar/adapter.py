"""The port over Moyasar.

A card that the customer types is an invoice, paid on Moyasar's own page; a saved card (a token) is a payment. A payment's
reference is `invoice_…` or `payment_…` with Moyasar's id, whichever `charge` made; payments under an invoice are followed to it.

How often is once: a payment is made under `given_id`, our id, which Moyasar takes once and, so far as is published, for ever. A
second one is refused, not answered again: then the first is looked up. Invoices have no such key. One is looked for by our
id in its metadata before it is made; should two be made all the same, only the later one's address was ever shown.

Refunds have neither key nor id. Each is noted in the payment's metadata, with what was refunded before and would be after, then
ordered; only one at a time. An order that is noted and not seen is never sent again: it is Unknown, and a person must look.

What cannot be known here: a dispute (there is no such API), when a typed card expires, the single refunds of several between two looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from raseed.gateways.moyasar.answers import (
    PAYMENT_ID,
    SAVE_CARD,
    captured_of,
    invoice_outcome,
    marks_of,
    movements_of,
    our_id,
    payment_outcome,
    refund_mark,
    saved_card,
    text,
    uuid,
    whole,
)
from raseed.gateways.moyasar.letters import read_letter
from raseed.gateways.moyasar.line import Answer, Fault, Line
from raseed.gateways.port import (
    Busy,
    CardSetup,
    Charge,
    Dispute,
    GatewayBusy,
    GatewayUnavailable,
    Movement,
    NotFound,
    Outcome,
    Page,
    Refunded,
    RefundOrder,
    RefundOutcome,
    RefundPending,
    Refused,
    SetupOutcome,
    Succeeded,
    Unknown,
    WebhookEvent,
)
from raseed.money import CURRENCIES

NAME: Final = "moyasar"
_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError)
_BEGINNING: Final = datetime(2015, 1, 1, tzinfo=UTC)
_PAGES_MAX: Final = 500
_NOT_FOUND: Final = 404
# Refusals of who asks, not of what is asked: nothing is held under this id because of them.
_NOT_LET_IN: Final = frozenset({401, 403, 405})


class MoyasarGateway:
    """Safe to use from many threads. Times are in seconds.

    `webhook_secrets` holds the one in use and, while it is being changed, the one before. `api_base` is for tests: "" is
    Moyasar itself. `may_leave` is asked before each request; where it says no, nothing is sent and the answer is Busy.
    """

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secrets: Sequence[str],
        timeout_s: float,
        api_base: str = "",
        may_leave: Callable[[], bool] = lambda: True,
    ) -> None:
        """Raises ValueError for an empty secret: with one, everybody could write letters."""
        if not secret_key.strip():
            raise ValueError("MOYASAR_SECRET_KEY is empty")
        if not webhook_secrets or not all(secret.strip() for secret in webhook_secrets):
            raise ValueError("MOYASAR_WEBHOOK_SECRET is empty")
        self._webhook_secrets = tuple(secret.encode() for secret in webhook_secrets)
        self._line = Line(secret_key=secret_key, api_base=api_base, timeout_s=timeout_s, may_leave=may_leave)

    @property
    def name(self) -> str:
        """The key under which references of this gateway are unique."""
        return NAME

    @property
    def keeps_cards(self) -> bool:
        """Whether it can keep a card without a charge: only its own form within a merchant's page can, which we do not show."""
        return False

    def set_up_card(self, setup: CardSetup) -> SetupOutcome:
        """Refused: see `keeps_cards`."""
        return Refused(f"no page of Moyasar's keeps a card without a charge: setup {setup.setup_id}")

    def fetch_setup(self, gateway_ref: str) -> SetupOutcome:  # noqa: ARG002 - there is none to be asked about
        """There is none."""
        return NotFound()

    def close(self) -> None:
        """Close the client's connections."""
        self._line.close()

    # -- charges

    def charge(self, charge: Charge) -> Outcome:
        """Ask for money once. A timeout here is the one that must be asked about."""
        currency = CURRENCIES.get(charge.currency)
        if currency is None or charge.amount_minor % currency.gateway_step:
            # Moyasar does not say what it does with the third decimal; the card schemes know only steps of ten.
            return Refused(f"{charge.amount_minor} {charge.currency} is no amount that a card can be charged")
        return self._open_invoice(charge) if charge.saved_reference is None else self._charge_token(charge)

    def fetch(self, gateway_ref: str) -> Outcome:
        """The payment's state now, by our reference of its invoice or payment."""
        kind, ref = _parts(gateway_ref)
        if kind == "invoice":
            return self._of_invoice(self._line.ask("GET", f"invoices/{ref}"))
        if kind == "payment":
            return _read(self._line.ask("GET", f"payments/{ref}"), self._payment_read)
        return NotFound()

    def find_by_reference(self, payment_id: UUID) -> Outcome:
        """The payment's state now, by our id: the payment that bears it, else the invoice that has it in its metadata."""
        found = _read(self._line.ask("GET", f"payments/{payment_id}"), payment_outcome)
        return self._find_invoice(payment_id) if isinstance(found, NotFound) else found

    def cancel(self, gateway_ref: str) -> Outcome:
        """Cancel an invoice, and look. A payment at its 3-D Secure page cannot be canceled: Moyasar fails it after 15 minutes.

        A payment is never voided here: that would give money back that we may have credited.
        """
        kind, ref = _parts(gateway_ref)
        if kind == "invoice":
            answer = self._line.ask("PUT", f"invoices/{ref}/cancel")
            if isinstance(answer, Unknown | Busy):
                return answer
        return self.fetch(gateway_ref)

    def card_form(self, gateway_ref: str) -> None:
        """It has no form for a page of ours."""

    def forget_card(self, reference: str) -> None:
        """Delete a token; raises GatewayUnavailable."""
        answer = self._line.ask("DELETE", f"tokens/{quote(reference, safe='')}")
        if not (isinstance(answer, Fault) and answer.status == _NOT_FOUND):
            _answered(answer)

    # -- money that leaves again

    def refund(self, order: RefundOrder) -> RefundOutcome:
        """Note the refund in the payment's metadata, then order it. What is noted already is looked at and not ordered again."""
        payment = self._captured(order.gateway_ref)
        if isinstance(payment, Fault):
            return NotFound() if payment.status == _NOT_FOUND else Refused(payment.told)
        if not isinstance(payment, dict):
            return payment
        try:
            standing = self._standing(order, payment)
            return self._order_refund(order, payment) if standing is None else standing
        except _UNREADABLE as error:
            return Unknown(f"a payment that cannot be read: {error!r}"[:300])

    def fetch_refund(self, part_ref: str) -> RefundOutcome:
        """Whether the payment is refunded up to where this refund took it."""
        match = re.fullmatch(r"([0-9a-f-]{36}):([0-9]{1,18})", part_ref)
        if match is None:
            return NotFound()
        answer = self._line.ask("GET", f"payments/{match[1]}")
        if not isinstance(answer, dict):
            return _silence(answer)
        is_done = int(answer.get("refunded") or 0) >= int(match[2])
        return Refunded(part_ref) if is_done else RefundPending(part_ref)

    def find_refund(self, gateway_ref: str, refund_id: UUID) -> RefundOutcome:
        """The refund of this payment that was noted under our id; NotFound if none was, and then none was ordered."""
        payment = self._captured(gateway_ref)
        if not isinstance(payment, dict):
            return _silence(payment)
        try:
            noted = marks_of(payment).get(refund_mark(refund_id))
            part = f"{uuid(payment['id'])}:{noted[1] if noted else 0}"
        except _UNREADABLE as error:
            return Unknown(f"a payment that cannot be read: {error!r}"[:300])
        return self.fetch_refund(part) if noted else NotFound()

    def disputes_of(self, gateway_ref: str) -> tuple[Dispute, ...]:  # noqa: ARG002 - the port's
        """None, ever: Moyasar tells of disputes by mail only, and they are recorded by hand."""
        return ()

    # -- the list

    def list_since(self, cursor: str, limit: int) -> Page:
        """The payments and refunds after `cursor`, oldest first; raises GatewayUnavailable.

        Moyasar lists newest first. Read are all payments that changed since the cursor's time, put in the order of when a
        payment was made or last refunded: such a line never moves. A payment is listed once it has ended, within 15 minutes
        of its beginning (Moyasar's limit for 3-D Secure), which the walk's second reading covers, to the minute.
        """
        since = _since(cursor)
        lines: list[Movement] = []
        for number in range(1, _PAGES_MAX + 1):
            # Of whole seconds, whatever the filter makes of parts of one: what is too much is dropped below.
            query = {"page": str(number), "updated[gt]": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
            answer = _answered(self._line.ask("GET", "payments", query=query))
            try:
                for payment in answer["payments"]:
                    lines += movements_of(payment, self._our_id(payment))
                if answer["meta"]["next_page"] is None:
                    break
            except _UNREADABLE as error:
                raise GatewayUnavailable(f"the list cannot be read: {error!r}"[:300]) from error
        else:
            raise GatewayUnavailable(f"more than {_PAGES_MAX} pages of the list")
        # A page that grew while it was read shows a line twice.
        later = {line.cursor: line for line in lines if line.cursor > cursor}
        page = tuple(later[one] for one in sorted(later))[:limit]
        return Page(page, next_cursor=page[-1].cursor if page else cursor, more=len(later) > len(page))

    def parse_webhook(
        self,
        raw: bytes,
        headers: Mapping[str, str],  # noqa: ARG002 - the port's
        now: datetime,
    ) -> WebhookEvent:
        """Compare the secret in the letter, then read; raises ForgedWebhook. There is no signature."""
        return read_letter(raw, now, self._webhook_secrets)

    # -- how it is done

    def _open_invoice(self, charge: Charge) -> Outcome:
        found = self._invoice_with(charge.payment_id)
        if isinstance(found, dict):
            return self._same(found, charge, self._invoice_read)
        if not isinstance(found, NotFound):
            return found
        metadata = {PAYMENT_ID: str(charge.payment_id)}
        if charge.save_card:
            metadata[SAVE_CARD] = "yes"
        body = {
            "amount": charge.amount_minor,
            "currency": charge.currency,
            "description": charge.description,
            "success_url": charge.return_url,
            "back_url": charge.return_url,
            "metadata": metadata,
        }
        answer = self._line.ask("POST", "invoices", body=body)
        return Refused(answer.told) if isinstance(answer, Fault) else self._of_invoice(answer)

    def _charge_token(self, charge: Charge) -> Outcome:
        body = {
            "given_id": str(charge.payment_id),
            "amount": charge.amount_minor,
            "currency": charge.currency,
            "description": charge.description,
            "callback_url": charge.return_url,
            "metadata": {PAYMENT_ID: str(charge.payment_id)},
            "source": {
                "type": "token",
                "token": charge.saved_reference,
                "3ds": not charge.unattended,
                "manual": False,
            },
        }
        answer = self._line.ask("POST", "payments", body=body)
        if isinstance(answer, Fault):
            if answer.status in _NOT_LET_IN:
                return Refused(answer.told)
            # It may be refused because the id is taken already: what is there tells, whatever the words of the refusal are.
            held = self._line.ask("GET", f"payments/{charge.payment_id}")
            if isinstance(held, Fault) and held.status == _NOT_FOUND:
                return Refused(answer.told)
            answer = held
        if isinstance(answer, dict):
            return self._same(answer, charge, self._payment_read)
        return answer if isinstance(answer, Unknown | Busy) else Unknown(answer.told)

    def _same(
        self, held: Mapping[str, Any], charge: Charge, read: Callable[[Mapping[str, Any]], Outcome]
    ) -> Outcome:
        """What is held under our id, if it is what we ask for."""
        asked = (charge.amount_minor, charge.currency)
        if (held.get("amount"), str(held.get("currency")).upper()) != asked:
            return Unknown(f"{charge.payment_id} is held for another amount: {held.get('amount')}")
        return _read(dict(held), read)

    def _find_invoice(self, payment_id: UUID) -> Outcome:
        found = self._invoice_with(payment_id)
        return self._of_invoice(found) if isinstance(found, dict) else found

    def _invoice_with(self, payment_id: UUID) -> dict[str, Any] | NotFound | Unknown | Busy:
        """The invoice that has our id, as it stands; of several, one that was paid, else the latest."""
        answer = self._line.ask("GET", "invoices", query={f"metadata[{PAYMENT_ID}]": str(payment_id)})
        if not isinstance(answer, dict):
            return answer if isinstance(answer, Unknown | Busy) else Unknown(answer.told)
        try:
            ours = [one for one in answer["invoices"] if our_id(one) == payment_id]
            ours.sort(key=lambda one: one["status"] not in {"paid", "refunded"})
            if not ours:
                return NotFound()
            whole_one = self._line.ask("GET", f"invoices/{uuid(ours[0]['id'])}")
        except _UNREADABLE as error:
            return Unknown(f"a list of invoices that cannot be read: {error!r}"[:300])
        return whole_one if isinstance(whole_one, dict | Unknown | Busy) else Unknown(whole_one.told)

    def _of_invoice(self, answer: Answer) -> Outcome:
        return _read(answer, self._invoice_read)

    def _invoice_read(self, invoice: Mapping[str, Any]) -> Outcome:
        """The outcome, with the card that was kept if the customer wanted that and Moyasar's page did it."""
        outcome = invoice_outcome(invoice)
        if not isinstance(outcome, Succeeded) or SAVE_CARD not in (invoice.get("metadata") or {}):
            return outcome
        token = captured_of(invoice)[0]["source"].get("token")
        told = self._line.ask("GET", f"tokens/{quote(str(token), safe='')}") if token else None
        # That nothing is heard of the card does not hold up the money.
        saved = saved_card(told) if isinstance(told, dict) else None
        return replace(outcome, saved=saved, card=saved.card if saved else outcome.card)

    def _payment_read(self, payment: Mapping[str, Any]) -> Outcome:
        """The outcome of a payment, under its invoice's reference if it has one."""
        invoice = payment.get("invoice_id")
        return self.fetch(f"invoice_{uuid(invoice)}") if invoice else payment_outcome(payment)

    def _captured(self, gateway_ref: str) -> Answer:
        """The captured payment behind a reference; a Fault 404 where there is none."""
        kind, ref = _parts(gateway_ref)
        if kind == "invoice":
            invoice = self._line.ask("GET", f"invoices/{ref}")
            if not isinstance(invoice, dict):
                return invoice
            try:
                ids = [uuid(one["id"]) for one in captured_of(invoice)]
            except _UNREADABLE as error:
                return Unknown(f"an invoice that cannot be read: {error!r}"[:300])
            if len(ids) != 1:
                return Fault(_NOT_FOUND, "nothing was captured, or more than once")
            ref = ids[0]
        answer = (
            self._line.ask("GET", f"payments/{ref}") if ref else Fault(_NOT_FOUND, "no reference of ours")
        )
        if isinstance(answer, dict) and answer.get("status") not in {"paid", "captured", "refunded"}:
            return Fault(_NOT_FOUND, "nothing was captured")
        return answer

    def _standing(self, order: RefundOrder, payment: Mapping[str, Any]) -> RefundOutcome | None:
        """What the payment says of this order without it being sent; None if it may be sent."""
        marks, refunded, ref = marks_of(payment), int(payment["refunded"]), uuid(payment["id"])
        mark = refund_mark(order.refund_id)
        if mark in marks:
            before, after = marks[mark]
            if after - before != order.amount_minor:
                return Unknown(f"{mark} is noted for {after - before}")
            was_seen = refunded >= after
            return Refunded(f"{ref}:{after}") if was_seen else Unknown(f"{mark} was ordered and is not seen")
        if any(after > refunded for _, after in marks.values()):
            return Unknown("another refund of this payment was ordered and is not seen")
        left, currency = whole(payment["amount"]) - refunded, text(payment["currency"]).upper()
        if currency != order.currency or order.amount_minor > left:
            return Refused(f"{left} {currency} of {ref} can be refunded")
        return None

    def _order_refund(self, order: RefundOrder, payment: Mapping[str, Any]) -> RefundOutcome:
        ref, refunded, mark = uuid(payment["id"]), int(payment["refunded"]), refund_mark(order.refund_id)
        after = refunded + order.amount_minor
        metadata = (payment.get("metadata") or {}) | {mark: f"{refunded}:{after}"}
        noted = self._line.ask("PUT", f"payments/{ref}", body={"metadata": metadata})
        if not isinstance(noted, dict):
            return Refused(noted.told) if isinstance(noted, Fault) else noted
        answer = self._line.ask("POST", f"payments/{ref}/refund", body={"amount": order.amount_minor})
        if isinstance(answer, Fault | Busy):
            # Nothing was refunded: the note goes, or it would stand in the way of every later refund.
            without = self._line.ask("PUT", f"payments/{ref}", body={"metadata": metadata | {mark: ""}})
            if not isinstance(without, dict):
                return Unknown(f"{mark} was not taken, and is noted still")
            return Refused(answer.told) if isinstance(answer, Fault) else answer
        if not isinstance(answer, dict):
            return answer
        total = answer.get("refunded")
        return Refunded(f"{ref}:{after}") if total == after else Unknown(f"{mark}: {total} is refunded")

    def _our_id(self, payment: Mapping[str, Any]) -> UUID | None:
        """Our id of a payment, from its own metadata or its invoice's. Raises GatewayUnavailable."""
        ours, invoice = our_id(payment), payment.get("invoice_id")
        if ours is not None or not invoice:
            return ours
        return our_id(_answered(self._line.ask("GET", f"invoices/{uuid(invoice)}")))


def _parts(gateway_ref: str) -> tuple[str, str]:
    """Kind and id of a reference of ours; two empty texts for what is none."""
    match = re.fullmatch(
        r"(invoice|payment)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", gateway_ref, re.ASCII
    )
    return (match[1], match[2]) if match else ("", "")


def _read(answer: Answer, read: Callable[[Mapping[str, Any]], Outcome]) -> Outcome:
    """The outcome of a look-up; what cannot be read is Unknown."""
    if isinstance(answer, Fault):
        return NotFound() if answer.status == _NOT_FOUND else Unknown(answer.told)
    if not isinstance(answer, dict):
        return answer
    try:
        return read(answer)
    except _UNREADABLE as error:
        return Unknown(f"an answer that cannot be read: {error!r}"[:300])


def _silence(answer: Fault | Unknown | Busy) -> NotFound | Unknown | Busy:
    if isinstance(answer, Fault):
        return NotFound() if answer.status == _NOT_FOUND else Unknown(answer.told)
    return answer


def _answered(answer: Answer) -> dict[str, Any]:
    """The answer to a verb that moves no money; raises GatewayUnavailable for none, GatewayBusy for "later"."""
    if isinstance(answer, Busy):
        raise GatewayBusy("asked too often")
    if not isinstance(answer, dict):
        raise GatewayUnavailable(answer.told if isinstance(answer, Fault) else answer.reason)
    return answer


def _since(cursor: str) -> datetime:
    """The whole second in which a line was."""
    try:
        at = datetime.fromisoformat(cursor.split(" ", 1)[0]) if cursor else _BEGINNING
    except ValueError as error:
        raise GatewayUnavailable(f"no cursor of ours: {cursor!r}") from error
    return at.astimezone(UTC).replace(microsecond=0)
