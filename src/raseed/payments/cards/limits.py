"""Limits on trying cards, counted in the database (OWASP ASVS 5.0, 2.4.1): who tries stolen ones does not get far.

What is limited is the typing of a card: for a payment, or to keep it. A card that is kept has been accepted once, so paying
with it is bounded by its rate alone and goes on while anything else is locked. Every refusal comes before the gateway is
asked, moves nothing, and says when it ends. Counts of one account are exact, because the caller holds its row; those of
one place and of the whole installation are what has ended by now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.formats import date_format
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy as _

from raseed.accounts.attempts import place_of
from raseed.accounts.models import Account
from raseed.errors import RaseedError
from raseed.local_time import zone_name
from raseed.payments.cards import puzzle
from raseed.payments.cards.models import CardEnd, CardTesting, TypedCard
from raseed.payments.models import Payment, Purpose

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
# A card page that nobody comes back from stops counting after this: the payment or setup is canceled then.
ABANDONED_AFTER: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class CardLimits:
    """The bounds of CARD_LIMITS (docs/operators/configure.md)."""

    failures: int
    new_cards: int
    payments: int
    place_failures: int
    accounts: int
    puzzle_after: int
    puzzle_bits: int
    alarm_attempts: int
    alarm_percent: int


def limits() -> CardLimits:
    """The limits that hold now."""
    return CardLimits(**settings.CARD_LIMITS)


class CardsLocked(RaseedError):
    """Too many cards of this account were declined."""

    code = "cards_locked"
    status = 429
    field = "method"
    message = _(
        "Too many cards were declined. New cards are locked for this account until %(until)s. Nothing was charged. Saved cards go on working."
    )


class TooManyNewCards(RaseedError):
    """Too many different cards were tried within a day."""

    code = "too_many_new_cards"
    status = 429
    field = "method"
    message = _(
        "This account has tried as many new cards as it may in 24 hours. The next one can be tried from %(until)s. Nothing was charged. Saved cards go on working."
    )


class TooManyPayments(RaseedError):
    """The account began too many payments within an hour."""

    code = "too_many_payments"
    status = 429
    message = _(
        "This account has begun as many payments as it may in an hour. The next one can be begun from %(until)s. Nothing was charged."
    )


class PlaceLocked(RaseedError):
    """Too many cards were declined that were typed from this place."""

    code = "place_locked"
    status = 429
    field = "method"
    message = _(
        "Too many cards that were typed from your network were declined. New cards can be tried from here from %(until)s. Nothing was charged. Saved cards go on working."
    )


class PuzzleUnsolved(RaseedError):
    """A new card needs the short check first."""

    code = "puzzle_unsolved"
    status = 422
    field = "method"
    message = _(
        "A new card needs a short check that your browser does by itself in a few seconds. Wait for it and press again. Without scripts it cannot be done: allow scripts for this page, or pay with a saved card. Nothing was charged."
    )


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody is about to type a card: for the payment or setup `id`, at a client's address (None: unknown).

    `client_key` is the form's; `solution` is what the form brought for its puzzle.
    """

    id: UUID
    client_key: UUID
    ip: str | None
    solution: str


def admit(account: Account, typing: Typing, now: datetime) -> None:
    """Write down that a card is about to be typed, or raise one of the refusals above. The caller holds the account's row."""
    bounds = limits()
    tried = list(
        TypedCard.objects.filter(account_id=account.id, begun_at__gt=now - 2 * DAY).order_by("begun_at")
    )
    failed = sorted(one.ended_at for one in tried if one.end == CardEnd.FAILED and one.ended_at)
    locked_until = _locked_until(failed, bounds.failures, now)
    if locked_until:
        raise CardsLocked(f"account {account.id}", until=_moment(locked_until, account))
    counted = _new_cards(account.id, tried, now)
    if len(counted) >= bounds.new_cards:
        raise TooManyNewCards(f"account {account.id}", until=_moment(min(counted), account))
    place = place_hash(typing.ip)
    at_place = _failed_at(place, bounds.place_failures, now)
    if at_place:
        raise PlaceLocked(f"account {account.id}", until=_moment(at_place + HOUR, account))
    if _needs_puzzle(failed, bounds, now) and not puzzle.is_solved(
        typing.client_key, typing.solution, bounds.puzzle_bits, now
    ):
        raise PuzzleUnsolved(f"account {account.id}")
    TypedCard.objects.create(id=typing.id, account_id=account.id, place=place, begun_at=now)


