"""Each rule about payments, clean first and then broken by the owner of the database: verify names it, with ids."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from conftest import RealDatabase
from ledger_words import entry
from people import NOON, Company, make_company, make_operator, open_one
from positions import position
from raseed import verify
from raseed.audit.models import BooksCheck
from raseed.db import invariants
from raseed.db.invariants import Violation
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, DeclineCode, Declined, Outcome, Succeeded
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import post
from raseed.payments import cardscan, resolve
from raseed.payments import settle as settling
from raseed.payments.models import GatewayMovement, InboxEvent, ListCursor, Payment, ReconciliationBreak
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move

LATER = NOON + timedelta(minutes=20)
CARD = Card("visa", "4242", 12, 2030)


@dataclass
class World:
    """An account with two paid payments of 100 USD, one declined, one open; the bank's list read to the end."""

    database: RealDatabase
    company: Company
    paid: Payment
    other: Payment
    declined: Payment
    open: Payment

    def sql(self, statement: str, *params: object) -> None:
        """As the owner, past the application's privileges."""
        with self.database.owner() as owner:
            owner.execute(statement, params)  # type: ignore[call-overload]


def listed(payment: Payment, amount_minor: int = 10_000) -> GatewayMovement:
    """A line of the bank's list that says that this payment was charged."""
    return GatewayMovement.objects.create(
        gateway="sandbox",
        cursor=uuid4().hex,
        kind="charge",
        gateway_ref=f"pay_{payment.id.hex}",
        payment_id=payment.id,
        amount_minor=amount_minor,
        currency="USD",
        at=NOON,
    )


def captured(payment: Payment, minor: int = 10_000) -> Succeeded:
    return Succeeded(f"pay_{payment.id.hex}", minor, "USD", payment.id, CARD, saved=None)


def ended(company: Company, outcome: Callable[[Payment], Outcome]) -> Payment:
    payment = open_one(company, another=True)
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    return settle(company.account.id, payment.id, outcome(payment), Cause.PAGE, NOON)


@pytest.fixture
def world(real_db: RealDatabase) -> World:
    make_operator()
    company = make_company()
    made = World(
        database=real_db,
        company=company,
        paid=ended(company, captured),
        other=ended(company, captured),
        declined=ended(company, lambda _: Declined(None, DeclineCode.GENERIC, retryable=True)),
        open=open_one(company, another=True, now=LATER),
    )
    for payment in (made.paid, made.other):
        listed(payment)
        issue_receipt_voucher(company.account.id, payment.id, NOON)
    ListCursor.objects.create(gateway="sandbox", cursor="end", walked_at=LATER)
    return made


def found(rule: str) -> list[Violation]:
    return [one for one in invariants.run(LATER) if one.rule == rule]


def delete_entry(world: World) -> UUID:
    entry = "(SELECT id FROM ledger_entry WHERE operation_key = %s)"
    key = f"payment:{world.paid.id}:captured"
    world.sql(f"DELETE FROM ledger_transfer WHERE entry_id = {entry}", key)
    world.sql("DELETE FROM ledger_entry WHERE operation_key = %s", key)
    return world.paid.id


def credit_less(world: World) -> UUID:
    world.sql(
        "UPDATE ledger_transfer SET amount_micros = amount_micros - 1 WHERE entry_id ="
        " (SELECT id FROM ledger_entry WHERE operation_key = %s)",
        f"payment:{world.paid.id}:captured",
    )
    return world.paid.id


def credit_twice(world: World) -> UUID:
    post(replace(settling._top_up(world.paid, NOON), operation_key="somebody else's"))
    return world.paid.id


def call_it_failed(world: World) -> UUID:
    world.sql("UPDATE payments_payment SET state = 'failed' WHERE id = %s", world.paid.id)
    return world.paid.id


def share_a_reference(world: World) -> str:
    world.sql(
        "UPDATE payments_payment SET gateway_ref = %s WHERE id = %s",
        world.paid.gateway_ref,
        world.other.id,
    )
    return world.paid.gateway_ref


