"""Where saboteurs are shot at: a real PostgreSQL, the real bank, a mail server, and one company that pays.

A `Range` acts as customers, webhooks and the worker do, in this process, with time passed in. What it finds at the
end is what the soak's verdict and `raseed verify` find, and what a customer would have seen with his own eyes.
It knows no saboteur and repairs nothing.
"""

import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import time_machine
from django.conf import settings
from django.db import connections
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from bank import WEBHOOK_SECRET, RunningBank
from conftest import RealDatabase
from people import Company, command, make_company, make_operator, save_card
from post_office import PostOffice
from raseed.db.invariants import run as invariants
from raseed.gateways import registry
from raseed.payments import inbox, paynow, reconcile, walk
from raseed.payments.models import ListCursor, Payment, PaymentMethod
from raseed.payments.paynow import PayNow
from raseed.payments.states import Cause
from soak.verdict import judge

LATE_S = 1.0
# Later than every age that a rule of `raseed verify` allows to work under way.
AT_REST = timedelta(minutes=20)
JOBS = ("payments.", "documents.issue_receipt_voucher")


def signed(
    letter: dict[str, Any], now: datetime, secret: str = WEBHOOK_SECRET
) -> tuple[bytes, dict[str, str]]:
    """A letter as it travels: its bytes, and the header that signs them."""
    raw, at = json.dumps(letter).encode(), int(now.timestamp())
    mac = hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    return raw, {"Sandbox-Signature": f"t={at},v1={mac}"}


class Range:
    """One drill on one database. `now` is when it began."""

    def __init__(self, bank: RunningBank, post_office: PostOffice) -> None:
        self.bank, self.post_office = bank, post_office
        self.now = timezone.now()
        self.seen: list[str] = []
        self._began_at = 0
        self.database: RealDatabase
        self.company: Company
        self.card: PaymentMethod

    def on(self, database: RealDatabase) -> Self:
        """A company with a saved card on this database; nothing that the bank did before counts."""
        fresh = type(self)(self.bank, self.post_office)
        fresh.database = database
        make_operator()
        fresh.company, fresh.card = fresh._join("Falcon Trading")
        return fresh

    def _join(self, name: str) -> tuple[Company, PaymentMethod]:
        """A company with a saved card. What the bank did until then counts for nothing."""
        company = make_company(name)
        card = save_card(company, self.bank.save_card(customer=str(company.account.id)))
        book = self.bank.book()
        self._began_at = len(book)
        ListCursor.objects.update_or_create(
            gateway="sandbox", defaults={"cursor": book[-1]["cursor"], "walked_at": self.now}
        )
        return company, card

    # -- people, bank and worker

    def form(self, amount: str = "100", **fields: object) -> PayNow:
        """A drawn form, filled in: the saved card, and a yes to paying beside another payment."""
        return command(self.company, amount, **{"method_id": self.card.id, "another": True} | fields)

    def form_of_another(self) -> PayNow:
        """The form of another customer, with a saved card too. Call it before the scene begins."""
        company, card = self._join("Palm Trading")
        return command(company, method_id=card.id)

    def press(self, form: PayNow, after: timedelta = timedelta()) -> Payment:
        """What the portal does with a posted form."""
        payment = paynow.open_payment(form, self.now + after)
        return paynow.submit(payment.account_id, payment.id, self.now + after)

    def weather(self, behaviour: str) -> None:
        """What the bank does to the next charge."""
        self.bank.behaviour(next=behaviour)

    def follow(self, payment: Payment, after: timedelta) -> Payment:
        """Ask about it once."""
        return reconcile.follow(payment.account_id, payment.id, Cause.RECONCILE, self.now + after)

    def letters(self) -> list[dict[str, Any]]:
        """What the bank has sent us since the drill began."""
        ours = {line["payment"] for line in self.bank.book()[self._began_at :]}
        return [
            one["payload"] for one in self.bank.dump()["letters"] if one["payload"]["object"]["id"] in ours
        ]

    def signed(self, letter: dict[str, Any], secret: str = WEBHOOK_SECRET) -> tuple[bytes, dict[str, str]]:
        """A letter as it travels."""
        return signed(letter, self.now, secret)

    def work(self, after: timedelta = timedelta()) -> None:
        """Run each job of money and numbers that is due, as a worker would; one that raises is left for verify."""
        until = self.now + after
        self.attempt("the letters", lambda: inbox.apply_waiting(until))
        while True:
            due = [
                job
                for job in ProcrastinateJob.objects.filter(status="todo").order_by("id")
                if job.task_name.startswith(JOBS) and (job.scheduled_at is None or job.scheduled_at <= until)
            ]
            if not due:
                return
            with connections["default"].cursor() as cursor:
                cursor.execute(
                    "DELETE FROM procrastinate_jobs WHERE id = ANY (%s)", [[job.id for job in due]]
                )
            with time_machine.travel(until):
                for job in due:
                    self.attempt(
                        f"job {job.task_name}", lambda job=job: app.tasks[job.task_name].func(**job.args)
                    )

    def attempt(self, what: str, act: Callable[[], object]) -> object:
        """Do it; what it raises is written down and ends nothing, as in a worker."""
        try:
            return act()
        except Exception as error:
            self.seen.append(f"{what}: {type(error).__name__}")
            return None

    def together(self, *acts: Callable[[], object]) -> None:
        """At the same moment, each on a connection of its own."""
        start = threading.Barrier(len(acts))

        def run(act: Callable[[], object]) -> None:
            try:
                start.wait(30)
                self.attempt("one of several at once", act)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(acts)) as pool:
            for one in [pool.submit(run, act) for act in acts]:
                one.result()

    # -- what is found

    def charges(self) -> list[dict[str, Any]]:
        """The lines of the bank's book that charge, since the drill began."""
        return [line for line in self.bank.book()[self._began_at :] if line["kind"] == "charge"]

    def sees(self, wrong: bool, what: str) -> None:
        """Note what a person would see."""
        if wrong:
            self.seen.append(what)

    def found(self, after: timedelta = AT_REST) -> list[str]:
        """Let the worker end what is under way, then everything that is wrong, in words."""
        now = self.now + after
        self.attempt("the walk", lambda: walk.walk_list("sandbox", now))
        self.work(after)
        with self.database.owner() as owner:
            dump = self.bank.dump()
            dump["entries"] = dump["entries"][self._began_at :]
            verdict = judge(owner, dump, Counter(), Counter(), now + timedelta(days=2))
        broken = sorted({f"{one.rule}: {one.detail}" for one in invariants(now)})
        return [*self.seen, *verdict.faults(), *broken]


@contextmanager
def open_range(directory: Path) -> Iterator[Range]:
    """The bank and the mail server, for as many drills as like; Django's settings point at them meanwhile."""
    bank = RunningBank(
        directory / "bank", webhook_attempts_max=1, late_s=LATE_S, dispute_s=0.2, repeat_references=True
    )
    names = ("SANDBOX_URL", "GATEWAY_TIMEOUT_S", "EMAIL_HOST", "EMAIL_PORT")
    kept = {name: getattr(settings, name) for name in names}
    with bank, PostOffice() as office:
        settings.SANDBOX_URL, settings.GATEWAY_TIMEOUT_S = bank.url, 5
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", office.port
        try:
            yield Range(bank, office)
        finally:
            registry.close_all()
            for name, value in kept.items():
                setattr(settings, name, value)
