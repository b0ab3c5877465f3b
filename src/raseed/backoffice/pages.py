"""What the back office's templates are given, read from the rooms below. Nothing here writes.

Staff may see every account; a page of one account still names it in every query.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise

from raseed.accounts.members import MemberState, members
from raseed.accounts.models import Account, BillingDetails, Mode, User
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import open_suspensions
from raseed.db.guard import across_accounts
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerAccount
from raseed.money import Money
from raseed.notifications.invitations import Invitation, invitations_of
from raseed.payments.models import Payment

Text = str | Promise

ROWS_PER_PAGE = 50
QUERY_LENGTH_MAX = 100
PAYMENTS_SHOWN = 20
PEOPLE_SHOWN = 200
# What staff may lift; a suspension for the balance is lifted by money alone.
LIFTED_BY_STAFF = frozenset({Reason.STAFF, Reason.DISPUTE})


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A line of the list of accounts."""

    url: str
    name: str
    mode: Text
    created_at: datetime
    suspended: bool
    available: Money


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """One page of the list, newest first, and where the next one begins."""

    rows: tuple[AccountRow, ...]
    after: UUID | None


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A user of an account. `invitation`: what became of it, while no password is chosen."""

    id: UUID
    name: str
    email: str
    role: Text
    state: str
    invitation: Invitation | None = None


@dataclass(frozen=True, slots=True)
class SuspensionLine:
    """An open suspension; `reason` is its name for addresses, `may_lift` whether staff can end it."""

    reason: str
    label: Text
    since: datetime
    note: str
    may_lift: bool


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """A payment as the list shows it."""

    at: datetime
    method: str
    amount: Money
    state: str


@dataclass(frozen=True, slots=True)
class AccountPage:
    """All that staff see of one account."""

    account: Account
    mode: Text
    details: BillingDetails
    available: Money
    people: tuple[PersonLine, ...]
    suspensions: tuple[SuspensionLine, ...]
    payments: tuple[PaymentLine, ...]

    @property
    def suspended_by_staff(self) -> bool:
        """Whether there is nothing left for staff to suspend."""
        return any(line.reason == Reason.STAFF for line in self.suspensions)


def accounts(query: str, after: UUID | None) -> AccountsPage:
    """Accounts whose name, billing name or user's address holds `query`, older than `after`."""
    with across_accounts("staff look for an account among all"):
        found = Account.objects.order_by("-id")
        if query:
            by_details = BillingDetails.objects.filter(billing_name__icontains=query).values("account_id")
            by_user = User.objects.filter(email__icontains=query, account_id__isnull=False).values(
                "account_id"
            )
            found = found.filter(Q(name__icontains=query) | Q(id__in=by_details) | Q(id__in=by_user))
        if after:
            found = found.filter(id__lt=after)
        page = list(found[: ROWS_PER_PAGE + 1])
        shown = page[:ROWS_PER_PAGE]
        ids = [account.id for account in shown]
        books = {
            row.account_id: row
            for row in LedgerAccount.objects.filter(account_id__in=ids, kind=Kind.CUSTOMER)
        }
        suspended = set(
            Suspension.objects.filter(account_id__in=ids, lifted_at__isnull=True).values_list(
                "account_id", flat=True
            )
        )
    rows = tuple(_row(account, books.get(account.id), account.id in suspended) for account in shown)
    return AccountsPage(rows, shown[-1].id if len(page) > len(shown) else None)


def account(account_id: UUID, now: datetime) -> AccountPage | None:
    """The page of one account; None if there is none."""
    found = Account.objects.filter(id=account_id).first()
    if found is None:
        return None
    books = read.balance(account_id, Kind.CUSTOMER, found.currency)
    return AccountPage(
        account=found,
        mode=Mode(found.mode).label,
        details=BillingDetails.objects.get(account_id=account_id),
        available=Money(books.available_micros, found.currency),
        people=_people(account_id, now),
        suspensions=_suspensions(account_id),
        payments=_payments(account_id),
    )


def _row(found: Account, books: LedgerAccount | None, suspended: bool) -> AccountRow:  # noqa: FBT001
    micros = books.balance_micros - books.held_micros - (books.floor_micros or 0) if books else 0
    return AccountRow(
        url=reverse("backoffice:account", args=[found.id]),
        name=found.name,
        mode=Mode(found.mode).label,
        created_at=found.created_at,
        suspended=suspended,
        available=Money(micros, found.currency),
    )


def _people(account_id: UUID, now: datetime) -> tuple[PersonLine, ...]:
    found = members(account_id, None, PEOPLE_SHOWN)
    waiting = [one.user.id for one in found if one.state is MemberState.INVITED]
    invitations = invitations_of(waiting, now)
    return tuple(
        PersonLine(
            id=one.user.id,
            name=one.user.name,
            email=one.user.email,
            role=one.role.label,
            state=one.state.value,
            invitation=invitations.get(one.user.id),
        )
        for one in found
    )


def _suspensions(account_id: UUID) -> tuple[SuspensionLine, ...]:
    return tuple(
        SuspensionLine(
            reason=row.reason,
            label=Reason(row.reason).label,
            since=row.since,
            note=row.note,
            may_lift=row.reason in LIFTED_BY_STAFF,
        )
        for row in open_suspensions(account_id)
    )


def _payments(account_id: UUID) -> tuple[PaymentLine, ...]:
    latest = Payment.objects.filter(account_id=account_id).order_by("-created_at", "-id")[:PAYMENTS_SHOWN]
    return tuple(
        PaymentLine(
            at=row.created_at,
            method=f"{row.card_brand} •••• {row.card_last4}" if row.card_last4 else "–",
            amount=Money(row.credit_micros, row.currency),
            state=row.state,
        )
        for row in latest
    )
