"""An account with automatic recharge on, a bank that charges it, and the queue run by hand at a time of the test's choosing."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from bank import RunningBank
from people import NOON, Company, make_company
from raseed.accounts.models import Account
from raseed.audit.log import Who
from raseed.balance.deduct import deduct
from raseed.balance.equation import available
from raseed.gateways.port import Card, SavedReference
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money, parse_amount
from raseed.payments.methods import keep
from raseed.payments.models import Payment, PaymentMethod, Purpose
from raseed.payments.recharge import change, consider
from raseed.payments.recharge.models import Consideration, Mode, RechargeSeries
from raseed.payments.recharge.reasons import Cause

CONSENT = change.Consent("test", "I agree.")
DAY = timedelta(hours=24)


def usd(amount: str) -> Money:
    return parse_amount(amount, "USD")


WANTED = change.Wanted(
    mode=Mode.TARGET,
    threshold=usd("25"),
    target=usd("500"),
    fixed=usd("100"),
    charges_per_day_max=3,
    month_charge_max=usd("4000"),
)


@dataclass(frozen=True)
class Recharged:
    """One account and its bank."""

    company: Company
    bank: RunningBank

    @property
    def account(self) -> Account:
        return self.company.account

    @property
    def admin(self) -> Who:
        return Who(self.company.admin.id, "admin")

    def card(self, number: str = "4242424242424242", *, unattended: bool = True) -> PaymentMethod:
        """A card that the bank keeps for the account, and we as a method; the first one is the default."""
        reference = self.bank.save_card(number, customer=str(self.account.id))
        saved = SavedReference(reference, Card("visa", number[-4:], 12, 2034), unattended)
        return keep(self.account.id, "sandbox", saved, NOON)

    def on(self, now: datetime = NOON, **fields: object) -> None:
        """Switch on; at 25.00 back to 500.00, unless told otherwise."""
        row = change.settings_of(self.account.id)
        wanted = replace(WANTED, **fields)  # type: ignore[arg-type]
        change.switch_on(self.account, row.version if row else 0, wanted, CONSENT, self.admin, now)

    def has(self, amount: str) -> None:
        """Give the account exactly that balance, with no word to anybody."""
        missing = usd(amount) - available(self.account)
        self.book(EntryKind.ADJUSTMENT, Kind.ADJUSTMENTS, Kind.CUSTOMER, missing)

    def book(self, kind: EntryKind, debit: Kind, credit: Kind, amount: Money) -> None:
        post(_entry(self.account.id, kind, debit, credit, amount, NOON))

    def use(self, amount: str | Money, now: datetime = NOON) -> None:
        """A deduction, through the one door of deductions."""
        money = usd(amount) if isinstance(amount, str) else amount
        deduct(usage(self.account.id, money, now), now)

    def queued(self) -> list[dict[str, Any]]:
        """The arguments of the recharges that wait to be considered, oldest first."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT args FROM procrastinate_jobs WHERE task_name = 'payments.consider_recharge'"
                " AND status = 'todo' AND args ->> 'account_id' = %s ORDER BY id",
                [str(self.account.id)],
            )
            return [dict(row[0]) if isinstance(row[0], dict) else _read(row[0]) for row in cursor.fetchall()]

    def notices(self) -> int:
        """How many mails about recharge were asked for."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'notifications.mail_recharge'"
                " AND args ->> 'account_id' = %s",
                [str(self.account.id)],
            )
            return int(cursor.fetchone()[0])

    def work(self, now: datetime = NOON) -> int:
        """Do the jobs of this account that wait, and those that they queue; how many."""
        done = 0
        while jobs := self.queued():
            with connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM procrastinate_jobs WHERE task_name = 'payments.consider_recharge'"
                    " AND status = 'todo' AND args ->> 'account_id' = %s",
                    [str(self.account.id)],
                )
            for job in jobs:
                consider.consider(self.account.id, Cause(job.get("cause", "crossed")), now)
                done += 1
        return done

    def consider(self, now: datetime = NOON, cause: Cause = Cause.CROSSED) -> Payment | None:
        return consider.consider(self.account.id, cause, now)

    def charges(self) -> list[int]:
        """What the bank has charged the account's cards for recharges, in minor units."""
        ours = {str(one) for one in self.recharges().values_list("id", flat=True)}
        return [
            line["amount"]
            for line in self.bank.book()
            if line["kind"] == "charge" and line["reference"] in ours
        ]

    def recharges(self) -> Any:
        return Payment.objects.filter(account_id=self.account.id, purpose=Purpose.RECHARGE).order_by(
            "created_at", "id"
        )

    def reasons(self) -> list[str]:
        """The history, oldest first."""
        rows = Consideration.objects.filter(account_id=self.account.id).order_by("at", "id")
        return list(rows.values_list("reason", flat=True))

    def last(self) -> Consideration:
        return Consideration.objects.filter(account_id=self.account.id).latest("at", "id")

    def series(self) -> RechargeSeries:
        return RechargeSeries.objects.get(account_id=self.account.id)

    def available(self) -> str:
        return str(available(self.account).micros / 1_000_000)


def usage(account_id: UUID, amount: Money, now: datetime) -> NewEntry:
    return _entry(account_id, EntryKind.USAGE, Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount, now)


def _entry(
    account_id: UUID, kind: EntryKind, debit: Kind, credit: Kind, amount: Money, now: datetime
) -> NewEntry:
    return NewEntry(
        account_id=account_id,
        kind=kind,
        operation_key=f"{kind}:{uuid4()}",
        transfers=(Transfer(debit, credit, amount),),
        at=now,
    )


def _read(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def recharged(bank: RunningBank, name: str = "Falcon Trading") -> Recharged:
    """A new account of its own at that bank."""
    return Recharged(make_company(name), bank)
