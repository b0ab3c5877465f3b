"""Disputes: the cardholder has their bank take a charge back. A fact, booked in full, below zero if need be.

When one opens, the customer is debited and the account is suspended; won, exactly that is put back, once; lost, it stays.
`settle_dispute` locks the payment and takes only what the gateway says when it is asked, so that events may come twice
and in any order. Lock order: payment, dispute, account, ledger accounts.
"""

import logging
from datetime import datetime
from uuid import UUID

from raseed.accounts.models import Account
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import lift, restore_if_paid, suspend
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.failpoints import failpoint
from raseed.gateways.port import Dispute, DisputeState
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.ledger.read import entry_by_key
from raseed.ledger.reversal import reversal_of
from raseed.money import Money
from raseed.payments.breaks import BreakKind, report
from raseed.payments.disputed import recount
from raseed.payments.models import Payment, PaymentDispute
from raseed.payments.states import State

logger = logging.getLogger(__name__)


@begun_again
def settle_dispute(account_id: UUID, payment_id: UUID, told: Dispute, now: datetime) -> PaymentDispute | None:
    """Apply what the gateway says of a dispute, once, and return it as it then is; None if it cannot be booked."""
    with atomic():
        payment = Payment.objects.select_for_update().get(account_id=account_id, id=payment_id)
        found = PaymentDispute.objects.filter(
            account_id=account_id, gateway=payment.gateway, part_ref=told.part_ref
        ).first()
        if found is None:
            if not _is_bookable(payment, told, now):
                return None
            found = _open(payment, told, now)
        elif (found.payment_id, found.amount_minor, found.currency) != (
            payment.id,
            told.amount_minor,
            told.currency,
        ):
            _report(payment, told, f"booked as {found.amount_minor} {found.currency}", now)
            return found
        if told.state not in {DisputeState.OPEN, found.state}:
            _end(found, payment, told, now)
    return found


def _is_bookable(payment: Payment, told: Dispute, now: datetime) -> bool:
    """Whether the customer's balance holds what is disputed. Money in suspense, or of another currency, is a person's."""
    if payment.state == State.SUCCEEDED and told.currency == payment.captured_currency:
        return True
    _report(
        payment, told, f"the payment is {payment.state}, {payment.captured_currency or 'not captured'}", now
    )
    return False


def _open(payment: Payment, told: Dispute, now: datetime) -> PaymentDispute:
    dispute = PaymentDispute.objects.create(
        account_id=payment.account_id,
        payment_id=payment.id,
        gateway=payment.gateway,
        part_ref=told.part_ref,
        state=DisputeState.OPEN,
        amount_minor=told.amount_minor,
        currency=told.currency,
        opened_at=now,
    )
    post(
        NewEntry(
            account_id=dispute.account_id,
            kind=EntryKind.DISPUTE,
            operation_key=f"dispute:{dispute.id}:opened",
            transfers=(
                Transfer(
                    Kind.CUSTOMER,
                    Kind.GATEWAY_CLEARING,
                    Money.from_minor(dispute.amount_minor, dispute.currency),
                ),
            ),
            at=now,
            memo={"dispute_id": str(dispute.id), "payment_id": str(payment.id)},
        )
    )
    failpoint("KP19", dispute.part_ref)
    excess = recount(payment)
    if excess:
        _report(payment, told, f"{excess} minor units more than was left of the payment", now)
    if told.state != DisputeState.WON:
        suspend(dispute.account_id, Reason.DISPUTE, now, f"dispute {dispute.part_ref}")
    logger.error("payment %s is disputed: %s %s", payment.id, dispute.amount_minor, dispute.currency)
    _tell(dispute, DisputeState.OPEN)
    return dispute


def _end(dispute: PaymentDispute, payment: Payment, told: Dispute, now: datetime) -> None:
    if dispute.state == DisputeState.WON:
        # A bank may open a dispute that was won again. Its money is a new movement, and a person has to look.
        _report(payment, told, "it was won before", now)
        return
    dispute.state, dispute.ended_at = told.state, now
    dispute.save(update_fields=["state", "ended_at"])
    if told.state == DisputeState.WON:
        _reinstate(dispute, now)
        recount(payment)
        _lift_suspension(dispute, now)
        restore_if_paid(Account.objects.get(id=dispute.account_id), now)
    _tell(dispute, told.state)


def _reinstate(dispute: PaymentDispute, now: datetime) -> None:
    opened = entry_by_key(dispute.account_id, f"dispute:{dispute.id}:opened")
    if opened is None:
        raise LookupError(f"dispute {dispute.id} took no money")
    post(
        reversal_of(
            dispute.account_id,
            opened.id,
            kind=EntryKind.DISPUTE_WON,
            operation_key=f"dispute:{dispute.id}:reinstated",
            at=now,
            memo={"dispute_id": str(dispute.id), "payment_id": str(dispute.payment_id)},
        )
    )


def _lift_suspension(dispute: PaymentDispute, now: datetime) -> None:
    """Unless another dispute holds it: one that is open, or one that was lost while this suspension stood."""
    account_id = dispute.account_id
    suspension = Suspension.objects.filter(
        account_id=account_id, reason=Reason.DISPUTE, lifted_at__isnull=True
    ).first()
    others = PaymentDispute.objects.filter(account_id=account_id).exclude(id=dispute.id)
    if suspension is None or others.filter(state=DisputeState.OPEN).exists():
        return
    if not others.filter(state=DisputeState.LOST, ended_at__gte=suspension.since).exists():
        lift(account_id, Reason.DISPUTE, now)


def _report(payment: Payment, told: Dispute, detail: str, now: datetime) -> None:
    sum_told = f"dispute of {told.amount_minor} {told.currency}, {told.state}"
    report(BreakKind.UNBOOKED_MOVEMENT, payment, f"{told.part_ref} dispute", f"{sum_told}: {detail}", now)


def _tell(dispute: PaymentDispute, state: DisputeState) -> None:
    defer(
        "notifications.mail_dispute",
        account_id=dispute.account_id,
        dispute_id=dispute.id,
        state=str(state),
    )
