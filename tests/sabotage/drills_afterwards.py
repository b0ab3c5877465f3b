"""Scenes of automatic recharge, refunds and disputes: right with the product as it is, wrong without one of its guards.

Each returns what is wrong at its end, nothing if all is well.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

from django.utils import timezone

from bank import eventually
from raseed.audit.log import Who
from raseed.balance.deduct import deduct
from raseed.errors import RaseedError
from raseed.gateways.port import Dispute, DisputeState, NotFound, RefundFailed
from raseed.money import parse_amount
from raseed.payments import dispute, paynow, refund
from raseed.payments.dispute import settle_dispute
from raseed.payments.follow_refund import follow_refund
from raseed.payments.models import Payment, Purpose, Refund
from raseed.payments.recharge import change, consider
from raseed.payments.recharge.change import Wanted
from raseed.payments.recharge.reasons import Cause as Why
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import Cause
from recharging import CONSENT, WANTED, usage
from sabotage.range import Range

SOON, HOUR = timedelta(seconds=5), timedelta(hours=1)
TOGETHER = 4
# Nobody comes past who waits for a lock: then those at the pause go on without them.
PAUSE_S = 0.5


@contextmanager
def _pausing_at(module: object, name: str, times: int) -> Iterator[None]:
    """Whoever has called `name` waits for the others to come as far: each has looked before anybody writes."""
    looked, kept = threading.Barrier(times), getattr(module, name)

    def look_and_wait(*given: object, **named: object) -> object:
        seen = kept(*given, **named)
        with suppress(threading.BrokenBarrierError):
            looked.wait(PAUSE_S)
        return seen

    with patch.object(module, name, look_and_wait):
        yield


# -- automatic recharge


def _switch_on(where: Range, wanted: Wanted = WANTED) -> None:
    """Automatic recharge, on an empty balance: the line is reached at once, and its job waits."""
    admin = Who(where.company.admin.id, "admin")
    change.switch_on(where.company.account, 0, wanted, CONSENT, admin, where.now)


def _use(where: Range, amount: str, after: timedelta) -> None:
    at = where.now + after
    deduct(usage(where.company.account.id, parse_amount(amount, "USD"), at), at)


def _recharges(where: Range) -> int:
    return Payment.objects.filter(account_id=where.company.account.id, purpose=Purpose.RECHARGE).count()


def many_hear_of_one_fall(where: Range) -> list[str]:
    """The balance came down once, and four jobs consider it at the same moment."""
    _switch_on(where)
    account_id = where.company.account.id
    with _pausing_at(consider, "failpoint", TOGETHER):
        where.together(*[lambda: consider.consider(account_id, Why.CROSSED, where.now)] * TOGETHER)
    charged = len(where.charges())
    where.sees(charged != 1, f"{charged} charges for one fall of the balance")
    return where.found()


def a_declined_card_is_left_alone(where: Range) -> list[str]:
    """The card was declined; an hour later the sweep looks at the account again."""
    where.weather("G3")
    _switch_on(where)
    where.work()
    later = where.now + HOUR
    consider.consider(where.company.account.id, Why.RETRY, later)
    tries = _recharges(where)
    where.sees(tries != 1, f"{tries} tries within a day of a decline")
    return where.found(HOUR + timedelta(minutes=20))


def drained_past_the_days_cap(where: Range) -> list[str]:
    """One charge a day was agreed to, and the balance comes down twice."""
    _switch_on(where, replace(WANTED, charges_per_day_max=1))
    return _drained_twice(where)


def drained_past_the_months_cap(where: Range) -> list[str]:
    """900 a month were agreed to; the balance comes down twice, and each time 500 are missing."""
    _switch_on(where, replace(WANTED, month_charge_max=parse_amount("900", "USD")))
    return _drained_twice(where)


def _drained_twice(where: Range) -> list[str]:
    where.work()
    _use(where, "480", SOON)
    where.work(SOON)
    where.sees(not where.charges(), "never charged")
    return where.found()


# -- refunds


def _asked(where: Range, payment: Payment, amount: str) -> refund.RefundCommand:
    by = Who(where.company.admin.id, "finance")
    money = parse_amount(amount, "USD")
    return refund.RefundCommand(payment.account_id, uuid4(), payment.id, money, "asked for", by)


def _given_back(where: Range, payment: Payment, amount: str) -> Refund:
    at = where.now + SOON
    opened = refund.open_refund(_asked(where, payment, amount), at)
    return refund.submit(opened.account_id, opened.id, at)


def _the_bank_has_ended_refunds(where: Range) -> None:
    eventually(lambda: all(one["state"] != "pending" for one in where.bank.dump()["refunds"]))


def two_clerks(where: Range) -> list[str]:
    """60 of a payment of 100 are given back by two clerks at once, and there is other money in the balance."""
    payment = where.press(where.form())
    where.press(where.form())

    def order() -> None:
        with suppress(RaseedError):
            refund.open_refund(_asked(where, payment, "60"), where.now + SOON)

    with _pausing_at(refund, "max_refundable", 2):
        where.together(order, order)
    ordered = sum(one.amount_minor for one in Refund.objects.filter(account_id=payment.account_id))
    where.sees(ordered > payment.charge_minor, f"{ordered} of {payment.charge_minor} ordered back")
    where.work(SOON * 2)
    _the_bank_has_ended_refunds(where)
    return where.found()


def a_refund_is_sent_again(where: Range) -> list[str]:
    """The bank gives back in silence, and when it is asked its look-up does not know of it yet."""
    payment = where.press(where.form())
    where.bank.behaviour(next="G6", stage="refund")
    sent = _given_back(where, payment, "40")
    lagging = patch.object(type(paynow.gateway("sandbox")), "find_refund", lambda *_: NotFound())
    with lagging:
        follow_refund(sent.account_id, sent.id, Cause.RECONCILE, where.now + SOON * 2)
    _the_bank_has_ended_refunds(where)
    return where.found()


def a_refund_fails_and_is_told_twice(where: Range) -> list[str]:
    """The bank could not give back, and says so by letter and in its list."""
    payment = where.press(where.form())
    where.bank.behaviour(next="G16", stage="refund")
    sent = _given_back(where, payment, "40")
    _the_bank_has_ended_refunds(where)
    told = RefundFailed(sent.part_ref, "the card's account is closed")
    for cause in (Cause.WEBHOOK, Cause.RECONCILE):
        where.attempt(
            "the news",
            lambda cause=cause: settle_refund(sent.account_id, sent.id, told, cause, timezone.now()),
        )
    return where.found()


# -- disputes


def _disputed(where: Range) -> tuple[Payment, Dispute]:
    """A payment whose dispute the bank's book says was won, and what we are told of it."""
    where.weather("G17w")
    payment = where.press(where.form())

    def ended() -> bool:
        return any(
            (one["payment"], one["state"]) == (payment.gateway_ref, "won")
            for one in where.bank.dump()["disputes"]
        )

    eventually(ended)
    (found,) = paynow.gateway("sandbox").disputes_of(payment.gateway_ref)
    return payment, found


def a_dispute_is_won_and_told_twice(where: Range) -> list[str]:
    """Opened, won, and won once more."""
    payment, told = _disputed(where)
    for state in (DisputeState.OPEN, DisputeState.WON, DisputeState.WON):
        where.attempt(
            "the news",
            lambda state=state: settle_dispute(
                payment.account_id, payment.id, replace(told, state=state), where.now + SOON
            ),
        )
    return where.found()


def a_dispute_is_told_by_two_roads(where: Range) -> list[str]:
    """A letter and the list bring the same dispute at the same moment, each past its first look."""
    payment, told = _disputed(where)

    def hear() -> None:
        settle_dispute(
            payment.account_id, payment.id, replace(told, state=DisputeState.OPEN), where.now + SOON
        )

    with _pausing_at(dispute, "_is_bookable", 2):
        where.together(hear, hear)
    return where.found()