def change_the_reference(world: World) -> UUID:
    world.sql(
        "UPDATE payments_gatewayreference SET gateway_ref = 'pay_x' WHERE payment_id = %s", world.paid.id
    )
    return world.paid.id


def lose_a_charge(world: World) -> UUID:
    listed(world.declined)
    return world.declined.id


def charge_nobody(world: World) -> UUID:
    nobody = listed(Payment(id=uuid4()))
    assert nobody.payment_id is not None
    return nobody.payment_id


def charge_twice(world: World) -> UUID:
    listed(world.paid)
    return world.paid.id


def unlist(world: World) -> UUID:
    world.sql("DELETE FROM payments_gatewaymovement WHERE payment_id = %s", world.paid.id)
    return world.paid.id


def list_another_amount(world: World) -> UUID:
    world.sql(
        "UPDATE payments_gatewaymovement SET amount_minor = amount_minor + 1 WHERE payment_id = %s",
        world.paid.id,
    )
    return world.paid.id


def capture_more(world: World) -> str:
    world.sql("UPDATE payments_payment SET captured_minor = captured_minor + 1 WHERE id = %s", world.paid.id)
    return "20001"


def stay_unknown(world: World) -> UUID:
    world.sql(
        "UPDATE payments_payment SET state = 'submitted', submitted_at = %s WHERE id = %s",
        NOON,
        world.open.id,
    )
    return world.open.id


def ask_never_again(world: World) -> UUID:
    world.sql("UPDATE payments_payment SET next_ask_at = NULL WHERE id = %s", world.open.id)
    return world.open.id


def never_send(world: World) -> UUID:
    world.sql(
        "UPDATE payments_payment SET created_at = %s WHERE id = %s",
        LATER - timedelta(seconds=61),
        world.open.id,
    )
    return world.open.id


def review_unseen(world: World) -> UUID:
    world.sql("UPDATE payments_payment SET state = 'review' WHERE id = %s", world.open.id)
    return world.open.id


def give_back_more(world: World) -> UUID:
    account = world.company.account.id
    for number, micros in enumerate((100_000_000, 100_000_001)):
        post(entry(account, f"dispute:{number}", micros, kind=EntryKind.DISPUTE, debit=Kind.CUSTOMER, credit=Kind.GATEWAY_CLEARING))  # fmt: skip
    return account


def forget_a_break(world: World, age: timedelta, owner: UUID | None) -> int:
    return ReconciliationBreak.objects.create(
        kind="unresolved",
        gateway="sandbox",
        payment_id=world.paid.id,
        detail="x",
        seen_at=LATER - age,
        owner_id=owner,
    ).pk


def take_no_break(world: World) -> int:
    return forget_a_break(world, resolve.TAKE_WITHIN + timedelta(seconds=1), None)


def end_no_break(world: World) -> int:
    return forget_a_break(world, resolve.END_WITHIN + timedelta(seconds=1), uuid4())


def date_it_tomorrow(world: World) -> UUID:
    for table in ("documents_document", "documents_issuednumber"):
        world.sql(f"UPDATE {table} SET issued_on = issued_on + 1")
    return world.company.account.id


def lose_a_voucher(world: World) -> UUID:
    third = ended(world.company, captured)
    listed(third)
    return third.id


def change_a_voucher(world: World) -> str:
    world.sql("UPDATE documents_document SET copy = jsonb_set(copy, '{amount_minor}', '1') WHERE number = 1")
    return str(world.paid.id)


def leave_a_letter(world: World) -> str:
    InboxEvent.objects.create(
        gateway="sandbox",
        event_id="evt_1",
        kind="payment.succeeded",
        payment_id=world.paid.id,
        body=b"{}",
        received_at=NOON,
    )
    return "evt_1"


def write_a_card_down(world: World) -> str:
    world.sql("UPDATE accounts_account SET name = 'Falcon 4242424242424242'")
    return "accounts_account"


def write_a_card_into_the_memo(world: World) -> str:
    world.sql('UPDATE ledger_entry SET memo = \'{"note": "5555555555554444"}\'::jsonb')
    return "ledger_entry"


