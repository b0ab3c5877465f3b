"""Reading the books: balances, balances as of a moment, history by pages, totals by kind. Nothing here writes.

Amounts are micros, credit minus debit, as Money with their currency. Money is read where it is written: on the
primary, never on a replica.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, Case, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.models import CustomerTotal, LedgerAccount, LedgerEntry, LedgerTransfer
from raseed.ledger.post import Transfer
from raseed.money import Money

PAGE_ROWS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One ledger account as it stands, in micros. `floor_micros` is None where nothing is guarded."""

    balance_micros: int
    held_micros: int
    floor_micros: int | None
    version: int
    currency: str

    @property
    def available_micros(self) -> int:
        """What may still be promised or given away: balance less holds less the floor."""
        return self.balance_micros - self.held_micros - (self.floor_micros or 0)


@dataclass(frozen=True, slots=True)
class KindTotal:
    """What all entries of one kind, with their reversals, took from and gave to the customer's balance; `entries` many."""

    debit: Money
    credit: Money
    entries: int

    @property
    def net(self) -> Money:
        """Credit minus debit."""
        return self.credit - self.debit


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the history: the last row of a page. Keeps its place whatever is written meanwhile."""

    at: datetime
    entry_id: UUID


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry as it moved one ledger account; `amount` is credit minus debit."""

    entry_id: UUID
    kind: EntryKind
    operation_key: str
    at: datetime
    recorded_at: datetime
    amount: Money
    memo: Mapping[str, str]
    reverses: UUID | None

    @property
    def cursor(self) -> Cursor:
        """The place after this row: give it to `history` for the page that follows."""
        return Cursor(self.at, self.entry_id)


def balance(account_id: UUID, kind: Kind, currency: str) -> BalanceRow:
    """The balance row; zeros, with version 0, where nothing has been posted yet."""
    row = LedgerAccount.objects.filter(account_id=account_id, kind=kind, currency=currency).first()
    if row is None:
        return BalanceRow(0, 0, 0 if kind == Kind.CUSTOMER else None, 0, currency)
    return BalanceRow(row.balance_micros, row.held_micros, row.floor_micros, row.version, currency)


def balances(account_id: UUID) -> dict[tuple[Kind, str], BalanceRow]:
    """All ledger accounts of the account that have ever been used, by kind and currency."""
    return {
        (Kind(row.kind), row.currency): BalanceRow(
            row.balance_micros, row.held_micros, row.floor_micros, row.version, row.currency
        )
        for row in LedgerAccount.objects.filter(account_id=account_id).order_by("kind", "currency")
    }


def balance_as_of(account_id: UUID, kind: Kind, currency: str, at: datetime) -> Money:
    """What the balance was just before `at`: entries with an earlier time count, one at that very time does not.

    So the closing balance of a period is the opening balance of the next. Adds up the account's history.
    """
    found = LedgerTransfer.objects.filter(
        _touches(kind), account_id=account_id, currency=currency, entry__at__lt=at
    ).aggregate(net=Coalesce(Sum(_signed(kind)), Value(0), output_field=BigIntegerField()))
    return Money(int(found["net"]), currency)


def history(
    account_id: UUID,
    currency: str,
    *,
    kind: Kind = Kind.CUSTOMER,
    before: Cursor | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    entry_kinds: frozenset[EntryKind] | None = None,
    limit: int = 50,
) -> list[Movement]:
    """The newest movements of one ledger account, newest first, at most `limit` (1 to 500) of them.

    `before` continues after the last row of a page. `since` is inclusive, `until` exclusive. Raises ValueError for a
    limit out of range.
    """
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise ValueError(f"limit must be 1 to {PAGE_ROWS_MAX}, not {limit}")
    of_entry = LedgerTransfer.objects.filter(
        _touches(kind), account_id=account_id, entry_id=OuterRef("id"), currency=currency
    )
    net = of_entry.order_by().values("entry_id").annotate(net=Sum(_signed(kind))).values("net")
    rows = LedgerEntry.objects.filter(account_id=account_id)
    if before is not None:
        rows = rows.filter(Q(at__lt=before.at) | Q(at=before.at, id__lt=before.entry_id), at__lte=before.at)
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    if entry_kinds is not None:
        rows = rows.filter(kind__in=entry_kinds)
    rows = rows.annotate(net=Subquery(net, output_field=BigIntegerField())).filter(net__isnull=False)
    return [_movement(row, currency) for row in rows.order_by("-at", "-id")[:limit]]


def totals(account_id: UUID, currency: str) -> dict[EntryKind, KindTotal]:
    """What each kind of entry has moved on the customer's balance; a reversal counts with the kind it reverses."""
    return {
        EntryKind(row.kind): KindTotal(
            Money(row.debit_micros, currency), Money(row.credit_micros, currency), row.entries
        )
        for row in CustomerTotal.objects.filter(account_id=account_id, currency=currency)
    }


def transfers_of(account_id: UUID, entry_id: UUID) -> tuple[Transfer, ...]:
    """What an entry of the account moved, in its order; empty if there is no such entry."""
    rows = LedgerTransfer.objects.filter(account_id=account_id, entry_id=entry_id).order_by("line")
    return tuple(
        Transfer(Kind(row.debit), Kind(row.credit), Money(row.amount_micros, row.currency)) for row in rows
    )


def entry_by_key(account_id: UUID, operation_key: str) -> LedgerEntry | None:
    """The entry that stands under the operation key, if any."""
    return LedgerEntry.objects.filter(account_id=account_id, operation_key=operation_key).first()


def _touches(kind: Kind) -> Q:
    return Q(debit=kind) | Q(credit=kind)


def _signed(kind: Kind) -> Case:
    return Case(
        When(credit=kind, then=F("amount_micros")),
        default=-F("amount_micros"),
        output_field=BigIntegerField(),
    )


def _movement(row: Any, currency: str) -> Movement:
    return Movement(
        entry_id=row.id,
        kind=EntryKind(row.kind),
        operation_key=row.operation_key,
        at=row.at,
        recorded_at=row.recorded_at,
        amount=Money(int(row.net), currency),
        memo=row.memo,
        reverses=row.reverses_id,
    )
