"""One payment, one charge, one credit, whoever comes at the same time; beside each race the same one unguarded.

The races run on a database with real commits, in threads with connections of their own. The unguarded versions
do what the product does, less one guard, and go wrong every time: so the races are real ones.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connections
from pytest_django import Settings

from bank import RunningBank
from conftest import RealDatabase
from people import NOON, Company, command, customer_balance, make_company, open_one, save_card
from raseed.accounts.models import Account
from raseed.db.transactions import atomic
from raseed.gateways.port import Movement, Outcome, Succeeded
from raseed.gateways.registry import gateway
from raseed.gateways.sandbox import SandboxGateway
from raseed.ledger import read
from raseed.ledger.chart import EntryKind
from raseed.ledger.post import post
from raseed.money import Money
from raseed.payments import inbox, paynow, reconcile, ties, walk
from raseed.payments import settle as settling
from raseed.payments.models import GatewayReference, InboxEvent, Payment
from raseed.payments.paynow import PaymentInProgress, PayNow
from raseed.payments.states import Cause, State

THREADS = 20
RACES = 200
UNGUARDED_RACES = 10
LATER = NOON + timedelta(seconds=5)


def together(*acts: Callable[[], object]) -> list[object]:
    """Run all at the same moment, each in a thread of its own; what each returned or raised, in their order."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            start.wait(30)
            return act()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


def pressed(asked: PayNow) -> UUID:
    """What the portal does with a posted form."""
    payment = paynow.open_payment(asked, NOON)
    return paynow.submit(asked.account_id, payment.id, NOON).id


def opened_unguarded(asked: PayNow, passed: threading.Barrier, *, asks_first: bool = False) -> Payment:
    """`open_payment` that looks and then inserts, with no lock in between."""
    assert paynow._earlier(asked) is None
    payment = paynow._intent(Account.objects.get(id=asked.account_id), asked, NOON)
    if asks_first:
        paynow._refuse_second(asked, NOON)
    passed.wait(30)
    with atomic():
        payment.save(force_insert=True)
        GatewayReference.objects.create(
            payment_id=payment.id, account_id=payment.account_id, gateway=payment.gateway, gateway_ref=None
        )
    return payment


def all_charges(bank: RunningBank) -> list[int]:
    return [line["amount"] for line in bank.book() if line["kind"] == "charge"]


@pytest.fixture(autouse=True)
def patience(bank: RunningBank, settings: Settings) -> None:
    """Twenty at once on a busy machine must not look like a bank that does not answer."""
    settings.GATEWAY_TIMEOUT_S = 30
    settings.GATEWAY_WAITS_MAX, settings.GATEWAY_REQUESTS_PER_S = THREADS, 10_000


@pytest.fixture
def asked(bank: RunningBank, company: Company) -> PayNow:
    """One drawn form: 100 USD on a saved card."""
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    return command(company, "100", method_id=method.id)


# -- one form, many posts


def charges_of_posts(bank: RunningBank, act: Callable[[], object]) -> tuple[list[object], list[int]]:
    before = len(all_charges(bank))
    return together(*[act] * THREADS), all_charges(bank)[before:]


def test_twenty_posts_of_one_form_are_one_payment(bank: RunningBank, company: Company, asked: PayNow) -> None:
    answers, charged = charges_of_posts(bank, lambda: pressed(asked))
    assert len(answers) == THREADS
    (payment,) = Payment.objects.filter(account_id=company.account.id)
    assert set(answers) == {payment.id}
    assert charged == [10_000]
    assert customer_balance(company) == Money(100_000_000, "USD")


def test_without_lock_and_unique_key_they_are_twenty(
    real_db: RealDatabase, bank: RunningBank, company: Company, asked: PayNow
) -> None:
    with real_db.owner() as owner:
        owner.execute("ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_client_key")
    passed = threading.Barrier(THREADS)

    def press() -> UUID:
        return paynow.submit(company.account.id, opened_unguarded(asked, passed).id, NOON).id

    answers, charged = charges_of_posts(bank, press)
    assert len(set(answers)) == THREADS
    assert charged == [10_000] * THREADS


def test_without_the_lock_the_unique_key_still_holds(
    bank: RunningBank, company: Company, asked: PayNow
) -> None:
    passed = threading.Barrier(THREADS)

    def press() -> UUID:
        return paynow.submit(company.account.id, opened_unguarded(asked, passed).id, NOON).id

    answers, charged = charges_of_posts(bank, press)
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == THREADS - 1
    assert charged == [10_000]


def test_a_form_that_mints_its_key_when_it_is_posted_charges_every_time(
    bank: RunningBank, company: Company, asked: PayNow
) -> None:
    _answers, charged = charges_of_posts(
        bank, lambda: pressed(replace(asked, client_key=uuid4(), another=True))
    )
    assert charged == [10_000] * THREADS


# -- two tabs


def test_the_second_of_two_tabs_is_asked(bank: RunningBank, company: Company) -> None:
    for race in range(10):
        tabs = [command(company, "50"), command(company, "50")]
        now = NOON + timedelta(hours=race)
        answers = together(
            lambda: paynow.open_payment(tabs[0], now),  # noqa: B023 - run before the next round
            lambda: paynow.open_payment(tabs[1], now + timedelta(milliseconds=50)),  # noqa: B023
        )
        refused = [one for one in answers if isinstance(one, PaymentInProgress)]
        assert len(refused) == 1, answers
        assert Payment.objects.filter(account_id=company.account.id).count() == race + 1


