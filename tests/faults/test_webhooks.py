"""F39 to F46: the bank's letters come early, never, thrice, in any order, forged, poisoned, in floods, under a wrong clock.

Each test says what the customer sees and what the books hold. The bank is a process; its letters are signed here, so that
they can be late, changed or many. Nothing is mocked: a poisoned letter is one whose payment's row is not there.
"""

import hashlib
import hmac
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from uuid import uuid4

import psycopg
import pytest
import time_machine
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from bank import WEBHOOK_SECRET, Postbox, RunningBank
from conftest import TEMPLATE, RealDatabase
from people import Company, customer_balance, make_company, make_operator, make_user, open_one, save_card
from raseed.accounts.models import StaffRole
from raseed.api.webhooks import BODY_BYTES_MAX, Gate
from raseed.audit.models import AuditEntry
from raseed.bench import webhooks as flood
from raseed.db import invariants
from raseed.gateways import registry
from raseed.money import Money
from raseed.payments import inbox, paynow, reconcile, walk
from raseed.payments.breaks import BreakKind
from raseed.payments.models import (
    GatewayReference,
    InboxEvent,
    Payment,
    PaymentMove,
    ReconciliationBreak,
    WebhookTally,
)
from raseed.payments.states import Cause, State
from together import together

HUNDRED = Money(100_000_000, "USD")
NOTHING = Money(0, "USD")
ADDRESS = "/webhooks/sandbox"
TEN_MINUTES = timedelta(minutes=10)


class Doorstep(Postbox):
    """Takes the bank's own letters in at our door, and has the worker look at each, before the bank hears an answer."""

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        status = deliver(raw, str(request.headers["Sandbox-Signature"]))
        worker_turn()
        connections.close_all()
        self.letters.append(({}, raw))
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()


@pytest.fixture(scope="module")
def doorstep() -> Iterator[Doorstep]:
    with Doorstep() as box:
        yield box


@pytest.fixture(scope="module")
def shared_bank(tmp_path_factory: pytest.TempPathFactory, doorstep: Doorstep) -> Iterator[RunningBank]:
    with RunningBank(tmp_path_factory.mktemp("bank"), doorstep.url, webhook_attempts_max=1) as running:
        yield running


@pytest.fixture
def bank(shared_bank: RunningBank, settings: Settings) -> Iterator[RunningBank]:
    """A bank that loses every letter until it is told otherwise: most of these tests deliver by hand."""
    shared_bank.behaviour(clear=True)
    shared_bank.behaviour(webhook_drop_percent=100)
    settings.SANDBOX_URL = shared_bank.url
    settings.GATEWAY_TIMEOUT_S = 5
    yield shared_bank
    registry.close_all()


@pytest.fixture
def database(shared_real_db: RealDatabase) -> Iterator[RealDatabase]:
    """One database for all these tests: an account of its own for each, and an empty inbox."""
    yield shared_real_db
    connections["default"].close()
    with shared_real_db.owner() as owner:
        owner.execute("TRUNCATE payments_inboxevent, payments_webhooktally")


@pytest.fixture
def company(database: RealDatabase) -> Company:
    make_operator()
    return make_company()


@pytest.fixture
def paid(bank: RunningBank, company: Company) -> Payment:
    """100 USD that the customer has paid on the bank's page, of which we have not heard."""
    return pay(bank, company)


def pay(bank: RunningBank, company: Company, card: str = "4242424242424242") -> Payment:
    payment = at_the_bank(company)
    bank.pay(payment.gateway_ref, card)
    return payment


def at_the_bank(company: Company) -> Payment:
    payment = open_one(company, "100", now=timezone.now(), another=True)
    return paynow.submit(payment.account_id, payment.id, timezone.now())


def letter(payment: Payment, kind: str = "payment.succeeded") -> bytes:
    """A letter about a payment, in the bank's own shape."""
    thing = {"object": "payment", "id": payment.gateway_ref, "reference": str(payment.id)}
    return json.dumps({"id": f"evt_{uuid4().hex}", "type": kind, "object": thing}).encode()


def signature(raw: bytes, secret: str = WEBHOOK_SECRET, at: datetime | None = None) -> str:
    stamp = int((at or timezone.now()).timestamp())
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={mac}"


