"""Give money of a payment back to its card: write the order down, then call, then settle.

`open_refund` commits the order and takes the money from the balance in the same transaction, so that it cannot be spent
meanwhile; `submit` asks the gateway once, with no transaction open. What comes back goes through `settle_refund`. A
repeat is answered with the same refund. Lock order: payment, refund, account, ledger accounts.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from raseed.audit.log import Who, record
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.errors import RaseedError
from raseed.failpoints import failpoint
from raseed.gateways.port import RefundOrder, RefundOutcome
from raseed.gateways.registry import gateway
from raseed.ledger import read
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.errors import InsufficientBalance
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money, check_chargeable, format_money
from raseed.payments import breaker
from raseed.payments.models import Payment, Purpose, Refund
from raseed.payments.refund_states import RefundState, move
from raseed.payments.refundable import given_back, max_refundable, parts_of
from raseed.payments.seats import seat
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import Cause, State

FIRST_ASK_AFTER = timedelta(seconds=3)


class RefundKeyReused(RaseedError):
    """The form's key was used for another refund."""

    code = "idempotency_key_reused"
    status = 422
    message = _(
        "This form was already used for another refund. Nothing was given back. Open the payment again."
    )


class NotRefundable(RaseedError):
    """Nothing was captured by card, or not what was asked for: there is nothing that the gateway could give back."""

    code = "payment_not_refundable"
    status = 409
    message = _("Only a payment that was paid by card can be given back to the card. Nothing was given back.")


class RefundTooLarge(RaseedError):
    """More than is left of the payment, or than is unspent of the balance."""

    code = "refund_too_large"
    status = 422
    field = "amount"
    message = _("At most %(maximum)s of this payment can be given back now. Nothing was given back.")


@dataclass(frozen=True)
class RefundCommand:
    """What staff ask for. `client_key` was made when the form was drawn; `amount` is what goes back to the card."""

    account_id: UUID
    client_key: UUID
    payment_id: UUID
    amount: Money
    reason: str
    actor: Who

    def fingerprint(self) -> str:
        """Equal for equal commands: same key with another fingerprint is refused."""
        body = [str(self.payment_id), self.amount.micros, self.amount.currency, self.reason]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


@begun_again
def open_refund(command: RefundCommand, now: datetime) -> Refund:
    """Commit the order, its money taken from the balance, and return it; a repeat returns the first one.

    Raises RefundKeyReused, NotRefundable, RefundTooLarge, InsufficientBalance, Payment.DoesNotExist and the errors of
    amounts; then nothing was written and nothing moved.
    """
    with atomic():
        # The payment's row makes refunds of it, and its disputes, take turns.
        payment = Payment.objects.select_for_update().get(
            account_id=command.account_id, id=command.payment_id
        )
        earlier = _earlier(command)
        if earlier is not None:
            return earlier
        refund = _order(payment, command, now)
        refund.save(force_insert=True)
        # The database's own guard: a CHECK holds this at or below what was captured.
        Payment.objects.filter(account_id=payment.account_id, id=payment.id).update(
            refunded_minor=F("refunded_minor") + refund.amount_minor
        )
        _take(refund, now)
        record(
            command.actor,
            "refund_ordered",
            account_id=refund.account_id,
            object_kind="payment",
            object_id=payment.id,
            at=now,
            before={"refunded_minor": payment.refunded_minor},
            after={"refunded_minor": payment.refunded_minor + refund.amount_minor, "refund": str(refund.id)},
            reason=command.reason,
        )
        # Should this process die before it asks, the job submits: staff pressed Refund.
        defer(
            "payments.follow_refund",
            run_at=now + FIRST_ASK_AFTER,
            account_id=refund.account_id,
            refund_id=refund.id,
        )
        defer("notifications.mail_refund", account_id=refund.account_id, refund_id=refund.id, state="created")
    return refund


def _earlier(command: RefundCommand) -> Refund | None:
    refund = Refund.objects.filter(account_id=command.account_id, client_key=command.client_key).first()
    if refund is not None and refund.fingerprint != command.fingerprint():
        raise RefundKeyReused(f"client key {command.client_key} of refund {refund.id}")
    return refund


