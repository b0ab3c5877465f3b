"""Money that came by bank transfer or in cash: staff write it down, and it is credited once, with a voucher as for a card.

Above a limit it waits until a second person has approved it. A mistaken record is taken back by the mirror of its entry,
never changed. The same transfer cannot be credited twice, on whatever account. Nothing here talks to a bank.
Lock order: account, record, payment, ledger accounts.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, AmountPolicy, Operator
from raseed.audit.log import Who, record
from raseed.balance.suspension import restore_if_paid
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.errors import RaseedError
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.ledger.read import entry_by_key
from raseed.ledger.reversal import reversal_of
from raseed.money import Money, check_receivable
from raseed.payments.models import (
    GatewayReference,
    OfflineMethod,
    OfflinePayment,
    OfflineState,
    Payment,
    Purpose,
)
from raseed.payments.paynow import AccountClosed
from raseed.payments.states import Cause, State, move
from raseed.tax.topup import split

_BOOKED_AS: Final = {
    OfflineMethod.TRANSFER: (EntryKind.TOPUP_TRANSFER, Kind.BANK),
    OfflineMethod.CASH: (EntryKind.TOPUP_CASH, Kind.CASH),
}


class RecordKeyReused(RaseedError):
    """The form's key was used for another record."""

    code = "idempotency_key_reused"
    status = 422
    message = _("This form was already used for another payment. Nothing was recorded. Open it again.")


class ReferenceMissing(RaseedError):
    """A bank transfer has a reference, by which it is known from every other one."""

    code = "transfer_reference_missing"
    status = 422
    field = "reference"
    message = _("Enter the bank's reference of this transfer. Nothing was recorded.")


class ReasonMissing(RaseedError):
    """What staff do by hand is written down with why."""

    code = "reason_missing"
    status = 422
    field = "reason"
    message = _("Say in a few words why. Nothing was changed.")


class TransferRecordedBefore(RaseedError):
    """A transfer of this reference is credited already, here or on another account."""

    code = "transfer_recorded_before"
    status = 409
    field = "reference"
    message = _("A transfer with this reference was recorded before. Nothing was recorded.")


class SecondPersonNeeded(RaseedError):
    """Who recorded it wants to approve it."""

    code = "second_person_needed"
    status = 403
    message = _("Somebody else has to approve what you recorded. Nothing was changed.")


class RecordNotOpen(RaseedError):
    """The record is not, or is no longer, where this act is possible."""

    code = "record_not_open"
    status = 409
    message = _("Somebody else has dealt with this record already. Nothing was changed.")


@dataclass(frozen=True)
class OfflineRecord:
    """What staff write down. `client_key` was made when the form was drawn; `received` is all that came, tax included."""

    account_id: UUID
    client_key: UUID
    method: OfflineMethod
    received: Money
    reference: str
    reason: str
    user_id: UUID
    actor: Who

    def fingerprint(self) -> str:
        """Equal for equal commands: same key with another fingerprint is refused."""
        body = [
            self.method,
            self.received.micros,
            self.received.currency,
            _normal(self.reference),
            self.reason,
        ]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def _normal(reference: str) -> str:
    """A reference as it is compared: banks print it in groups and in either case."""
    return "".join(reference.split()).upper()


@begun_again
def record_payment(command: OfflineRecord, now: datetime) -> OfflinePayment:
    """Write it down and credit it, or let it wait for a second person; a repeat returns the first one.

    Raises RecordKeyReused, ReferenceMissing, ReasonMissing, TransferRecordedBefore, AccountClosed and the errors of
    amounts; then nothing was written.
    """
    if not command.reason.strip():
        raise ReasonMissing
    if command.method == OfflineMethod.TRANSFER and not _normal(command.reference):
        raise ReferenceMissing
    check_receivable(command.received)
    with atomic():
        account = Account.objects.select_for_update().get(id=command.account_id)
        earlier = OfflinePayment.objects.filter(account_id=account.id, client_key=command.client_key).first()
        if earlier is not None:
            if earlier.fingerprint != command.fingerprint():
                raise RecordKeyReused(f"client key {command.client_key} of record {earlier.id}")
            return earlier
        if account.closed_at is not None:
            raise AccountClosed(f"account {account.id}")
        _refuse_known_transfer(command)
        row = OfflinePayment.objects.create(
            account_id=account.id,
            client_key=command.client_key,
            fingerprint=command.fingerprint(),
            method=command.method,
            reference=_normal(command.reference),
            amount_minor=command.received.minor_exact(),
            currency=command.received.currency,
            reason=command.reason.strip(),
            state=OfflineState.WAITING,
            needs_second=limit_of(account) < command.received,
            recorded_by=command.user_id,
            created_at=now,
        )
        _write(row, command.actor, "offline_payment_recorded", command.reason, now)
        if not row.needs_second:
            _credit(row, account, now)
    return row


def limit_of(account: Account) -> Money:
    """The largest amount of the account's currency that one person may record alone."""
    policy = AmountPolicy.objects.filter(currency=account.currency).first()
    if policy is None:
        return Money.zero(account.currency)
    limit = policy.second_person_micros
    return Money(policy.maximum_micros if limit is None else limit, account.currency)


@begun_again
def approve(account_id: UUID, record_id: UUID, user_id: UUID, actor: Who, now: datetime) -> OfflinePayment:
    """Credit what waits, as the second person. Raises SecondPersonNeeded, RecordNotOpen, TransferRecordedBefore."""
    with atomic():
        account, row = _locked(account_id, record_id)
        if row.state == OfflineState.RECORDED and row.approved_by == user_id:
            return row
        if row.recorded_by == user_id:
            raise SecondPersonNeeded(f"record {row.id}")
        if row.state != OfflineState.WAITING:
            raise RecordNotOpen(f"record {row.id} is {row.state}")
        row.approved_by = user_id
        _write(row, actor, "offline_payment_approved", "", now)
        _credit(row, account, now)
    return row