def keep_a_card_in_a_letter(world: World) -> str:
    InboxEvent.objects.create(
        gateway="sandbox",
        event_id="evt_1",
        kind="payment.succeeded",
        body=b'{"card": "4000002760003184"}',
        received_at=LATER,
    )
    return "payments_inboxevent"


BREAKS: list[tuple[str, Callable[[World], object], str]] = [
    ("I8", delete_entry, "succeeded, and nothing was credited"),
    ("I8", credit_less, "charged 99999999 micros USD, credited 99999999 for 100000000"),
    ("I8", credit_twice, "credited 2 times"),
    ("I8", call_it_failed, "credited for a payment that is failed"),
    ("I9", share_a_reference, "is on payments"),
    ("I9", change_the_reference, "is known as pay_x"),
    ("I10", lose_a_charge, "lost: charged 10000 USD, payment is failed"),
    ("I10", charge_nobody, "lost: charged 10000 USD, payment is unknown"),
    ("I10", charge_twice, "charged 2 times"),
    ("I10", unlist, "captured 10000 USD here, nothing in the list"),
    ("I10", list_another_amount, "captured 10000 USD here, 10001 USD in the list"),
    ("I11", capture_more, "captured 200010000 micros, posted 200000000"),
    ("I14", stay_unknown, "submitted since"),
    (
        "I10",
        lose_a_charge,
        "the list adds up to 30000 minor units, captured here 20000: 1 lost, 0 phantom, 0 different",
    ),
    (
        "I10",
        unlist,
        "the list adds up to 10000 minor units, captured here 20000: 0 lost, 1 phantom, 0 different",
    ),
    ("I10", list_another_amount, "20001 minor units, captured here 20000: 0 lost, 0 phantom, 1 different"),
    ("I12", take_no_break, "and nobody took it"),
    ("I12", end_no_break, "open since"),
    ("I13", give_back_more, "given back 200000001 micros, captured 200000000"),
    ("I14", ask_never_again, "nobody will ask about it"),
    ("I14", never_send, "no answer was ever written down"),
    ("I14", review_unseen, "under review and no open break"),
    ("I15", date_it_tomorrow, "another day in"),
    ("I16", lose_a_voucher, "without a receipt voucher"),
    ("I16", change_a_voucher, "the voucher says 1 USD"),
    ("I26", leave_a_letter, "unapplied since"),
    ("I27", write_a_card_down, "•••• 4242"),
    ("I27", write_a_card_into_the_memo, "•••• 4444"),
    ("I27", keep_a_card_in_a_letter, "•••• 3184"),
]


@pytest.mark.parametrize(
    ("rule", "broken", "detail"), BREAKS, ids=[f"{rule}-{broken.__name__}" for rule, broken, _ in BREAKS]
)
def test_verify_names_what_is_broken(
    world: World, rule: str, broken: Callable[[World], object], detail: str
) -> None:
    assert verify.check_all(LATER).violations == ()
    named = str(broken(world))
    lines = [str(one) for one in found(rule)]
    assert any(detail in line for line in lines), lines
    assert any(named in line for line in lines) or "I11" in rule or "the list adds up" in detail, lines
    # What is broken after a clean run is named by the incremental one too; of rows removed, that they are gone.
    changed = verify.check_changed(LATER)
    assert changed.since is not None
    seen = {str(one) for one in changed.violations}
    gone = any(one.rule == "I23" and "were removed or rewritten" in one.detail for one in changed.violations)
    assert set(lines) <= seen or (broken in {delete_entry, unlist} and gone), seen


def test_what_was_broken_before_the_last_clean_run_is_for_the_full_one(world: World) -> None:
    """The incremental run says that it does not see it. The row is old, its account at rest, nothing vanished since."""
    world.sql("DELETE FROM payments_gatewayreference WHERE payment_id = %s", world.open.id)
    world.sql("DELETE FROM payments_payment WHERE id = %s", world.open.id)
    world.sql("UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE kind = 'customer'")
    BooksCheck.objects.create(
        at=LATER + timedelta(days=1), milliseconds=1, violations=0, position=position().facts()
    )
    later = verify.check_changed(LATER)
    assert (later.since is not None, [one.rule for one in later.violations]) == (True, [])
    assert {one.rule for one in verify.check_all(LATER).violations} == {"I3", "I4"}


