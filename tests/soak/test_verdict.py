"""The verdict sees what it is there to see: each fault alone, beside books in which there is none.

Two payments of 100 USD for the whole file: one that was charged as asked and credited, one of which the bank took
50 EUR, which stand in suspense. Each test breaks them, or the bank's book, in a transaction that is rolled back.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from conftest import RealDatabase
from people import NOON, make_company, make_operator, open_one
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, Succeeded
from raseed.payments.models import Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move
from soak.verdict import POINTS, Verdict, judge

CARD = Card("visa", "4242", 12, 2030)
PAID, OTHER = "pay_1", "pay_2"


@dataclass
class Books:
    """Ours, in a transaction of `owner` that is rolled back, and the bank's `dump`, made anew for each test."""

    owner: psycopg.Connection[Any]
    paid: UUID
    other: UUID
    dump: dict[str, list[dict[str, Any]]]

    def line(self, gateway_ref: str) -> dict[str, Any]:
        """The first line of the bank's book about this payment of its."""
        return next(one for one in self.dump["entries"] if one["payment"] == gateway_ref)

    def add(self, reference: UUID, payment: str, kind: str = "charge", cursor: int = 2) -> None:
        self.dump["entries"].append(
            line(reference, payment, 10_000, "USD") | {"kind": kind, "cursor": cursor}
        )

    def write(self, statement: LiteralString, *values: object) -> None:
        self.owner.execute(statement, values)

    def moved(self, to: State) -> None:
        """That the paid payment was once called `to`."""
        self.write(
            "INSERT INTO payments_paymentmove (id, account_id, payment_id, source, target, cause, at)"
            " SELECT gen_random_uuid(), account_id, id, 'action_required', %s, 'reconcile', %s FROM payments_payment WHERE id = %s",
            to,
            NOON,
            self.paid,
        )

    def credit(self, payment: UUID) -> None:
        """Post what was posted of this payment once more, as a top-up."""
        for statement in (
            "CREATE TEMP TABLE entry ON COMMIT DROP AS SELECT * FROM ledger_entry WHERE memo ->> 'payment_id' = %s",
            "CREATE TEMP TABLE parts ON COMMIT DROP AS SELECT t.* FROM ledger_transfer t JOIN entry e ON e.id = t.entry_id",
        ):
            self.owner.execute(statement.replace("%s", f"'{payment}'"))
        again = uuid4()
        self.write("UPDATE entry SET id = %s, operation_key = 'again', kind = 'topup_card'", again)
        self.write("UPDATE parts SET id = gen_random_uuid(), entry_id = %s", again)
        self.write("INSERT INTO ledger_entry SELECT * FROM entry")
        self.write("INSERT INTO ledger_transfer SELECT * FROM parts")

    def letter(self, fate: str = "", attempts: int = 1, version: int = 1) -> None:
        """A letter that was delivered at this attempt."""
        told = {"delivered_at": NOON.timestamp(), "payload": {"version": version}}
        self.dump["letters"].append({"fate": fate, "attempts": attempts, **told})

    def verdict(self) -> Verdict:
        ended_at = NOON + timedelta(hours=1)
        return judge(self.owner, self.dump, Counter({"KP01": 2}), Counter({"G1": 1}), ended_at)


def line(reference: UUID, payment: str, amount: int, currency: str) -> dict[str, Any]:
    told = {"kind": "charge", "cursor": 2, "at": NOON.isoformat()}
    return {"reference": str(reference), "payment": payment, "amount": amount, "currency": currency, **told}


def captured(gateway_ref: str, amount: int, currency: str) -> Payment:
    """A payment of 100 USD of which the bank said two seconds later what it took."""
    payment = open_one(make_company())
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    told = Succeeded(gateway_ref, amount, currency, payment.id, CARD, saved=None)
    return settle(payment.account_id, payment.id, told, Cause.PAGE, NOON + timedelta(seconds=2))


@pytest.fixture(scope="module")
def both(shared_real_db: RealDatabase) -> tuple[RealDatabase, UUID, UUID]:
    make_operator()
    paid, other = captured(PAID, 10_000, "USD"), captured(OTHER, 5_000, "EUR")
    issue_receipt_voucher(paid.account_id, paid.id, NOON + timedelta(seconds=2))
    return shared_real_db, paid.id, other.id


@pytest.fixture
def books(both: tuple[RealDatabase, UUID, UUID]) -> Iterator[Books]:
    database, paid, other = both
    entries = [line(paid, PAID, 10_000, "USD"), line(other, OTHER, 5_000, "EUR")]
    with database.owner() as owner, owner.transaction(force_rollback=True):
        yield Books(owner, paid, other, {"entries": entries, "letters": [], "refunds": [], "disputes": []})


def apply_a_strangers_letter(books: Books) -> None:
    books.write(
        "INSERT INTO payments_inboxevent (gateway, event_id, kind, gateway_ref, payment_id, body, received_at,"
        " applied_at, tries, fault) VALUES ('sandbox', 'evt_1', 'payment.succeeded', 'pay_9', %s, '', %s, %s, 0, '')",
        uuid4(),
        NOON,
        NOON,
    )


def cancel_first(books: Books, to: State) -> None:
    """The bank canceled, and charged then; we said `to`."""
    books.add(books.paid, PAID, kind="cancel", cursor=1)
    books.moved(to)


