"""Limits on guessing, counted in the database so that all processes count together.

A try is counted before it is judged, in one statement, so that parallel tries cannot slip past the limit. Call it
outside a transaction that may roll back: a count that is undone limits nobody.

Every limit ends by itself after its window, at most an hour: nobody is locked out for good. One more row of the table
says that a person has signed in from a place lately: what strangers do elsewhere does not keep them out there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from math import ceil
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
# One person's address from all places together: many machines that share one list. One place alone cannot reach it,
# and places where the person signed in lately are not counted, so that strangers elsewhere do not lock them out.
SIGN_IN_ADDRESS: Final = Limit("sign_in_address", 100, timedelta(hours=1))
# Somebody at an open session who tries to guess the password.
PASSWORD_CHANGE: Final = Limit("password_change", 5, timedelta(minutes=15))
# Mail to addresses that are not known to be the person's: by person, and by address.
EMAIL_CHANGE: Final = Limit("email_change", 5, timedelta(hours=1))
EMAIL_CHANGE_ADDRESS: Final = Limit("email_change_address", 5, timedelta(hours=1))
# Mail to strangers in the operator's name: by account, and again to the same person.
INVITATIONS: Final = Limit("invitations", 50, timedelta(hours=1))
INVITATION_AGAIN: Final = Limit("invitation_again", 5, timedelta(hours=1))
RESET: Final = Limit("reset", 3, timedelta(hours=1))
RESET_PLACE: Final = Limit("reset_place", 30, timedelta(hours=1))
# One broken page reports a few lines to each reader; more than this tells nobody anything new.
CSP_REPORT_PLACE: Final = Limit("csp_report_place", 20, timedelta(minutes=15))
CSP_REPORT: Final = Limit("csp_report", 300, timedelta(minutes=15))
# The second factor, and proofs asked for again. Whoever tries has the password or a session, so it is counted for the
# person wherever they are: five guesses at six digits, and no more than four times five in a day.
PROOF: Final = Limit("proof", 5, timedelta(minutes=15))
PROOF_DAY: Final = Limit("proof_day", 20, timedelta(days=1))
# A passkey cannot be guessed; this bounds the sessions that strangers can make us keep.
PASSKEY_PLACE: Final = Limit("passkey_place", 300, timedelta(minutes=15))
# What one API key may ask in a minute stands in settings; this is the purpose under which it is counted.
API_KEY_PURPOSE: Final = "api_key"
WINDOW_MAX: Final = timedelta(days=1)
FAMILIAR: Final = "familiar"
FAMILIAR_FOR: Final = timedelta(days=30)


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
                "subject": _hidden(limit.purpose, subject),
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
    AttemptCount.objects.filter(purpose=limit.purpose, subject=_hidden(limit.purpose, subject)).delete()


def place_of(ip: str | None) -> str:
    """What counts as one place: an IPv4 address, or the /64 of IPv6, which is what one household is given."""
    if not ip or ip_address(ip).version == 4:
        return ip or ""
    return str(ip_network((ip, 64), strict=False))


def remember_place(subject: str, now: datetime) -> None:
    """Keep for 30 days that this person has proved who they are from this place."""
    AttemptCount.objects.update_or_create(
        purpose=FAMILIAR, subject=_hidden(FAMILIAR, subject), defaults={"began_at": now, "tries": 0}
    )


def is_familiar(subject: str, now: datetime) -> bool:
    """Whether this person has proved who they are from this place within 30 days."""
    return AttemptCount.objects.filter(
        purpose=FAMILIAR, subject=_hidden(FAMILIAR, subject), began_at__gt=now - FAMILIAR_FOR
    ).exists()


def minutes(wait: timedelta) -> int:
    """A wait in whole minutes, as people are told of it: rounded up, at least one."""
    return max(1, ceil(wait.total_seconds() / 60))


def forget_old(now: datetime) -> int:
    """Remove the counts whose window is over, and places not seen for 30 days; how many. For a daily job."""
    counts = AttemptCount.objects.exclude(purpose=FAMILIAR).filter(began_at__lte=now - WINDOW_MAX)
    places = AttemptCount.objects.filter(purpose=FAMILIAR, began_at__lte=now - FAMILIAR_FOR)
    return sum(rows.delete()[0] for rows in (counts, places))


def _hidden(purpose: str, subject: str) -> str:
    return salted_hmac(f"raseed.attempts.{purpose}", subject, algorithm="sha256").hexdigest()
