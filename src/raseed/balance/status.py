"""May the service go on for this account: one indexed read, for a service that asks often. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from raseed.money import Money

_READ: Final = """
    SELECT account.currency, account.closed_at,
           coalesce(books.balance_micros - books.held_micros - coalesce(books.floor_micros, 0), 0),
           suspended.reason, suspended.since
      FROM accounts_account AS account
      LEFT JOIN ledger_account AS books
        ON books.account_id = account.id AND books.kind = 'customer' AND books.currency = account.currency
      LEFT JOIN balance_suspension AS suspended
        ON suspended.account_id = account.id AND suspended.lifted_at IS NULL
     WHERE account.id = %s
     ORDER BY suspended.since
"""


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is active, suspended or closed; `suspensions` are the open ones, (reason, since), oldest first."""

    state: str
    available: Money
    suspensions: tuple[tuple[str, datetime], ...]


def status_of(account_id: UUID) -> Status | None:
    """The account as it is now; None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [account_id])
        rows = cursor.fetchall()
    if not rows:
        return None
    currency, closed_at, available_micros = rows[0][:3]
    suspensions = tuple((reason, since) for *_, reason, since in rows if reason is not None)
    state = "closed" if closed_at else "suspended" if suspensions else "active"
    return Status(state, Money(available_micros, currency), suspensions)
