"""Refunds against the real bank and a real database: each once, never more than is left, never money that was spent."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections
from django.db.models import F
from pytest_django import Settings

from bank import RunningBank, eventually
from conftest import RealDatabase
from giving_back import AT_REST, FRAUD, Till, again, begin_list, failed, forget, fresh, made
from people import make_operator, spend
from raseed.audit.models import AuditEntry
from raseed.balance.models import Reason
from raseed.balance.suspension import open_suspensions, suspend
from raseed.db.invariants import registered
from raseed.db.invariants import run as invariants
from raseed.gateways.port import NotFound, Refunded, RefundPending, Refused, Unknown
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.ledger.errors import InsufficientBalance
from raseed.ledger.models import LedgerEntry
from raseed.ledger.post import set_floor
from raseed.money import Money
from raseed.payments import follow_refund, refund, refundable
from raseed.payments.models import Payment, Refund, RefundMove
from raseed.payments.refund import NotRefundable, RefundKeyReused, RefundTooLarge, open_refund
from raseed.payments.refundable import max_refundable

PAIRS = 40
DAY = 24 * 60 * 60


@pytest.fixture(scope="module")
def shared_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    directory: Path = tmp_path_factory.mktemp("bank")
    with RunningBank(directory, webhook_attempts_max=1, refund_s=0.05, hang_s=1.5) as running:
        yield running


@pytest.fixture
def till(shared_real_db: RealDatabase, shared_bank: RunningBank, settings: Settings) -> Iterator[Till]:
    """A company in USD; the bank has 0.8 s to answer."""
    settings.SANDBOX_URL, settings.GATEWAY_TIMEOUT_S = shared_bank.url, 0.8
    shared_bank.behaviour(clear=True)
    make_operator()
    begin_list(shared_bank)
    yield Till(shared_bank)
    forget(shared_real_db)


def moves(found: Refund) -> list[str]:
    rows = RefundMove.objects.filter(account_id=found.account_id, refund_id=found.id).order_by("at", "id")
    return [row.target for row in rows]


def entries(till: Till, kind: str) -> int:
    return LedgerEntry.objects.filter(account_id=till.company.account.id, kind=kind).count()


# -- the good way


def test_a_refund_is_taken_at_once_and_made_by_the_bank(till: Till) -> None:
    payment = till.paid()
    opened = till.opened(payment, "40")
    # Taken with the order, so that it cannot be spent while the bank is asked.
    assert (till.balance, till.bank_says(opened), fresh(payment).refunded_minor) == (6_000, "", 4_000)
    sent = refund.submit(opened.account_id, opened.id, till.at(10))
    assert (sent.state, till.balance) == ("pending", 6_000)
    assert till.made(payment, "60").state == "succeeded"
    assert till.follow(sent, 70).state == "succeeded"
    assert moves(sent) == ["submitted", "pending", "succeeded"]
    assert (till.balance, till.clearing) == (0, 0)
    assert max_refundable(fresh(payment)) == Money.zero("USD")
    assert till.broken() == []
    act = AuditEntry.objects.filter(account_id=payment.account_id, action="refund_ordered").earliest("id")
    assert (act.after["refunded_minor"], act.reason) == (4_000, "asked for by mail")


def test_tax_and_rounding_go_back_to_the_millionth_in_any_parts(till: Till) -> None:
    make_operator("on_topup", 150_000)
    dinars = Till(till.bank, "KWD")
    # 33.330 and 15 % of it are 38.3295: half up 38.330, which the gateway takes as it is.
    payment = dinars.paid("33.330")
    assert payment.charge_minor == 38_330
    for amount in ("10.010", "7.770", "20.550"):
        assert dinars.made(payment, amount).state == "succeeded"
    for kind in (Kind.CUSTOMER, Kind.TAX_PAYABLE, Kind.ROUNDING, Kind.GATEWAY_CLEARING):
        assert read.balance(dinars.company.account.id, kind, "KWD").balance_micros == 0
    assert dinars.broken() == []


def test_the_same_form_is_one_refund_and_another_body_is_refused(till: Till) -> None:
    payment = till.paid()
    asked = till.order(payment, "40")
    first = open_refund(asked, till.at(10))
    assert open_refund(asked, till.at(11)).id == first.id
    with pytest.raises(RefundKeyReused):
        open_refund(replace(asked, reason="another"), till.at(12))
    assert (till.balance, Refund.objects.filter(account_id=payment.account_id).count()) == (6_000, 1)


# -- what is refused moves nothing


def test_no_more_than_is_left_and_no_more_than_is_unspent(till: Till) -> None:
    payment = till.paid()
    spend(till.company, "70")
    assert max_refundable(payment) == Money.from_minor(3_000, "USD")
    with pytest.raises(RefundTooLarge) as refused:
        till.opened(payment, "30.01")
    assert refused.value.params == {"maximum": "30.00 USD"}
    assert (till.balance, fresh(payment).refunded_minor, entries(till, "refund")) == (3_000, 0, 0)
    other = till.paid("50")
    assert max_refundable(fresh(payment)) == Money.from_minor(8_000, "USD")
    till.opened(payment, "60")
    # 20 are unspent, of both payments together.
    assert max_refundable(fresh(payment)) == max_refundable(other) == Money.from_minor(2_000, "USD")


def test_credit_is_not_given_back(till: Till) -> None:
    payment = till.paid()
    spend(till.company, "70")
    set_floor(payment.account_id, Money.from_minor(-50_000, "USD"))
    assert max_refundable(payment) == Money.from_minor(3_000, "USD")
    # Past the first look, as a deduction at the same moment would bring it about: the books refuse.
    looked = patch.object(refund, "max_refundable", lambda _: Money.from_minor(10_000, "USD"))
    with looked, pytest.raises(InsufficientBalance):
        till.opened(payment, "30.01")
    assert (till.balance, fresh(payment).refunded_minor, entries(till, "refund")) == (3_000, 0, 0)


def test_what_was_not_paid_cannot_be_given_back(till: Till) -> None:
    waiting = till.at_the_bank()
    assert max_refundable(waiting) == Money.zero("USD")
    with pytest.raises(NotRefundable):
        till.opened(waiting, "10")


# -- F47: races


def pairs_of_refunds(till: Till, payment: Payment, rounds: int, act: Callable[[], Refund]) -> list[int]:
    """How many of two at once went through, round by round; each round ends with all of them failed, and taken back."""
    gate, ended = threading.Barrier(3), threading.Barrier(3)
    won: list[Refund] = []

    def clerk() -> None:
        try:
            for _ in range(rounds):
                gate.wait(60)
                try:
                    won.append(act())
                except (RefundTooLarge, IntegrityError, InsufficientBalance):
                    pass
                finally:
                    ended.wait(60)
        finally:
            connections.close_all()

    counts = []
    with ThreadPoolExecutor(2) as pool:
        clerks = [pool.submit(clerk) for _ in range(2)]
        for _ in range(rounds):
            gate.wait(60)
            ended.wait(60)
            counts.append(len(won))
            while won:
                lost = won.pop()
                refund.move(lost, refund.RefundState.SUBMITTED, refund.Cause.STAFF, till.at(20))
                till.told(lost, failed(lost))
        for one in clerks:
            one.result()
    return counts


def test_of_two_refunds_at_once_only_what_is_left_goes_through(till: Till) -> None:
    payment = till.paid()
    assert set(pairs_of_refunds(till, payment, PAIRS, lambda: till.opened(payment, "60"))) == {1}
    assert (till.balance, fresh(payment).refunded_minor) == (10_000, 0)
    assert (entries(till, "refund"), entries(till, "reversal")) == (PAIRS, PAIRS)
    assert till.broken() == []


def opened_unguarded(till: Till, payment: Payment, passed: threading.Barrier) -> Refund:
    """`open_refund` that looks and then writes, with no lock in between and money enough of another payment."""
    asked = till.order(payment, "60")
    order = refund._order(fresh(payment), asked, till.at(10))
    passed.wait(60)
    order.save(force_insert=True)
    Payment.objects.filter(account_id=payment.account_id, id=payment.id).update(
        refunded_minor=F("refunded_minor") + order.amount_minor
    )
    refund._take(order, till.at(10))
    return order


def test_without_the_lock_the_check_still_holds(till: Till) -> None:
    payment, _other = till.paid(), till.paid()
    passed = threading.Barrier(2)
    act = refund.begun_again(refund.atomic()(lambda: opened_unguarded(till, payment, passed)))
    assert pairs_of_refunds(till, payment, 3, act) == [1, 1, 1]


def test_without_lock_and_check_more_goes_back_than_came_in(till: Till, shared_real_db: RealDatabase) -> None:
    payment, _other = till.paid(), till.paid()
    passed = threading.Barrier(2)
    with shared_real_db.owner() as owner:
        owner.execute("ALTER TABLE payments_payment RENAME CONSTRAINT payments_payment_given_back TO kept")
        (law,) = owner.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'kept'"
        ).fetchone() or ("",)
        owner.execute("ALTER TABLE payments_payment DROP CONSTRAINT kept")
        try:
            act = refund.begun_again(refund.atomic()(lambda: opened_unguarded(till, payment, passed)))
            assert pairs_of_refunds(till, payment, 3, act) == [2, 2, 2]
        finally:
            owner.execute(f"ALTER TABLE payments_payment ADD CONSTRAINT payments_payment_given_back {law}")


# -- F48: silence


def test_a_refund_that_times_out_is_asked_about_and_made_once(till: Till) -> None:
    payment = till.paid()
    till.bank.behaviour(next="G5", stage="refund")
    sent = till.refunded(payment, "40")
    assert (sent.state, sent.part_ref, till.balance) == ("submitted", "", 6_000)
    found = till.follow(sent, 15)
    assert found.state in {"pending", "succeeded"}
    assert till.follow(sent, 60).state == "succeeded"
    assert [one["amount"] for one in till.bank.dump()["refunds"] if one["payment"] == payment.gateway_ref] == [4_000]  # fmt: skip
    assert (till.balance, till.clearing) == (6_000, 6_000)
    assert till.broken() == []


@pytest.mark.parametrize("weather", ["G8", "G11"])
def test_a_refund_that_never_arrived_is_sent_again_with_its_key(till: Till, weather: str) -> None:
    payment = till.paid()
    till.bank.behaviour(next=weather, stage="refund")
    sent = till.refunded(payment, "40")
    assert (sent.state, till.bank_says(sent)) == ("submitted", "")
    assert till.follow(sent, 15).state == "pending"
    assert (till.balance, fresh(payment).refunded_minor) == (6_000, 4_000)


def test_after_the_key_horizon_nothing_is_sent_and_a_person_is_told(till: Till) -> None:
    payment = till.paid()
    till.bank.behaviour(next="G8", stage="refund")
    sent = till.refunded(payment, "40")
    assert till.follow(sent, 23 * 3_600 + 11).state == "submitted"
    assert (till.bank_says(sent), till.balance) == ("", 6_000)
    assert till.breaks() == [f"unresolved {sent.id}"]


def test_a_refused_order_is_put_back_and_a_refused_repeat_is_not(till: Till) -> None:
    payment = till.paid()
    with patch.object(refund, "send", lambda _: Refused("over_refund")):
        first = till.refunded(payment, "40")
    assert (first.state, till.balance, fresh(payment).refunded_minor) == ("failed", 10_000, 0)
    with patch.object(refund, "send", lambda _: Unknown("hung up")):
        second = till.refunded(payment, "40")
    with patch.object(refund, "send", lambda _: Refused("over_refund")):
        assert (till.follow(second, 20).state, till.balance) == ("submitted", 6_000)
        # A quarter of an hour later the first one is not on its way any more.
        assert (till.follow(second, 911).state, till.balance) == ("failed", 10_000)
    assert till.broken() == []


def test_the_sweep_sends_what_nobody_sent_and_asks_about_silence(till: Till) -> None:
    payment = till.paid()
    opened = till.opened(payment, "40")
    assert follow_refund.ask_silent(till.at(11)) == 0
    assert follow_refund.ask_silent(till.at(14)) == 1
    assert again(opened).state == "pending"


# -- F50: it fails after all


def test_a_refund_that_fails_is_put_back_once_and_lifts_a_suspension(till: Till) -> None:
    payment = till.paid(card=FRAUD)
    sent = till.refunded(payment, "100")
    suspend(payment.account_id, Reason.BALANCE, till.at(20))
    assert till.balance == 0
    eventually(lambda: till.bank_says(sent) == "failed")
    till.walk()
    assert (again(sent).state, till.balance, fresh(payment).refunded_minor) == ("failed", 10_000, 0)
    for seconds in (130, 140):
        assert till.told(sent, failed(again(sent)), seconds).state == "failed"
    assert (till.balance, till.clearing, entries(till, "reversal")) == (10_000, 10_000, 1)
    assert open_suspensions(payment.account_id) == []
    assert till.broken() == []


def test_a_bank_that_refuses_days_after_it_gave_back(till: Till) -> None:
    payment = till.paid()
    sent = till.refunded(payment, "40")
    assert till.told(sent, made(sent), 30).state == "succeeded"
    assert till.told(sent, failed(again(sent)), 3 * DAY).state == "failed"
    assert till.balance == 10_000
    # And gives back all the same: the balance has it as well, so that a person must look.
    assert till.told(sent, made(again(sent)), 4 * DAY).state == "failed"
    assert (till.balance, till.breaks()) == (10_000, [f"unbooked_movement {again(sent).part_ref} refund"])


# -- news on three roads, and news of others


def test_letters_end_where_answers_do(till: Till) -> None:
    payment = till.paid()
    sent = till.made(payment, "40")
    other = till.refunded(payment, "20")
    assert till.deliver(till.wait_for(payment, "refund.succeeded", 2) * 2) == 2
    assert (again(sent).state, again(other).state, till.balance) == ("succeeded", "succeeded", 4_000)
    assert till.broken() == []


def test_a_refund_of_which_no_answer_came_is_known_by_its_letter(till: Till) -> None:
    payment = till.paid()
    till.bank.behaviour(next="G6", stage="refund")
    sent = till.refunded(payment, "40")
    assert sent.part_ref == ""
    assert till.deliver(till.wait_for(payment, "refund.succeeded")) == 1
    assert again(sent).state == "succeeded"


def test_a_refund_made_at_the_banks_own_desk_is_a_break_and_moves_nothing(till: Till) -> None:
    payment = till.paid()
    answer = till.bank.client.post(
        f"{till.bank.url}/v1/refunds",
        json={"payment": payment.gateway_ref, "amount": 2_500},
        headers={"Idempotency-Key": str(uuid4())},
    )
    part_ref = answer.json()["id"]
    assert till.deliver(till.wait_for(payment, "refund.succeeded")) == 1
    till.walk()
    assert till.breaks() == [f"unbooked_movement {part_ref} refund"]
    assert (till.balance, fresh(payment).refunded_minor) == (10_000, 0)
    assert [one for one in till.broken() if not one.startswith("I10")] == []
    assert sum(part_ref in one for one in till.broken()) == 1


def test_anothers_reference_moves_nothing(till: Till) -> None:
    payment = till.paid()
    first, second = till.refunded(payment, "10"), till.refunded(payment, "20")
    stolen = Refunded(first.part_ref)
    Refund.objects.filter(account_id=second.account_id, id=second.id).update(part_ref="", state="submitted")
    assert till.told(second, stolen).state == "submitted"
    assert till.told(first, RefundPending("re_other")).state == "pending"
    assert till.breaks() == [
        f"foreign_reference {first.part_ref}",
        "foreign_reference re_other",
    ]
    assert till.told(second, NotFound()).state == "submitted"


def test_the_most_is_found_where_tax_makes_it_more_than_is_unspent(till: Till) -> None:
    make_operator("on_topup", 150_000)
    payment = till.paid("100")
    assert (payment.charge_minor, till.balance) == (11_500, 10_000)
    spend(till.company, "50")
    assert max_refundable(payment) == Money.from_minor(5_750, "USD")
    parts = refundable.parts_of(payment, 5_750, [])
    assert (parts.credit, parts.tax, parts.rounding) == (50_000_000, 7_500_000, 0)
    till.opened(payment, "57.50")
    assert till.balance == 0


# -- what verify finds


BREAKS = [
    ("UPDATE payments_payment SET refunded_minor = 1", "UPDATE payments_payment SET refunded_minor = 4000", "counted as 1"),
    ("UPDATE payments_refund SET state = 'failed'", "UPDATE payments_refund SET state = 'succeeded'", "and nothing was put back"),
    ("UPDATE payments_refund SET amount_minor = 4001", "UPDATE payments_refund SET amount_minor = 4000", "40000000 micros were taken"),
    ("UPDATE payments_refund SET tax_micros = 1", "UPDATE payments_refund SET tax_micros = 0", "its parts are not those of its entry"),
    ("UPDATE payments_refund SET state = 'pending'", "UPDATE payments_refund SET state = 'succeeded'", "nobody will ask about it"),
    ("UPDATE payments_refund SET part_ref = 're_x'", "UPDATE payments_refund SET part_ref = '{part_ref}'", "here nothing"),
    ("UPDATE payments_refund SET part_ref = 're_x'", "UPDATE payments_refund SET part_ref = '{part_ref}'", "given back nothing by the list"),
    ("UPDATE ledger_entry SET operation_key = 'x' WHERE kind = 'refund'", "UPDATE ledger_entry SET operation_key = 'refund:{id}:taken' WHERE kind = 'refund'", "entry x belongs to no refund"),
    ("UPDATE ledger_entry SET operation_key = 'x' WHERE kind = 'refund'", "UPDATE ledger_entry SET operation_key = 'refund:{id}:taken' WHERE kind = 'refund'", "and nothing was taken for it"),
]  # fmt: skip


def test_verify_names_what_is_broken_of_a_refund(till: Till, shared_real_db: RealDatabase) -> None:
    found = till.made(till.paid(), "40")
    assert till.broken() == []
    checks = [one for one in registered() if one.check.__module__ == "raseed.payments.verify_given_back"]
    with shared_real_db.owner() as owner:
        for broken, healed, detail in BREAKS:
            owner.execute(broken)
            lines = [str(one) for one in invariants(till.began + AT_REST, checks=checks)]
            assert any(detail in line for line in lines), (broken, lines)
            owner.execute(healed.format(id=found.id, part_ref=found.part_ref))
    assert till.broken() == []
