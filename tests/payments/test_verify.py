"""Each rule about payments, clean first and then broken by the owner of the database: verify names it, with ids."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from conftest import RealDatabase
from people import NOON, Company, make_company, make_operator, open_one
from raseed.db import invariants
from raseed.db.invariants import Violation
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, DeclineCode, Declined, Outcome, Succeeded
from raseed.ledger.post import post
from raseed.payments import cardscan
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
    ("I14", ask_never_again, "nobody will ask about it"),
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
    assert found(rule) == []
    named = str(broken(world))
    lines = [str(one) for one in found(rule)]
    assert any(detail in line for line in lines), lines
    assert any(named in line for line in lines) or rule == "I11", lines


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
    assert [one.rule for one in invariants.run(NOON + timedelta(minutes=15, seconds=1))].count("I10") == 1


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
    def verify() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "raseed.cli", "verify"],
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
    broken = verify()
    assert broken.returncode == 1
    assert f"payment={world.paid.id}: charged 2 times" in broken.stdout
