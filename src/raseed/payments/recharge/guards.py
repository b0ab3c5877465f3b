"""The guards of automatic recharge, in their order: each reads the situation and says no, or nothing. Pure.

Whether a recharge is in flight is not here: a check would be a guess. The partial unique index of payments holds that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from raseed.accounts.models import Account
from raseed.balance.models import Reason as Suspended
from raseed.money import Money
from raseed.payments.amounts import Policy
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.recharge.models import RechargeSeries, RechargeSettings
from raseed.payments.recharge.reasons import Reason
from raseed.payments.recharge.size import Sized, size
from raseed.payments.states import State
from raseed.tax.topup import TopUpQuote

# When the sweep looks again, where nothing else will say that the reason is gone.
SUSPENDED_AGAIN_AFTER: Final = timedelta(hours=1)
PENDING_AGAIN_AFTER: Final = timedelta(minutes=5)
DOWN_AGAIN_AFTER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a guard may look at. `cards` are those that this try may charge, in their order.

    `pending_micros` is what payments under way will add. `charged_today` counts recharges, `charged_month_micros` adds
    up what they charged the cards, those under way included; both by the account's time zone.
    """

    account: Account
    wanted: RechargeSettings
    series: RechargeSeries
    now: datetime
    suspensions: frozenset[str]
    pending_micros: int
    available_micros: int
    open_recharge: Payment | None
    cards: tuple[PaymentMethod, ...]
    charged_today: int
    charged_month_micros: int
    policy: Policy | None

    @property
    def have(self) -> Money:
        """The available balance, with payments under way counted as if they had arrived."""
        return Money(self.available_micros + self.pending_micros, self.account.currency)

    @property
    def sized(self) -> Sized:
        """How much would be added."""
        if self.policy is None:
            raise LookupError(f"no amounts for {self.account.currency}: not_offered comes first")
        return size(self.wanted, self.have, self.policy)


@dataclass(frozen=True, slots=True)
class No:
    """A reason not to charge; when to look again, if time alone may end it; the cap that it is about."""

    reason: Reason
    look_at: datetime | None = None
    cap: int | None = None


Guard = Callable[[Situation], No | None]


def switched_on(here: Situation) -> No | None:
    """The Admin wants it."""
    return None if here.wanted.is_on else No(Reason.SWITCHED_OFF)


def consented(here: Situation) -> No | None:
    """Somebody agreed, and when and to what is on record."""
    return None if here.wanted.consent_at else No(Reason.NO_CONSENT)


def in_business(here: Situation) -> No | None:
    """The account is not closed, and not suspended by staff or for a dispute; one for the balance is what we are here for."""
    if here.account.closed_at is not None:
        return No(Reason.CLOSED)
    if here.suspensions & {Suspended.STAFF, Suspended.DISPUTE}:
        return No(Reason.SUSPENDED, here.now + SUSPENDED_AGAIN_AFTER)
    return None


def still_low(here: Situation) -> No | None:
    """The balance is at or below the threshold, payments under way counted as balance."""
    if here.available_micros > here.wanted.threshold_micros:
        return No(Reason.ABOVE_THRESHOLD)
    if here.have.micros > here.wanted.threshold_micros:
        return in_flight(here) if here.open_recharge else No(Reason.PENDING, here.now + PENDING_AGAIN_AFTER)
    return None


def has_card(here: Situation) -> No | None:
    """There is a card that may be charged with nobody there."""
    return None if here.cards else No(Reason.NO_CARD)


def not_backing_off(here: Situation) -> No | None:
    """Not paused, and not within 24 hours of a try that failed. The cards of one try follow each other at once."""
    series = here.series
    if series.paused_at is not None:
        return No(Reason.PAUSED)
    if series.next_try_at is not None and here.now < series.next_try_at and not series.is_trying:
        return No(Reason.BACKING_OFF, series.next_try_at)
    return None


def under_day_cap(here: Situation) -> No | None:
    """So many a day and no more."""
    cap = here.wanted.charges_per_day_max
    return No(Reason.DAY_CAP, day_after(here.account, here.now), cap) if here.charged_today >= cap else None


def offered(here: Situation) -> No | None:
    """The operator takes payments in this currency."""
    if here.policy is None:
        return No(Reason.NOT_OFFERED, here.now + SUSPENDED_AGAIN_AFTER)
    return None


GUARDS: Final[tuple[Guard, ...]] = (
    switched_on,
    consented,
    in_business,
    still_low,
    has_card,
    not_backing_off,
    under_day_cap,
    offered,
)


def under_month_cap(here: Situation, quoted: TopUpQuote) -> No | None:
    """The month's cap holds, this charge with its tax included. It refuses; it never charges a part."""
    cap = here.wanted.month_charge_max_micros
    if here.charged_month_micros + quoted.charge.micros <= cap:
        return None
    return No(Reason.MONTH_CAP, month_after(here.account, here.now), cap)


def in_flight(here: Situation) -> No:
    """What the index has said: a recharge is open. If it waits for an Admin, that is the reason."""
    waits = here.open_recharge is not None and here.open_recharge.state == State.ACTION_REQUIRED
    reason = Reason.AUTHENTICATION if waits else Reason.IN_FLIGHT
    return No(reason, here.now + PENDING_AGAIN_AFTER)


def day_of(account: Account, now: datetime) -> datetime:
    """When the account's day began."""
    local = now.astimezone(ZoneInfo(account.time_zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def day_after(account: Account, now: datetime) -> datetime:
    """When the account's next day begins."""
    # By the calendar: a day is not always 24 hours.
    return day_of(account, now) + timedelta(days=1)


def month_of(account: Account, now: datetime) -> datetime:
    """When the account's month began."""
    return day_of(account, now).replace(day=1)


def month_after(account: Account, now: datetime) -> datetime:
    """When the account's next month begins."""
    return (month_of(account, now) + timedelta(days=32)).replace(day=1)