def admit_payment(account: Account, now: datetime) -> None:
    """Raise TooManyPayments if the account's Admins began too many within the hour. The caller holds the account's row."""
    most = limits().payments
    begun = (
        Payment.objects.filter(account_id=account.id, created_at__gt=now - HOUR, purpose=Purpose.PAY_NOW)
        .order_by("-created_at")
        .values_list("created_at", flat=True)[most - 1 : most]
    )
    if begun:
        raise TooManyPayments(f"account {account.id}", until=_moment(begun[0] + HOUR, account))


def note_end(typed_id: UUID, end: CardEnd, fingerprint: str, now: datetime) -> None:
    """Write down what became of a typed card. A late acceptance overrides; nothing happens if no card was typed for it."""
    known = {"fingerprint": fingerprint} if fingerprint else {}
    rows = TypedCard.objects.filter(id=typed_id)
    if end is not CardEnd.PASSED:
        rows = rows.exclude(end=CardEnd.PASSED)
    rows.update(end=end, ended_at=now, **known)


def needs_puzzle(account_id: UUID, now: datetime) -> bool:
    """Whether the next new card of the account needs the puzzle: for the form."""
    failed = TypedCard.objects.filter(account_id=account_id, end=CardEnd.FAILED, ended_at__gt=now - DAY)
    return _needs_puzzle([one.ended_at for one in failed if one.ended_at], limits(), now)


def is_in_too_many_accounts(fingerprint: str, account_id: UUID) -> bool:
    """Whether as many other accounts as may share it have had this card accepted."""
    if not fingerprint:
        return False
    others = (
        TypedCard.objects.filter(fingerprint=fingerprint, end=CardEnd.PASSED)
        .exclude(account_id=account_id)
        .values("account_id")
        .distinct()[: limits().accounts]
    )
    return len(others) >= limits().accounts


def place_hash(ip: str | None) -> str:
    """One place, so that nobody can read from the table who was where; "" where it is not known."""
    place = place_of(ip)
    return salted_hmac("raseed.cards.place", place, algorithm="sha256").hexdigest() if place else ""


def _locked_until(failed: list[datetime], most: int, now: datetime) -> datetime | None:
    """The end of the lock that the last failure of `most` within a day began; None if there is none now."""
    for n in range(len(failed) - 1, most - 2, -1):
        if failed[n] + DAY <= now:
            break
        if failed[n] - failed[n - most + 1] <= DAY:
            return failed[n] + DAY
    return None


def _new_cards(account_id: UUID, tried: list[TypedCard], now: datetime) -> list[datetime]:
    """When each card that counts as new stops doing so: those that the account had not had accepted a day ago.

    One that is being typed counts as another card, as nobody knows yet which it is. One number counts once.
    """
    today = [one for one in tried if one.begun_at > now - DAY and one.end != CardEnd.LEFT]
    names = {one.fingerprint for one in today if one.fingerprint}
    old = (
        set(
            TypedCard.objects.filter(
                account_id=account_id, fingerprint__in=names, end=CardEnd.PASSED, begun_at__lte=now - DAY
            ).values_list("fingerprint", flat=True)
        )
        if names
        else set()
    )
    ends: dict[str, datetime] = {}
    for one in today:
        if one.fingerprint not in old:
            # Whoever leaves the card page open stops counting once it is canceled.
            ends[one.fingerprint or str(one.id)] = (
                one.begun_at + DAY
                if one.end
                else max(one.begun_at + ABANDONED_AFTER, now + timedelta(minutes=1))
            )
    return list(ends.values())


def _failed_at(place: str, most: int, now: datetime) -> datetime | None:
    """When the failure at this place ended that must grow older than an hour before the next card; None if there are fewer."""
    if not place:
        return None
    failed = (
        TypedCard.objects.filter(place=place, end=CardEnd.FAILED, ended_at__gt=now - HOUR)
        .order_by("-ended_at")
        .values_list("ended_at", flat=True)[most - 1 : most]
    )
    return failed[0] if failed else None


def _needs_puzzle(failed: list[datetime], bounds: CardLimits, now: datetime) -> bool:
    today = [one for one in failed if one > now - DAY]
    return len(today) >= bounds.puzzle_after or CardTesting.objects.filter(since__isnull=False).exists()


def _moment(at: datetime, account: Account) -> object:
    """A moment as the account's people read it, in the language in which the sentence is read."""
    local = (at + timedelta(seconds=59)).astimezone(ZoneInfo(account.time_zone))
    return lazystr(_Moment(local))


class _Moment:
    """Whole minutes, rounded up, so that who comes then is not told to come again."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def __str__(self) -> str:
        return f"{date_format(self._at, 'j F Y', use_l10n=False)} \u2066{self._at:%H:%M} {zone_name(self._at)}\u2069"
