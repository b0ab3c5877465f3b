"""The road on a bank's bad days, where a row needs a moved clock, a race or a look inside: each guard and what it guards.

One bank and one database for the file, a company for each test. The rows as a customer meets them are in tests/faults/test_paying.py.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg_pool
import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from bank import RunningBank, eventually
from conftest import TEMPLATE, _attached, _point_django_at
from line import Line
from people import NOON, Company, customer_balance, make_company, make_operator, open_one, save_card
from raseed.db import transactions
from raseed.db.backend.base import DatabaseWrapper
from raseed.gateways import pace, registry
from raseed.gateways.models import GatewayPace
from raseed.gateways.port import (
    Busy,
    Canceled,
    DeclineCode,
    Declined,
    GatewayUnavailable,
    Outcome,
    Succeeded,
    Unknown,
)
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerEntry
from raseed.money import Money
from raseed.payments import breaker, paynow, reconcile, walk
from raseed.payments.models import GatewayHealth, GatewayMovement, Payment, ReconciliationBreak
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State
from raseed.payments.ties import settle_and_untie

ZERO, USD_100 = Money.zero("USD"), Money(100_000_000, "USD")
HORIZON_S, LAG_S = 0.3, 0.5


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningBank, Line]]:
    with (
        RunningBank(
            tmp_path_factory.mktemp("bank"),
            webhook_attempts_max=1,
            key_horizon_short_s=HORIZON_S,
            list_lag_s=LAG_S,
            dispute_s=0.05,
            refund_s=0,
            hang_s=2,
        ) as bank,
        Line(lambda: bank.port) as line,
    ):
        yield bank, line


@pytest.fixture
def bank(running: tuple[RunningBank, Line], settings: Settings) -> Iterator[RunningBank]:
    bank, line = running
    bank.behaviour(clear=True)
    settings.SANDBOX_URL, settings.GATEWAY_TIMEOUT_S = line.url, 0.8
    yield bank
    registry.close_all()


@pytest.fixture(scope="module")
def database(django_db_setup: None) -> Iterator[str]:
    """One database with real commits for all tests of the file: they are many, and each is short."""
    cluster, name = _attached(), f"raseed_{uuid4().hex[:12]}"
    cluster.clone(TEMPLATE, name)
    yield name
    cluster.drop(name)


@pytest.fixture
def company(database: str, bank: RunningBank, django_db_blocker: pytest.FixtureRequest) -> Iterator[Company]:
    """A company of the test's own; nothing of the tests before is under way any more."""
    before = str(connections["default"].settings_dict["NAME"])
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _point_django_at(database)
        try:
            make_operator()
            GatewayHealth.objects.all().delete()
            GatewayPace.objects.all().delete()
            walk.walk_list("sandbox", NOON)
            made = make_company()
            yield made
            Payment.objects.filter(account_id=made.account.id).update(next_ask_at=None)
        finally:
            _point_django_at(before)


@pytest.fixture
def line(running: tuple[RunningBank, Line], bank: RunningBank) -> Line:
    return running[1]


def charged(bank: RunningBank, company: Company, behaviour: str, now: datetime = NOON) -> Payment:
    """100 USD on a saved card, submitted under this behaviour."""
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    payment = open_one(company, "100", method.id, now, another=True)
    bank.behaviour(reference=str(payment.id), behaviour=behaviour)
    return paynow.submit(company.account.id, payment.id, now)


def follow(payment: Payment, after: timedelta, cause: Cause = Cause.RECONCILE) -> Payment:
    return reconcile.follow(payment.account_id, payment.id, cause, NOON + after)


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(account_id=payment.account_id, id=payment.id)


def breaks(company: Company) -> list[str]:
    return [
        one.kind for one in ReconciliationBreak.objects.filter(account_id=company.account.id).order_by("id")
    ]


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    """So many threads at the same moment; what each returned or raised."""
    start = threading.Barrier(count)

    def run() -> object:
        try:
            start.wait(30)
            return act()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(count)]]


# -- F06


def test_f06_past_the_horizon_the_list_decides_and_a_resend_would_charge_twice(
    bank: RunningBank, company: Company
) -> None:
    payment = charged(bank, company, "G12")
    assert payment.state == State.SUBMITTED
    time.sleep(HORIZON_S + 0.05)  # the bank's own clock: it forgets the key
    payment = follow(payment, timedelta(hours=23, seconds=1))
    assert (payment.state, bank.charges(payment.id)) == (State.REVIEW, [10_000])
    walk.walk_list("sandbox", NOON + timedelta(hours=23, seconds=2))
    assert (fresh(payment).state, customer_balance(company)) == (State.SUCCEEDED, USD_100)
    # The negative control: the same request with the same key, sent after all.
    paynow.send(payment)
    assert bank.charges(payment.id) == [10_000, 10_000]


