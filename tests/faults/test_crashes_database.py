"""Crashes of what is below us: PostgreSQL goes down, its disk is full, no connection is free, two locks cross.

The gateway is never asked for money that could not be written down first; what was asked for ends in the books.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import time_machine
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from bank import RunningBank, eventually
from conftest import CLUSTER_ENV, RealDatabase
from faults.actors import Actors
from people import NOON, PASSWORD, Company, command, customer_balance, make_company, make_operator, save_card
from raseed.accounts.middleware import SEEN_STEP
from raseed.accounts.models import Account
from raseed.db import transactions
from raseed.db.embedded import SUPERUSER, EmbeddedPostgres
from raseed.db.invariants import run as invariants
from raseed.db.transactions import RETRIES_MAX, atomic, begun_again
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, Succeeded
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money
from raseed.payments import paynow
from raseed.payments.models import ListCursor, Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move
from sabotage.range import AT_REST
from soak.cluster import own_cluster
from soak.run import HERE, wait
from whole import free_port

pytestmark = pytest.mark.xdist_group("crashes")
SECONDS = timedelta(seconds=1)
NOTHING, USD_100 = Money.zero("USD"), Money(100_000_000, "USD")
PAY = "/settings/billing/balance/pay"


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actors]:
    with Actors(tmp_path_factory.mktemp("markers")) as started:
        yield started


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    with RunningBank(tmp_path_factory.mktemp("bank"), webhook_attempts_max=1, hang_s=3) as running:
        yield running


def form_of(company: Company, bank: RunningBank) -> dict[str, str]:
    """A drawn form of 100 on a saved card."""
    card = save_card(company, bank.save_card(customer=str(company.account.id)))
    return {"client_key": str(uuid4()), "amount": "100", "method": str(card.id)}


def payment_of(company: Company) -> Payment | None:
    return Payment.objects.filter(account_id=company.account.id).first()


def clean() -> list[str]:
    return [str(one) for one in invariants(timezone.now() + AT_REST)]


# -- F22


def test_f22_postgresql_crashes_while_the_bank_is_charging(
    real_db: RealDatabase, actors: Actors, bank: RunningBank, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("f22", numbered=True)
    with own_cluster(home / "pg", home / "postgres.log") as cluster, cluster.database("f22") as database:
        make_operator()
        companies = [make_company(f"Company {number}") for number in range(4)]
        forms = [form_of(company, bank) for company in companies]
        ListCursor.objects.create(
            gateway="sandbox", cursor=bank.book()[-1]["cursor"], walked_at=timezone.now()
        )

        def pays(number: int) -> Any:
            at = {"email": companies[number].admin.email, "form": forms[number]}
            return actors.start(database.url, bank.url, "pay", **at)

        def charged() -> list[list[int]]:
            payments = [payment_of(company) for company in companies]
            return [bank.charges(payment.id) if payment else [] for payment in payments]

        # The bank charges and is silent for a while: all four are in the call when the server is gone.
        for _ in companies:
            bank.behaviour(next="G5")
        acts = [pays(number) for number in range(len(companies))]
        eventually(lambda: charged() == [[10_000]] * 4, 30)
        connections.close_all()
        cluster.crash_and_recover()
        assert {act.ended()["status"] for act in acts} == {503}

        for company in companies:
            payment = payment_of(company)
            assert payment is not None
            assert (payment.state, customer_balance(company)) == (State.SUBMITTED, NOTHING)
            path = f"/settings/billing/payments/{payment.id}"
            page = actors.start(database.url, bank.url, "see", email=company.admin.email, path=path).ended()
            assert page["status"] == 200
            assert "Confirming with your bank" in page["text"]
        assert [pays(number).ended()["status"] for number in range(4)] == [302] * 4
        for company in companies:
            ids = {"account_id": str(company.account.id), "payment_id": str(payment_of(company).id)}  # type: ignore[union-attr]
            assert actors.start(database.url, bank.url, "follow", seconds=5, **ids).ended() == "succeeded"
            actors.start(database.url, bank.url, "issue_voucher", **ids).ended()
        actors.start(database.url, bank.url, "walk_list").ended()
        assert charged() == [[10_000]] * 4
        assert [customer_balance(company) for company in companies] == [USD_100] * 4
        assert clean() == []


# -- F27


@contextmanager
def payments_disk_full(database: RealDatabase, directory: Path) -> Iterator[Callable[[], None]]:
    """The table of payments cannot grow; gives what makes room again.

    As root its files go to a disk of 1 MiB that is full to the last byte, and the server's own "could not extend file"
    comes back. Nobody else may mount a disk: there the server says the same SQLSTATE, 53100, at the same INSERT.
    """
    if os.geteuid() != 0:
        with full_by_word(database) as room:
            yield room
        return
    cluster = EmbeddedPostgres(Path(os.environ[CLUSTER_ENV]))
    name, disk = f"full_{uuid4().hex[:8]}", cluster.root / f"disk-{uuid4().hex[:8]}"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        owner_of = cluster.root.stat()
        os.chown(disk, owner_of.st_uid, owner_of.st_gid)
        disk.chmod(0o700)
        with psycopg.connect(cluster.url(SUPERUSER, database.name), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")  # type: ignore[call-overload]
            connection.execute(f"ALTER TABLE payments_payment SET TABLESPACE {name}")  # type: ignore[call-overload]
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            fill(ballast)
        yield ballast.unlink
        with psycopg.connect(cluster.url(SUPERUSER, database.name), autocommit=True) as connection:
            connection.execute("ALTER TABLE payments_payment SET TABLESPACE pg_default")
            connection.execute(f"DROP TABLESPACE {name}")  # type: ignore[call-overload]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@contextmanager
def full_by_word(database: RealDatabase) -> Iterator[Callable[[], None]]:
    with database.owner() as owner:
        owner.execute(
            "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        owner.execute(
            "CREATE TRIGGER disk_full BEFORE INSERT ON payments_payment FOR EACH ROW EXECUTE FUNCTION disk_full()"
        )
        yield lambda: owner.execute("DROP TRIGGER disk_full ON payments_payment") and None


@pytest.mark.parametrize("full", [payments_disk_full, lambda database, _directory: full_by_word(database)])
def test_f27_disk_full_asks_the_gateway_for_nothing(
    real_db: RealDatabase, actors: Actors, bank: RunningBank, tmp_path: Path, full: Any
) -> None:
    make_operator()
    company = make_company()
    form = form_of(company, bank)
    before = len(bank.dump()["payments"])

    def pay() -> Any:
        return actors.start(real_db.url, bank.url, "pay", email=company.admin.email, form=form).ended()

    with full(real_db, tmp_path) as make_room:
        answer = pay()
        assert answer["status"] == 503
        assert "We cannot answer right now" in answer["text"]
        assert "تعذّر علينا الرد الآن" in answer["text"]
        assert payment_of(company) is None
        assert len(bank.dump()["payments"]) == before
        make_room()
        assert pay()["status"] == 302
        payment = payment_of(company)
        assert payment is not None
        assert bank.charges(payment.id) == [10_000]
        assert customer_balance(company) == USD_100
        connections.close_all()


def test_f22_a_session_that_cannot_be_saved_is_our_fault_and_not_the_readers(real_db: RealDatabase) -> None:
    make_operator()
    company = make_company()
    browser = Client(raise_request_exception=False)
    browser.force_login(company.admin)
    with real_db.owner() as owner:
        # The session is saved after the page was made: the lock lets it be read and not be written.
        owner.execute("BEGIN")
        owner.execute("LOCK TABLE django_session IN SHARE MODE")
        with connections["default"].cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        with time_machine.travel(timezone.now() + SEEN_STEP):
            answer = browser.get("/settings/billing/balance")
    assert answer.status_code == 503
    assert "We cannot answer right now" in answer.content.decode()
    assert browser.get("/settings/billing/balance").status_code == 200


# -- F28


def test_f28_pool_exhausted_answers_fast_and_the_site_comes_back(
    real_db: RealDatabase, bank: RunningBank, tmp_path: Path
) -> None:
    make_operator()
    company = make_company()
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment = (
        plain
        | real_db.environment()
        | {
            "RASEED_ENV": "demo",
            "DATABASE_POOL_MAX": "2",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "SANDBOX_URL": bank.url,
            "SMTP_URL": "smtp://127.0.0.1:9",
        }
    )
    del environment["DJANGO_SETTINGS_MODULE"]
    words = ["serve", "--port", str(port), "--workers", "1", "--threads", "8"]
    from_here = [sys.executable, str(HERE / "keep_alive.py"), *words]
    log = (tmp_path / "portal.log").open("wb")
    portal = subprocess.Popen(from_here, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as browser:

            def answers() -> bool:
                try:
                    return browser.get("/readyz").status_code == 200
                except httpx.TransportError:
                    return False

            wait(answers, "the portal")
            sign_in(browser, company)
            with real_db.owner() as owner, ThreadPoolExecutor(40) as crowd:
                owner.execute("BEGIN")
                owner.execute("LOCK TABLE ledger_account IN ACCESS EXCLUSIVE MODE")
                stuck = [crowd.submit(browser.get, "/settings/billing/balance") for _ in range(2)]
                eventually(lambda: waiting_for_locks(real_db) == 2)
                address = f"http://127.0.0.1:{port}/webhooks/sandbox"
                hooks = [crowd.submit(httpx.post, address, content=b"{}", timeout=30) for _ in range(30)]
                pages = [crowd.submit(browser.get, "/settings/billing/balance") for _ in range(2)]
                turned_away = [page.result() for page in pages]
                assert {page.status_code for page in turned_away} == {503}
                assert {page.headers["Retry-After"] for page in turned_away} == {"5"}
                assert all(page.elapsed < 10 * SECONDS for page in turned_away)
                # A forged letter needs no database; it is refused at once however busy we are.
                assert {hook.result().status_code for hook in hooks} <= {400, 503}
                owner.execute("ROLLBACK")
                assert {page.result().status_code for page in stuck} == {200}
            assert browser.get("/settings/billing/balance").status_code == 200
    finally:
        portal.terminate()
        portal.wait(30)
        log.close()


def sign_in(browser: httpx.Client, company: Company) -> None:
    page = browser.get("/login").text
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = {"csrfmiddlewaretoken": token, "username": company.admin.email, "password": PASSWORD}
    assert browser.post("/login", data=form).status_code == 302


def waiting_for_locks(database: RealDatabase) -> int:
    with database.owner() as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    return int(row[0]) if row else 0  # type: ignore[call-overload]


# -- F29


def together(acts: list[Callable[[], object]]) -> list[object]:
    """Run all at the same moment on connections of their own; what each returned or raised."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            start.wait(30)
            return act()
        except OperationalError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def deadlocks(database: RealDatabase) -> int:
    with database.owner() as owner:
        owner.execute("SELECT pg_stat_force_next_flush()")
        row = owner.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0  # type: ignore[call-overload]


