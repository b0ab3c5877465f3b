"""Limits on guessing, counted in the database so that all processes count together.

A try is counted before it is judged, in one statement, so that parallel tries cannot slip past the limit. Call it
outside a transaction that may roll back: a count that is undone limits nobody.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.utils.crypto import salted_hmac

from raseed.accounts.models import AttemptCount


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries for one subject in one window; the window begins at the first try."""

    purpose: str
    tries_max: int
    window: timedelta


# A person mistypes; a list of stolen passwords does not stop at ten.
SIGN_IN: Final = Limit("sign_in", 10, timedelta(minutes=15))
# Many people share an office's address, so this one only stops lists of addresses.
SIGN_IN_PLACE: Final = Limit("sign_in_place", 100, timedelta(minutes=15))
RESET: Final = Limit("reset", 3, timedelta(hours=1))
RESET_PLACE: Final = Limit("reset_place", 30, timedelta(hours=1))
# The second factor, and proofs asked for again. Whoever tries has the password or a session, so it is counted for the
# person wherever they are: five guesses at six digits, and no more than four times five in a day.
PROOF: Final = Limit("proof", 5, timedelta(minutes=15))
PROOF_DAY: Final = Limit("proof_day", 20, timedelta(days=1))
# A passkey cannot be guessed; this bounds the sessions that strangers can make us keep.
PASSKEY_PLACE: Final = Limit("passkey_place", 300, timedelta(minutes=15))
WINDOW_MAX: Final = timedelta(days=1)


def take(limit: Limit, subject: str, now: datetime) -> timedelta | None:
    """Count a try of `subject`. None: go on; else how long from `now` until the next try is allowed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_attemptcount AS kept (purpose, subject, began_at, tries)
            VALUES (%(purpose)s, %(subject)s, %(now)s, 1)
            ON CONFLICT (purpose, subject) DO UPDATE SET
                tries = CASE WHEN kept.began_at <= %(over)s THEN 1 ELSE least(kept.tries + 1, 1000000) END,
                began_at = CASE WHEN kept.began_at <= %(over)s THEN %(now)s ELSE kept.began_at END
            RETURNING tries, began_at
            """,
            {
                "purpose": limit.purpose,
                "subject": _hidden(limit, subject),
                "now": now,
                "over": now - limit.window,
            },
        )
        tries, began_at = cursor.fetchone()
    if tries <= limit.tries_max:
        return None
    wait: timedelta = began_at + limit.window - now
    return wait


def forget(limit: Limit, subject: str) -> None:
    """Begin anew for `subject`: the right password came."""
    AttemptCount.objects.filter(purpose=limit.purpose, subject=_hidden(limit, subject)).delete()


def forget_old(now: datetime) -> int:
    """Remove the counts whose window is over; how many. For a daily job."""
    removed, _ = AttemptCount.objects.filter(began_at__lte=now - WINDOW_MAX).delete()
    return removed


def _hidden(limit: Limit, subject: str) -> str:
    return salted_hmac(f"raseed.attempts.{limit.purpose}", subject, algorithm="sha256").hexdigest()