# -- F17


@pytest.mark.parametrize("road", ["question", "list"])
def test_f17_a_charge_that_another_customers_answer_named_first_comes_home(
    bank: RunningBank, company: Company, road: str
) -> None:
    """The bank names our charge in a stranger's answer while ours is lost: the stranger is tied to it, and lets it go."""
    ours = charged(bank, company, "G6")
    stranger = make_company("Palm Trading")
    theirs = charged(bank, stranger, "G14")
    (ours_at_bank,) = (one["id"] for one in bank.dump()["payments"] if one["reference"] == str(ours.id))
    assert (ours.state, ours.gateway_ref) == (State.SUBMITTED, "")
    assert (theirs.state, theirs.gateway_ref) == (State.SUCCEEDED, ours_at_bank)
    if road == "question":
        follow(ours, timedelta(seconds=2))
    else:
        walk.walk_list("sandbox", NOON + timedelta(seconds=2))
    theirs_at_bank = bank.dump()["payments"][-1]["id"]
    assert (fresh(ours).state, fresh(ours).gateway_ref) == (State.SUCCEEDED, ours_at_bank)
    assert (fresh(theirs).state, fresh(theirs).gateway_ref) == (State.SUCCEEDED, theirs_at_bank)
    assert customer_balance(company) == customer_balance(stranger) == USD_100
    assert (bank.charges(ours.id), bank.charges(theirs.id)) == ([10_000], [10_000])
    assert breaks(company) == ["foreign_reference"]


def test_f17_a_charge_is_not_taken_from_a_payment_that_the_bank_says_it_is_of(
    bank: RunningBank, company: Company
) -> None:
    theirs = charged(bank, make_company("Palm Trading"), "G1")
    ours = charged(bank, company, "G6")
    told = Succeeded(theirs.gateway_ref, 10_000, "USD", ours.id, card=None, saved=None)
    settled = settle_and_untie(ours.account_id, ours.id, told, Cause.RECONCILE, NOON + timedelta(seconds=2))
    assert (settled.state, settled.gateway_ref) == (State.SUBMITTED, "")
    assert (fresh(theirs).gateway_ref, customer_balance(company)) == (theirs.gateway_ref, ZERO)
    assert breaks(company) == ["foreign_reference"]


# -- F07


def open_circuit(at: datetime) -> None:
    for _ in range(breaker.FAILURES_MAX):
        breaker.record("sandbox", Unknown("silence"), at)
    assert breaker.is_open("sandbox")


def test_f07_four_failures_or_five_with_an_answer_between_do_not_open(company: Company) -> None:
    for _ in range(4):
        breaker.record("sandbox", Unknown("silence"), NOON)
    breaker.record("sandbox", Declined(None, DeclineCode.GENERIC, retryable=True), NOON)
    for second in range(4):
        breaker.record("sandbox", Unknown("silence"), NOON + timedelta(seconds=second))
    breaker.record("sandbox", Unknown("silence"), NOON + timedelta(seconds=31))
    assert not breaker.is_open("sandbox")


def test_f07_of_twenty_at_once_one_probes_and_no_customer_does(company: Company) -> None:
    open_circuit(NOON)
    due = NOON + breaker.PROBE_EVERY
    assert at_once(20, lambda: breaker.may_ask("sandbox", NOON)) == [False] * 20
    assert sorted(at_once(20, lambda: breaker.may_ask("sandbox", due))) == [False] * 19 + [True]
    for moment in (NOON, due, due + timedelta(seconds=59)):
        refused = at_once(4, lambda moment=moment: breaker.check("sandbox", moment))  # type: ignore[misc]
        assert [type(one) for one in refused] == [breaker.GatewayDown] * 4
        assert not breaker.takes_payments("sandbox", moment)
    unasked = due + breaker.PROBE_EVERY + breaker.CUSTOMER_PROBES_AFTER
    assert breaker.takes_payments("sandbox", unasked)
    assert at_once(4, lambda: breaker.check("sandbox", unasked)).count(None) == 1, (
        "no worker: one customer tries"
    )


