"""Short words for entries, so that the tests of the books read as what happens."""

from datetime import UTC, datetime
from uuid import UUID

from raseed.db.invariants import Invariant, Violation, registered, run
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer
from raseed.money import Money

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def rules_of_the_books() -> list[Invariant]:
    """The ledger's own rules. Other rooms' rules would ask for the payments and papers behind these entries."""
    return [found for found in registered() if found.check.__module__ == "raseed.ledger.verify"]


def books_broken() -> list[Violation]:
    """What the ledger's own rules find broken now."""
    return list(run(NOW, checks=rules_of_the_books()))


def entry(
    account_id: UUID,
    key: str,
    micros: int,
    *,
    kind: EntryKind = EntryKind.TOPUP_CARD,
    debit: Kind = Kind.GATEWAY_CLEARING,
    credit: Kind = Kind.CUSTOMER,
    currency: str = "USD",
    at: datetime = NOW,
) -> NewEntry:
    """An entry of one transfer; by default a top-up by card."""
    return NewEntry(account_id, kind, key, (Transfer(debit, credit, Money(micros, currency)),), at)


def topup(account_id: UUID, key: str, micros: int, currency: str = "USD", at: datetime = NOW) -> NewEntry:
    """A card payment that raises the balance."""
    return entry(account_id, key, micros, currency=currency, at=at)


def usage(account_id: UUID, key: str, micros: int, currency: str = "USD", at: datetime = NOW) -> NewEntry:
    """Rated usage: a fact, booked even below the floor."""
    return entry(
        account_id,
        key,
        micros,
        kind=EntryKind.USAGE,
        debit=Kind.CUSTOMER,
        credit=Kind.UNINVOICED_REVENUE,
        currency=currency,
        at=at,
    )


def refund(account_id: UUID, key: str, micros: int, currency: str = "USD", at: datetime = NOW) -> NewEntry:
    """Money given back: guarded by the floor."""
    return entry(
        account_id,
        key,
        micros,
        kind=EntryKind.REFUND,
        debit=Kind.CUSTOMER,
        credit=Kind.GATEWAY_CLEARING,
        currency=currency,
        at=at,
    )
