"""What the API tells of accounts: who they are, whether service may go on, the balance and its sum, payments. Reads only.

Each look-up asks first whether the account is within the key's scope: another account's is a 404, as is one that is not.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from django.db.models import Q
from ninja import Router, Schema
from pydantic import Field

from raseed.accounts.models import Account
from raseed.api.bearer import AnyKey, KeyRequest, OperatorKey
from raseed.api.paging import Asked, Page, page_of, place_of
from raseed.api.problems import NothingThere
from raseed.balance.equation import equation
from raseed.balance.status import status_of
from raseed.db.guard import across_accounts
from raseed.money import Money, decimal_text
from raseed.payments.models import Payment
from raseed.payments.states import State

router = Router(tags=["accounts"], auth=AnyKey())

Decimal = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,6}$", examples=["475.00"])]


class Amount(Schema):
    """An amount as a decimal string, exact, beside its ISO 4217 currency."""

    amount: Decimal
    currency: Annotated[str, Field(examples=["USD"])]


class AccountOut(Schema):
    """A company that buys from the operator."""

    id: UUID
    name: str
    mode: Literal["prepaid", "postpaid"]
    currency: str
    time_zone: str
    language: Literal["en", "ar"]
    created_at: datetime
    closed_at: datetime | None


class SuspensionOut(Schema):
    """Why service is stopped, and since when."""

    reason: Literal["balance", "staff", "dispute"]
    since: datetime


class StatusOut(Schema):
    """Whether service may go on. While it is suspended, each open suspension with its reason."""

    account_id: UUID
    status: Literal["active", "suspended", "closed"]
    suspensions: list[SuspensionOut]
    available: Amount


class BalanceOut(Schema):
    """The available balance and the sum behind it: the terms, as signed contributions, add up to `available` exactly."""

    account_id: UUID
    currency: str
    payments: Decimal
    refunds: Decimal
    adjustments: Decimal
    invoiced: Decimal
    uninvoiced: Decimal
    held: Decimal
    credit_limit: Decimal
    available: Decimal


class PaymentOut(Schema):
    """A payment: `credited` goes to the balance, `charged` is asked of the card, the rest of it is `tax`."""

    id: UUID
    state: State
    credited: Amount
    charged: Amount
    tax: Amount
    card_brand: str
    card_last4: str
    decline_code: str
    created_at: datetime
    final_at: datetime | None


@router.get("", response=Page[AccountOut], auth=OperatorKey(), summary="List accounts")
def accounts(request: KeyRequest, asked: Asked) -> Page[AccountOut]:  # noqa: ARG001 - ninja knows it by name
    """All accounts, newest first."""
    before = place_of(asked.cursor, UUID)
    with across_accounts("a key of the operator lists all accounts"):
        rows = Account.objects.order_by("-id")
        if before is not None:
            rows = rows.filter(id__lt=before)
        found = list(rows[: asked.limit + 1])
    return page_of(found, asked.limit, _account_out, lambda row: str(row.id))


@router.get("/{uuid:account_id}", response=AccountOut, summary="Read an account")
def account(request: KeyRequest, account_id: UUID) -> AccountOut:
    """One account."""
    return _account_out(_account(request, account_id))


@router.get("/{uuid:account_id}/status", response=StatusOut, summary="Ask whether service may go on")
def account_status(request: KeyRequest, account_id: UUID) -> StatusOut:
    """For the service to ask, as often as it likes within the key's limit: one indexed read."""
    status = status_of(account_id) if request.auth.may_see(account_id) else None
    if status is None:
        raise NothingThere
    return StatusOut.model_construct(
        account_id=account_id,
        status=status.state,
        suspensions=[
            SuspensionOut.model_construct(reason=reason, since=since) for reason, since in status.suspensions
        ],
        available=amount_out(status.available),
    )


@router.get("/{uuid:account_id}/balance", response=BalanceOut, summary="Read the balance and its sum")
def account_balance(request: KeyRequest, account_id: UUID) -> BalanceOut:
    """The available balance, taken apart. All terms come from one snapshot."""
    found = _account(request, account_id)
    terms = equation(found)
    return BalanceOut(
        account_id=found.id,
        currency=found.currency,
        **{
            name: decimal_text(getattr(terms, name))
            for name in BalanceOut.model_fields
            if name not in {"account_id", "currency"}
        },
    )


@router.get("/{uuid:account_id}/payments", response=Page[PaymentOut], summary="List payments")
def account_payments(request: KeyRequest, account_id: UUID, asked: Asked) -> Page[PaymentOut]:
    """The account's payments, newest first."""
    found = _account(request, account_id)
    before = place_of(asked.cursor, _payment_place)
    rows = Payment.objects.filter(account_id=found.id).order_by("-created_at", "-id")
    if before is not None:
        at, payment_id = before
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=payment_id), created_at__lte=at)
    return page_of(
        list(rows[: asked.limit + 1]),
        asked.limit,
        _payment_out,
        lambda row: f"{row.created_at.isoformat()}|{row.id}",
    )


def amount_out(money: Money) -> Amount:
    """Money as the API writes it."""
    return Amount.model_construct(amount=decimal_text(money), currency=money.currency)


def _account(request: KeyRequest, account_id: UUID) -> Account:
    """The account, if the key may see it. Raises NothingThere."""
    found = Account.objects.filter(id=account_id).first() if request.auth.may_see(account_id) else None
    if found is None:
        raise NothingThere
    return found


def _account_out(row: Account) -> AccountOut:
    return AccountOut.model_validate(row)


def _payment_out(row: Payment) -> PaymentOut:
    return PaymentOut(
        id=row.id,
        state=State(row.state),
        credited=amount_out(Money(row.credit_micros, row.currency)),
        charged=amount_out(Money.from_minor(row.charge_minor, row.currency)),
        tax=amount_out(Money(row.tax_micros, row.currency)),
        card_brand=row.card_brand,
        card_last4=row.card_last4,
        decline_code=row.decline_code,
        created_at=row.created_at,
        final_at=row.final_at,
    )


def _payment_place(text: str) -> tuple[datetime, UUID]:
    at, _, payment_id = text.partition("|")
    place = datetime.fromisoformat(at)
    if place.tzinfo is None:
        raise ValueError("a place without a zone")
    return place, UUID(payment_id)
