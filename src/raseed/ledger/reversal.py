"""The mirror of an entry: how a booking is undone. Entries are never changed or deleted."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from raseed.ledger.chart import EntryKind
from raseed.ledger.errors import NothingToReverse
from raseed.ledger.post import NewEntry, Transfer
from raseed.ledger.read import transfers_of


def reversal_of(
    account_id: UUID,
    entry_id: UUID,
    *,
    operation_key: str,
    at: datetime,
    memo: Mapping[str, str],
    kind: EntryKind = EntryKind.REVERSAL,
) -> NewEntry:
    """The entry that moves back exactly what `entry_id` moved, ready for `post`.

    `kind` is REVERSAL, or the name that the reversal has in the field (DISPUTE_WON). In the totals it counts with the
    kind of the entry it reverses. Raises NothingToReverse if the account has no such entry.
    """
    moved = transfers_of(account_id, entry_id)
    if not moved:
        raise NothingToReverse(f"account {account_id} has no entry {entry_id}")
    return NewEntry(
        account_id=account_id,
        kind=kind,
        operation_key=operation_key,
        transfers=tuple(Transfer(debit=t.credit, credit=t.debit, amount=t.amount) for t in moved),
        at=at,
        memo=memo,
        reverses=entry_id,
    )
