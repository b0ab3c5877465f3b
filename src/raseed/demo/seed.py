"""Months of believable life for the demo's accounts: top-ups at the sandbox bank, and rated usage day by day.

Usage is rated already. Everything goes through the same doors as real life (`raseed.demo.money`, `raseed.demo.recharge`). Falcon
has a second card that expires soon, and has asked staff for a change.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid5

from rich.console import Console
from rich.progress import track

from raseed.accounts import details
from raseed.accounts.models import Account, Role, User
from raseed.audit.log import Who
from raseed.balance.equation import available
from raseed.balance.models import Reason
from raseed.balance.suspension import suspend
from raseed.db.transactions import atomic
from raseed.demo.money import at_the_bank, book, top_up
from raseed.demo.people import DemoAccounts
from raseed.demo.recharge import Recharged
from raseed.money import Money
from raseed.payments.cards import setups
from raseed.payments.cards.setups import AddCard
from raseed.payments.states import Cause

DAYS = 92
# Micros of USD a working day, by service: calls out, numbers, messages, recording.
SERVICES = {"calls_out": 7_900_000, "messages": 1_150_000, "numbers": 2_000_000, "recording": 640_000}
SEED = 7


def begin(now: datetime) -> datetime:
    """When the demo's accounts were opened: their first day, for whoever opens them."""
    return now - timedelta(days=DAYS)


def live(accounts: DemoAccounts, now: datetime, console: Console) -> None:
    """Three months of both accounts, up to yesterday; then Palm's balance runs out and its service is suspended."""
    first = begin(now)
    days = [first + timedelta(days=day) for day in range(DAYS)]
    chance = random.Random(SEED)  # noqa: S311 - figures of a demo, not secrets
    falcon = Recharged(accounts.falcon, User.objects.get(email="admin@demo.test"))
    palm_admin = User.objects.get(email="admin@suspended.test")
    top_up(falcon.account, falcon.admin, Money(300_000_000, "USD"), first, save=True)
    top_up(accounts.palm, palm_admin, Money(250_000_000, "USD"), first, save=False)
    for number, day in enumerate(track(days, "three months of usage", console=console, transient=True)):
        falcon.morning(number, day)
        _use(accounts.falcon, day, chance)
        falcon.evening(_evening(day))
        falcon.unusual(DAYS - number, _evening(day))
        if available(accounts.palm) > Money(20_000_000, "USD"):
            _use(accounts.palm, day, chance)
    _run_out(accounts.palm, now - timedelta(hours=5))
    _second_card(accounts.falcon, falcon.admin, now - timedelta(days=2))
    _ask_for_a_change(accounts.falcon, falcon.admin, now - timedelta(hours=3))


def _evening(day: datetime) -> datetime:
    """When a day's usage is written down."""
    return day.astimezone(UTC).replace(hour=20, minute=0, second=0, microsecond=0)


def _use(account: Account, day: datetime, chance: random.Random) -> None:
    """One day's rated usage: an entry a service, quieter on Fridays and Saturdays."""
    at = _evening(day)
    quiet = 0.35 if day.weekday() in {4, 5} else 1.0
    for service, usual_micros in SERVICES.items():
        amount = int(usual_micros * (quiet if service != "numbers" else 1.0) * chance.uniform(0.7, 1.3))
        book(account, service, Money(amount, account.currency), at)


def _run_out(account: Account, now: datetime) -> None:
    """The call that took the balance below zero: usage is a fact, and the suspension follows."""
    book(account, "calls_out", available(account) + Money(3_100_000, account.currency), now)
    with atomic():
        suspend(account.id, Reason.BALANCE, now)


def _second_card(account: Account, admin: User, at: datetime) -> None:
    """A card that was added without a payment and expires this month."""
    by = Who(admin.id, Role.ADMIN)
    setup = setups.open_setup(AddCard(account.id, uuid5(account.id, "second card"), by, account.language), at)
    setup = setups.submit(account.id, setup.id, at)
    expiry = f"{at:%m/%y}"
    at_the_bank(f"/admin/keep/{setup.gateway_ref}", {"card": "5555555555554444", "expiry": expiry})
    setups.follow(account.id, setup.id, Cause.PAGE, at + timedelta(seconds=20))


def _ask_for_a_change(account: Account, admin: User, at: datetime) -> None:
    """A request that waits for staff."""
    wanted = replace(
        details.kept(details.details_of(account.id)), address="Office 1104, Al Sarab Tower, ADGM, Abu Dhabi"
    )
    details.ask(account.id, wanted, "We moved to Abu Dhabi on the 1st.", Who(admin.id, Role.ADMIN), at)
