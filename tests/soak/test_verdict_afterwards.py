"""The verdict sees what goes wrong after a payment: of refunds, disputes and automatic recharge, each fault alone.

One account for the whole file: a payment of which 40 were given back, 10 were to be and failed, 20 were disputed and lost,
30 disputed and won; and a recharge of 475. Each test breaks our books, or the bank's, in a transaction that is rolled back.
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
from giving_back import STAFF
from people import NOON, Company, make_company, make_operator, open_one, save_card, spend
from raseed.audit.log import Who
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Dispute, DisputeState, Refunded, RefundFailed, Succeeded
from raseed.money import parse_amount
from raseed.payments import paynow, refund
from raseed.payments.dispute import settle_dispute
from raseed.payments.models import Payment, Refund
from raseed.payments.recharge import change, consider
from raseed.payments.recharge.reasons import Cause as Why
from raseed.payments.settle import settle
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import Cause, State, move
from recharging import CONSENT, WANTED
from soak.verdict import Verdict, judge

LATER = NOON + timedelta(seconds=2)


@dataclass
class Books:
    """Ours, in a transaction of `owner` that is rolled back, and the bank's `dump`, made anew for each test."""

    owner: psycopg.Connection[Any]
    account: UUID
    paid: UUID
    recharge: UUID
    dump: dict[str, list[dict[str, Any]]]

    def line(self, kind: str, detail: str = "") -> dict[str, Any]:
        return next(one for one in self.dump["entries"] if (one["kind"], one["detail"]) == (kind, detail))

    def again(self, kind: str, detail: str) -> None:
        """The bank does once more what it did, under another name: of refunds, for the same order."""
        self.dump["entries"].append(self.line(kind, detail) | {"detail": "more"})
        orders = [one for one in self.dump["refunds"] if one["ref"] == detail]
        self.dump["refunds"] += [one | {"ref": "more"} for one in orders]

    def write(self, statement: LiteralString, *values: object) -> None:
        self.owner.execute(statement, values)

    def post_again(self, operation: str) -> None:
        """Post once more what was posted under a key with this ending."""
        again = uuid4()
        self.owner.execute("CREATE TEMP TABLE entry ON COMMIT DROP AS SELECT * FROM ledger_entry LIMIT 0")
        self.write("INSERT INTO entry SELECT * FROM ledger_entry WHERE operation_key LIKE %s", operation)
        self.owner.execute(
            "CREATE TEMP TABLE parts ON COMMIT DROP AS"
            " SELECT t.* FROM ledger_transfer t JOIN entry e ON e.id = t.entry_id"
        )
        self.write("UPDATE entry SET id = %s, operation_key = 'again', reverses_id = NULL", again)
        self.write("UPDATE parts SET id = gen_random_uuid(), entry_id = %s", again)
        self.write("INSERT INTO ledger_entry SELECT * FROM entry")
        self.write("INSERT INTO ledger_transfer SELECT * FROM parts")

    def unpost(self, operation: str) -> None:
        found = "SELECT id FROM ledger_entry WHERE operation_key LIKE %s"
        self.owner.execute(f"DELETE FROM ledger_transfer WHERE entry_id IN ({found})", [operation])
        self.owner.execute("DELETE FROM ledger_entry WHERE operation_key LIKE %s", [operation])

    def open_recharges(self, times: int) -> None:
        """More recharges like ours, all under way: the index that forbids it is gone."""
        self.write("DROP INDEX payments_one_open_recharge")
        for _ in range(times):
            self.write(
                "INSERT INTO payments_payment SELECT (jsonb_populate_record(p, jsonb_build_object('id',"
                " gen_random_uuid(), 'client_key', gen_random_uuid(), 'gateway_ref', '', 'state', 'submitted'))).*"
                " FROM payments_payment p WHERE p.id = %s",
                self.recharge,
            )

    def verdict(self) -> Verdict:
        return judge(self.owner, self.dump, Counter(), Counter(), NOON + timedelta(hours=1))


def captured(payment: Payment) -> Payment:
    """The bank says that it took what was asked."""
    if payment.state == State.CREATED:
        move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    told = Succeeded(f"pay_{payment.id}", payment.charge_minor, payment.currency, payment.id, None, None)
    payment = settle(payment.account_id, payment.id, told, Cause.PAGE, LATER)
    issue_receipt_voucher(payment.account_id, payment.id, LATER)
    return payment


def given_back(payment: Payment, amount: str, *, fails: bool) -> Refund:
    asked = refund.RefundCommand(
        payment.account_id, uuid4(), payment.id, parse_amount(amount, "USD"), "asked for", STAFF
    )
    opened = refund.open_refund(asked, LATER)
    refund.move(opened, refund.RefundState.SUBMITTED, Cause.PAGE, LATER)
    told = RefundFailed("re_failed", "closed") if fails else Refunded("re_made")
    return settle_refund(opened.account_id, opened.id, told, Cause.PAGE, LATER)


