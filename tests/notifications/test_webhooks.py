"""Webhooks to the operator's service: told with the fact, signed, to where they may go, again until taken, once lost never.

The receiver is a server on this machine; signatures are checked by the verifier of Standard Webhooks.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from ipaddress import ip_address, ip_network
from itertools import pairwise
from uuid import uuid4

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from bank import Postbox
from conftest import RealDatabase
from people import NOON, Company, make_company, make_operator, make_user, open_one, spend
from raseed.accounts.models import StaffRole
from raseed.audit.log import Who
from raseed.audit.models import OperatorAuditEntry
from raseed.balance import suspension
from raseed.balance.models import Reason
from raseed.db.transactions import atomic
from raseed.events import tell as telling
from raseed.events.models import EventKind, WebhookDelivery, WebhookEndpoint
from raseed.events.tell import NoTransaction, tell
from raseed.gateways.port import Card, DeclineCode, Declined, Outcome, Succeeded
from raseed.notifications.webhooks import endpoints, post, records, targets, turns
from raseed.notifications.webhooks.endpoints import NewEndpoint, WithSecret
from raseed.notifications.webhooks.post import Reply
from raseed.payments import states
from raseed.payments.models import Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State
from together import together

STAFF = Who(None, "finance")
EVERY = tuple(EventKind)
FACTS = {"reason": "balance"}


@pytest.fixture
def company(shared_real_db: RealDatabase) -> Company:
    """An account, and an outbox with nothing in it."""
    with shared_real_db.owner() as owner:
        owner.execute("TRUNCATE events_webhookdelivery, events_webhookendpoint, procrastinate_jobs CASCADE")
    make_operator()
    return make_company()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn ends when nothing is due, and not by a clock that runs on while the machine does something else."""
    monkeypatch.setattr(turns, "TURN_S", 60.0)


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with Postbox() as box:
        yield box


def listen(url: str, *kinds: EventKind, company: Company | None = None) -> WithSecret:
    asked = NewEndpoint(url, kinds or EVERY, company.account.id if company else None)
    return endpoints.create(asked, STAFF, NOON)


def say(company: Company, kind: EventKind = EventKind.BALANCE_LOW, times: int = 1) -> list[WebhookDelivery]:
    with atomic():
        for _ in range(times):
            tell(company.account.id, kind, FACTS, NOON)
    return list(WebhookDelivery.objects.order_by("id"))


def end(company: Company, outcome: Callable[[Payment], Outcome]) -> Payment:
    payment = open_one(company, another=True)
    states.move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    return settle(company.account.id, payment.id, outcome(payment), Cause.PAGE, NOON)


def captured(payment: Payment) -> Outcome:
    card = Card("visa", "4242", 12, 2030)
    reference = f"pay_{payment.id.hex}"
    return Succeeded(reference, payment.charge_minor, payment.currency, payment.id, card, None)


def told(kind: EventKind) -> list[dict[str, object]]:
    rows = WebhookDelivery.objects.filter(kind=kind).order_by("id")
    return [json.loads(row.body)["data"] for row in rows]


# -- what is told


def test_the_ends_of_payments_are_told_in_their_own_transaction(company: Company) -> None:
    listen("http://127.0.0.1:9/")
    paid = end(company, captured)
    # A repeat of the news is not told again.
    settle(company.account.id, paid.id, captured(paid), Cause.WEBHOOK, NOON)
    no_funds = Declined("pay_x", DeclineCode.INSUFFICIENT_FUNDS, retryable=True)
    refused = end(company, lambda _payment: no_funds)
    assert told(EventKind.PAYMENT_SUCCEEDED) == [
        {
            "account_id": str(company.account.id),
            "payment_id": str(paid.id),
            "purpose": "pay_now",
            "credited": "100.00",
            "charged": "100.00",
            "currency": "USD",
            "card_last4": "4242",
            "decline_code": "",
        }
    ]
    [failed] = told(EventKind.PAYMENT_FAILED)
    assert (failed["payment_id"], failed["decline_code"]) == (str(refused.id), "insufficient_funds")