def test_f07_a_silent_bank_is_asked_one_question_and_then_all_of_them(
    bank: RunningBank, company: Company, line: Line
) -> None:
    payments = [charged(bank, company, "G6") for _ in range(4)]
    open_circuit(NOON + timedelta(seconds=5))
    with line.down():
        later = NOON + timedelta(seconds=20)
        assert reconcile.ask_silent(later) == 1
        assert Payment.objects.filter(account_id=company.account.id, asked_at=later).count() == 1
        for payment in payments:
            reconcile.follow(company.account.id, payment.id, Cause.PAGE, later + timedelta(seconds=2))
        assert Payment.objects.filter(account_id=company.account.id, asked_at__gt=later).count() == 0
    reconcile.ask_silent(NOON + timedelta(seconds=40))
    assert not breaker.is_open("sandbox")
    assert {fresh(one).state for one in payments} == {State.SUCCEEDED}
    assert customer_balance(company) == Money(400_000_000, "USD")


def test_f07_with_nothing_to_ask_the_list_closes_the_circuit(
    bank: RunningBank, company: Company, line: Line
) -> None:
    with line.down():
        for second in range(5):
            with pytest.raises(GatewayUnavailable):
                walk.walk_list("sandbox", NOON + timedelta(seconds=second))
    assert breaker.is_open("sandbox")
    walk.walk_list("sandbox", NOON + timedelta(seconds=20))
    assert not breaker.is_open("sandbox")


def test_f07_a_payment_that_waits_for_the_circuit_is_not_forgotten(
    bank: RunningBank, company: Company
) -> None:
    payment = charged(bank, company, "G8")
    later = timedelta(minutes=16)
    open_circuit(NOON + later)
    follow(payment, later)
    assert breaks(company) == ["unresolved"]
    assert fresh(payment).next_ask_at == NOON + later + breaker.PROBE_EVERY


# -- F08


@pytest.mark.parametrize("cause", [Cause.PAGE, Cause.RECONCILE])
def test_f08_no_road_asks_before_retry_after_is_over(
    bank: RunningBank, company: Company, line: Line, cause: Cause
) -> None:
    payment = charged(bank, company, "G11")
    assert payment.busy_until == NOON + timedelta(seconds=2)
    assert follow(payment, timedelta(seconds=1.9), cause).state == State.SUBMITTED
    assert len(line.sent(payment.id)) == 1
    payment = follow(payment, timedelta(seconds=2), cause)
    assert (payment.state, bank.charges(payment.id)) == (State.SUCCEEDED, [10_000])
    assert {one.key for one in line.sent(payment.id) if one.method == "POST"} == {str(payment.id)}


def test_f08_all_processes_together_keep_to_the_cap(company: Company) -> None:
    """Threads with connections of their own stand for processes: what holds them together is the database."""
    limit, seconds, left = 40, 1.2, threading.Lock()
    times: list[float] = []
    ends = time.monotonic() + seconds

    def ask() -> None:
        while time.monotonic() < ends:
            if pace.wait_for_turn("sandbox", limit):
                with left:
                    times.append(time.monotonic())

    assert at_once(6, ask) == [None] * 6
    busiest = max(sum(start <= at < start + 1 for at in times) for start in times)
    assert limit * 0.6 <= busiest <= limit + 1, "one more for the jitter of this clock"


def test_f08_who_would_wait_too_long_for_the_cap_is_busy_and_sends_nothing(
    bank: RunningBank, company: Company, line: Line, settings: Settings
) -> None:
    settings.GATEWAY_REQUESTS_PER_S = 2
    payments = [open_one(company, "10", another=True) for _ in range(4)]
    states = [paynow.submit(company.account.id, one.id, NOON) for one in payments]
    assert [one.state for one in states] == ["action_required", "submitted", "submitted", "submitted"]
    assert [len(line.sent(one.id)) for one in payments] == [1, 0, 0, 0]
    assert states[1].busy_until == NOON + timedelta(seconds=1)


# -- threads and connections while the gateway hangs


