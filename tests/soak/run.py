"""A soak: customers pay on real processes, which are killed at their named points by a bank on a bad day.

The portal, the worker, the bank, the mail server and a proxy before PostgreSQL are processes of their own;
this module starts them, lets the customers and the weather loose, waits for quiet, and asks for the verdict.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
from django.db import connections
from django.utils import timezone

from bank import SECRET_KEY, WEBHOOK_SECRET, RunningBank
from conftest import RealDatabase
from people import PASSWORD, Company, command, make_company, make_operator
from raseed.audit.log import Who
from raseed.money import parse_amount
from raseed.payments import paynow, reconcile
from raseed.payments.methods import saved_methods
from raseed.payments.recharge import change
from raseed.payments.recharge.models import Mode
from raseed.payments.states import Cause, State
from raseed.processes import Child
from soak.customer import Customer
from soak.keep_alive import DEPLOY, OFFICE
from soak.later import believe_refusals, dealt, give_up_abandoned
from soak.mix import MET, MIXES, RARE_POINTS, SAVED_CARDS, met
from soak.office import CONSENT
from soak.proxy import CUT, SOCKET
from soak.recharges import AT_ONCE
from soak.rest import count, unrest
from soak.verdict import POINTS, Verdict, judge
from soak.weather import Strike, Weather

HERE = Path(__file__).parent
KEPT = [sys.executable, str(HERE / "keep_alive.py")]
# No payment is chosen by this number.
NEVER = 2**62
READY_S_MAX = 90.0
# Something must come to an end within so many seconds.
QUIET_S_MAX = 400.0
REST_LOOK_S = 1.0
LOOK_EVERY_S = 0.5
# So many of the accounts with automatic recharge also pay by hand: a payment under way holds a recharge up.
SHARED = 1
BOOK_S_MAX = 120.0
ROUNDS_MAX = 10
TOP_UP = 15
# How long the bank remembers a key in the end of a run, and how long the worker then trusts it to, in seconds.
KEYS_LIVE_S, KEYS_TRUSTED_S = 6.0, 2.0


@dataclass(frozen=True)
class Plan:
    """How many payments, dealt by which seed, by how many customers; one of `kill_one_in` meets each kill point.

    Every line to the database is cut each `cut_every_s`, the portal and then the worker deployed anew each
    `deploy_every_s`, the database crashed each `crash_every_s`; 0 is never. At the end each customer makes `outlived`
    payments about which nobody asks until the bank has forgotten their keys. `recharging` accounts have automatic recharge
    on: one customer's, and others for which nobody pays by hand. The product waits `patience_s` for an answer of the bank: longer than a busy machine delays one, or all are silences. In a `hurry` what a killed process left
    behind is taken up sooner than the product would.
    """

    payments: int
    seed: int
    customers: int = 12
    kill_one_in: int = 40
    cut_every_s: float = 10
    deploy_every_s: float = 0
    crash_every_s: float = 0
    outlived: int = 0
    recharging: int = 0
    patience_s: float = 0.8
    hurry: bool = False


class NoQuiet(AssertionError):
    """Something was still under way long after the last customer had left."""


class Soak:
    """One run. `database` is its own; `directory` gets the logs. `crash` takes the database down for a moment.

    `tell` is told, in a line, how far the run is.
    """

    def __init__(
        self,
        plan: Plan,
        database: RealDatabase,
        directory: Path,
        crash: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.plan, self.database, self.directory = plan, database, directory
        self.markers = directory / "killed"
        self.portal_port = _free_port()
        self.bank = RunningBank(
            directory / "bank",
            webhook_url=f"{self.portal}/webhooks/sandbox",
            seed=plan.seed,
            hang_s=plan.patience_s + 0.7,
            late_s=2,
            dispute_s=1,
            webhook_attempts_max=6,
            # A day, as at other banks: the product sends nothing again after 23 hours. Shorter only in the end of a run.
            key_horizon_short_s=86_400,
        )
        # The whole book of thousands of payments takes its time.
        self.bank.client.timeout = httpx.Timeout(BOOK_S_MAX)
        self.strikes: Counter[str] = Counter()
        self._children: dict[str, Child] = {}
        self._saved: dict[str, list[str]] = {}
        self._office_is_open = False
        self._seen_at_once = 0
        self._wanted = plan.payments
        self._crash, self._tell = crash, tell
        self._began = time.monotonic()

    @property
    def portal(self) -> str:
        return f"http://127.0.0.1:{self.portal_port}"

    def run(self) -> Verdict:
        """All of it; raises if there is no quiet, returns the verdict whatever it says."""
        self.markers.mkdir(parents=True)
        with ExitStack() as stack:
            stack.callback(self._stop)
            companies = self._people()
            self._wanted += sum(len(cards) for cards in self._saved.values())
            self._start(stack.enter_context(_short_directory()))
            for stage, mix in MIXES.items():
                self.bank.behaviour(mix=mix, stage=stage)
            if self.plan.kill_one_in:
                self._order(MET)
            customers = [self._customer(company, number) for number, company in enumerate(companies)]
            # In calm weather: who is thrown back at the door again and again is taken for somebody who guesses passwords.
            self._pay(customers, 0)
            for _ in range(ROUNDS_MAX):
                self._pay_until_enough(customers)
                ended_at = timezone.now()
                self._come_to_rest()
                verdict = self._judge(ended_at)
                unmet = verdict.unmet(MET) if self.plan.kill_one_in else []
                if not unmet:
                    break
                self._tell(f"not met yet: {', '.join(unmet)}")
                self._order(name for name in unmet if name in MET)
                self._wanted += TOP_UP
            if self.plan.outlived:
                self._outlive_the_keys(customers)
                self._come_to_rest()
                verdict = self._judge(ended_at)
            self._stop()
            verdict.seed, verdict.seconds = self.plan.seed, round(time.monotonic() - self._began, 1)
            return verdict

    # -- people and processes

    def _people(self) -> list[Company]:
        """Companies whose first payments, on a bank that still answers, saved a card each."""
        make_operator()
        companies = []
        for number in range(self.plan.customers + max(0, self.plan.recharging - SHARED)):
            company = make_company(f"Company {number}", currency="JOD" if number % 4 == 3 else "USD")
            for card in SAVED_CARDS[: 1 + number % len(SAVED_CARDS)]:
                asked = command(company, "10", save_method=True, another=True)
                now = timezone.now()
                payment = paynow.submit(company.account.id, paynow.open_payment(asked, now).id, now)
                self.bank.pay(payment.gateway_ref, card)
                later = now + timedelta(seconds=2)
                payment = reconcile.follow(company.account.id, payment.id, Cause.PAGE, later)
                assert payment.state == State.SUCCEEDED, payment.state
            self._saved[company.admin.email] = [str(one.id) for one in saved_methods(company.account.id)]
            companies.append(company)
        recharged = companies[self.plan.customers - SHARED :] if self.plan.recharging else []
        for number, company in enumerate(recharged):
            _switch_on(company, number)
        return companies[: self.plan.customers]

    def _customer(self, company: Company, number: int) -> Customer:
        return Customer(
            self.portal,
            self.bank,
            company.admin.email,
            PASSWORD,
            self._saved[company.admin.email],
            random.Random(f"{self.plan.seed}:{number}"),
        )

    def _start(self, sockets: Path) -> None:
        server = server_of(self.database.url)
        proxy = [sys.executable, str(HERE / "proxy.py"), str(sockets), str(server), str(self.markers)]
        plain = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        self._child("proxy", [*proxy, str(self.plan.seed), str(self.plan.kill_one_in or NEVER)], plain)
        mail_port = _free_port()
        mailbox = self.directory / "mailbox"
        mail = ["-m", "raseed.mailbox", "--port", str(mail_port), "--directory", str(mailbox)]
        self._child("mail", [sys.executable, *mail], plain)
        wait((sockets / SOCKET).exists, "the proxy")
        environment = plain | {
            "RASEED_ENV": "demo",
            "DATABASE_URL": self.database.url.replace(_quoted(server), _quoted(sockets)),
            "DATABASE_OWNER_URL": self.database.owner_url,
            "PUBLIC_URL": self.portal,
            "ALLOWED_HOSTS": "127.0.0.1",
            "SMTP_URL": f"smtp://127.0.0.1:{mail_port}",
            "SANDBOX_URL": self.bank.url,
            "SANDBOX_SECRET_KEY": SECRET_KEY,
            "SANDBOX_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "GATEWAY_TIMEOUT_S": str(self.plan.patience_s),
            "SOAK_HURRY": str(int(self.plan.hurry)),
            "FAILPOINTS": "1" if self.plan.kill_one_in else "",
            "FAILPOINTS_DIR": str(self.markers),
            "FAILPOINTS_SEED": str(self.plan.seed),
            "FAILPOINTS_ONE_IN": str(self.plan.kill_one_in),
            "FAILPOINTS_AT": ",".join(f"{point}={RARE_POINTS.get(point, '')}" for point in POINTS),
        }
        self._child("portal", [*KEPT, "serve", "--port", str(self.portal_port)], environment)
        self._child("worker", [*KEPT, "worker"], environment)
        wait(self._is_ready, "the portal")
        self._environment = environment

    def _open_office(self) -> None:
        """Usage and refunds begin, or go on."""
        if self._office_is_open:
            return
        self._office_is_open = True
        self._child(OFFICE, [*KEPT, OFFICE], self._environment | {"PYTHONPATH": str(HERE.parent)})

    def _close_office(self) -> None:
        if self._office_is_open:
            self._office_is_open = False
            self._children.pop(OFFICE).stop(signal.SIGTERM)

    def _child(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self._children[name] = Child(name, command, environment, self.directory / f"{name}.log")

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.portal}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _stop(self) -> None:
        while self._children:
            self._children.popitem()[1].stop(signal.SIGTERM)

    # -- the run

    def _order(self, names: Iterable[str]) -> None:
        """Have each of these behaviours met once for certain, before the weights decide again."""
        # Mixed, or five silences in a row would open the breaker at once.
        for name in random.Random(self.plan.seed).sample(ordered := list(names), len(ordered)):
            stage, behaviour = MET[name]
            self.bank.behaviour(next=behaviour, stage=stage)

    def _pay_until_enough(self, customers: list[Customer]) -> None:
        """Some forms never become a payment: the portal died before the intent, and nobody came back."""
        self._open_office()
        while (missing := self._wanted - self._paid()) > 0:
            with Weather(self._strikes(), self.strikes, self._say_how_far):
                self._pay(customers, missing)
            wait(self._is_ready, "the portal, after the weather")
            connections.close_all()

    def _strikes(self) -> list[Strike]:
        def send(name: str, number: signal.Signals) -> Callable[[], None]:
            return lambda: os.kill(self._children[name].pid, number)

        strikes = [
            Strike("cuts", self.plan.cut_every_s, send("proxy", CUT)),
            Strike("deploys", self.plan.deploy_every_s, send("portal", DEPLOY)),
            Strike("deploys", self.plan.deploy_every_s, send("worker", DEPLOY)),
            Strike("crashes", self.plan.crash_every_s, self._crash),
            Strike("looks", LOOK_EVERY_S, self._look_for_two_recharges),
        ]
        return [strike for strike in strikes if strike.every_s]

    def _look_for_two_recharges(self) -> None:
        """Two open recharges of one account, at any moment, are a fault, whatever becomes of them."""
        with contextlib.suppress(psycopg.OperationalError), self.database.owner() as owner:
            self._seen_at_once += count(owner, AT_ONCE)

    def _say_how_far(self) -> None:
        with contextlib.suppress(psycopg.OperationalError):
            weather = "".join(f", {count} {name}" for name, count in sorted(self.strikes.items()))
            self._tell(
                f"{self._paid()} of {self._wanted} payments, {len(list(self.markers.iterdir()))} kills{weather},"
                f" {time.monotonic() - self._began:.0f} s"
            )

    def _paid(self) -> int:
        with self.database.owner() as owner:
            return count(owner, "SELECT count(*) FROM payments_payment WHERE purpose = 'pay_now'")

    def _pay(self, customers: list[Customer], times: int) -> None:
        share, rest = divmod(times, len(customers))
        with ThreadPoolExecutor(len(customers)) as pool:
            runs = [
                pool.submit(customer.pay, share + (number < rest))
                for number, customer in enumerate(customers)
            ]
            for run in runs:
                run.result()

    def _come_to_rest(self) -> None:
        """Wait until nothing is under way; whoever left the bank's page without an end is canceled there first.

        Before that the office closes: it would go on for ever. A charge that our books do not know in the end is no unrest but a fault, and the verdict's.
        """
        self._close_office()
        least: dict[str, int] = {}
        deadline = 0.0
        with self.database.owner() as owner:
            while under_way := unrest(owner, dump := self.bank.dump()):
                if under_way.keys() != least.keys() or sum(under_way.values()) < sum(least.values()):
                    least, deadline = under_way, time.monotonic() + QUIET_S_MAX
                if time.monotonic() > deadline:
                    if "charges" in under_way:
                        break
                    raise NoQuiet(f"{under_way}\n{self._tails()}")
                give_up_abandoned(owner, self.bank, dump)
                believe_refusals(owner, dump)
                time.sleep(REST_LOOK_S)
        self._tell(f"at rest after {time.monotonic() - self._began:.0f} s")

    def _outlive_the_keys(self, customers: list[Customer]) -> None:
        """While no worker runs, charges that only the bank's list knows; by the time it runs their keys are forgotten (G12).

        Sent again they would be charged again.
        """
        before = dealt(self.bank.dump(), "G12")
        self._children.pop("worker").stop(signal.SIGTERM)
        self.bank.stop()
        self.bank.start(key_horizon_short_s=KEYS_LIVE_S)
        # Some are answered, or the breaker would let nobody pay.
        self.bank.behaviour(mix={"G1": 3, "G12": 1})
        self.bank.behaviour(mix={"G18-none": 1}, stage="webhook")
        with ThreadPoolExecutor(len(customers)) as pool:
            list(pool.map(lambda customer: customer.press_and_leave(self.plan.outlived), customers))
        self.strikes["keys outlived"] = len(dealt(self.bank.dump(), "G12") - before)
        time.sleep(KEYS_LIVE_S)
        horizon = {"SOAK_KEY_HORIZON_S": str(KEYS_TRUSTED_S)}
        self._child("worker", [*KEPT, "worker"], self._environment | horizon)

    def _judge(self, ended_at: datetime) -> Verdict:
        dump = self.bank.dump()
        kills = Counter(marker.name.split(".")[0] for marker in self.markers.iterdir())
        with self.database.owner() as owner:
            verdict = judge(owner, dump, kills, Counter(met(dump)), ended_at)
        verdict.recharges_at_once += self._seen_at_once
        verdict.weather = dict(sorted(self.strikes.items()))
        return verdict

    def second_opinion(self) -> list[str]:
        """What `raseed reconcile` and then `raseed verify --at-rest` find wrong, in words.

        That stale letters came is an alarm of the clocks, and here it is the bank's doing.
        """
        reconciled, verified = self._command("reconcile"), self._command("verify", "--at-rest", "--json")
        faults = []
        if reconciled.returncode != 0 or reconciled.stderr:
            faults.append(f"raseed reconcile: {reconciled.stdout}{reconciled.stderr}")
        if not verified.stdout:
            return [*faults, f"raseed verify: {verified.stderr}"]
        found = json.loads(verified.stdout.splitlines()[-1])["violations"]
        return faults + [
            f"raseed verify: {one}"
            for one in found
            if (one["rule"], one["ids"].get("what")) != ("CLOCK", "webhook_out_of_time")
        ]

    def _command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A `raseed` command on this run's database, with no kill point armed."""
        calm = {name: value for name, value in self._environment.items() if not name.startswith("FAILPOINTS")}
        calm |= {"DATABASE_URL": self.database.url, "COLUMNS": "300"}
        return subprocess.run(
            [sys.executable, "-m", "raseed.cli", *words],
            env=calm,
            capture_output=True,
            text=True,
            check=False,
        )

    def _tails(self) -> str:
        return "\n".join(f"--- {child.name}\n{child.tail(3000)}" for child in self._children.values())