def test_f29_sixteen_workers_crossing_never_deadlock(real_db: RealDatabase) -> None:
    make_operator()
    companies = [make_company(f"Company {number}") for number in range(2)]
    payments = []
    for number in range(8):
        company = companies[number % 2]
        payment = paynow.open_payment(command(company, "100", another=True), NOON)
        move(payment, State.SUBMITTED, Cause.PAGE, NOON)
        payments.append(payment)

    def worker(number: int) -> Callable[[], None]:
        # Even workers go up and odd ones down: each pair meets every payment from both ends.
        road = payments if number % 2 == 0 else payments[::-1]

        def run() -> None:
            for payment in road:
                told = Succeeded(
                    f"pay_{payment.id.hex}", 10_000, "USD", payment.id, Card("visa", "4242", 12, 2030), None
                )
                settle(payment.account_id, payment.id, told, Cause.RECONCILE, NOON)
                crossing = [(Kind.FEES, Kind.GATEWAY_CLEARING), (Kind.BANK, Kind.CUSTOMER)][
                    :: 1 - 2 * (number % 2)
                ]
                one = Money(1_000_000, "USD")
                parts = tuple(Transfer(debit, credit, one) for debit, credit in crossing)
                key = f"crossing:{number}:{payment.id}"
                post(NewEntry(payment.account_id, EntryKind.ADJUSTMENT, key, parts, NOON))
                issue_receipt_voucher(payment.account_id, payment.id, NOON)

        return run

    assert together([worker(number) for number in range(16)]) == [None] * 16
    assert deadlocks(real_db) == 0
    # Four payments of 100 each, and 16 workers who gave 1 at each of them.
    assert [customer_balance(company) for company in companies] == [Money(464_000_000, "USD")] * 2
    assert [one for one in clean() if not one.startswith(("I10", "I11"))] == []