def cancel_last(books: Books) -> None:
    books.add(books.paid, PAID, kind="cancel", cursor=3)
    books.moved(State.CANCELED)


def bind_to_a_strangers(books: Books) -> None:
    """Our payment bears the bank's id of a payment that was another's, and was declined."""
    books.add(uuid4(), "pay_9", kind="decline")
    books.write("UPDATE payments_payment SET gateway_ref = 'pay_9' WHERE id = %s", books.paid)


def end_the_break(books: Books) -> None:
    books.write("UPDATE payments_reconciliationbreak SET resolved_at = seen_at")


FAULTS: dict[str, tuple[Callable[[Books], object], list[str]]] = {
    "charged twice": (
        lambda books: books.add(books.paid, PAID),
        ["double_charged is 1", "difference_minor is 10000"],
    ),
    "charged and unknown": (
        lambda books: books.add(uuid4(), "pay_9"),
        ["lost is 1", "difference_minor is 10000"],
    ),
    "credited for nothing": (
        lambda books: books.dump["entries"].remove(books.line(PAID)),
        ["phantom is 1", "difference_minor is 10000"],
    ),
    "another amount credited": (
        lambda books: books.line(PAID).update(amount=10_001),
        ["lost is 1", "miscredited is 1", "difference_minor is 1"],
    ),
    "another currency credited": (
        lambda books: books.line(PAID).update(currency="EUR"),
        ["lost is 1", "miscredited is 1", "difference_minor is 20000"],
    ),
    "credited twice": (
        lambda books: books.credit(books.paid),
        ["double_credited is 1", "miscredited is 1", "difference_minor is 10000"],
    ),
    "left open": (
        lambda books: books.write(
            "UPDATE payments_payment SET state = 'submitted' WHERE id = %s", books.paid
        ),
        ["lost is 1", "unresolved is 1", "1 vouchers for 0 paid payments"],
    ),
    "a hole in the numbers": (
        lambda books: books.write("UPDATE documents_issuednumber SET number = 3"),
        ["number_gaps is 2"],
    ),
    "credited a micro less": (
        lambda books: books.write(
            "UPDATE ledger_transfer SET amount_micros = amount_micros - 1 WHERE currency = 'USD'"
        ),
        ["miscredited is 1", "difference_minor is 1"],
    ),
    "called failed": (lambda books: books.moved(State.FAILED), ["denied is 1"]),
    "called canceled": (lambda books: books.moved(State.CANCELED), ["denied is 1"]),
    "called failed after a cancel": (lambda books: cancel_first(books, State.FAILED), ["denied is 1"]),
    "called canceled before a cancel": (cancel_last, ["denied is 1"]),
    "tied to a stranger's charge": (bind_to_a_strangers, ["misbound is 1"]),
    "a forged letter taken": (lambda books: books.letter("G18-forged"), ["false_letters is 1"]),
    "a stale letter taken": (lambda books: books.letter("G18-stale"), ["false_letters is 1"]),
    "an unknown shape taken": (lambda books: books.letter(version=2), ["false_letters is 1"]),
    "a stranger's letter acted on": (apply_a_strangers_letter, ["false_letters is 1"]),
    "suspense that nobody knows of": (end_the_break, ["lost is 1", "unresolved is 1"]),
    "suspense under another break": (
        lambda books: books.write("UPDATE payments_reconciliationbreak SET kind = 'unresolved'"),
        ["lost is 1"],
    ),
    "suspense of a payment called failed": (
        lambda books: books.write("UPDATE payments_payment SET state = 'failed' WHERE id = %s", books.other),
        ["lost is 1"],
    ),
    "suspense a micro less": (
        lambda books: books.write(
            "UPDATE ledger_transfer SET amount_micros = amount_micros - 1 WHERE currency = 'EUR'"
        ),
        ["lost is 1", "difference_minor is 1"],
    ),
    "suspense of what was charged as asked": (
        lambda books: books.line(OTHER).update(amount=10_000, currency="USD"),
        ["lost is 1", "difference_minor is 15000"],
    ),
    "suspense of nothing": (
        lambda books: books.dump["entries"].remove(books.line(OTHER)),
        ["phantom is 1", "difference_minor is 5000"],
    ),
    "another amount in suspense and credited too": (
        lambda books: books.credit(books.other),
        ["lost is 1", "miscredited is 1", "difference_minor is 5000"],
    ),
}


def test_a_sound_run_has_no_fault(books: Books) -> None:
    verdict = books.verdict()
    assert verdict.faults() == []
    assert (verdict.payments, verdict.charges, verdict.kills, verdict.vouchers) == (2, 2, 2, 1)
    assert (verdict.in_review, verdict.in_suspense, verdict.late_after_cancel) == (1, 1, 0)
    assert verdict.unmet(["G1", "G2"]) == [*POINTS[1:], "G2"]


def test_a_charge_after_the_banks_own_cancel_and_refused_letters_are_no_fault(books: Books) -> None:
    cancel_first(books, State.CANCELED)
    for fate, attempts in (("", 1), ("G18-forged", 2), ("G18-stale", 2), ("G18-twice", 1)):
        books.letter(fate, attempts)
    verdict = books.verdict()
    assert (verdict.faults(), verdict.late_after_cancel) == ([], 1)


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_seen(books: Books, name: str) -> None:
    broken, faults = FAULTS[name]
    broken(books)
    assert books.verdict().faults() == faults
