"""Months of believable life for the demo's accounts: top-ups at the sandbox bank, and rated usage day by day.

Usage is written as entries that are rated already. Everything goes through the same doors as real life: top-ups
through open, submit, settle and the bank's own page; usage through the ledger's one writer. Falcon has a second card that
expires soon, and has asked staff for a change.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid5

import httpx
from django.conf import settings
from rich.console import Console
from rich.progress import track

from raseed.accounts import details
from raseed.accounts.models import Account, Role, User
from raseed.audit.log import Who
from raseed.balance.equation import available
from raseed.balance.models import Reason
from raseed.balance.suspension import suspend
from raseed.db.transactions import atomic
from raseed.demo.people import DemoAccounts
from raseed.documents.issue import issue_receipt_voucher
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money
from raseed.payments import paynow, reconcile
from raseed.payments.cards import setups
from raseed.payments.cards.setups import AddCard
from raseed.payments.states import Cause

DAYS = 92
# Micros of USD a working day, by service: calls out, numbers, messages, recording.
SERVICES = {"calls_out": 7_900_000, "messages": 1_150_000, "numbers": 2_000_000, "recording": 640_000}
TOP_UP_EVERY_DAYS = 21
SEED = 7


def begin(now: datetime) -> datetime:
    """When the demo's accounts were opened: their first day, for whoever opens them."""
    return now - timedelta(days=DAYS)


def live(accounts: DemoAccounts, now: datetime, console: Console) -> None:
    """Three months of both accounts, up to yesterday; then Palm's balance runs out and its service is suspended."""
    first = begin(now)
    days = [first + timedelta(days=day) for day in range(DAYS)]
    chance = random.Random(SEED)  # noqa: S311 - figures of a demo, not secrets
    falcon_admin = User.objects.get(email="admin@demo.test")
    palm_admin = User.objects.get(email="admin@suspended.test")
    for number, day in enumerate(track(days, "three months of usage", console=console, transient=True)):
        if number % TOP_UP_EVERY_DAYS == 0:
            _top_up(accounts.falcon, falcon_admin, Money(300_000_000, "USD"), day, save=number == 0)
        if number == 0:
            _top_up(accounts.palm, palm_admin, Money(250_000_000, "USD"), day, save=False)
        _use(accounts.falcon, day, chance)
        if available(accounts.palm) > Money(20_000_000, "USD"):
            _use(accounts.palm, day, chance)
    _run_out(accounts.palm, now - timedelta(hours=5))
    _second_card(accounts.falcon, falcon_admin, now - timedelta(days=2))
    _ask_for_a_change(accounts.falcon, falcon_admin, now - timedelta(hours=3))


def _use(account: Account, day: datetime, chance: random.Random) -> None:
    """One day's rated usage: an entry a service, quieter on Fridays and Saturdays."""
    at = day.astimezone(UTC).replace(hour=20, minute=0, second=0, microsecond=0)
    quiet = 0.35 if day.weekday() in {4, 5} else 1.0
    for service, usual_micros in SERVICES.items():
        amount = int(usual_micros * (quiet if service != "numbers" else 1.0) * chance.uniform(0.7, 1.3))
        _book(account, service, Money(amount, account.currency), at)


def _book(account: Account, service: str, amount: Money, at: datetime) -> None:
    post(
        NewEntry(
            account_id=account.id,
            kind=EntryKind.USAGE,
            operation_key=f"seed:{service}:{at.isoformat()}",
            transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount),),
            at=at,
            memo={"service": service},
        )
    )


def _run_out(account: Account, now: datetime) -> None:
    """The call that took the balance below zero: usage is a fact, and the suspension follows."""
    _book(account, "calls_out", available(account) + Money(3_100_000, account.currency), now)
    with atomic():
        suspend(account.id, Reason.BALANCE, now)


def _second_card(account: Account, admin: User, at: datetime) -> None:
    """A card that was added without a payment and expires this month."""
    by = Who(admin.id, Role.ADMIN)
    setup = setups.open_setup(AddCard(account.id, uuid5(account.id, "second card"), by, account.language), at)
    setup = setups.submit(account.id, setup.id, at)
    expiry = f"{at:%m/%y}"
    _at_the_bank(f"/admin/keep/{setup.gateway_ref}", {"card": "5555555555554444", "expiry": expiry})
    setups.follow(account.id, setup.id, Cause.PAGE, at + timedelta(seconds=20))


def _ask_for_a_change(account: Account, admin: User, at: datetime) -> None:
    """A request that waits for staff."""
    wanted = replace(
        details.kept(details.details_of(account.id)), address="Office 1104, Al Sarab Tower, ADGM, Abu Dhabi"
    )
    details.ask(account.id, wanted, "We moved to Abu Dhabi on the 1st.", Who(admin.id, Role.ADMIN), at)


def _top_up(account: Account, admin: User, credit: Money, at: datetime, *, save: bool) -> None:
    """A payment on a new card at that time, typed at the sandbox bank, with its voucher."""
    payment = paynow.open_payment(
        paynow.PayNow(
            account_id=account.id,
            client_key=uuid5(account.id, at.isoformat()),
            credit=credit,
            method_id=None,
            save_method=save,
            actor_user_id=admin.id,
            language=account.language,
            another=True,
        ),
        at,
    )
    payment = paynow.submit(account.id, payment.id, at)
    _type_card(payment.gateway_ref)
    payment = reconcile.follow(account.id, payment.id, Cause.PAGE, at + timedelta(seconds=20))
    issue_receipt_voucher(account.id, payment.id, at + timedelta(seconds=21))


def _type_card(gateway_ref: str) -> None:
    _at_the_bank(f"/admin/pay/{gateway_ref}", {"card": "4242424242424242"})


def _at_the_bank(door: str, typed: dict[str, str]) -> None:
    """Act as the customer on the bank's pages."""
    answer = httpx.post(
        f"{settings.SANDBOX_URL}{door}",
        headers={"Authorization": f"Bearer {settings.SANDBOX_SECRET_KEY}"},
        json={"outcome": "complete", **typed},
        timeout=10,
        trust_env=False,
    )
    answer.raise_for_status()
