"""How fast a low balance is charged, and how fast service is back: with the real worker and bank, while usage goes on.

Accounts use up their balance at a steady pace, in one transaction with the suspension for it, and everything else is the
product's: the line, the job, the guards, the charge, the credit, the end of the suspension, the webhook that tells of it.
When a card was charged is read from the bank's own list, when a suspension ended is seen by looking every few milliseconds, when
the service was told by a server that receives its webhooks; all clocks are one machine's.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from typing import Final, cast
from uuid import UUID, uuid4

import httpx
from django.conf import settings
from django.db import connections

from raseed.accounts.models import Account, User
from raseed.audit.log import COMMAND_LINE
from raseed.balance.deduct import deduct
from raseed.balance.equation import available
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import suspend
from raseed.bench.figures import percentile
from raseed.bench.house import SECRET_KEY
from raseed.bench.registry import given
from raseed.bench.visitors import make_account, make_operator
from raseed.db.guard import across_accounts
from raseed.db.transactions import atomic
from raseed.events.models import EventKind
from raseed.gateways.registry import gateway
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer
from raseed.money import Money
from raseed.notifications.webhooks import endpoints
from raseed.notifications.webhooks.endpoints import NewEndpoint
from raseed.payments import paynow, reconcile
from raseed.payments.models import Payment, Purpose
from raseed.payments.recharge import change
from raseed.payments.recharge.models import Mode
from raseed.payments.states import Cause, State

# At ten seconds, the usual `--seconds`: 500 recharges.
RECHARGES_PER_SECOND_OF_BENCH: Final = 50
PER_ACCOUNT: Final = 10
# Beside those of another bench in the same house.
FIRST_ACCOUNT: Final = 1_000
PACE_PER_S: Final = 8.0
USAGE_PER_S: Final = 50.0
LOOK_EVERY_S: Final = 0.005
DONE_S_MAX: Final = 120.0
WANTED: Final = change.Wanted(
    mode=Mode.TARGET,
    threshold=Money(25_000_000, "USD"),
    target=Money(100_000_000, "USD"),
    fixed=Money(100_000_000, "USD"),
    charges_per_day_max=change.CHARGES_PER_DAY_MAX,
    month_charge_max=Money(1_000_000_000_000, "USD"),
)


def run() -> dict[str, object]:
    """low_to_charge, paid_to_restored and paid_to_told, p50 and p99 in seconds, and how many recharges they are of."""
    about = given()
    about.say("a bank, a mail server and the worker")
    _start()
    now = datetime.now(UTC)
    make_operator(now)
    count = max(1, round(about.seconds * RECHARGES_PER_SECOND_OF_BENCH))
    payers = [_payer(number) for number in range(FIRST_ACCOUNT, FIRST_ACCOUNT + ceil(count / PER_ACCOUNT))]
    about.say(
        f"{count} recharges of {len(payers)} accounts, {PACE_PER_S:.0f} a second, with usage beside them"
    )
    run = _Run()
    receiver = _Receiver(run)
    endpoints.create(
        NewEndpoint(receiver.url, [EventKind.ACCOUNT_RESTORED], None), COMMAND_LINE, datetime.now(UTC)
    )
    beside = make_account(FIRST_ACCOUNT + len(payers), now)[0]
    watching = [
        threading.Thread(target=run.watch),
        threading.Thread(target=run.use, args=(beside,)),
        threading.Thread(target=receiver.serve_forever, args=(0.05,)),
    ]
    for thread in watching:
        thread.start()
    try:
        _use_up(payers, count, run)
        _until(lambda: sum(map(len, list(run.told.values()))) >= count, "the last webhooks")
    finally:
        run.over.set()
        receiver.shutdown()
        receiver.server_close()
        for thread in watching:
            thread.join()
    return _figures(run, count)


@dataclass
class _Run:
    """What was seen: when each account's balance ran out, when its suspension was gone, when the service was told.

    `told` keeps the first arrival of each event.
    """

    low: dict[UUID, list[float]] = field(default_factory=lambda: defaultdict(list))
    restored: dict[UUID, list[float]] = field(default_factory=lambda: defaultdict(list))
    told: dict[UUID, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    over: threading.Event = field(default_factory=threading.Event)

    def is_well(self, account_id: UUID) -> Callable[[], bool]:
        """Whether every time that the account ran out is over."""
        return lambda: len(self.restored[account_id]) == len(self.low[account_id])

    def watch(self) -> None:
        """Note each suspension's end, until all is over."""
        try:
            while not self.over.is_set():
                # Named before the look: one that runs out after it would look as if it was well already.
                waiting = [one for one in list(self.low) if not self.is_well(one)()]
                with across_accounts("the bench looks for suspensions that ended"):
                    open_ones = set(
                        Suspension.objects.filter(lifted_at__isnull=True).values_list("account_id", flat=True)
                    )
                seen = time.time()
                for account_id in waiting:
                    if account_id not in open_ones:
                        self.restored[account_id].append(seen)
                self.over.wait(LOOK_EVERY_S)
        finally:
            connections.close_all()

    def use(self, account: Account) -> None:
        """Usage of another account, until all is over."""
        try:
            while not self.over.wait(1 / USAGE_PER_S):
                deduct(_usage(account, Money(1_000, "USD")), datetime.now(UTC))
        finally:
            connections.close_all()