def crossing_locks(companies: list[Company], passed: threading.Barrier) -> list[Callable[[], str]]:
    """Two transactions that lock the same two accounts in opposite order, each holding its first one."""

    def lock(order: list[Company]) -> Callable[[], str]:
        met = [False]

        def run() -> str:
            with atomic():
                for company in order:
                    Account.objects.select_for_update().get(id=company.account.id)
                    if not met[0]:
                        met[0] = True
                        passed.wait(30)
                Account.objects.filter(id=order[0].account.id).update(name="both locked")
            return "both locked"

        return run

    return [lock(companies), lock(companies[::-1])]


@pytest.fixture
def two(real_db: RealDatabase) -> list[Company]:
    make_operator()
    return [make_company(f"Company {number}") for number in range(2)]


def test_f29_a_deadlock_is_begun_again_and_counted(real_db: RealDatabase, two: list[Company]) -> None:
    before = transactions.retried["40P01"]
    acts = [begun_again(act) for act in crossing_locks(two, threading.Barrier(2))]
    assert together(list(acts)) == ["both locked"] * 2
    assert transactions.retried["40P01"] == before + 1
    assert deadlocks(real_db) == 1


def test_f29_without_that_one_of_them_fails(real_db: RealDatabase, two: list[Company]) -> None:
    told = together(list(crossing_locks(two, threading.Barrier(2))))
    assert sorted(type(one).__name__ for one in told) == ["OperationalError", "str"]
    assert "deadlock detected" in str([one for one in told if isinstance(one, OperationalError)])


def test_f29_it_is_begun_again_three_times_and_no_more(real_db: RealDatabase) -> None:
    tries: list[int] = []

    @begun_again
    def always_lost() -> None:
        tries.append(1)
        with atomic(), connections["default"].cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$")

    with pytest.raises(OperationalError, match="lost"):
        always_lost()
    assert len(tries) == 1 + RETRIES_MAX
    tries.clear()
    with pytest.raises(OperationalError, match="lost"), atomic():
        always_lost()
    assert len(tries) == 1
