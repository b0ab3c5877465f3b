"""What can happen to a payment after it was charged: refunds that succeed or fail, disputes that are won or lost.

Every function is called inside a transaction; what it returns is what has been written.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from raseed.sandbox import wire
from raseed.sandbox.cards import PROFILES
from raseed.sandbox.faults import Behaviour
from raseed.sandbox.letters import announce
from raseed.sandbox.rows import Dispute, Payment, Refund
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store

_ENDS = {Behaviour.G17W: "won", Behaviour.G17L: "lost"}


def refundable(store: Store, order: wire.RefundOrder) -> Payment:
    """The captured payment that a refund is ordered of, if that much of it is left. Raises wire.ApiError."""
    payment = store.payment(order.payment)
    if payment is None:
        raise wire.ApiError(404, "not_found", "no such payment", "payment")
    if payment.state != "succeeded" or payment.captured_amount is None:
        raise wire.ApiError(422, "not_captured", "only a succeeded payment can be refunded", "payment")
    disputed = sum(one.amount for one in store.disputes_of(payment.ref) if one.state != "won")
    left = payment.captured_amount - store.refunded(payment.ref) - disputed
    if order.amount > left:
        raise wire.ApiError(422, "over_refund", f"only {left} can still be refunded", "amount")
    return payment


def open_refund(
    store: Store,
    settings: SandboxSettings,
    order: wire.RefundOrder,
    payment: Payment,
    behaviour: Behaviour,
    now: float,
) -> Refund:
    """Begin to give part or all of a captured payment back."""
    refund = Refund(
        ref=f"re_{secrets.token_urlsafe(16)}",
        payment=payment.ref,
        amount=order.amount,
        currency=payment.captured_currency or payment.currency,
        state="pending",
        due_at=now + settings.refund_s,
        created_at=now,
        reference=order.reference,
        fails=behaviour is Behaviour.G16,
    )
    store.add_refund(refund)
    return refund


def finish_refund(store: Store, settings: SandboxSettings, refund: Refund, now: float) -> tuple[str, ...]:
    """Its time has come: given back, or failed and nothing given back. Returns the events announced."""
    payment = _payment(store, refund.payment)
    fails = refund.fails or (payment.profile and PROFILES[payment.profile].refund_fails)
    state = "failed" if fails else "succeeded"
    store.finish_refund(refund.ref, state)
    store.write_book(
        "refund_failed" if fails else "refund", payment, refund.amount, detail=refund.ref, at=now
    )
    done = replace(refund, state=state)
    return announce(store, settings, f"refund.{state}", wire.refund_json(done, payment), now)


def expect_dispute(
    store: Store, settings: SandboxSettings, payment: Payment, behaviour: Behaviour, now: float
) -> None:
    """Have the customer dispute a charge later, if the weather or the card says so."""
    ends = _ENDS.get(behaviour) or (payment.profile and PROFILES[payment.profile].dispute)
    if ends and payment.captured_amount is not None:
        store.add_dispute(
            Dispute(
                ref=f"dp_{secrets.token_urlsafe(16)}",
                payment=payment.ref,
                amount=payment.captured_amount,
                currency=payment.captured_currency or payment.currency,
                state="coming",
                ends=ends,
                due_at=now + settings.dispute_s,
                created_at=now,
            )
        )


def go_on_with(store: Store, settings: SandboxSettings, dispute: Dispute, now: float) -> tuple[str, ...]:
    """The next step of a dispute: opened, which takes the money from the merchant, then won or lost."""
    payment = _payment(store, dispute.payment)
    if dispute.state == "coming":
        # What was given back already cannot be taken back as well.
        left = (payment.captured_amount or 0) - store.refunded(payment.ref)
        if left <= 0:
            store.change_dispute(dispute, "dropped", None)
            return ()
        dispute = store.change_dispute(dispute, "open", now + settings.dispute_s, min(dispute.amount, left))
        kind, told = "dispute", "dispute.opened"
    else:
        dispute = store.change_dispute(dispute, dispute.ends, None)
        kind, told = f"dispute_{dispute.state}", f"dispute.{dispute.state}"
    store.write_book(kind, payment, dispute.amount, detail=dispute.ref, at=now)
    return announce(store, settings, told, wire.dispute_json(dispute, payment), now)


def _payment(store: Store, ref: str) -> Payment:
    payment = store.payment(ref)
    if payment is None:
        raise LookupError(ref)
    return payment