def deliver(raw: bytes, signed: str | None = None) -> int:
    """Post a letter to the door; the status of the answer."""
    headers = {"Sandbox-Signature": signature(raw) if signed is None else signed}
    return Client().post(ADDRESS, raw, "application/json", headers=headers).status_code


def worker_turn(now: datetime | None = None) -> int:
    """What the worker does every second; how many letters it applied."""
    return inbox.apply_waiting(now or timezone.now())


def worker_tries_it_ten_times(now: datetime) -> datetime:
    for _ in range(inbox.TRIES_MAX):
        worker_turn(now)
        now += inbox.PAUSE_MAX
    return now


def state(payment: Payment) -> str:
    return Payment.objects.get(account_id=payment.account_id, id=payment.id).state


def moves(payment: Payment) -> list[str]:
    rows = PaymentMove.objects.filter(account_id=payment.account_id, payment_id=payment.id)
    return list(rows.order_by("id").values_list("target", flat=True))


def tallies() -> dict[str, int]:
    return dict(WebhookTally.objects.order_by("what").values_list("what", "times"))


def broken_rules(now: datetime | None = None) -> list[str]:
    return sorted({one.rule for one in invariants.run(now or timezone.now())})


# -- F39 early


def test_f39_arrives_before_our_row(database: RealDatabase, paid: Payment, company: Company) -> None:
    """The row that says whose payment it is comes long after the tenth try; the letter is applied all the same."""
    with database.owner() as owner:
        owner.execute("DELETE FROM payments_gatewayreference WHERE payment_id = %s", [paid.id])
    assert deliver(letter(paid)) == 200
    now = worker_tries_it_ten_times(timezone.now())
    event = InboxEvent.objects.get()
    assert (event.tries, event.next_try_at, event.fault) == (10, None, inbox.NO_PAYMENT)
    assert (inbox.wake_known(now), worker_turn(now)) == (0, 0)
    assert customer_balance(company) == NOTHING

    GatewayReference.objects.create(
        payment_id=paid.id, account_id=paid.account_id, gateway="sandbox", gateway_ref=paid.gateway_ref
    )
    assert (inbox.wake_known(now), worker_turn(now)) == (1, 1)
    assert (state(paid), customer_balance(company)) == (State.SUCCEEDED, HUNDRED)
    assert inbox.wake_known(now) == 0


def test_f39_arrives_before_the_answer_to_our_call(
    bank: RunningBank, company: Company, doorstep: Doorstep
) -> None:
    """G2: the letter is kept and applied while the call that charges still runs; its answer finds nothing left to do."""
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    bank.behaviour(webhook_drop_percent=0)
    bank.behaviour(next="G2")
    payment = open_one(company, "100", method_id=method.id, now=timezone.now())
    payment = paynow.submit(payment.account_id, payment.id, timezone.now())
    assert len(doorstep.letters) == 1
    assert payment.state == State.SUCCEEDED
    (move,) = PaymentMove.objects.filter(account_id=payment.account_id, target=State.SUCCEEDED)
    assert move.cause == Cause.WEBHOOK
    assert customer_balance(company) == HUNDRED
    assert bank.charges(payment.id) == [10_000]


# -- F40 never


def test_f40_never_arrives(bank: RunningBank, company: Company) -> None:
    """The customer is gone and no letter comes: asking finds one payment, the bank's list the other. Each once."""
    asked, listed = pay(bank, company), pay(bank, company)
    Payment.objects.filter(account_id=company.account.id, id=listed.id).update(
        next_ask_at=timezone.now() + timedelta(days=1)
    )
    later = timezone.now() + timedelta(seconds=2)
    assert reconcile.ask_silent(later) == 1
    assert (state(asked), state(listed)) == (State.SUCCEEDED, State.ACTION_REQUIRED)
    assert walk.walk_list("sandbox", later).settled >= 1
    assert (state(listed), customer_balance(company)) == (State.SUCCEEDED, Money(200_000_000, "USD"))
    assert InboxEvent.objects.count() == 0


# -- F41 thrice