def test_a_suspension_and_its_end_are_told_and_the_end_at_once(company: Company) -> None:
    listen("http://127.0.0.1:9/")
    spend(company, "1")
    with atomic():
        assert suspension.suspend(company.account.id, Reason.BALANCE, NOON)
        assert suspension.suspend(company.account.id, Reason.STAFF, NOON)
        assert not suspension.suspend(company.account.id, Reason.STAFF, NOON)
    assert [one["reason"] for one in told(EventKind.ACCOUNT_SUSPENDED)] == ["balance", "staff"]

    end(company, captured)
    # Another suspension is open: the service may not go on yet.
    assert told(EventKind.ACCOUNT_RESTORED) == []
    with atomic():
        assert suspension.lift(company.account.id, Reason.STAFF, NOON)
        assert not suspension.lift(company.account.id, Reason.STAFF, NOON)
    [restored] = told(EventKind.ACCOUNT_RESTORED)
    assert (restored["reason"], restored["suspended_since"]) == ("staff", NOON.isoformat())
    assert ProcrastinateJob.objects.filter(task_name=telling.DELIVER_JOB).count() == 3


def test_nobody_listens_nothing_is_written_and_a_rollback_tells_nothing(company: Company) -> None:
    other = make_company("Hawk")
    listen("http://127.0.0.1:9/", EventKind.PAYMENT_FAILED)
    listen("http://127.0.0.1:9/", company=other)
    off = listen("http://127.0.0.1:9/").endpoint
    endpoints.switch_off(off.id, STAFF, NOON)
    removed = listen("http://127.0.0.1:9/").endpoint
    endpoints.remove(removed.id, STAFF, NOON)
    assert say(company, EventKind.ACCOUNT_SUSPENDED) == []
    assert not ProcrastinateJob.objects.filter(task_name=telling.DELIVER_JOB).exists()

    listen("http://127.0.0.1:9/")
    with atomic():
        assert tell(company.account.id, EventKind.BALANCE_LOW, FACTS, NOON) == 1
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()
    with pytest.raises(NoTransaction):
        tell(company.account.id, EventKind.BALANCE_LOW, FACTS, NOON)
    # The other account's endpoint hears of the other account.
    assert {one.endpoint.account_id for one in say(other)} == {None, other.account.id}


# -- what is sent


def test_a_form_sent_twice_makes_one_endpoint_and_both_answers_show_its_secret(company: Company) -> None:
    asked = NewEndpoint("https://93.184.215.14/hooks", EVERY, None, "", uuid4())

    def press(asked: NewEndpoint) -> str:
        return endpoints.create(asked, STAFF, NOON).secret

    assert len(set(together(*[partial(press, asked)] * 6))) == 1
    made = WebhookEndpoint.objects.get()
    assert OperatorAuditEntry.objects.filter(object_id=str(made.id)).count() == 1
    # A good while later, for another address, or once its secret was changed: nothing is made and nothing shown.
    with pytest.raises(endpoints.FormSpent):
        endpoints.create(asked, STAFF, NOON + timedelta(minutes=2))
    with pytest.raises(endpoints.FormSpent):
        press(replace(asked, url="https://93.184.215.14/else"))
    endpoints.rotate(made.id, STAFF, NOON)
    with pytest.raises(endpoints.FormSpent):
        press(asked)
    assert WebhookEndpoint.objects.count() == 1
    # Without the form's key each press is an endpoint.
    together(*[partial(press, replace(asked, client_key=None))] * 2)
    assert WebhookEndpoint.objects.count() == 3


