"""Lines that an account's available balance is watched against, and what is asked for when it comes down to one.

A line is armed until the balance reaches it, and armed again only once the balance is above it: a balance that hovers at a
line asks once. Reached means at or below. Everything here is one statement in the caller's transaction, after the entry
that moved the balance; nothing here decides what follows, that is the job's business.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from raseed.balance.models import Line, LineKind
from raseed.balance.suspension import run_out
from raseed.db.queue import defer
from raseed.money import Money

# What is queued when a line is reached, by name: the rooms above do it. Each job takes `account_id`.
JOBS: Final[dict[LineKind, str]] = {
    LineKind.RECHARGE: "payments.consider_recharge",
    LineKind.LOW_BALANCE: "balance.warn_low",
}

# Ledger balance − holds + credit limit, as the balance row has it; nothing where nothing was posted yet.
_OWN: Final = """(SELECT own.balance_micros - own.held_micros - coalesce(own.floor_micros, 0) FROM ledger_account own
        WHERE own.account_id = %(account_id)s AND own.kind = 'customer')"""
_AVAILABLE: Final = f"coalesce({_OWN}, 0)"
_REACH: Final = f"""
    WITH reached AS (
        UPDATE balance_line AS line SET crossed_at = %(now)s
        WHERE line.account_id = %(account_id)s AND line.crossed_at IS NULL AND line.amount_micros >= {_AVAILABLE}
        RETURNING line.kind
    )
    SELECT coalesce({_OWN} <= 0, false), array(SELECT kind FROM reached)
"""  # noqa: S608 - constants
_ARM: Final = f"""
    UPDATE balance_line AS line SET crossed_at = CASE WHEN line.amount_micros >= {_AVAILABLE} THEN line.crossed_at END
    WHERE line.account_id = %(account_id)s AND line.crossed_at IS NOT NULL
    RETURNING line.kind, line.crossed_at IS NOT NULL
"""  # noqa: S608


def draw(account_id: UUID, kind: LineKind, amount: Money, now: datetime) -> None:
    """Set or move a line, armed, and look at once: the balance may be there already. Call inside a transaction.

    A deduction that commits at the same moment may not see the line where it now is; a sweep of `kind` must find that.
    """
    Line.objects.bulk_create(
        [Line(account_id=account_id, kind=kind, amount_micros=amount.micros)],
        update_conflicts=True,
        unique_fields=["account", "kind"],
        update_fields=["amount_micros", "crossed_at"],
    )
    look(account_id, now)


def erase(account_id: UUID, kind: LineKind) -> None:
    """Watch this line no more."""
    Line.objects.filter(account_id=account_id, kind=kind).delete()


def look(account_id: UUID, now: datetime) -> None:
    """Queue the job of every armed line that the balance has reached, once, and suspend if nothing is left.

    Call inside a transaction, after a deduction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REACH, {"account_id": account_id, "now": now})
        is_out, reached = cursor.fetchall()[0]
    for kind in reached:
        defer(JOBS[LineKind(kind)], account_id=account_id)
    if is_out:
        run_out(account_id, now)


def arm(account_id: UUID) -> frozenset[LineKind]:
    """Arm again the lines that the balance is above; give those that it is still at or below. After every credit."""
    with connection.cursor() as cursor:
        cursor.execute(_ARM, {"account_id": account_id})
        return frozenset(LineKind(kind) for kind, still_reached in cursor.fetchall() if still_reached)