@begun_again
def decline(
    account_id: UUID, record_id: UUID, user_id: UUID, reason: str, actor: Who, now: datetime
) -> OfflinePayment:
    """End what waits without crediting it; also by who recorded it. Raises ReasonMissing, RecordNotOpen."""
    if not reason.strip():
        raise ReasonMissing
    with atomic():
        _account, row = _locked(account_id, record_id)
        if row.state != OfflineState.WAITING:
            raise RecordNotOpen(f"record {row.id} is {row.state}")
        _end(row, OfflineState.DECLINED, user_id, reason, now)
        _write(row, actor, "offline_payment_declined", reason, now)
    return row


@begun_again
def reverse(
    account_id: UUID, record_id: UUID, user_id: UUID, reason: str, actor: Who, now: datetime
) -> OfflinePayment:
    """Take a mistaken record back, below zero if it was spent; its transfer can be recorded anew.

    Raises ReasonMissing, RecordNotOpen.
    """
    if not reason.strip():
        raise ReasonMissing
    with atomic():
        _account, row = _locked(account_id, record_id)
        payment_id = row.payment_id
        if row.state != OfflineState.RECORDED or payment_id is None:
            raise RecordNotOpen(f"record {row.id} is {row.state}")
        credited = entry_by_key(account_id, f"payment:{payment_id}:captured")
        if credited is None:
            raise LookupError(f"record {row.id} was never credited")
        _end(row, OfflineState.REVERSED, user_id, reason, now)
        Payment.objects.filter(account_id=account_id, id=payment_id).update(gateway_ref="")
        GatewayReference.objects.filter(account_id=account_id, payment_id=payment_id).update(gateway_ref=None)
        post(
            reversal_of(
                account_id,
                credited.id,
                operation_key=f"payment:{payment_id}:reversed",
                at=now,
                memo={"payment_id": str(payment_id)},
            )
        )
        _write(row, actor, "offline_payment_reversed", reason, now)
    return row


def _locked(account_id: UUID, record_id: UUID) -> tuple[Account, OfflinePayment]:
    account = Account.objects.select_for_update().get(id=account_id)
    return account, OfflinePayment.objects.select_for_update().get(account_id=account_id, id=record_id)


def _refuse_known_transfer(command: OfflineRecord) -> None:
    """Early, for the person who types; the unique key decides when it is credited."""
    if command.method != OfflineMethod.TRANSFER:
        return
    known = GatewayReference.objects.filter(
        gateway=OfflineMethod.TRANSFER, gateway_ref=_normal(command.reference)
    )
    if known.exists():
        raise TransferRecordedBefore(command.reference)


def _credit(row: OfflinePayment, account: Account, now: datetime) -> None:
    """Make the payment, final at once, and credit it; the voucher follows as for a card."""
    received = Money.from_minor(row.amount_minor, row.currency)
    quoted = split(Operator.objects.get(), received)
    is_transfer = row.method == OfflineMethod.TRANSFER
    payment = Payment(
        account_id=row.account_id,
        client_key=row.id,
        fingerprint=row.fingerprint,
        purpose=Purpose.OFFLINE,
        state=State.CREATED,
        currency=row.currency,
        credit_micros=quoted.credit.micros,
        tax_micros=quoted.tax.micros,
        charge_minor=row.amount_minor,
        captured_minor=row.amount_minor,
        captured_currency=row.currency,
        gateway=row.method,
        gateway_ref=row.reference if is_transfer else "",
        actor_user_id=row.recorded_by,
        language=account.language,
        created_at=now,
        submitted_at=now,
    )
    payment.save(force_insert=True)
    try:
        with transaction.atomic():
            GatewayReference.objects.create(
                payment_id=payment.id,
                account_id=row.account_id,
                gateway=row.method,
                gateway_ref=payment.gateway_ref or None,
            )
    except IntegrityError as error:
        raise TransferRecordedBefore(row.reference) from error
    for state in (State.SUBMITTED, State.SUCCEEDED):
        move(payment, state, Cause.STAFF, now)
    kind, came_to = _BOOKED_AS[OfflineMethod(row.method)]
    parts = ((Kind.CUSTOMER, quoted.credit), (Kind.TAX_PAYABLE, quoted.tax))
    post(
        NewEntry(
            account_id=row.account_id,
            kind=kind,
            operation_key=f"payment:{payment.id}:captured",
            transfers=tuple(Transfer(came_to, to, amount) for to, amount in parts if amount),
            at=now,
            memo={"payment_id": str(payment.id)},
        )
    )
    row.payment_id, row.state = payment.id, OfflineState.RECORDED
    row.save(update_fields=["payment_id", "state", "approved_by"])
    restore_if_paid(account, now)
    defer("documents.issue_receipt_voucher", account_id=row.account_id, payment_id=payment.id)


def _end(row: OfflinePayment, state: OfflineState, user_id: UUID, reason: str, now: datetime) -> None:
    row.state, row.ended_by, row.ended_reason, row.ended_at = state, user_id, reason.strip(), now
    row.save(update_fields=["state", "ended_by", "ended_reason", "ended_at"])


def _write(row: OfflinePayment, actor: Who, action: str, reason: str, now: datetime) -> None:
    record(
        actor,
        action,
        account_id=row.account_id,
        object_kind="offline_payment",
        object_id=row.id,
        at=now,
        after={
            "method": row.method,
            "reference": row.reference,
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "needs_second": row.needs_second,
        },
        reason=reason.strip(),
    )