def test_f41_arrives_three_times_at_once(paid: Payment, company: Company) -> None:
    raw = letter(paid)
    assert together(*[lambda: deliver(raw)] * 3) == [200, 200, 200]
    assert InboxEvent.objects.count() == 1
    assert sum(int(str(one)) for one in together(*[worker_turn] * 3)) == 1
    assert (moves(paid).count(State.SUCCEEDED), customer_balance(company)) == (1, HUNDRED)


def test_f41_without_the_unique_key_it_is_kept_three_times(
    database: RealDatabase, paid: Payment, company: Company
) -> None:
    """The control: the database alone makes one of three. What is kept thrice is still credited once, by settle."""
    with database.owner() as owner:
        owner.execute("ALTER TABLE payments_inboxevent DROP CONSTRAINT payments_inbox_once")
        raw = letter(paid)
        assert together(*[lambda: deliver(raw)] * 3) == [200, 200, 200]
        assert InboxEvent.objects.count() == 3
        together(*[worker_turn] * 3)
        owner.execute("TRUNCATE payments_inboxevent")
        owner.execute(
            "ALTER TABLE payments_inboxevent ADD CONSTRAINT payments_inbox_once UNIQUE (gateway, event_id)"
        )
    assert (moves(paid).count(State.SUCCEEDED), customer_balance(company)) == (1, HUNDRED)


# -- F42 out of order


def test_f42_arrives_out_of_order(paid: Payment, company: Company) -> None:
    """News that was true before the success comes after it, and is looked at after it: nothing goes back."""
    for kind in ("payment.succeeded", "payment.canceled", "payment.failed", "payment.created"):
        assert deliver(letter(paid, kind)) == 200
        assert worker_turn() == 1
    assert moves(paid) == [State.SUBMITTED, State.ACTION_REQUIRED, State.SUCCEEDED]
    assert customer_balance(company) == HUNDRED


def test_f42_a_letter_is_not_believed_but_fetched(company: Company, bank: RunningBank) -> None:
    """It says paid, rightly signed, of a payment that waits at the bank: the bank's answer holds."""
    waiting = at_the_bank(company)
    assert deliver(letter(waiting)) == 200
    assert worker_turn() == 1
    assert (state(waiting), customer_balance(company)) == (State.ACTION_REQUIRED, NOTHING)
    assert bank.charges(waiting.id) == []


def test_f42_news_of_a_payment_that_is_done_asks_nobody_but_another_reference_does(
    bank: RunningBank, paid: Payment, company: Company, settings: Settings
) -> None:
    """Late letters cost no call. One that names the payment under another charge is looked at: nothing moves, staff know."""
    assert (deliver(letter(paid)), worker_turn()) == (200, 1)
    other = pay(bank, company)
    other.id = paid.id
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    assert (deliver(letter(paid, "payment.updated")), worker_turn()) == (200, 1)
    assert (deliver(letter(other)), worker_turn()) == (200, 0)
    settings.SANDBOX_URL = bank.url
    assert worker_turn(timezone.now() + timedelta(seconds=5)) == 1
    (known,) = ReconciliationBreak.objects.filter(payment_id=paid.id)
    assert (known.kind, known.gateway_ref) == (BreakKind.FOREIGN_REFERENCE, other.gateway_ref)
    assert customer_balance(company) == HUNDRED


# -- F43 not the bank's

Post = tuple[bytes, str]


def reserialised(raw: bytes) -> Post:
    return json.dumps(json.loads(raw), separators=(",", ":")).encode(), signature(raw)


