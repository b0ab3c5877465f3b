"""What must be true of the data at every moment, room by room, and the one way to check all of it.

A room registers its rules when its `verify` module is imported:

    @invariant("I4", "Each balance is the sum of its transfers.")
    def balances_add_up(scope: Scope) -> Iterator[Violation]:
        yield from violations("I4", f"SELECT … FROM ledger_account a WHERE {of('a')} AND …", scope)

The ids are those of the project's list of invariants. A rule reads; it must never repair. A rule about accounts keeps to
those of its scope; one that is cheap, or about no account, looks at everything every time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from raseed.db.guard import across_accounts

ROWS_PER_FETCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule found broken: its id, what is concerned (account, entry, table …) by id, and the amounts, in words."""

    rule: str
    ids: Mapping[str, str]
    detail: str

    def __str__(self) -> str:
        named = " ".join(f"{name}={value}" for name, value in self.ids.items())
        return f"{self.rule} {named}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run looks at, as of `now`: all accounts (`accounts` None), or those that may have changed.

    `since_xid` goes with the accounts: the transaction from which on rows count as new.
    """

    now: datetime
    accounts: tuple[UUID, ...] | None = None
    since_xid: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything is looked at."""
        return self.accounts is None

    def parameters(self) -> dict[str, Any]:
        """What the fragments of `of` and `NEW_ROW` refer to."""
        return {
            "whole": self.is_whole,
            "accounts": list(self.accounts or ()),
            "since_xid": str(self.since_xid or 0),
        }


def of(row: str, column: str = "account_id") -> str:
    """SQL that is true of a row, by its alias, that belongs to an account of the scope."""
    return f"(%(whole)s OR {row}.{column} = ANY (%(accounts)s::uuid[]))"


# SQL that is true of a row that was written, in whatever way, since the position from which an incremental run starts.
NEW_ROW: Final = "(%(whole)s OR age(xmin) <= age(%(since_xid)s::xid8::xid))"

Check = Callable[[Scope], Iterator[Violation]]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One registered check. Several checks may hold one rule, each in its room."""

    rule: str
    sentence: str
    check: Check

    @property
    def name(self) -> str:
        """Unique and stable: the check's module and name."""
        return f"{self.check.__module__}.{self.check.__qualname__}"


_REGISTERED: Final[dict[str, Invariant]] = {}


def invariant(rule: str, sentence: str) -> Callable[[Check], Check]:
    """Register a check of `rule`. `sentence` says what is true, for the person who reads the report."""

    def register(check: Check) -> Check:
        found = Invariant(rule, sentence, check)
        _REGISTERED[found.name] = found
        return check

    return register


def registered() -> tuple[Invariant, ...]:
    """All invariants of all installed rooms, in the order of their rules."""
    for config in apps.get_app_configs():
        if config.name.startswith("raseed.") and find_spec(f"{config.name}.verify"):
            import_module(f"{config.name}.verify")
    return tuple(sorted(_REGISTERED.values(), key=_by_rule))


def run(
    now: datetime,
    *,
    checks: Sequence[Invariant] | None = None,
    scope: Callable[[], Scope] | None = None,
    per_check_max: int = 1_000,
    done: Callable[[Invariant], None] | None = None,
) -> Iterator[Violation]:
    """Check everything in one snapshot and yield the violations as they are found, at most `per_check_max` a check.

    `checks` narrows it to some of those registered, `scope` to what it says; it is called inside the snapshot. `done` is
    called after each check, for a progress bar. The snapshot is REPEATABLE READ and read-only; inside a
    transaction of the caller that one is used as it is. Reads the primary.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    is_nested = connection.in_atomic_block
    with transaction.atomic():
        if not is_nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                # Whole tables are sorted and joined: in memory rather than in files.
                cursor.execute("SET LOCAL work_mem = '64MB'")
        looked_at = Scope(now) if scope is None else scope()
        for found in registered() if checks is None else checks:
            # Collected first: while this generator is suspended its caller must not inherit the permission.
            with across_accounts(f"{found.rule}: {found.sentence}"):
                broken = list(islice(found.check(looked_at), per_check_max))
            yield from broken
            if done is not None:
                done(found)


def violations(rule: str, sql: str, scope: Scope, **more: Any) -> Iterator[Violation]:
    """A violation for each row of `sql`, whose last column is the detail and whose others are ids, by their names.

    `sql` may use the scope's parameters and `more`, by their names.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, scope.parameters() | more)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            # A server-side cursor knows its columns only once it has been read from.
            names = [column[0] for column in cursor.description[:-1]]
            for *ids, detail in rows:
                yield Violation(rule, {n: str(v) for n, v in zip(names, ids, strict=True)}, str(detail))


def _by_rule(found: Invariant) -> tuple[int, str, str]:
    number = found.rule.removeprefix("I")
    return (int(number) if number.isdigit() else 1_000, found.rule, found.name)
