"""The verdict sees what it is there to see: each fault alone, beside a run in which there is none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from conftest import RealDatabase
from people import NOON, make_company, make_operator, open_one
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, Succeeded
from raseed.ledger.post import post
from raseed.payments import settle as settling
from raseed.payments.models import Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move
from soak.verdict import POINTS, Verdict, judge

CARD = Card("visa", "4242", 12, 2030)
Book = list[dict[str, Any]]


def line(reference: object, amount: int = 10_000) -> dict[str, Any]:
    return {"kind": "charge", "reference": str(reference), "amount": amount, "at": NOON.isoformat()}


@pytest.fixture
def paid(real_db: RealDatabase) -> Payment:
    """100 USD, asked for and credited two seconds after the bank charged it, with its voucher."""
    make_operator()
    payment = open_one(make_company())
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    told = Succeeded("pay_1", 10_000, "USD", payment.id, CARD, saved=None)
    payment = settle(payment.account_id, payment.id, told, Cause.PAGE, NOON + timedelta(seconds=2))
    issue_receipt_voucher(payment.account_id, payment.id, NOON + timedelta(seconds=2))
    return payment


def verdict_of(database: RealDatabase, book: Book) -> Verdict:
    with database.owner() as owner:
        return judge(owner, book, Counter({"KP01": 2}), Counter({"G1": 1}), NOON + timedelta(hours=1))


def break_by(statement: str) -> Callable[[RealDatabase, Payment, Book], None]:
    def run(database: RealDatabase, payment: Payment, book: Book) -> None:
        with database.owner() as owner:
            owner.execute(statement)  # type: ignore[call-overload]

    return run


def credit_again(database: RealDatabase, payment: Payment, book: Book) -> None:
    post(replace(settling._top_up(payment, NOON), operation_key="again"))


FAULTS: list[tuple[Callable[[RealDatabase, Payment, Book], None], list[str]]] = [
    (
        lambda _db, payment, book: book.append(line(payment.id)),
        ["double_charged is 1", "difference_minor is 10000"],
    ),
    (lambda _db, _payment, book: book.append(line(uuid4())), ["lost is 1", "difference_minor is 10000"]),
    (lambda _db, _payment, book: book.clear(), ["phantom is 1", "difference_minor is 10000"]),
    (lambda _db, _payment, book: book[0].update(amount=10_001), ["difference_minor is 1"]),
    (credit_again, ["double_credited is 1", "miscredited is 1", "difference_minor is 10000"]),
    (
        break_by("UPDATE payments_payment SET state = 'submitted'"),
        ["lost is 1", "unresolved is 1", "1 vouchers for 0 paid payments"],
    ),
    (break_by("UPDATE documents_issuednumber SET number = 3"), ["number_gaps is 2"]),
    (
        break_by("UPDATE ledger_transfer SET amount_micros = amount_micros - 1"),
        ["miscredited is 1", "difference_minor is 1"],
    ),
]


def test_a_sound_run_has_no_fault(real_db: RealDatabase, paid: Payment) -> None:
    verdict = verdict_of(real_db, [line(paid.id)])
    assert verdict.faults() == []
    assert (verdict.payments, verdict.charges, verdict.kills, verdict.vouchers) == (1, 1, 2, 1)
    assert verdict.unmet(["G1", "G2"]) == [*POINTS[1:], "G2"]


@pytest.mark.parametrize(("broken", "faults"), FAULTS)
def test_each_fault_is_seen(
    real_db: RealDatabase,
    paid: Payment,
    broken: Callable[[RealDatabase, Payment, Book], None],
    faults: list[str],
) -> None:
    book = [line(paid.id)]
    broken(real_db, paid, book)
    assert verdict_of(real_db, book).faults() == faults