def test_without_the_account_lock_neither_tab_is_asked(bank: RunningBank, company: Company) -> None:
    passed = threading.Barrier(2)
    tabs = [command(company, "50"), command(company, "50")]
    together(*[lambda tab=tab: opened_unguarded(tab, passed, asks_first=True) for tab in tabs])  # type: ignore[misc]
    assert Payment.objects.filter(account_id=company.account.id).count() == 2


# -- page, webhook and reconcile


class Charged:
    """Payments that the bank has charged on its card page, each with a kept webhook and a line of the list."""

    def __init__(self, bank: RunningBank, count: int) -> None:
        self.companies = [make_company(f"Company {number}") for number in range(4)]
        self.payments: list[Payment] = []
        for number in range(count):
            company = self.companies[number % len(self.companies)]
            payment = open_one(company, "100", another=True)
            payment = paynow.submit(payment.account_id, payment.id, NOON)
            bank.pay(payment.gateway_ref)
            InboxEvent.objects.create(
                gateway="sandbox",
                event_id=self.event_of(payment),
                kind="payment.succeeded",
                gateway_ref=payment.gateway_ref,
                payment_id=payment.id,
                body=b"{}",
                received_at=NOON,
            )
            self.payments.append(payment)
        lines = gateway("sandbox").list_since("", 500).movements
        self.lines: dict[UUID | None, Movement] = {line.payment_id: line for line in lines}

    @staticmethod
    def event_of(payment: Payment) -> str:
        return f"evt_{payment.id}"

    def race(self) -> None:
        """Bring the news of each payment by all three roads at the same moment."""
        roads: list[Callable[[Payment], object]] = [
            lambda payment: reconcile.follow(payment.account_id, payment.id, Cause.PAGE, LATER),
            self.deliver,
            lambda payment: walk._settle_charge("sandbox", self.lines[payment.id], LATER),
        ]
        faults = together(*[lambda road=road: [road(one) for one in self.payments] for road in roads])  # type: ignore[misc]
        assert [one for one in faults if isinstance(one, Exception)] == []

    def deliver(self, payment: Payment) -> None:
        """Make the payment's webhook due and take the turn."""
        InboxEvent.objects.filter(event_id=self.event_of(payment)).update(next_try_at=LATER)
        inbox.apply_waiting(LATER)

    def credits(self) -> list[int]:
        """How many times each payment was credited."""
        entries = [
            entry.memo["payment_id"]
            for company in self.companies
            for entry in read.history(company.account.id, "USD", limit=500)
            if entry.kind == EntryKind.TOPUP_CARD
        ]
        return [entries.count(str(payment.id)) for payment in self.payments]

    def balances(self) -> int:
        return sum(customer_balance(company).micros for company in self.companies)


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """All three roads hold the bank's answer before the first of them may settle."""
    fetch, answered = SandboxGateway.fetch, threading.Barrier(3)

    def fetch_and_wait(bank: SandboxGateway, gateway_ref: str) -> Outcome:
        outcome = fetch(bank, gateway_ref)
        answered.wait(30)
        return outcome

    monkeypatch.setattr(SandboxGateway, "fetch", fetch_and_wait)


def test_two_hundred_races_of_page_webhook_and_reconcile_credit_once_each(
    bank: RunningBank, company: Company, meeting: None
) -> None:
    charged = Charged(bank, RACES)
    charged.race()
    assert charged.credits() == [1] * RACES
    assert charged.balances() == RACES * 100_000_000
    assert sorted(all_charges(bank)) == [10_000] * RACES
    assert InboxEvent.objects.filter(applied_at=LATER).count() == RACES
    states = {Payment.objects.get(account_id=one.account_id, id=one.id).state for one in charged.payments}
    assert states == {State.SUCCEEDED}


@pytest.mark.parametrize(("key", "credited"), [("payment:{id}:{cause}", 3), ("payment:{id}:captured", 1)])
def test_a_settle_that_neither_locks_nor_looks_again(
    bank: RunningBank,
    company: Company,
    meeting: None,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    credited: int,
) -> None:
    """It credits three times; only the ledger's operation key, where it names the payment alone, still holds."""
    looked = threading.Barrier(3)

    def settle(account_id: UUID, payment_id: UUID, outcome: Outcome, cause: Cause, now: object) -> Payment:
        payment = Payment.objects.get(account_id=account_id, id=payment_id)
        assert isinstance(outcome, Succeeded)
        looked.wait(30)
        if payment.state != State.SUCCEEDED:
            entry = settling._top_up(payment, LATER)
            with atomic():
                post(replace(entry, operation_key=key.format(id=payment.id, cause=cause)))
            Payment.objects.filter(account_id=account_id, id=payment_id).update(
                state=State.SUCCEEDED, captured_minor=outcome.captured_minor
            )
        return payment

    charged = Charged(bank, UNGUARDED_RACES)
    for room in (ties, inbox):
        monkeypatch.setattr(room, "settle", settle)
    charged.race()
    assert charged.credits() == [credited] * UNGUARDED_RACES
    assert charged.balances() == credited * UNGUARDED_RACES * 100_000_000
