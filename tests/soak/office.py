"""Behind the counter: a meter takes what was used, staff give money back, Admins keep their automatic recharge going.

Run by `keep_alive.py office`, so that it dies at kill points and begins anew, knowing nothing but what the database says:
it asks for the same refund under the same key again. It does what people do through the use-cases and judges nothing.
"""

import hashlib
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import httpx
from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone

from raseed.accounts.models import Account
from raseed.audit.log import Who
from raseed.balance.deduct import deduct
from raseed.balance.equation import available
from raseed.balance.models import Reason
from raseed.balance.suspension import lift
from raseed.errors import RaseedError
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer
from raseed.money import CURRENCIES, Money
from raseed.payments import refund
from raseed.payments.models import Payment, PaymentDispute, Purpose, Refund
from raseed.payments.recharge import change
from raseed.payments.recharge.models import Mode, RechargeSeries, RechargeSettings
from raseed.payments.refundable import max_refundable
from raseed.payments.states import OPEN, State

ROUND_S = 0.4
# One payment in so many is given back, in part or whole, by two clerks at the same moment.
GIVEN_BACK_ONE_IN = 5
GIVEN_BACK_WITHIN = timedelta(minutes=3)
SAVED_AGAIN_EVERY_S = 10.0
CONSENT = change.Consent("soak", "I agree that the card is charged automatically.")
STAFF = Who(UUID(int=9), "finance", "192.0.2.1")


def _drawn(about: str) -> random.Random:
    """The same draws for the same thing in every life of this process."""
    return random.Random(hashlib.sha256(about.encode()).digest())


# -- the meter


def use(row: RechargeSettings, chance: random.Random) -> None:
    """Take what brings the account down to its threshold or below, in two deductions; nothing if it is there."""
    account = row.account
    left = available(account).micros - row.threshold_micros
    if left <= 0:
        return
    part = chance.randint(1, left)
    for micros in (part, left - part + chance.randint(0, row.threshold_micros // 4)):
        if micros:
            now = timezone.now()
            deduct(_usage(account, Money(micros, account.currency)), now)


def _usage(account: Account, amount: Money) -> NewEntry:
    return NewEntry(
        account_id=account.id,
        kind=EntryKind.USAGE,
        operation_key=f"usage:{uuid4()}",
        transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount),),
        at=timezone.now(),
    )


# -- staff


class Staff:
    """Two clerks. `done` are payments that need nothing more in this life."""

    def __init__(self) -> None:
        self._done: set[UUID] = set()
        self._clerks = ThreadPoolExecutor(2)

    def give_back(self) -> None:
        """Give back what is to be given back of payments that were made lately."""
        recent = Payment.objects.filter(
            state=State.SUCCEEDED, final_at__gte=timezone.now() - GIVEN_BACK_WITHIN
        )
        for payment in recent.exclude(id__in=self._done):
            self._done.add(payment.id)
            if payment.id.int % GIVEN_BACK_ONE_IN == 0:
                both = self._clerks.map(lambda number, of=payment: order(of, number), (1, 2))
                if not all(list(both)):
                    self._done.discard(payment.id)


def order(payment: Payment, number: int) -> bool:
    """Ask for this clerk's refund of the payment; False if nobody knows what became of the order."""
    key = uuid5(payment.id, f"refund:{number}")
    try:
        earlier = Refund.objects.filter(account_id=payment.account_id, client_key=key).first()
        amount = (
            Money.from_minor(earlier.amount_minor, earlier.currency) if earlier else _share(payment, number)
        )
        if not amount:
            return True
        asked = refund.RefundCommand(payment.account_id, key, payment.id, amount, "asked for", STAFF)
        opened = refund.open_refund(asked, timezone.now())
        refund.submit(opened.account_id, opened.id, timezone.now())
    except RaseedError as refused:
        print(f"office: {refused.code}", flush=True)
    except DatabaseError as cut:
        print(f"office: {type(cut).__name__}", flush=True)
        return False
    finally:
        connections.close_all()
    return True


def _share(payment: Payment, number: int) -> Money:
    """All that is left, or part of it, in steps of the gateway: two clerks together often ask for too much."""
    step = CURRENCIES[payment.currency].gateway_step
    percent = _drawn(f"{payment.id}:{number}").choice((30, 60, 100))
    minor = max_refundable(payment).minor_exact() * percent // 100
    return Money.from_minor(minor - minor % step, payment.currency)


# -- Admins


class Admins:
    """They confirm at the bank what it asks them to, and save the settings again when recharge has stopped."""

    def __init__(self) -> None:
        self._saved_at: dict[UUID, float] = {}
        self._bank = httpx.Client(
            base_url=settings.SANDBOX_URL,
            headers={"Authorization": f"Bearer {settings.SANDBOX_SECRET_KEY}"},
            timeout=10,
            trust_env=False,
        )

    def look_after(self, row: RechargeSettings) -> None:
        """Whatever stands in the way of the account's next recharge."""
        mine = Payment.objects.filter(account_id=row.account_id, purpose=Purpose.RECHARGE)
        for payment in mine.filter(state=State.ACTION_REQUIRED):
            outcome = _drawn(str(payment.id)).choice(("complete", "complete", "fail"))
            self._bank.post(f"/admin/pay/{payment.gateway_ref}", json={"outcome": outcome})
        disputes = PaymentDispute.objects.filter(account_id=row.account_id)
        lifted = not disputes.filter(state="open").exists() and lift(
            row.account_id, Reason.DISPUTE, timezone.now()
        )
        tries = RechargeSeries.objects.filter(account_id=row.account_id).first()
        stopped = tries is not None and (tries.paused_at is not None or tries.next_try_at is not None)
        if lifted or (stopped and not mine.filter(state__in=OPEN).exists()):
            self._save_again(row, at_once=lifted)

    def _save_again(self, row: RechargeSettings, *, at_once: bool) -> None:
        now_s = time.monotonic()
        if not at_once and now_s - self._saved_at.get(row.account_id, 0) < SAVED_AGAIN_EVERY_S:
            return
        self._saved_at[row.account_id] = now_s
        currency = row.account.currency
        wanted = change.Wanted(
            Mode(row.mode),
            Money(row.threshold_micros, currency),
            Money(row.target_micros, currency),
            Money(row.fixed_micros, currency),
            row.charges_per_day_max,
            Money(row.month_charge_max_micros, currency),
        )
        admin = Who(row.consent_by, "admin")
        change.switch_on(row.account, row.version, wanted, CONSENT, admin, timezone.now())


def main() -> None:
    """Round after round, until the process is ended."""
    chance, staff, admins = random.Random(settings.SANDBOX_URL), Staff(), Admins()
    while True:
        try:
            for row in RechargeSettings.objects.select_related("account"):
                use(row, chance)
                admins.look_after(row)
            staff.give_back()
        except (RaseedError, DatabaseError, httpx.HTTPError) as fault:
            print(f"office: {type(fault).__name__}", flush=True)
            connections.close_all()
        time.sleep(ROUND_S)
