"""Commands act once: repeats, other bodies, races, refusals and kills, on the endpoint that makes webhook endpoints."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.utils import timezone

from api.keyed import Program, code, program
from conftest import RealDatabase
from doors.rows import read_rows
from people import make_company, make_operator
from raseed.accounts.models import KeyAccess
from raseed.api import commands
from raseed.api.models import StoredAnswer
from raseed.api.v1 import service
from raseed.audit.models import OperatorAuditEntry
from raseed.db.transactions import atomic
from raseed.events.models import EventKind, WebhookDelivery, WebhookEndpoint
from raseed.events.tell import tell

ENDPOINTS = "/webhook-endpoints"
WANTED = {"url": "http://127.0.0.1:9/hooks", "kinds": ["payment.succeeded"]}


@pytest.fixture
def committed(shared_real_db: RealDatabase) -> Program:
    """A program of the operator's in a database of real commits, without endpoints."""
    with shared_real_db.owner() as owner:
        owner.execute("TRUNCATE events_webhookdelivery, events_webhookendpoint, api_storedanswer CASCADE")
    make_operator()
    return program()


def test_sent_again_it_is_answered_again_and_does_nothing(committed: Program) -> None:
    first = committed.post(ENDPOINTS, WANTED, key="one")
    again = committed.post(ENDPOINTS, WANTED, key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert WebhookEndpoint.objects.count() == 1
    # Another key of the same owner is the same owner; an account's is another.
    assert program().post(ENDPOINTS, WANTED, key="one").content == first.content
    # The secret is in the answer, and in no table.
    secret = first.json()["secret"].removeprefix("whsec_")
    assert secret not in str(read_rows(connection.connection))


def test_another_command_under_the_same_key_is_refused(committed: Program) -> None:
    made = committed.post(ENDPOINTS, WANTED, key="one").json()
    for answer in (
        committed.post(ENDPOINTS, WANTED | {"description": "x"}, key="one"),
        committed.post(f"{ENDPOINTS}/{made['id']}/rotate-secret", WANTED, key="one"),
    ):
        assert (answer.status_code, code(answer)) == (422, "idempotency_key_reused")
    assert WebhookEndpoint.objects.get().secret_before_until is None


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a b", "é"])
def test_every_post_needs_a_key(committed: Program, key: str) -> None:
    answer = committed.post(ENDPOINTS, WANTED, key=key)
    assert (answer.status_code, code(answer)) == (400, "idempotency_key_missing")
    assert not WebhookEndpoint.objects.exists()


def test_every_endpoint_that_takes_a_post_is_a_command() -> None:
    posts = [
        operation
        for _, router in service._routers
        for view in router.path_operations.values()
        for operation in view.operations
        if "POST" in operation.methods
    ]
    assert len(posts) >= 3
    assert all(getattr(operation.view_func, "is_command", False) for operation in posts)


def test_a_refused_command_is_not_kept_and_may_be_sent_again(committed: Program) -> None:
    missing = {**WANTED, "account_id": str(uuid4())}
    entries = OperatorAuditEntry.objects.count()
    for _ in range(2):
        answer = committed.post(ENDPOINTS, missing, key="one")
        assert (answer.status_code, code(answer)) == (422, "account_unknown")
        assert [one["field"] for one in answer.json()["errors"]] == ["account_id"]
    assert not StoredAnswer.objects.exists()
    assert OperatorAuditEntry.objects.count() == entries
    assert committed.post(ENDPOINTS, WANTED, key="one").status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        (WANTED | {"kinds": []}, "kinds"),
        (WANTED | {"kinds": ["payment.imagined"]}, "kinds.0"),
        (WANTED | {"url": "ftp://x.test/"}, "url"),
        (WANTED | {"is_enabled": False}, "is_enabled"),
        (WANTED | {"description": "a\0b"}, "description"),
        (WANTED | {"account_id": "x"}, "account_id"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(
    committed: Program, body: dict[str, object], field: str
) -> None:
    answer = committed.post(ENDPOINTS, body)
    assert answer.status_code == 422
    assert code(answer) in {"invalid", "url_refused"}
    assert field in [one["field"] for one in answer.json()["errors"]]
    assert not WebhookEndpoint.objects.exists()


def test_twenty_at_once_are_one(committed: Program) -> None:
    barrier = threading.Barrier(20)

    def send(_: int) -> tuple[int, bytes]:
        try:
            barrier.wait()
            answer = committed.post(ENDPOINTS, WANTED, key="race")
            return answer.status_code, answer.content
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))
    assert WebhookEndpoint.objects.count() == StoredAnswer.objects.count() == 1
    made = {content for status, content in answers if status == 201}
    assert len(made) == 1
    assert {status for status, _ in answers} <= {201, 409}
    # Whoever was told to wait gets the one answer.
    assert committed.post(ENDPOINTS, WANTED, key="race").content == made.pop()