REFUSED: dict[str, tuple[str, Callable[[bytes], Post]]] = {
    "no signature": ("forged_webhook", lambda raw: (raw, "")),
    "forged": ("forged_webhook", lambda raw: (raw, f"t={int(timezone.now().timestamp())},v1={'0' * 64}")),
    "empty secret": ("forged_webhook", lambda raw: (raw, signature(raw, secret=""))),
    "another endpoint's secret": ("forged_webhook", lambda raw: (raw, signature(raw, secret="w" * 40))),
    "another body": ("forged_webhook", lambda raw: (raw.replace(b"pay_", b"pay-"), signature(raw))),
    "re-serialised": ("forged_webhook", reserialised),
    "stale": (
        "webhook_out_of_time",
        lambda raw: (raw, signature(raw, at=timezone.now() - timedelta(seconds=302))),
    ),
    "from the future": (
        "webhook_out_of_time",
        lambda raw: (raw, signature(raw, at=timezone.now() + timedelta(seconds=302))),
    ),
    "not a letter": ("unreadable_webhook", lambda _: (b"[]", signature(b"[]"))),
    "too deep": ("unreadable_webhook", lambda _: (b"[" * 60_000, signature(b"[" * 60_000))),
    "a NUL": ("unreadable_webhook", lambda raw: signed(raw.replace(b"evt_", b"evt\\u0000"))),
    "an endless name": ("unreadable_webhook", lambda raw: signed(raw.replace(b"evt_", b"e" * 300))),
}


def signed(raw: bytes) -> Post:
    return raw, signature(raw)


def test_f43_is_not_the_banks(paid: Payment, company: Company) -> None:
    """Each is a 400 of which a count is kept and nothing else; the same letter, rightly signed, is taken."""
    raw, counted = letter(paid), {"forged_webhook": 0, "unreadable_webhook": 0, "webhook_out_of_time": 0}
    for name, (code, forge) in REFUSED.items():
        counted[code] += 1
        assert (deliver(*forge(raw)), tallies().get(code)) == (400, counted[code]), name
    assert tallies() == counted
    assert (InboxEvent.objects.count(), worker_turn()) == (0, 0)
    assert (state(paid), customer_balance(company)) == (State.ACTION_REQUIRED, NOTHING)
    assert deliver(*signed(raw)) == 200


def test_f43_a_body_that_is_too_long_is_not_read(paid: Payment) -> None:
    raw = b" " * (BODY_BYTES_MAX + 1)
    assert deliver(*signed(raw)) == 413
    assert (InboxEvent.objects.count(), tallies()) == (0, {})


def test_f43_a_stranger_does_not_reach_the_database_with_more_than_a_count(
    paid: Payment, django_assert_num_queries: Callable[[int], object]
) -> None:
    raw = letter(paid)
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert deliver(raw, "nonsense") == 400
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert deliver(raw) == 200
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert deliver(raw) == 200


def test_f43_two_secrets_hold_while_one_is_changed(paid: Payment, settings: Settings) -> None:
    """No letter is refused at any step, and at the end the old secret is worth nothing."""
    old, new = WEBHOOK_SECRET, "the-secret-of-tomorrow-for-tests-only"
    raw = letter(paid)
    assert (deliver(raw, signature(raw, old)), deliver(raw, signature(raw, new))) == (200, 400)
    registry.close_all()
    settings.SANDBOX_WEBHOOK_SECRET, settings.SANDBOX_WEBHOOK_SECRET_BEFORE = new, old
    assert (deliver(raw, signature(raw, old)), deliver(raw, signature(raw, new))) == (200, 200)
    settings.SANDBOX_WEBHOOK_SECRET_BEFORE = ""
    assert (deliver(raw, signature(raw, old)), deliver(raw, signature(raw, new))) == (400, 200)
    assert InboxEvent.objects.count() == 1


# -- F44 poison


@pytest.fixture
def poison(bank: RunningBank, company: Company) -> Iterator[Payment]:
    """A payment whose reference leads to an account that has no such payment: whoever settles it stumbles."""
    payment = pay(bank, company)
    GatewayReference.objects.filter(payment_id=payment.id).update(account_id=uuid4())
    yield payment
    GatewayReference.objects.filter(payment_id=payment.id).update(account_id=company.account.id)