def recharged(company: Company, monkeypatch: pytest.MonkeyPatch) -> Payment:
    """A recharge that the bank charged, made by the use-case; the bank is left out."""
    save_card(company, "card_1")
    monkeypatch.setattr(
        paynow,
        "submit",
        lambda account_id, payment_id, *_: Payment.objects.get(account_id=account_id, id=payment_id),
    )
    admin = Who(company.admin.id, "admin")
    change.switch_on(company.account, 0, WANTED, CONSENT, admin, NOON)
    begun = consider.consider(company.account.id, Why.CROSSED, NOON)
    assert begun is not None
    return captured(begun)


@pytest.fixture(scope="module")
def made(shared_real_db: RealDatabase) -> tuple[RealDatabase, Payment, Payment, dict[str, Any]]:
    make_operator()
    company = make_company()
    paid = captured(open_one(company))
    orders = [given_back(paid, "40", fails=False), given_back(paid, "10", fails=True)]
    for ref, minor, end in (("dp_lost", 2_000, DisputeState.LOST), ("dp_won", 3_000, DisputeState.WON)):
        for state in (DisputeState.OPEN, end):
            told = Dispute(ref, paid.gateway_ref, minor, "USD", state)
            settle_dispute(paid.account_id, paid.id, told, LATER)
    # Staff lift the suspension, and what is left of the payment is spent.
    with shared_real_db.owner() as owner:
        owner.execute("UPDATE balance_suspension SET lifted_at = since")
    spend(company, "15")
    with pytest.MonkeyPatch.context() as patched:
        recharge = recharged(company, patched)
    return (
        shared_real_db,
        paid,
        recharge,
        {
            "entries": [
                line(paid, "charge", 10_000),
                line(paid, "refund", 4_000, "re_made"),
                line(paid, "refund_failed", 1_000, "re_failed"),
                line(paid, "dispute", 2_000, "dp_lost"),
                line(paid, "dispute_lost", 2_000, "dp_lost"),
                line(paid, "dispute", 3_000, "dp_won"),
                line(paid, "dispute_won", 3_000, "dp_won"),
                line(recharge, "charge", recharge.charge_minor),
            ],
            "letters": [],
            "refunds": [
                {"ref": ref, "reference": str(order.id)}
                for ref, order in zip(("re_made", "re_failed"), orders, strict=True)
            ],
        },
    )


def line(payment: Payment, kind: str, amount: int, detail: str = "") -> dict[str, Any]:
    about = {"reference": str(payment.id), "payment": payment.gateway_ref, "currency": "USD"}
    return {"kind": kind, "amount": amount, "detail": detail, "cursor": 1, "at": LATER.isoformat(), **about}


@pytest.fixture
def books(made: tuple[RealDatabase, Payment, Payment, dict[str, Any]]) -> Iterator[Books]:
    database, paid, recharge, dump = made
    fresh = {name: [dict(one) for one in rows] for name, rows in dump.items()}
    with database.owner() as owner, owner.transaction(force_rollback=True):
        yield Books(owner, paid.account_id, paid.id, recharge.id, fresh)