def test_what_arrives_is_verified_by_the_standards_own_library(company: Company, postbox: Postbox) -> None:
    made = listen(postbox.url)
    say(company)
    now = timezone.now()
    assert turns.deliver_due(now) == 1

    [(headers, body)] = postbox.letters
    assert Webhook(made.secret).verify(body, headers) == {
        "type": "balance.low",
        "timestamp": NOON.isoformat(),
        "data": {"account_id": str(company.account.id), "reason": "balance"},
    }
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(body.replace(b"low", b"new"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(body, headers | {"webhook-id": "evt_other"})
    [row] = WebhookDelivery.objects.all()
    assert (row.state, row.tries, row.last_status, headers["webhook-id"]) == (
        "delivered",
        1,
        200,
        row.event_id,
    )
    assert turns.deliver_due(now) == 0
    # What is kept of the secret is not the secret.
    kept = WebhookEndpoint.objects.get()
    assert made.secret.removeprefix("whsec_") not in kept.sealed_secret


def test_both_secrets_sign_for_a_day_after_a_change(company: Company, postbox: Postbox) -> None:
    old = listen(postbox.url)
    now = timezone.now()
    new = endpoints.rotate(old.endpoint.id, STAFF, now)
    assert new.secret != old.secret
    for at, signers in ((now, {old.secret, new.secret}), (now + timedelta(hours=24), {new.secret})):
        postbox.letters.clear()
        say(company)
        with time_machine.travel(at, tick=False):
            turns.deliver_due(at)
            [(headers, body)] = postbox.letters
            assert len(headers["webhook-signature"].split()) == len(signers)
            for secret in (old.secret, new.secret):
                if secret in signers:
                    Webhook(secret).verify(body, headers)
                else:
                    with pytest.raises(WebhookVerificationError):
                        Webhook(secret).verify(body, headers)


def test_a_refused_webhook_comes_again_for_three_days_then_is_given_up(
    company: Company, postbox: Postbox
) -> None:
    listen(postbox.url)
    say(company)
    postbox._answers = [500] * 99
    now, times = NOON, []
    while (row := WebhookDelivery.objects.get()).state == "waiting":
        assert row.next_try_at is not None
        now = row.next_try_at
        # Nobody tries a moment before.
        assert turns.deliver_due(now - timedelta(microseconds=1)) == 0
        times.append(now)
        assert turns.deliver_due(now) == 1
    assert (row.state, row.tries, row.last_status, row.next_try_at) == ("gave_up", 15, 500, None)
    waits = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert len(waits) == len(turns.WAITS_S)
    for wait, plan in zip(waits, turns.WAITS_S, strict=True):
        assert plan * 0.9 <= wait <= plan * 1.1
    assert any(wait != plan for wait, plan in zip(waits, turns.WAITS_S, strict=True))
    assert timedelta(days=2, hours=12) < times[-1] - times[0] < timedelta(days=3, hours=12)
    assert len({headers["webhook-id"] for headers, _ in postbox.letters}) == 1
    assert len({body for _, body in postbox.letters}) == 1
    # Sent again by staff: same id, and taken this time.
    postbox._answers = []
    records.replay(row.id, STAFF, now)
    assert turns.deliver_due(now) == 1
    assert postbox.letters[-1][0]["webhook-id"] == row.event_id
    assert WebhookDelivery.objects.get().state == "delivered"


def test_an_endpoint_that_takes_nothing_for_five_days_is_switched_off_and_staff_are_told(
    company: Company, postbox: Postbox
) -> None:
    support = make_user(f"support@{company.account.id.hex}.test", staff_role=StaffRole.SUPPORT)
    made = listen(postbox.url)
    postbox._answers = [404] * 9
    say(company)
    turns.deliver_due(NOON)
    WebhookDelivery.objects.update(next_try_at=NOON)
    turns.deliver_due(NOON + timedelta(days=5) - timedelta(seconds=1))
    assert WebhookEndpoint.objects.get().is_enabled
    WebhookDelivery.objects.update(next_try_at=NOON)
    turns.deliver_due(NOON + timedelta(days=5))

    off = WebhookEndpoint.objects.get()
    assert (off.is_enabled, off.failing_since) == (False, NOON)
    notices = ProcrastinateJob.objects.filter(task_name="notifications.mail_notice")
    assert [one.args["kind"] for one in notices if one.args["user_id"] == str(support.id)] == [
        "webhooks_stopped"
    ]
    entry = OperatorAuditEntry.objects.filter(object_id=str(made.endpoint.id)).latest("id")
    assert (entry.action, entry.actor_role) == ("webhook_endpoint_off", "worker")
    with pytest.raises(records.EndpointOff):
        records.replay(WebhookDelivery.objects.get().id, STAFF, NOON)
    # Switched on again, what waited goes out.
    postbox._answers = []
    endpoints.switch_on(made.endpoint.id, STAFF, NOON)
    WebhookDelivery.objects.update(next_try_at=NOON)
    assert turns.deliver_due(NOON) == 1
    assert WebhookEndpoint.objects.get().failing_since is None


def test_silence_costs_one_try_and_holds_up_nobody_else(company: Company, postbox: Postbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    silent = listen(f"http://127.0.0.1:{port}/").endpoint
    listen(postbox.url)
    say(company, times=5)
    assert turns.deliver_due(NOON) == 6
    assert len(postbox.letters) == 5
    assert sorted(WebhookDelivery.objects.filter(endpoint=silent).values_list("tries", flat=True)) == [0, 0, 0, 0, 1]  # fmt: skip
    rests_until = WebhookEndpoint.objects.get(id=silent.id).rests_until
    assert rests_until == NOON + timedelta(seconds=2)
    assert turns.deliver_due(NOON) == 0
    # After the rest one more is tried, and it rests for longer.
    assert turns.deliver_due(rests_until) == 1
    assert WebhookEndpoint.objects.get(id=silent.id).rests_until == rests_until + timedelta(seconds=4)


def test_two_workers_send_nothing_twice(company: Company, postbox: Postbox) -> None:
    listen(postbox.url)
    say(company, times=60)
    barrier = threading.Barrier(4)

    def turn() -> None:
        barrier.wait()
        turns.deliver_due(NOON)
        turns.connection.close()

    workers = [threading.Thread(target=turn) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    turns.deliver_due(NOON)
    ids = [headers["webhook-id"] for headers, _ in postbox.letters]
    assert (len(ids), len(set(ids))) == (60, 60)


def test_a_worker_killed_before_it_marks_is_followed_under_the_same_id(
    company: Company, postbox: Postbox, shared_real_db: RealDatabase, tmp_path: object
) -> None:
    listen(postbox.url)
    [row] = say(company)
    turn = "import django; django.setup(); from raseed.notifications.webhooks import turns; from django.utils import timezone; turns.deliver_due(timezone.now())"  # fmt: skip
    armed = {"FAILPOINTS": "1", "FAILPOINTS_AT": "KP31", "FAILPOINTS_DIR": str(tmp_path)}
    environment = shared_real_db.environment() | armed | {"DJANGO_SETTINGS_MODULE": "raseed.config.settings"}
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", turn], env=environment, check=False, capture_output=True
    )
    assert killed.returncode == -9, killed.stderr
    row.refresh_from_db()
    assert (row.state, row.tries, len(postbox.letters)) == ("waiting", 0, 1)
    assert row.next_try_at is not None
    assert turns.deliver_due(row.next_try_at - timedelta(microseconds=1)) == 0
    assert turns.deliver_due(row.next_try_at) == 1
    assert [headers["webhook-id"] for headers, _ in postbox.letters] == [row.event_id] * 2
    assert postbox.letters[0][1] == postbox.letters[1][1]


# -- where it may go


@contextmanager
def _answering(how: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that answers its first caller as `how` says."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(65536)
                how(line)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def test_a_redirect_is_not_followed_and_a_long_answer_is_not_read(postbox: Postbox) -> None:
    for status in (301, 302, 307, 308):
        answer = f"HTTP/1.1 {status} X\r\nLocation: {postbox.url}\r\nContent-Length: 0\r\n\r\n"
        with _answering(lambda line, answer=answer: line.sendall(answer.encode())) as url:
            reply = post.post(url, b"{}", {})
        assert (reply.status, reply.is_taken) == (status, False)
        assert "not followed" in reply.fault
    assert postbox.letters == []
    long = b"HTTP/1.1 500 X\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 100_000
    with _answering(lambda line: line.sendall(long)) as url:
        assert post.post(url, b"{}", {}) == Reply(500, "x" * 300)


def test_who_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "WHOLE_S", 0.3)
    over = threading.Event()

    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.05):
            try:
                line.sendall(b"X: y\r\n")
            except OSError:
                return

    with _answering(drip) as url:
        began = time.monotonic()
        reply = post.post(url, b"{}", {})
        over.set()
    assert reply.status is None
    assert time.monotonic() - began < post.READ_S


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
    ],
)
def test_only_public_addresses_are_gone_to(settings: Settings, address: str, allowed: bool) -> None:
    settings.WEBHOOK_NETWORKS = ()
    assert targets.is_allowed(ip_address(address)) is allowed