def _order(payment: Payment, command: RefundCommand, now: datetime) -> Refund:
    if payment.state != State.SUCCEEDED or payment.purpose == Purpose.OFFLINE:
        raise NotRefundable(f"payment {payment.id} is {payment.state}")
    check_chargeable(command.amount)
    maximum = max_refundable(payment)
    if maximum < command.amount:
        raise RefundTooLarge(f"payment {payment.id}", maximum=format_money(maximum))
    amount_minor = command.amount.minor_exact()
    parts = parts_of(payment, amount_minor, given_back(payment))
    return Refund(
        account_id=payment.account_id,
        payment_id=payment.id,
        client_key=command.client_key,
        fingerprint=command.fingerprint(),
        state=RefundState.CREATED,
        amount_minor=amount_minor,
        currency=payment.currency,
        credit_micros=parts.credit,
        tax_micros=parts.tax,
        rounding_micros=parts.rounding,
        gateway=payment.gateway,
        reason=command.reason,
        actor_user_id=command.actor.user_id,
        created_at=now,
        next_ask_at=now + FIRST_ASK_AFTER,
    )


def _take(refund: Refund, now: datetime) -> None:
    """Debit balance, tax and rounding with what goes back; never below zero, not even on credit."""
    sides = (
        (Kind.CUSTOMER, refund.credit_micros),
        (Kind.TAX_PAYABLE, refund.tax_micros),
        (Kind.ROUNDING, refund.rounding_micros),
    )
    post(
        NewEntry(
            account_id=refund.account_id,
            kind=EntryKind.REFUND,
            operation_key=f"refund:{refund.id}:taken",
            transfers=tuple(
                Transfer(kind, Kind.GATEWAY_CLEARING, Money(micros, refund.currency))
                for kind, micros in sides
                if micros
            ),
            at=now,
            memo={"refund_id": str(refund.id), "payment_id": str(refund.payment_id)},
        )
    )
    # The entry's own guard stops at the floor, which a credit limit lowers. The row is ours until we commit.
    left = read.balance(refund.account_id, Kind.CUSTOMER, refund.currency)
    if refund.credit_micros and left.balance_micros - left.held_micros < 0:
        raise InsufficientBalance(f"refund {refund.id} of money that was spent")


def submit(account_id: UUID, refund_id: UUID, now: datetime, cause: Cause = Cause.PAGE) -> Refund:
    """Ask the gateway to give back, once. A refund that somebody already submitted is returned as it is."""
    with seat(cause) as free:
        if free:
            return _submit(account_id, refund_id, now, cause)
    defer("payments.follow_refund", account_id=account_id, refund_id=refund_id)
    return Refund.objects.get(account_id=account_id, id=refund_id)


def _submit(account_id: UUID, refund_id: UUID, now: datetime, cause: Cause) -> Refund:
    with atomic():
        refund = Refund.objects.select_for_update().get(account_id=account_id, id=refund_id)
        if refund.state != RefundState.CREATED:
            return refund
        refund.submitted_at = refund.asked_at = now
        refund.next_ask_at = now + FIRST_ASK_AFTER
        refund.save(update_fields=["submitted_at", "asked_at", "next_ask_at"])
        move(refund, RefundState.SUBMITTED, cause, now)
    failpoint("KP17", refund.id)
    outcome = send(refund)
    failpoint("KP18", refund.id)
    breaker.record(refund.gateway, outcome, now)
    return settle_refund(account_id, refund_id, outcome, cause, now)


def send(refund: Refund) -> RefundOutcome:
    """Make the gateway call of this refund: the same body and key each time it is made."""
    payment = Payment.objects.get(account_id=refund.account_id, id=refund.payment_id)
    return gateway(refund.gateway).refund(
        RefundOrder(
            refund_id=refund.id,
            gateway_ref=payment.gateway_ref,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
            idempotency_key=str(refund.id),
        )
    )