def test_f44_a_poisoned_letter_stops_no_other(
    bank: RunningBank, poison: Payment, company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(letter(poison)) == 200
    paid = pay(bank, company)
    assert deliver(letter(paid)) == 200
    assert worker_turn() == 1
    assert (state(paid), customer_balance(company)) == (State.SUCCEEDED, HUNDRED)
    worker_tries_it_ten_times(timezone.now() + inbox.PAUSE_MAX)
    event = InboxEvent.objects.get(applied_at=None)
    assert (event.payment_id, event.tries, event.next_try_at) == (poison.id, 10, None)
    assert "is given to a person: DoesNotExist" in caplog.text


def test_f44_staff_see_it_and_have_it_tried_again(poison: Payment, company: Company) -> None:
    """It stands on the staff's page with its fault; once the cause is gone, one press applies it, and is written down."""
    assert deliver(letter(poison)) == 200
    now = worker_tries_it_ten_times(timezone.now())
    event = InboxEvent.objects.get()
    staff, page = Client(), reverse("backoffice:webhooks")
    staff.force_login(make_user(f"{uuid4()}@operator.test", staff_role=StaffRole.SUPPORT))
    shown = staff.get(page).content.decode()
    assert all(part in shown for part in (event.event_id, str(poison.id), "DoesNotExist"))
    press = reverse("backoffice:webhook_try_again")
    customer = Client()
    customer.force_login(company.admin)
    assert customer.post(press, {"event": event.id}).status_code == 403
    assert worker_turn(now) == 0

    GatewayReference.objects.filter(payment_id=poison.id).update(account_id=company.account.id)
    assert staff.post(press, {"event": event.id}).headers["Location"] == page
    assert worker_turn() == 1
    assert (state(poison), customer_balance(company)) == (State.SUCCEEDED, HUNDRED)
    entry = AuditEntry.objects.get(account_id=company.account.id, action="webhook_tried_again")
    assert (entry.object_id, entry.actor_role, entry.before["tries"]) == (event.event_id, "support", 10)
    assert event.event_id not in staff.get(page).content.decode()

    assert staff.post(press, {"event": event.id}).status_code == 302
    for nonsense in ("", "x", "9" * 30, "-1"):
        assert staff.post(press, {"event": nonsense}).status_code == 404
    assert AuditEntry.objects.filter(account_id=company.account.id, action="webhook_tried_again").count() == 1


def test_f44_a_silent_bank_costs_a_letter_nothing_but_time(
    bank: RunningBank, paid: Payment, company: Company, settings: Settings
) -> None:
    """The turn ends at the first silence, and no letter is given up for it, however long it lasts."""
    other = pay(bank, company)
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    assert (deliver(letter(paid)), deliver(letter(other))) == (200, 200)
    now = worker_tries_it_ten_times(timezone.now())
    now = worker_tries_it_ten_times(now)
    assert InboxEvent.objects.filter(next_try_at__isnull=True).count() == 0
    settings.SANDBOX_URL = bank.url
    assert worker_turn(now + inbox.PAUSE_MAX) == 2
    assert customer_balance(company) == Money(200_000_000, "USD")


def test_f44_a_worker_that_dies_with_its_batch_loses_none(paid: Payment, company: Company) -> None:
    assert deliver(letter(paid)) == 200
    now = timezone.now()
    assert len(inbox._take(now)) == 1
    assert worker_turn(now) == 0
    assert worker_turn(now + inbox.TAKEN_FOR) == 1
    assert customer_balance(company) == HUNDRED


# -- F45 flood


def test_f45_the_next_one_over_the_limit_is_told_to_come_again_at_once(settings: Settings) -> None:
    settings.WEBHOOKS_AT_ONCE = 2
    inside, leave = threading.Barrier(3), threading.Event()

    def handled(request: HttpRequest) -> HttpResponse:
        if request.path_info == ADDRESS and not leave.is_set():
            inside.wait(30)
            leave.wait(30)
        return HttpResponse()

    gate, requests = Gate(handled), RequestFactory()
    with ThreadPoolExecutor(2) as pool:
        two = [pool.submit(gate, requests.post(ADDRESS)) for _ in range(2)]
        inside.wait(30)
        third = gate(requests.post(ADDRESS))
        assert (third.status_code, third.headers["Connection"]) == (503, "close")
        assert 5 <= int(third.headers["Retry-After"]) <= 30
        assert gate(requests.get("/login")).status_code == 200
        leave.set()
        assert [one.result().status_code for one in two] == [200, 200]
    assert gate(requests.post(ADDRESS)).status_code == 200


def test_f45_the_portal_does_not_start_where_webhooks_may_take_every_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "raseed.cli", "serve", "--threads", "4", "--port", "1"],
        env=os.environ | {"RASEED_ENV": "test", "WEBHOOKS_AT_ONCE": "4", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "webhooks may take 4 (WEBHOOKS_AT_ONCE); leave at least one for people" in done.stderr


def test_f45_a_database_that_does_not_take_it_is_a_503(paid: Payment, database: RealDatabase) -> None:
    raw = letter(paid)
    with psycopg.connect(database.owner_url.replace(database.name, TEMPLATE), autocommit=True) as owner:
        owner.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS false')  # type: ignore[arg-type]
        connections["default"].close()
        try:
            assert deliver(raw) == 503
        finally:
            owner.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS true')  # type: ignore[arg-type]
    assert deliver(raw) == 200


@pytest.mark.xdist_group("processes")
def test_f45_a_flood_leaves_the_site_normal() -> None:
    """Real processes: portal, worker, bank, database. All that is the bank's is applied once, the pages answer throughout."""
    seen = flood.run(webhooks=300)
    assert (seen["webhooks"], seen["forged"], seen["forged_accepted"], seen["forged_counted"]) == (
        300,
        15,
        0,
        15,
    )
    assert (seen["kept"], seen["applied"], seen["left_to_a_person"]) == (285, 285, 0)
    assert (seen["payments"], seen["credited"]) == (seen["succeeded"], seen["succeeded"])
    assert seen["page_errors"] == 0
    assert seen["page_requests"] > 0
    assert seen["violations"] == 0


# -- F46 a wrong clock


@pytest.mark.parametrize("wrong", [TEN_MINUTES, -TEN_MINUTES], ids=["fast", "slow"])
def test_f46_our_clock_is_ten_minutes_wrong(
    bank: RunningBank, company: Company, wrong: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    """Letters are refused and everybody who should know does; the payment is settled by asking, the next by the list."""
    true_time = timezone.now()
    with time_machine.travel(true_time + wrong):
        paid = pay(bank, company)
        raw = letter(paid)
        with caplog.at_level(logging.ERROR):
            assert deliver(raw, signature(raw, at=true_time)) == 400
        assert "webhook_out_of_time" in caplog.text
        counted = WebhookTally.objects.get()
        assert (counted.what, counted.times) == ("webhook_out_of_time", 1)
        assert abs((counted.skew_s or 0) - wrong.total_seconds()) <= 5
        assert "CLOCK" in broken_rules()
        staff = Client()
        staff.force_login(make_user(f"{uuid4()}@operator.test", staff_role=StaffRole.FINANCE))
        assert "The clocks do not agree." in staff.get(reverse("backoffice:webhooks")).content.decode()
        assert customer_balance(company) == NOTHING
        assert reconcile.ask_silent(timezone.now() + timedelta(seconds=2)) >= 1
        assert (state(paid), customer_balance(company)) == (State.SUCCEEDED, HUNDRED)
    other = pay(bank, company)
    with time_machine.travel(true_time + wrong):
        assert walk.walk_list("sandbox", timezone.now()).settled >= 1
    assert (state(other), customer_balance(company)) == (State.SUCCEEDED, Money(200_000_000, "USD"))
    assert "CLOCK" not in broken_rules(timezone.now() + timedelta(hours=2))


@pytest.mark.parametrize(("seconds", "alarms"), [(-28, 0), (28, 0), (-33, 1), (33, 1)])
def test_f46_the_alarm_is_raised_long_before_anything_is_refused(
    database: RealDatabase, seconds: int, alarms: int
) -> None:
    raw = letter(Payment(id=uuid4(), gateway_ref="pay_1"))
    assert deliver(raw, signature(raw, at=timezone.now() - timedelta(seconds=seconds))) == 200
    assert tallies() == ({"clock_differs": alarms} if alarms else {})


def test_f46_how_far_a_signature_may_be_off_is_a_setting(database: RealDatabase, settings: Settings) -> None:
    raw = letter(Payment(id=uuid4(), gateway_ref="pay_1"))
    old = signature(raw, at=timezone.now() - TEN_MINUTES)
    assert deliver(raw, old) == 400
    settings.WEBHOOK_TOLERANCE_S = 900
    assert deliver(raw, old) == 200