def test_networks_that_the_operator_names_are_gone_to_as_well(settings: Settings) -> None:
    settings.WEBHOOK_NETWORKS = (ip_network("10.1.0.0/16"),)
    assert targets.is_allowed(ip_address("10.1.2.3"))
    assert targets.is_allowed(ip_address("::ffff:10.1.2.3"))
    assert not targets.is_allowed(ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://service.example.com/",
        "ftp://service.example.com/",
        "https://",
        "https:///x",
        "https://user:word@service.example.com/",
        "https://service.example.com/#x",
        "https://service.example.com:0/",
        "https://service.example.com:99999/",
        "https://service.example.com/a b",
        "https://service.example.com/\r\nX: y",
        "https://service.example.com\\@evil.test/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://10.0.0.1/",
        "https://مثال.com/",
        "https://service.example.com/" + "x" * 500,
        "javascript:alert(1)",
        "",
    ],
)
def test_what_could_never_be_delivered_to_is_refused_when_it_is_typed(settings: Settings, url: str) -> None:
    settings.WEBHOOK_NETWORKS, settings.WEBHOOK_HTTPS_ONLY = (), True
    with pytest.raises(targets.UrlRefused):
        targets.target_of(url)


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    settings: Settings, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(postbox.url.split(":")[2].split("/")[0])
    looked: list[object] = []
    # A resolver that is a stranger's: its answers are the one thing here that cannot be had for real.
    answers = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "169.254.169.254"], []]

    by_number = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: object, **named: object) -> list[tuple[object, ...]]:
        if host == "127.0.0.1":
            return list(by_number(host, port, *rest, **named))  # type: ignore[arg-type]
        looked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers[len(looked) - 1]]

    monkeypatch.setattr(targets.socket, "getaddrinfo", resolve)
    real = socket.create_connection

    def connect(address: tuple[str, int], *rest: object) -> socket.socket:
        # Whoever connects by a name would have it looked up anew.
        ip_address(address[0])
        return real(address, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(post.socket, "create_connection", connect)
    url = f"http://service.example.com:{port}/hooks"
    assert post.post(url, b"{}", {}).status == 200
    assert postbox.letters[0][0]["host"] == f"service.example.com:{port}"
    for _ in range(3):
        reply = post.post(url, b"{}", {})
        assert reply.status is None
        assert "not allowed" in reply.fault
    assert (len(looked), len(postbox.letters)) == (4, 1)


def test_a_certificate_must_be_that_of_the_name() -> None:
    # A server that speaks no TLS at all: what is sent there is nothing of the webhook.
    with _answering(lambda _line: None) as url:
        reply = post.post(url.replace("http:", "https:"), b"secret", {})
    assert reply.status is None
    assert post._trust().check_hostname