def _switch_on(company: Company, number: int) -> None:
    """Automatic recharge, with several cards to fall back on; one account soon meets the day's cap, one the month's."""
    currency = company.account.currency
    wanted = change.Wanted(
        Mode.FIXED if number % 3 == 2 else Mode.TARGET,
        threshold=parse_amount("25", currency),
        target=parse_amount("90", currency),
        fixed=parse_amount("40", currency),
        charges_per_day_max=2 if number == 0 else change.CHARGES_PER_DAY_MAX,
        month_charge_max=parse_amount("200" if number == 1 else "9000", currency),
    )
    admin = Who(company.admin.id, "admin")
    change.switch_on(company.account, 0, wanted, CONSENT, admin, timezone.now())


def wait(reached: Callable[[], bool], what: str) -> None:
    """Until another process has brought it about; AssertionError if it does not."""
    deadline = time.monotonic() + READY_S_MAX
    while not reached():
        assert time.monotonic() < deadline, f"{what} is not ready after {READY_S_MAX} s"
        time.sleep(0.1)


def _free_port() -> int:
    """A free port that the system gives to nobody else while our server is away for a moment to be started again."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _quoted(path: Path) -> str:
    return str(path).replace("/", "%2F")


@contextmanager
def proxy_before(url: str, markers: Path, seed: str, one_in: int) -> Iterator[str]:
    """The proxy alone, before the database at `url`; gives the address through it. It notes what it cut in `markers`."""
    server = server_of(url)
    with _short_directory() as sockets:
        words = [str(HERE / "proxy.py"), str(sockets), str(server), str(markers), seed, str(one_in)]
        proxy = Child("proxy", [sys.executable, *words], os.environ, sockets / "proxy.log")
        try:
            wait((sockets / SOCKET).exists, "the proxy")
            yield url.replace(_quoted(server), _quoted(sockets))
        finally:
            proxy.stop()


def server_of(url: str) -> Path:
    """The directory of the server's socket, from the address of a database."""
    return Path(parse_qs(urlsplit(url).query)["host"][0])


@contextmanager
def _short_directory() -> Iterator[Path]:
    """A socket's path has room for 107 bytes: a test's own directory is too deep."""
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