class _Receiver(ThreadingHTTPServer):
    """The operator's service: takes every webhook, and notes when it came."""

    daemon_threads = True

    def __init__(self, run: _Run) -> None:
        self.run = run
        super().__init__(("127.0.0.1", 0), _Take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks"


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        came = time.time()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        run = cast("_Receiver", self.server).run
        run.told[UUID(body["data"]["account_id"])].setdefault(str(self.headers["webhook-id"]), came)
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not said."""


def _use_up(payers: list[Account], count: int, run: _Run) -> None:
    started = time.monotonic()
    for number in range(count):
        account = payers[number % len(payers)]
        _until(run.is_well(account.id), "a recharge")
        time.sleep(max(0.0, started + number / PACE_PER_S - time.monotonic()))
        now = datetime.now(UTC)
        with atomic():
            suspend(account.id, Reason.BALANCE, now)
            deduct(_usage(account, available(account) + Money(1_000_000, "USD")), now)
        run.low[account.id].append(time.time())
    _until(
        lambda: all(len(run.restored[one]) == len(times) for one, times in list(run.low.items())),
        "the last ones",
    )


def _figures(run: _Run, count: int) -> dict[str, object]:
    charged_at: dict[UUID | None, float] = {}
    cursor, more = "", True
    while more:
        page = gateway(settings.GATEWAY).list_since(cursor, 500)
        charged_at |= {line.payment_id: line.at.timestamp() for line in page.movements}
        cursor, more = page.next_cursor, page.more
    to_charge, to_restored, to_told = [], [], []
    for account_id, low in run.low.items():
        payments = Payment.objects.filter(
            account_id=account_id, purpose=Purpose.RECHARGE, state=State.SUCCEEDED
        ).order_by("created_at")
        charges = [charged_at[one.id] for one in payments]
        if len(charges) != len(low):
            raise RuntimeError(
                f"account {account_id} came down {len(low)} times and was charged {len(charges)}"
            )
        to_charge += [at - before for at, before in zip(charges, low, strict=True)]
        to_restored += [at - before for at, before in zip(run.restored[account_id], charges, strict=True)]
        told = sorted(run.told[account_id].values())
        to_told += [at - before for at, before in zip(told, charges, strict=True)]
    return {
        "low_to_charge_p50_s": round(percentile(to_charge, 50), 3),
        "low_to_charge_p99_s": round(percentile(to_charge, 99), 3),
        "paid_to_restored_p50_s": round(percentile(to_restored, 50), 3),
        "paid_to_restored_p99_s": round(percentile(to_restored, 99), 3),
        "paid_to_told_p50_s": round(percentile(to_told, 50), 3),
        "paid_to_told_p99_s": round(percentile(to_told, 99), 3),
        "paid_to_told_max_s": round(max(to_told), 3),
        "recharges": count,
    }


def _start() -> None:
    house = given().house
    (house.directory / "mailbox").mkdir(exist_ok=True)
    house.start("bank", "raseed.cli", "sandbox", "--port", settings.SANDBOX_URL.rsplit(":", 1)[1],
                "--data-dir", str(house.directory / "bank"), "--webhook-url", "http://127.0.0.1:9/nobody")  # fmt: skip
    house.start(
        "mail",
        "raseed.mailbox",
        "--port",
        str(settings.EMAIL_PORT),
        "--directory",
        str(house.directory / "mailbox"),
    )
    house.start("worker", "raseed.cli", "worker")
    house.wait_for(f"{settings.SANDBOX_URL}/healthz")


def _payer(number: int) -> Account:
    """An account with a saved card, 50 USD and automatic recharge."""
    now = datetime.now(UTC)
    account, admin = make_account(number, now)
    payment = _paid(account, admin, now)
    _until(lambda: _followed(payment) == State.SUCCEEDED, "the first payment of an account")
    consent = change.Consent("bench", "A measurement agrees.")
    change.switch_on(account, 0, WANTED, consent, COMMAND_LINE, now)
    return account


def _paid(account: Account, admin: User, now: datetime) -> Payment:
    payment = paynow.open_payment(
        paynow.PayNow(
            account_id=account.id,
            client_key=uuid4(),
            credit=Money(50_000_000, "USD"),
            method_id=None,
            save_method=True,
            actor_user_id=admin.id,
            language="en",
        ),
        now,
    )
    payment = paynow.submit(account.id, payment.id, now)
    httpx.post(
        f"{settings.SANDBOX_URL}/admin/pay/{payment.gateway_ref}",
        headers={"Authorization": f"Bearer {SECRET_KEY}"},
        json={"card": "4242424242424242", "outcome": "complete"},
        timeout=10,
        trust_env=False,
    ).raise_for_status()
    return payment


def _followed(payment: Payment) -> str:
    return reconcile.follow(payment.account_id, payment.id, Cause.PAGE, datetime.now(UTC)).state


def _usage(account: Account, amount: Money) -> NewEntry:
    return NewEntry(
        account_id=account.id,
        kind=EntryKind.USAGE,
        operation_key=f"bench:{uuid4()}",
        transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount),),
        at=datetime.now(UTC),
    )


def _until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DONE_S_MAX
    while not reached():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not there after {DONE_S_MAX:.0f} s: {what}")
        time.sleep(LOOK_EVERY_S)
