"""Disputes against the real bank and a real database: debited in full, reinstated exactly, in whatever order news comes."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from bank import RunningBank
from conftest import RealDatabase
from giving_back import LOST_CARD, WON_CARD, Till, begin_list, failed, forget, fresh
from people import make_operator, spend
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import lift, open_suspensions
from raseed.gateways.port import DisputeState
from raseed.ledger.models import LedgerEntry
from raseed.money import Money
from raseed.payments.models import Payment, PaymentDispute
from raseed.payments.refund import RefundTooLarge
from raseed.payments.refundable import max_refundable

OPEN, WON, LOST = DisputeState.OPEN, DisputeState.WON, DisputeState.LOST


@pytest.fixture(scope="module")
def shared_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    directory: Path = tmp_path_factory.mktemp("bank")
    with RunningBank(directory, webhook_attempts_max=1, refund_s=0, dispute_s=0.4) as running:
        yield running


@pytest.fixture
def till(shared_real_db: RealDatabase, shared_bank: RunningBank, settings: Settings) -> Iterator[Till]:
    """A company in USD; the bank has five seconds to answer."""
    settings.SANDBOX_URL, settings.GATEWAY_TIMEOUT_S = shared_bank.url, 5
    shared_bank.behaviour(clear=True)
    make_operator()
    begin_list(shared_bank)
    yield Till(shared_bank)
    forget(shared_real_db)


def kinds(till: Till) -> list[str]:
    found = LedgerEntry.objects.filter(account_id=till.company.account.id).order_by("at", "id")
    return [entry.kind for entry in found if entry.kind != "usage"]


def reasons(till: Till) -> list[str]:
    return [one.reason for one in open_suspensions(till.company.account.id)]


def left(payment: Payment) -> int:
    return max_refundable(fresh(payment)).minor_exact()


# -- F51, F52: the bank's own course


def test_a_dispute_after_spending_is_debited_in_full_and_won_is_put_back(till: Till) -> None:
    payment = till.paid(card=WON_CARD)
    spend(till.company, "95")
    opened = till.wait_for(payment, "dispute.opened")
    assert till.deliver(opened * 2) == 1
    assert (till.balance, till.clearing, reasons(till)) == (-9_500, 0, ["dispute"])
    assert left(payment) == 0
    won = till.wait_for(payment, "dispute.won")
    assert till.deliver(won) == 1
    # The letter of the opening once more, under another id: the bank is asked, and says won.
    assert till.deliver([{**opened[0], "id": "evt_again"}]) == 1
    assert (till.balance, till.clearing, reasons(till)) == (500, 10_000, [])
    assert kinds(till) == ["topup_card", "dispute", "dispute_won"]
    assert left(payment) == 500
    assert till.broken() == []


def test_a_dispute_that_is_lost_stays_and_so_does_the_suspension(till: Till) -> None:
    payment = till.paid(card=LOST_CARD)
    spend(till.company, "95")
    till.wait_for(payment, "dispute.lost")
    for _ in range(2):
        till.walk()
    assert (till.balance, till.clearing, reasons(till)) == (-9_500, 0, ["dispute"])
    found = PaymentDispute.objects.get(account_id=payment.account_id)
    assert (found.state, found.ended_at is not None, kinds(till)) == ("lost", True, ["topup_card", "dispute"])
    assert (till.breaks(), till.broken()) == ([], [])


def test_news_of_the_dispute_before_that_of_the_payment(till: Till) -> None:
    payment = till.at_the_bank(card=WON_CARD)
    assert till.deliver(till.wait_for(payment, "dispute.opened"), 6) == 1
    assert (fresh(payment).state, till.balance) == ("succeeded", 0)
    assert kinds(till) == ["topup_card", "dispute"]


# -- F53: all orders


@pytest.mark.parametrize("end", [WON, LOST])
def test_all_orders_of_refund_and_dispute_end_alike(till: Till, end: DisputeState) -> None:
    for order in permutations(("refund", "opened", "ended")):
        payment = till.captured()
        dispute, refunded = 0, 0
        for news in order:
            if news == "refund":
                till.opened(payment, "40")
                refunded = 4_000
            else:
                till.dispute(payment, end if news == "ended" else OPEN, 6_000)
                is_over = news == "ended" or dispute == -1
                dispute = (-1 if end == WON else 6_000) if is_over else 6_000
            # What the account has unspent of other payments does not count here: there is enough.
            assert fresh(payment).refunded_minor == refunded
            assert fresh(payment).disputed_minor == max(dispute, 0)
            assert max_refundable(fresh(payment)) <= Money.from_minor(
                10_000 - refunded - max(dispute, 0), "USD"
            )
        assert fresh(payment).disputed_minor == (0 if end == WON else 6_000)
    assert till.balance == (36_000 if end == WON else 0)
    assert till.breaks() == []
    assert reasons(till) == ([] if end == WON else ["dispute"])


def test_what_is_disputed_cannot_be_refunded_until_it_is_won(till: Till) -> None:
    payment, _other = till.captured(), till.captured()
    till.dispute(payment, OPEN)
    with pytest.raises(RefundTooLarge):
        till.opened(payment, "0.01")
    till.dispute(payment, WON)
    assert till.opened(payment, "100").amount_minor == 10_000


def test_a_bank_that_takes_more_than_is_left_is_booked_and_told(till: Till) -> None:
    payment = till.paid()
    refund = till.refunded(payment, "40")
    till.dispute(payment, OPEN)
    assert (till.balance, fresh(payment).disputed_minor) == (-4_000, 6_000)
    assert till.breaks() == [f"unbooked_movement dp_{payment.id.hex} dispute"]
    # The refund fails: now the whole of the payment is what the dispute holds.
    till.told(refund, failed(refund))
    assert (till.balance, fresh(payment).disputed_minor, left(payment)) == (0, 10_000, 0)


def test_a_refund_and_a_dispute_at_once(till: Till) -> None:
    for _ in range(5):
        payment, other = till.captured(), till.captured()
        start = threading.Barrier(2)

        def refund(payment: Payment = payment, start: threading.Barrier = start) -> str:
            start.wait(30)
            try:
                return till.opened(payment, "100").state
            except RefundTooLarge:
                return "refused"
            finally:
                connections.close_all()

        def dispute(payment: Payment = payment, start: threading.Barrier = start) -> None:
            start.wait(30)
            try:
                till.dispute(payment, OPEN)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            told, booked = pool.submit(refund), pool.submit(dispute)
            booked.result()
        counted = (fresh(payment).refunded_minor, fresh(payment).disputed_minor)
        assert counted == ((10_000, 0) if told.result() == "created" else (0, 10_000))
        assert (fresh(other).refunded_minor, fresh(other).disputed_minor) == (0, 0)


# -- suspension, and what is a person's


def test_the_suspension_stands_while_any_dispute_holds_it(till: Till) -> None:
    first, second, third = till.captured(), till.captured(), till.captured()
    till.dispute(first, OPEN)
    till.dispute(second, OPEN)
    till.dispute(first, WON)
    assert reasons(till) == ["dispute"]
    till.dispute(second, LOST)
    till.dispute(third, OPEN)
    till.dispute(third, WON)
    assert reasons(till) == ["dispute"], "the lost one is a matter for staff"
    lift(first.account_id, Reason.DISPUTE, till.at(60))
    fourth = till.captured()
    Suspension.objects.filter(account_id=first.account_id).update(since=till.at(30))
    till.dispute(fourth, OPEN)
    Suspension.objects.filter(account_id=first.account_id, lifted_at__isnull=True).update(since=till.at(90))
    till.dispute(fourth, WON)
    assert reasons(till) == [], "the lost one was dealt with before"


def test_what_the_balance_does_not_hold_is_told_to_a_person(till: Till) -> None:
    payment = till.paid()
    till.dispute(payment, OPEN)
    till.dispute(payment, OPEN, 5_000)
    till.dispute(payment, WON)
    till.dispute(payment, LOST)
    found = PaymentDispute.objects.get(account_id=payment.account_id)
    assert (found.state, found.amount_minor, till.balance) == ("won", 10_000, 10_000)
    assert till.breaks() == [f"unbooked_movement dp_{payment.id.hex} dispute"]
    waiting = till.at_the_bank()
    assert till.dispute(waiting, OPEN) is None
    assert till.balance == 10_000