def test_without_the_lock_and_the_unique_key_twenty_at_once_are_more(
    committed: Program, shared_real_db: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accident: what the two guards are there for."""
    monkeypatch.setattr(commands, "_is_alone", lambda _owner, _key: True)
    barrier, real = threading.Barrier(5), commands.sealed.seal

    def at_once(*given: object) -> str:
        barrier.wait(5)
        return str(real(*given))  # type: ignore[arg-type]

    monkeypatch.setattr(commands.sealed, "seal", at_once)
    with shared_real_db.owner() as owner:
        owner.execute("ALTER TABLE api_storedanswer DROP CONSTRAINT api_storedanswer_once")

    def send(_: int) -> int:
        try:
            return committed.post(ENDPOINTS, WANTED, key="race").status_code
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(5) as pool:
            assert list(pool.map(send, range(5))) == [201] * 5
        assert WebhookEndpoint.objects.count() == 5
    finally:
        with shared_real_db.owner() as owner:
            owner.execute("TRUNCATE api_storedanswer")
            owner.execute(
                "ALTER TABLE api_storedanswer ADD CONSTRAINT api_storedanswer_once UNIQUE (owner_id, key)"
            )


def test_what_is_still_running_is_told_so(committed: Program) -> None:
    with atomic():
        assert commands._is_alone(commands.OPERATOR, "slow")
        answers = []
        other = threading.Thread(
            target=lambda: (
                answers.append(committed.post(ENDPOINTS, WANTED, key="slow")),
                connections.close_all(),
            )
        )
        other.start()
        other.join()
    assert (answers[0].status_code, code(answers[0]), answers[0].headers["Retry-After"]) == (
        409,
        "idempotency_key_in_use",
        "1",
    )
    assert committed.post(ENDPOINTS, WANTED, key="slow").status_code == 201


def test_a_kill_after_the_commit_leaves_the_answer(
    committed: Program, shared_real_db: RealDatabase, tmp_path: object
) -> None:
    act = (
        "import django; django.setup(); import sys, json; from django.test import Client;"
        f"Client().post('/api/v1{ENDPOINTS}', json.loads(sys.argv[1]), content_type='application/json',"
        " headers=json.loads(sys.argv[2]))"
    )
    armed = {"FAILPOINTS": "1", "FAILPOINTS_AT": "KP30", "FAILPOINTS_DIR": str(tmp_path)}
    environment = shared_real_db.environment() | armed | {"DJANGO_SETTINGS_MODULE": "raseed.config.settings"}
    headers = committed.headers | {"Idempotency-Key": "killed"}
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", act, json.dumps(WANTED), json.dumps(headers)],
        env=environment,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -9, killed.stderr
    again = committed.post(ENDPOINTS, WANTED, key="killed")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json()["id"] == str(WebhookEndpoint.objects.get().id)


def test_answers_are_kept_for_a_week(committed: Program) -> None:
    committed.post(ENDPOINTS, WANTED, key="one")
    now = timezone.now()
    assert commands.forget_old(now + timedelta(days=7) - timedelta(minutes=1)) == 0
    assert commands.forget_old(now + timedelta(days=7)) == 1


def test_endpoints_are_for_the_operators_keys_and_their_log_can_be_replayed(committed: Program) -> None:
    company = make_company()
    accounts_own = program(company.account.id)
    for answer in (
        accounts_own.get(ENDPOINTS),
        accounts_own.post(ENDPOINTS, WANTED),
        accounts_own.get("/webhook-deliveries"),
    ):
        assert (answer.status_code, code(answer)) == (403, "operator_key_needed")
    made = committed.post(ENDPOINTS, WANTED | {"account_id": str(company.account.id)}).json()
    other = committed.post(ENDPOINTS, WANTED).json()
    assert [one["id"] for one in committed.get(ENDPOINTS).json()["data"]] == [other["id"], made["id"]]
    assert "secret" not in committed.get(f"{ENDPOINTS}/{made['id']}").json()
    with atomic():
        tell(company.account.id, EventKind.PAYMENT_SUCCEEDED, {}, timezone.now())
    [row] = committed.get("/webhook-deliveries", endpoint_id=made["id"]).json()["data"]
    assert (row["state"], row["kind"], row["account_id"]) == (
        "waiting",
        "payment.succeeded",
        str(company.account.id),
    )
    WebhookDelivery.objects.filter(id=row["id"]).update(next_try_at=None, gave_up_at=timezone.now())
    again = committed.post(f"/webhook-deliveries/{row['id']}/replay")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    assert code(committed.post("/webhook-deliveries/999999/replay")) == "webhook_delivery_unknown"

    assert committed.delete(f"{ENDPOINTS}/{made['id']}").status_code == 204
    assert committed.delete(f"{ENDPOINTS}/{made['id']}").status_code == 404
    assert WebhookDelivery.objects.get(id=row["id"]).state == "gave_up"
    assert code(committed.post(f"/webhook-deliveries/{row['id']}/replay")) == "webhook_endpoint_off"


def test_a_key_that_may_read_reads_and_nothing_else(committed: Program) -> None:
    made = committed.post(ENDPOINTS, WANTED).json()
    reader = program(access=KeyAccess.READ)
    assert reader.get(ENDPOINTS).status_code == 200
    for answer in (
        reader.post(ENDPOINTS, WANTED),
        reader.delete(f"{ENDPOINTS}/{made['id']}"),
        reader.post(f"{ENDPOINTS}/{made['id']}/rotate-secret"),
    ):
        assert (answer.status_code, code(answer)) == (403, "read_only_key")
    [there] = WebhookEndpoint.objects.all()
    assert (there.removed_at, there.secret_before_until) == (None, None)