def test_time_alone_breaks_a_rule_and_the_incremental_run_sees_it(world: World) -> None:
    """A charge that was young at the clean run and is lost fifteen minutes later: no row is written in between."""
    listed(world.declined)
    world.sql("UPDATE payments_gatewaymovement SET at = %s WHERE payment_id = %s", LATER, world.declined.id)
    assert verify.check_all(LATER).violations == ()
    world.sql("UPDATE audit_bookscheck SET at = %s", LATER)
    broken = {one.rule for one in verify.check_changed(LATER + timedelta(minutes=16)).violations}
    assert "I10" in broken


def test_a_run_that_found_something_is_not_started_from(world: World) -> None:
    assert verify.check_all(LATER).violations == ()
    charge_twice(world)
    for _ in range(2):
        again = verify.check_changed(LATER)
        assert [one.rule for one in again.violations] == ["I10"]
    assert [run.violations for run in BooksCheck.objects.order_by("at")] == [0, 1, 1]
    world.sql(
        "DELETE FROM payments_gatewaymovement WHERE id = (SELECT max(id) FROM payments_gatewaymovement)"
    )
    assert verify.check_changed(LATER).violations == ()


def test_without_a_clean_run_on_this_server_everything_is_looked_at(world: World) -> None:
    assert verify.check_changed(LATER).since is None
    world.sql("UPDATE audit_bookscheck SET position = jsonb_set(position, '{server}', '\"another\"')")
    assert verify.check_changed(LATER).since is None
    assert verify.check_changed(LATER).since is not None


def test_money_in_suspense_needs_a_person_who_knows(world: World) -> None:
    review = ended(world.company, lambda payment: captured(payment, 9_999))
    listed(review, 9_999)
    assert review.state == State.REVIEW
    assert [str(one) for one in invariants.run(LATER)] == []
    ReconciliationBreak.objects.update(resolved_at=LATER)
    (violation,) = found("I12")
    assert violation.ids == {"account": str(world.company.account.id), "currency": "USD"}
    assert violation.detail == "99990000 micros in suspense and no open break"


def test_the_list_may_lag_fifteen_minutes_and_no_longer(world: World) -> None:
    listed(world.declined)
    soon = [one.rule for one in invariants.run(NOON + timedelta(minutes=15))]
    assert soon.count("I10") == 0
    assert [one.rule for one in invariants.run(NOON + timedelta(minutes=15, seconds=1))].count("I10") == 2


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("4242424242424242", ["•••• 4242"]),
        ("card 4000000000000002.", ["•••• 0002"]),
        ("4242424242424241", []),
        ("310122393500003", []),
        ("x4242424242424242", []),
        ("42424242424242424242", []),
    ],
)
def test_what_a_card_number_is(text: str, numbers: list[str]) -> None:
    assert cardscan.card_numbers(text) == numbers


def test_the_command_exits_with_0_when_clean_and_1_naming_the_fault(world: World) -> None:
    def verify(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "raseed.cli", "verify", *options],
            env=world.database.environment() | {"COLUMNS": "300"},
            capture_output=True,
            text=True,
            check=False,
        )

    # The command reads the clock itself: what is open must not look a year old to it.
    world.sql("DELETE FROM payments_gatewayreference WHERE payment_id = %s", world.open.id)
    world.sql("DELETE FROM payments_payment WHERE id = %s", world.open.id)
    clean = verify()
    assert (clean.returncode, clean.stderr) == (0, ""), clean.stdout
    assert "verify: clean" in clean.stdout
    charge_twice(world)
    broken = verify("--incremental")
    assert broken.returncode == 1
    assert f"payment={world.paid.id}: charged 2 times" in broken.stdout
    assert "Run `raseed verify` in full every day." in broken.stdout
    told = verify("--incremental", "--json")
    facts = json.loads(told.stdout.splitlines()[-1])
    assert (told.returncode, facts["clean"], facts["kind"]) == (1, False, "incremental")
    assert [one["detail"] for one in facts["violations"]] == ["charged 2 times"]