def test_a_gateway_that_hangs_takes_only_some_threads_and_the_worker_pays_the_rest(
    bank: RunningBank, company: Company, line: Line, settings: Settings
) -> None:
    settings.GATEWAY_WAITS_MAX = 2
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    payments = [open_one(company, "10", method.id, another=True) for _ in range(6)]
    for payment in payments:
        bank.behaviour(reference=str(payment.id), behaviour="G5")
    waiting = iter(payments)
    began = time.monotonic()
    answers = at_once(6, lambda: paynow.submit(company.account.id, next(waiting).id, NOON).state)
    assert sorted(str(one) for one in answers) == ["created"] * 4 + ["submitted"] * 2
    assert time.monotonic() - began < 3, "nobody waited for a second time limit"
    for payment in payments:
        bank.behaviour(reference=str(payment.id), behaviour="G1")
        reconcile.follow(company.account.id, payment.id, Cause.RECONCILE, NOON + timedelta(seconds=5))
    assert {fresh(one).state for one in payments} == {State.SUCCEEDED}
    assert customer_balance(company) == Money(60_000_000, "USD")
    assert [bank.charges(one.id) for one in payments] == [[1_000]] * 6


def test_who_waits_for_the_gateway_holds_no_connection(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {**connections["default"].settings_dict}
    asked["OPTIONS"] = {**asked["OPTIONS"], "pool": {"min_size": 1, "max_size": 1, "timeout": 0.3}}
    waits, serves = DatabaseWrapper(asked, "pooled"), DatabaseWrapper(asked, "pooled")
    try:
        waits.ensure_connection()
        with pytest.raises((psycopg_pool.PoolTimeout, OperationalError)):
            serves.ensure_connection()
        monkeypatch.setattr(transactions, "connections", {"default": waits})
        transactions.let_go()
        serves.ensure_connection()
        assert serves.connection is not None
    finally:
        waits.close()
        serves.close()
        waits.close_pool()


# -- F13 to F17


def test_f13_what_cannot_even_be_canceled_is_given_to_a_person(
    bank: RunningBank, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    monkeypatch.setattr(type(registry.gateway("sandbox")), "cancel", lambda *_: Unknown("no answer"))
    assert follow(payment, timedelta(minutes=44)).state == State.ACTION_REQUIRED
    assert breaks(company) == []
    assert follow(payment, timedelta(minutes=46)).state == State.ACTION_REQUIRED
    assert breaks(company) == ["unresolved"]
    assert follow(payment, timedelta(hours=23, minutes=1)).state == State.REVIEW


def test_f13_cancel_and_completion_at_the_same_moment_agree_with_the_bank(
    bank: RunningBank, company: Company
) -> None:
    """Whoever is first at the bank, we end as the bank did: never canceled here and charged there."""
    ended = set()
    for _ in range(6):
        payment = paynow.submit(company.account.id, open_one(company, another=True).id, NOON)
        bank.pay(payment.gateway_ref, "4000002760003184", "abandon")
        acts = iter(
            [
                lambda payment=payment: follow(payment, timedelta(minutes=31)),
                lambda payment=payment: bank.pay(payment.gateway_ref),
            ]
        )
        at_once(2, lambda acts=acts: next(acts)())  # type: ignore[misc]
        reconcile.follow(company.account.id, payment.id, Cause.PAGE, NOON + timedelta(minutes=32))
        state = fresh(payment).state
        assert (state == State.SUCCEEDED) == (bank.charges(payment.id) == [10_000]), state
        ended.add(state)
    assert ended <= {State.SUCCEEDED, State.CANCELED}
    paid = Payment.objects.filter(account_id=company.account.id, state=State.SUCCEEDED).count()
    assert customer_balance(company) == Money(paid * 100_000_000, "USD")


def test_f14_without_coming_back_and_without_a_webhook_the_list_tells(
    bank: RunningBank, company: Company
) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    bank.behaviour(reference=str(payment.id), behaviour="G10")
    bank.pay(payment.gateway_ref, outcome="abandon")
    assert follow(payment, timedelta(minutes=31)).state == State.CANCELED
    bank.pay(payment.gateway_ref)
    assert follow(payment, timedelta(minutes=32)).state == State.CANCELED, "the worker asks no more about it"
    walk.walk_list("sandbox", NOON + timedelta(minutes=33))
    assert (fresh(payment).state, customer_balance(company)) == (State.SUCCEEDED, USD_100)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.ACTION_REQUIRED, State.SUCCEEDED])
@pytest.mark.parametrize("told", [Declined("pay_1", DeclineCode.GENERIC, retryable=True), Canceled("pay_1")])
def test_f15_the_failure_of_another_attempt_moves_nothing(
    company: Company, state: State, told: Outcome
) -> None:
    payment = open_one(company)
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(
        state=state, gateway_ref="pay_2", captured_minor=10_000 if state == State.SUCCEEDED else None
    )
    after = settle(company.account.id, payment.id, told, Cause.WEBHOOK, NOON)
    assert (after.state, after.decline_code, after.gateway_ref) == (state, "", "pay_2")
    if state != State.SUCCEEDED:
        assert after.next_ask_at == NOON + timedelta(seconds=1), "and it will be asked about"


