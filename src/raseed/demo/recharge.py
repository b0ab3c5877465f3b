"""Automatic recharge in the demo's past: what is considered at each crossing of the threshold, by the real code.

So that its history shows more than charges, something happens at some of the crossings: a payment is under way, the bank
declines once, usage is faster than the day's cap, an Admin switches off. And the last days are unusual, so that the latest
ten show most of what can happen.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx
from django.conf import settings

from raseed.accounts.models import Account, User
from raseed.audit.log import Who
from raseed.balance.equation import available
from raseed.balance.models import Line
from raseed.demo.money import begin, book, finish, top_up
from raseed.documents.issue import issue_receipt_voucher
from raseed.money import Money
from raseed.payments.models import Payment, Purpose
from raseed.payments.recharge import change, consider
from raseed.payments.recharge.cards import usable
from raseed.payments.recharge.models import Mode, RechargeSeries
from raseed.payments.recharge.reasons import Cause
from raseed.payments.recharge.series import TRIES_MAX
from raseed.payments.recharge.wording import promise
from raseed.payments.states import State

SET_UP_ON: Final = 14
ON_AGAIN_AFTER: Final = timedelta(days=3)
WANTED: Final = change.Wanted(
    mode=Mode.TARGET,
    threshold=Money(100_000_000, "USD"),
    target=Money(200_000_000, "USD"),
    fixed=Money(100_000_000, "USD"),
    charges_per_day_max=1,
    month_charge_max=Money(1_000_000_000, "USD"),
)
PAYING, SWITCHED_OFF, DECLINED, FAST = 1, 2, 3, 4
# Days before the last one: declined three times and paused, confirmed by hand, paying, twice in one day.
REFUSED, CONFIRMED, PAYING_LATE, TWICE = 9, 5, 3, 2
# After the evening: early on the account's next day, so that the day's cap counts anew.
NEXT_MORNING: Final = timedelta(hours=9)


@dataclass
class Recharged:
    """An account with a saved card, day by day. Call `morning` before a day's usage and `evening` after it."""

    account: Account
    admin: User
    crossings: int = 0
    off_since: datetime | None = None

    def morning(self, number: int, day: datetime) -> None:
        """What an Admin does, and the try that is due."""
        if number == SET_UP_ON or (self.off_since and day - self.off_since > ON_AGAIN_AFTER):
            self._switch_on(day)
        series = RechargeSeries.objects.filter(account_id=self.account.id).first()
        if series is not None and series.look_at is not None and series.look_at <= day:
            self._consider(Cause.RETRY, day)

    def evening(self, at: datetime) -> None:
        """Consider what the day's usage has crossed."""
        if not self._is_reached(at):
            return
        self.crossings += 1
        if self.crossings == PAYING:
            payment = begin(self.account, self.admin, Money(100_000_000, "USD"), at, save=False)
            self._consider(Cause.CROSSED, at)
            finish(payment, at)
            return
        if self.crossings == DECLINED:
            _bank_does_next("G3")
        if self.crossings == SWITCHED_OFF:
            change.switch_off(self.account, self._version(), self._who(), at)
            self.off_since = at
        self._consider(Cause.CROSSED, at)
        if self.crossings == FAST:
            at += timedelta(hours=1)
            over = available(self.account) - Money(60_000_000, "USD")
            book(self.account, "calls_out", over, at)
            self.evening(at)
        if self.off_since == at:
            top_up(
                self.account, self.admin, Money(250_000_000, "USD"), at + timedelta(minutes=30), save=False
            )

    def unusual(self, days_left: int, evening: datetime) -> None:
        """What happens on a few of the last days, after the evening."""
        at = evening + NEXT_MORNING
        if days_left == REFUSED:
            for _try in range(TRIES_MAX):
                _bank_does_next("G3")
            self._fall(60, at)
        elif days_left == CONFIRMED:
            _bank_does_next("G10")
            self._switch_on(at)
            self._consider(Cause.CROSSED, at)
            self._confirm(at + timedelta(hours=2))
        elif days_left == PAYING_LATE:
            payment = begin(self.account, self.admin, Money(120_000_000, "USD"), at, save=False)
            self._fall(70, at)
            finish(payment, at)
        elif days_left == TWICE:
            self._fall(60, at)
            self._fall(90, at + timedelta(hours=1))

    def _fall(self, to_units: int, at: datetime) -> None:
        """Much usage at once, down to so many dollars, and what is considered then."""
        over = available(self.account) - Money(to_units * 1_000_000, "USD")
        book(self.account, "calls_out", over, at)
        self._consider(Cause.CROSSED, at)

    def _confirm(self, at: datetime) -> None:
        """The Admin follows the link and confirms what the bank would not charge unattended."""
        payment = Payment.objects.get(
            account_id=self.account.id, purpose=Purpose.RECHARGE, state=State.ACTION_REQUIRED
        )
        finish(payment, at)

    def _is_reached(self, at: datetime) -> bool:
        return Line.objects.filter(account_id=self.account.id, crossed_at=at).exists()

    def _switch_on(self, at: datetime) -> None:
        self.off_since = None
        sentence = promise(self.account, WANTED, usable(self.account.id, at)[0])
        consent = change.Consent("demo", sentence)
        change.switch_on(self.account, self._version(), WANTED, consent, self._who(), at)

    def _version(self) -> int:
        row = change.settings_of(self.account.id)
        return row.version if row else 0

    def _who(self) -> Who:
        return Who(self.admin.id, "admin")

    def _consider(self, cause: Cause, at: datetime) -> None:
        payment = consider.consider(self.account.id, cause, at)
        if payment is not None and payment.state == State.SUCCEEDED:
            issue_receipt_voucher(payment.account_id, payment.id, at + timedelta(seconds=1))


def _bank_does_next(behaviour: str) -> None:
    httpx.post(
        f"{settings.SANDBOX_URL}/admin/behaviour",
        headers={"Authorization": f"Bearer {settings.SANDBOX_SECRET_KEY}"},
        json={"next": behaviour},
        timeout=10,
        trust_env=False,
    ).raise_for_status()