FAULTS: dict[str, tuple[Callable[[Books], object], list[str]]] = {
    "given back twice": (
        lambda books: books.again("refund", "re_made"),
        ["difference_minor is 4000", "double_refunded is 1", "misrefunded is 1"],
    ),
    "given back and never ordered": (
        lambda books: books.dump["refunds"][0].update(reference=str(uuid4())),
        ["difference_minor is 8000", "misrefunded is 2"],
    ),
    "taken and not given back": (
        lambda books: books.dump["entries"].remove(books.line("refund", "re_made")),
        ["difference_minor is 4000", "misrefunded is 1"],
    ),
    "another amount given back": (
        lambda books: books.line("refund", "re_made").update(amount=3_999),
        ["difference_minor is 1", "misrefunded is 1"],
    ),
    "called failed and given back": (
        lambda books: books.write("UPDATE payments_refund SET state = 'failed' WHERE part_ref = 're_made'"),
        ["misrefunded is 1"],
    ),
    "tied to another's refund": (
        lambda books: books.write("UPDATE payments_refund SET part_ref = 're_9' WHERE part_ref = 're_made'"),
        ["misrefunded is 1"],
    ),
    "failed and not put back": (
        lambda books: books.unpost("%:returned"),
        ["difference_minor is 1000", "misrefunded is 1"],
    ),
    "failed and put back twice": (
        lambda books: books.post_again("%:returned"),
        ["difference_minor is 1000", "double_refunded is 1", "misrefunded is 1"],
    ),
    "taken for no refund": (
        lambda books: (
            books.write("DELETE FROM payments_refundmove"),
            books.write("DELETE FROM payments_refund WHERE part_ref = 're_made'"),
        ),
        ["difference_minor is 8000", "misrefunded is 2"],
    ),
    "a refund left open": (
        lambda books: books.write("UPDATE payments_refund SET state = 'pending' WHERE part_ref = 're_made'"),
        ["given_back_open is 1"],
    ),
    "more taken back than was captured": (
        lambda books: books.line("dispute", "dp_lost").update(amount=6_001),
        ["difference_minor is 4001", "misdisputed is 1", "over_given is 1"],
    ),
    "a dispute unknown to us": (
        lambda books: books.write("UPDATE payments_paymentdispute SET part_ref = 'x' WHERE state = 'lost'"),
        ["difference_minor is 4000", "misdisputed is 2"],
    ),
    "lost and reinstated": (
        lambda books: books.write("UPDATE payments_paymentdispute SET state = 'won' WHERE state = 'lost'"),
        ["misdisputed is 1"],
    ),
    "lost and not debited": (
        lambda books: books.write(
            "UPDATE ledger_transfer SET debit = 'uninvoiced_revenue' WHERE amount_micros = 20000000"
        ),
        ["misdisputed is 1"],
    ),
    "won and not reinstated": (
        lambda books: books.unpost("%:reinstated"),
        ["difference_minor is 3000", "misdisputed is 1"],
    ),
    "won and reinstated twice": (
        lambda books: books.post_again("%:reinstated"),
        ["difference_minor is 3000", "misdisputed is 1"],
    ),
    "won and a micro less reinstated": (
        lambda books: books.write(
            "UPDATE ledger_transfer t SET amount_micros = t.amount_micros - 1 FROM ledger_entry e"
            " WHERE e.id = t.entry_id AND e.kind = 'dispute_won'"
        ),
        ["difference_minor is 1", "misdisputed is 1"],
    ),
    "a dispute left open": (
        lambda books: books.write("UPDATE payments_paymentdispute SET state = 'open' WHERE state = 'lost'"),
        ["given_back_open is 1"],
    ),
    "two recharges open": (
        lambda books: books.open_recharges(2),
        ["unresolved is 2", "recharges_at_once is 1", "recharges_unasked is 2"],
    ),
    "a recharge without consent": (
        lambda books: books.write("UPDATE recharge_rechargesettings SET consent_at = NULL"),
        ["recharges_unasked is 1"],
    ),
    "a recharge without a reason": (
        lambda books: books.write("DELETE FROM recharge_consideration"),
        ["recharges_unasked is 1"],
    ),
    "more recharges than the day's cap": (
        lambda books: books.write("UPDATE recharge_rechargesettings SET charges_per_day_max = 0"),
        ["recharges_over_cap is 1"],
    ),
    "more than the month's cap": (
        lambda books: books.write("UPDATE recharge_rechargesettings SET month_charge_max_micros = 474999999"),
        ["recharges_over_cap is 1"],
    ),
    "a card charged twice in one try": (
        lambda books: books.write(
            "INSERT INTO recharge_consideration SELECT (jsonb_populate_record(c, jsonb_build_object('id',"
            " gen_random_uuid(), 'payment_id', NULL))).* FROM recharge_consideration c WHERE c.reason = 'charge'"
        ),
        ["recharges_over_cap is 1"],
    ),
    "a try that was never ended": (
        lambda books: books.write("UPDATE recharge_rechargeseries SET is_trying = true"),
        ["recharges_stuck is 1"],
    ),
    "a line that nobody considered": (
        lambda books: books.write(
            "UPDATE balance_line SET crossed_at = %s WHERE kind = 'recharge'", NOON + timedelta(hours=1)
        ),
        ["recharges_stuck is 1"],
    ),
}


def test_a_sound_run_has_no_fault(books: Books) -> None:
    verdict = books.verdict()
    assert verdict.faults() == []
    assert (verdict.refunds, verdict.refunds_failed, verdict.disputes, verdict.disputes_won) == (2, 1, 2, 1)
    assert (verdict.recharges, verdict.payments, verdict.charges) == (1, 2, 2)


def test_a_try_whose_recharge_is_under_review_is_in_a_persons_hands(books: Books) -> None:
    books.write("UPDATE recharge_rechargeseries SET is_trying = true")
    books.write("UPDATE payments_payment SET state = 'review' WHERE id = %s", books.recharge)
    assert books.verdict().recharges_stuck == 0


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_seen(books: Books, name: str) -> None:
    broken, faults = FAULTS[name]
    broken(books)
    assert books.verdict().faults() == faults