@pytest.mark.parametrize("ended", [State.FAILED, State.CANCELED])
def test_f16_a_late_capture_of_something_else_is_reviewed_and_not_called_uncharged(
    company: Company, ended: State
) -> None:
    payment = open_one(company)
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(state=ended, final_at=NOON)
    told = Succeeded(f"pay_{payment.id}", 5_000, "USD", payment.id, None, None)
    after = settle(company.account.id, payment.id, told, Cause.RECONCILE, NOON)
    assert (after.state, after.final_at, breaks(company)) == (State.REVIEW, None, ["unexpected_capture"])
    assert customer_balance(company) == ZERO
    assert read.balance(company.account.id, Kind.SUSPENSE, "USD").balance_micros == 50_000_000


def test_f17_a_webhook_that_names_anothers_payment_settles_neither(
    bank: RunningBank, company: Company
) -> None:
    other = make_company("Other")
    theirs = charged(bank, other, "G1")
    mine = paynow.submit(company.account.id, open_one(company).id, NOON)
    swapped = registry.gateway("sandbox").fetch(theirs.gateway_ref)
    after = settle(company.account.id, mine.id, swapped, Cause.WEBHOOK, NOON)
    assert (after.state, after.gateway_ref) == (State.ACTION_REQUIRED, mine.gateway_ref)
    assert after.next_ask_at is not None
    assert breaks(company) == ["foreign_reference"]
    assert (customer_balance(company), customer_balance(other)) == (ZERO, USD_100)


# -- the customer who waits


def queued_for(payment: Payment, at: datetime) -> bool:
    jobs = ProcrastinateJob.objects.filter(task_name="payments.follow", args__payment_id=str(payment.id))
    return jobs.filter(scheduled_at=at).exists()


def test_who_comes_back_in_the_second_after_a_question_has_it_asked_in_the_next(
    bank: RunningBank, company: Company
) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    bank.pay(payment.gateway_ref)
    assert follow(payment, timedelta(seconds=0.5), Cause.PAGE).state == State.ACTION_REQUIRED
    assert fresh(payment).next_ask_at == NOON + timedelta(seconds=1.5)
    assert queued_for(payment, NOON + timedelta(seconds=1.5))
    assert follow(payment, timedelta(seconds=1.5)).state == State.SUCCEEDED


