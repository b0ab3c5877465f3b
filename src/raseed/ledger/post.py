"""The one writer of money. Every other room names an entry and asks `post` to write it.

No other module may name the SQL functions, and this one must never compute a balance in Python: the floor, the
operation key and the order of locks are the function's law.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError

from raseed.db.statements import row_of
from raseed.db.uuids import new_id
from raseed.ledger.chart import GUARDED, EntryKind, Kind
from raseed.ledger.errors import BY_SQLSTATE, UnknownAccount
from raseed.money import Money

OPERATION_KEY_CHARACTERS_MAX: Final = 200
TRANSFERS_MAX: Final = 100

_POST: Final = (
    "SELECT ledger_post(%s::uuid, %s::uuid, %s::text, %s::text, %s::bytea, %s::timestamptz, %s::timestamptz,"
    " %s::jsonb, %s::uuid, %s::boolean, %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[])"
)
_SET_FLOOR: Final = "SELECT ledger_set_floor(%s::uuid, %s::text, %s::bigint)"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement from the ledger account `debit` to `credit`, above zero. Raises ValueError where it cannot be one."""

    debit: Kind
    credit: Kind
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.micros <= 0:
            raise ValueError(
                f"a transfer moves more than 0, not {self.amount.micros} micros: swap debit and credit"
            )
        if self.debit == self.credit:
            raise ValueError(f"a transfer needs two ledger accounts, not {self.debit} twice")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What happened and what it moved.

    `operation_key` is unique in the account: a second entry with it is the first one again. `at` is when the entry
    counts, `recorded_at` when it is written down (by default the same); both with a time zone. `memo` explains and
    is not part of what is compared. `reverses` names the entry of which this is the exact mirror.
    Raises ValueError for what can only be a mistake in the code.
    """

    account_id: UUID
    kind: EntryKind
    operation_key: str
    transfers: tuple[Transfer, ...]
    at: datetime
    memo: Mapping[str, str] = field(default_factory=dict)
    reverses: UUID | None = None
    recorded_at: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.transfers) <= TRANSFERS_MAX:
            raise ValueError(f"an entry has 1 to {TRANSFERS_MAX} transfers, not {len(self.transfers)}")
        if not 1 <= len(self.operation_key) <= OPERATION_KEY_CHARACTERS_MAX:
            raise ValueError(f"an operation key has 1 to {OPERATION_KEY_CHARACTERS_MAX} characters")
        for moment in (self.at, self.recorded_at):
            if moment is not None and moment.utcoffset() is None:
                raise ValueError("the times of an entry need a time zone")

    def fingerprint(self) -> bytes:
        """SHA-256 of what the entry moves: kind, transfers, and what it reverses. Not of when, nor of the memo."""
        body = [
            str(self.kind),
            str(self.reverses or ""),
            [[str(t.debit), str(t.credit), t.amount.micros, t.amount.currency] for t in self.transfers],
        ]
        return hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True, slots=True)
class Posted:
    """The entry that stands under the operation key; `repeated` if it had been written before this call."""

    entry_id: UUID
    repeated: bool


def post(entry: NewEntry) -> Posted:
    """Write `entry`, its transfers and balances, in one round trip and in the caller's transaction if one is open.

    Raises OperationKeyReused, InsufficientBalance (guarded kinds only), BalanceCurrencyMismatch, NothingToReverse,
    NotTheMirror, AlreadyReversed, UnknownAccount; nothing has moved then. Inside an open transaction the error ends
    that transaction; who wants to go on after a refusal puts `transaction.atomic()` around this call.
    """
    entry_id = new_id()
    standing_id = _call(
        _POST,
        [
            entry.account_id,
            entry_id,
            str(entry.kind),
            entry.operation_key,
            entry.fingerprint(),
            entry.at,
            entry.recorded_at or entry.at,
            json.dumps(dict(entry.memo), ensure_ascii=False),
            entry.reverses,
            entry.kind in GUARDED,
            [new_id() for _ in entry.transfers],
            [str(t.debit) for t in entry.transfers],
            [str(t.credit) for t in entry.transfers],
            [t.amount.micros for t in entry.transfers],
            [t.amount.currency for t in entry.transfers],
        ],
    )
    return Posted(standing_id, repeated=standing_id != entry_id)


def set_floor(account_id: UUID, floor: Money) -> None:
    """Set how far guarded entries may take the customer's balance: 0 for prepaid, minus the credit limit for postpaid.

    Raises BalanceCurrencyMismatch if there is no such account or its currency is another.
    """
    _call(_SET_FLOOR, [account_id, floor.currency, floor.micros])


def _call(statement: str, parameters: list[Any]) -> Any:
    """Call a function of the ledger in the caller's transaction, and give what it returns."""
    with _refusals():
        row = row_of(statement, parameters)
    return row[0] if row else None


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the function's SQLSTATEs into our errors. By state alone: the constraint's name is lost on Citus."""
    try:
        yield
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        if state in BY_SQLSTATE:
            raise BY_SQLSTATE[state](str(error).splitlines()[0]) from error
        if state == "23503":
            # What else a posting refers to, it makes itself.
            raise UnknownAccount(str(error).splitlines()[0]) from error
        raise
