"""What the Reconciliation page is given: breaks, the oldest first, and what the checks of the books said. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, User
from raseed.audit.models import BooksCheck
from raseed.db.guard import across_accounts
from raseed.money import CURRENCIES, Money
from raseed.payments.breaks import BreakKind
from raseed.payments.models import Payment, ReconciliationBreak
from raseed.payments.resolve import END_WITHIN, TAKE_WITHIN, stuck_refund

Text = str | Promise

OPEN_SHOWN: Final = 100
ENDED_SHOWN: Final = 10

NAMES: Final[dict[str, Text]] = {
    BreakKind.FOREIGN_REFERENCE: _("A charge under another payment's reference"),
    BreakKind.UNEXPECTED_CAPTURE: _("Another amount or currency was captured than asked for"),
    BreakKind.UNKNOWN_CHARGE: _("A charge that names no payment of ours"),
    BreakKind.UNRESOLVED: _("A payment whose outcome is not known"),
    BreakKind.UNBOOKED_MOVEMENT: _("A refund or dispute at the gateway that our books do not have"),
}
ADVICE: Final[dict[str, Text]] = {
    BreakKind.FOREIGN_REFERENCE: _(
        "Nothing was credited. Look the reference up at the gateway. If the charge names the wrong payment, have it refunded"
        " there. End the break when the gateway's record is right."
    ),
    BreakKind.UNEXPECTED_CAPTURE: _(
        "The money stands in suspense and is not in the customer's balance. Find out at the gateway why, and have it refunded"
        " there. It cannot be released to the customer from here yet: keep the break open, it opens again while the money is"
        " in suspense."
    ),
    BreakKind.UNKNOWN_CHARGE: _(
        "Find the customer in the gateway's record and have the charge refunded there. The break opens again until the"
        " gateway's list shows the refund."
    ),
    BreakKind.UNBOOKED_MOVEMENT: _(
        "Money went back to the customer, or is disputed, and the balance does not show it. Find out at the gateway who asked for"
        " it and tell the customer. It cannot be booked from here yet."
    ),
    BreakKind.UNRESOLVED: _(
        "Look at the gateway by the payment's number. If it was charged, its list settles the payment by itself. If the gateway"
        " says in writing that it was not, tell the customer. The break opens again while the outcome is not known."
    ),
}


@dataclass(frozen=True, slots=True)
class BreakLine:
    """A break as staff see it. `asked` and `captured` are None where there is no payment, or nothing was captured.

    `is_stuck_refund`: of a refund whose outcome only a person can tell.
    """

    id: int
    name: Text
    advice: Text
    since: datetime
    is_overdue: bool
    account_id: UUID | None
    account: str
    payment_id: UUID | None
    state: str
    asked: Money | None
    captured: Money | None
    gateway_ref: str
    detail: str
    owner: str
    is_mine: bool
    reopened: int
    is_stuck_refund: bool
    ended_at: datetime | None
    ended_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckLine:
    """A check of the books: the whole of them, or what had changed."""

    at: datetime
    seconds: float
    accounts: int | None
    violations: int
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BreaksPage:
    """The page: open breaks, the latest that were ended, the latest check of each kind."""

    open: tuple[BreakLine, ...]
    ended: tuple[BreakLine, ...]
    full: CheckLine | None
    incremental: CheckLine | None


def breaks_page(reader: UUID, now: datetime) -> BreaksPage:
    """All of it, for the member of staff `reader`."""
    rows = ReconciliationBreak.objects.all()
    return BreaksPage(
        open=_lines(rows.filter(resolved_at__isnull=True).order_by("seen_at")[:OPEN_SHOWN], reader, now),
        ended=_lines(
            rows.filter(resolved_at__isnull=False).order_by("-resolved_at")[:ENDED_SHOWN], reader, now
        ),
        full=_check(BooksCheck.objects.filter(accounts__isnull=True).order_by("-at").first()),
        incremental=_check(BooksCheck.objects.filter(accounts__isnull=False).order_by("-at").first()),
    )


def _lines(rows: Iterable[ReconciliationBreak], reader: UUID, now: datetime) -> tuple[BreakLine, ...]:
    found = list(rows)
    accounts = {row.account_id for row in found if row.account_id}
    with across_accounts("staff see the breaks of all accounts"):
        names: dict[UUID | None, str] = dict(
            Account.objects.filter(id__in=accounts).values_list("id", "name")
        )
        payments: dict[UUID | None, Payment] = {
            payment.id: payment
            for payment in Payment.objects.filter(
                account_id__in=accounts, id__in=[row.payment_id for row in found if row.payment_id]
            )
        }
    people = {user for row in found for user in (row.owner_id, row.resolved_by) if user}
    staff: dict[UUID | None, str] = dict(User.objects.filter(id__in=people).values_list("id", "name"))
    return tuple(
        BreakLine(
            id=row.pk,
            name=NAMES.get(row.kind, row.kind),
            advice=ADVICE.get(row.kind, ""),
            since=row.seen_at,
            is_overdue=row.resolved_at is None
            and (
                row.seen_at < now - END_WITHIN or (row.owner_id is None and row.seen_at < now - TAKE_WITHIN)
            ),
            account_id=row.account_id,
            account=names.get(row.account_id, ""),
            payment_id=row.payment_id,
            state=payments[row.payment_id].state if row.payment_id in payments else "",
            asked=_asked(payments.get(row.payment_id)),
            captured=_captured(payments.get(row.payment_id)),
            gateway_ref=row.gateway_ref,
            detail=row.detail,
            owner=staff.get(row.owner_id, ""),
            is_mine=row.owner_id == reader,
            reopened=row.reopened,
            is_stuck_refund=row.resolved_at is None and stuck_refund(row, now) is not None,
            ended_at=row.resolved_at,
            ended_by=staff.get(row.resolved_by, ""),
            reason=row.reason,
        )
        for row in found
    )


def _asked(payment: Payment | None) -> Money | None:
    return None if payment is None else Money.from_minor(payment.charge_minor, payment.currency)


def _captured(payment: Payment | None) -> Money | None:
    """What was captured; None also for a currency that the books do not know: the detail names it."""
    if payment is None or payment.captured_minor is None or payment.captured_currency not in CURRENCIES:
        return None
    return Money.from_minor(payment.captured_minor, payment.captured_currency)


def _check(row: BooksCheck | None) -> CheckLine | None:
    if row is None:
        return None
    return CheckLine(row.at, row.milliseconds / 1000, row.accounts, row.violations, tuple(row.found))