def test_pauses_begin_anew_for_who_comes_back(bank: RunningBank, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(asks=12)
    later = timedelta(minutes=10)
    assert follow(payment, later).next_ask_at == NOON + later + timedelta(minutes=1)
    later += timedelta(seconds=30)
    assert follow(payment, later, Cause.PAGE).next_ask_at == NOON + later + timedelta(seconds=1)


def test_f10_a_payment_whose_outcome_is_not_known_is_asked_about_at_any_age(
    bank: RunningBank, company: Company
) -> None:
    charged(bank, company, "G8")
    waiting = paynow.submit(company.account.id, open_one(company, another=True).id, NOON)
    later = NOON + timedelta(hours=2)
    with pytest.raises(paynow.PaymentInProgress, match="payment_in_progress"):
        open_one(company, now=later)
    Payment.objects.filter(account_id=company.account.id, state=State.SUBMITTED).update(state=State.FAILED)
    assert waiting.state == State.ACTION_REQUIRED
    assert open_one(company, now=later).state == State.CREATED


# -- the sweep and the list


def test_one_payment_that_cannot_be_asked_about_does_not_stop_the_others(
    bank: RunningBank, company: Company
) -> None:
    broken, whole = charged(bank, company, "G6"), charged(bank, company, "G6")
    Payment.objects.filter(account_id=company.account.id, id=broken.id).update(gateway="gone")
    Payment.objects.filter(account_id=company.account.id, id=whole.id).update(
        next_ask_at=NOON + timedelta(seconds=6)
    )
    later = NOON + timedelta(seconds=10)
    assert reconcile.ask_silent(later) == 2
    assert fresh(whole).state == State.SUCCEEDED
    assert fresh(broken).next_ask_at == later + timedelta(minutes=1), "not again at once, and not never"


@pytest.mark.parametrize("overlaps", [True, False], ids=["overlap", "without"])
def test_a_line_that_comes_late_into_the_list_is_found(
    bank: RunningBank, company: Company, monkeypatch: pytest.MonkeyPatch, overlaps: bool
) -> None:
    """Without the overlap, the negative control, the charge would be lost: its customer paid for nothing."""
    if not overlaps:
        monkeypatch.setattr(walk, "OVERLAP_EVERY_S", 10**12)
    now = timezone.now()
    late = paynow.submit(company.account.id, open_one(company, now=now).id, now)
    bank.behaviour(reference=str(late.id), behaviour="G15")
    bank.pay(late.gateway_ref)
    early = paynow.submit(company.account.id, open_one(company, now=now, another=True).id, now)
    bank.pay(early.gateway_ref)
    walk.walk_list("sandbox", now)
    assert (fresh(early).state, fresh(late).state) == (State.SUCCEEDED, State.ACTION_REQUIRED)
    lines = GatewayMovement.objects.count()
    eventually(
        lambda: bank.client.get(f"{bank.url}/v1/book", params={"limit": "1000"}).text.count(str(late.id)) == 1
    )
    walked = walk.walk_list("sandbox", now + timedelta(minutes=1))
    assert fresh(late).state == (State.SUCCEEDED if overlaps else State.ACTION_REQUIRED)
    assert walked.lines == GatewayMovement.objects.count() - lines == int(overlaps), "and nothing twice"


def test_a_charge_that_is_not_confirmed_holds_back_no_other(
    bank: RunningBank, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    payments = [
        paynow.submit(company.account.id, open_one(company, now=now, another=True).id, now) for _ in "ab"
    ]
    for payment in payments:
        bank.pay(payment.gateway_ref)
    adapter = type(registry.gateway("sandbox"))
    fetch = adapter.fetch

    def forgetful(self: object, ref: str) -> Outcome:
        return Unknown("no answer") if ref == payments[0].gateway_ref else fetch(self, ref)  # type: ignore[arg-type]

    with monkeypatch.context() as deaf:
        deaf.setattr(adapter, "fetch", forgetful)
        for _ in range(2):
            with pytest.raises(GatewayUnavailable):
                walk.walk_list("sandbox", now)
        assert [fresh(one).state for one in payments] == [State.ACTION_REQUIRED, State.SUCCEEDED]
        assert breaks(company) == []
        with pytest.raises(GatewayUnavailable):
            walk.walk_list("sandbox", now + timedelta(minutes=16))
        assert breaks(company) == ["unresolved"]
    assert walk.walk_list("sandbox", now).settled == 1
    assert customer_balance(company) == Money(200_000_000, "USD")


def test_refunds_that_the_books_do_not_hold_are_kept_and_reported_and_disputes_booked(
    bank: RunningBank, company: Company
) -> None:
    payment, disputed = charged(bank, company, "G1"), charged(bank, company, "G17w")
    reference = str(payment.id)
    bank.behaviour(reference=reference, behaviour="G16", stage="refund")
    for amount in (1_000, 2_000):
        bank.client.post(
            f"{bank.url}/v1/refunds",
            json={"payment": payment.gateway_ref, "amount": amount},
            headers={"Idempotency-Key": f"{reference}-{amount}"},
        )
    ours = {reference, str(disputed.id)}
    eventually(lambda: sum(line["reference"] in ours for line in bank.book()) == 6)
    for _ in range(2):
        walk.walk_list("sandbox", NOON + timedelta(minutes=1))
    kinds = GatewayMovement.objects.filter(payment_id__in=ours).values_list("kind", "amount_minor")
    assert sorted(kinds) == [
        ("charge", 10_000),
        ("charge", 10_000),
        ("dispute", 10_000),
        ("dispute_won", 10_000),
        ("refund", 2_000),
        ("refund_failed", 1_000),
    ]
    rows = ReconciliationBreak.objects.filter(account_id=company.account.id)
    assert {row.kind for row in rows} == {"unbooked_movement"}
    assert sorted(row.gateway_ref.split()[1] for row in rows) == ["refund", "refund_failed"]
    assert any(row.detail.startswith("refund of 2000 USD at ") for row in rows)
    assert fresh(payment).state == State.SUCCEEDED
    assert customer_balance(company) == Money(200_000_000, "USD"), "the dispute was won"
    booked = LedgerEntry.objects.filter(account_id=company.account.id).order_by("id")
    assert [one.kind for one in booked][-2:] == ["dispute", "dispute_won"]


def test_busy_is_not_silence(company: Company) -> None:
    for _ in range(10):
        breaker.record("sandbox", Busy(5), NOON)
    assert not GatewayHealth.objects.filter(failures__gt=0).exists()
