"""The table of moves is whole, and `move` is the only way through it."""

import re
from datetime import timedelta

import pytest
from django.db import connection

from people import NOON, make_company, make_operator, open_one
from raseed.gateways.port import Canceled, DeclineCode, Declined, Outcome, Succeeded
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.payments.models import STATES, Payment, PaymentMove
from raseed.payments.settle import settle
from raseed.payments.states import FINAL, MOVES, OPEN, Cause, IllegalMove, State, move

ALL = set(State)
EVERY_PAIR = [(source, target) for source in State for target in State]


def test_every_state_has_a_row_and_every_target_is_a_state() -> None:
    assert set(MOVES) == ALL
    assert {target for targets in MOVES.values() for target in targets} <= ALL


def test_every_state_can_be_reached_and_is_open_or_final() -> None:
    reached = {State.CREATED}
    for _ in State:
        reached |= {target for source in reached for target in MOVES[source]}
    assert reached == ALL
    assert (ALL, set()) == (FINAL | OPEN, FINAL & OPEN)


def test_final_states_lead_only_to_a_late_success_or_a_late_capture_of_something_else() -> None:
    assert {state: MOVES[state] for state in FINAL} == {
        State.FAILED: {State.SUCCEEDED, State.REVIEW},
        State.CANCELED: {State.SUCCEEDED, State.REVIEW},
        State.SUCCEEDED: set(),
    }


def test_nothing_leaves_created_that_was_not_sent() -> None:
    assert MOVES[State.CREATED] == {State.SUBMITTED, State.CANCELED}


@pytest.mark.django_db
def test_the_database_knows_exactly_these_states() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'payments_payment_state'"
        )
        (definition,) = cursor.fetchone()
    assert set(re.findall(r"'(\w+)'", definition)) == {state.value for state in State} == set(STATES)


def _in_state(state: State, captured_minor: int | None = None) -> Payment:
    """A payment of 100 USD put into a state by hand."""
    make_operator()
    payment = open_one(make_company())
    payment.state, payment.captured_minor = state, captured_minor
    payment.save(update_fields=["state", "captured_minor"])
    return payment


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "target"), [pair for pair in EVERY_PAIR if pair[1] not in MOVES[pair[0]]])
def test_a_move_that_the_table_has_not_moves_nothing(source: State, target: State) -> None:
    payment = _in_state(source, captured_minor=10_000)
    with pytest.raises(IllegalMove, match=f"{source} -> {target}"):
        move(payment, target, Cause.STAFF, NOON + timedelta(hours=1))
    stored = Payment.objects.get(account_id=payment.account_id, id=payment.id)
    assert (payment.state, stored.state, stored.final_at) == (source, source, None)
    assert not PaymentMove.objects.filter(account_id=payment.account_id).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "target"), [pair for pair in EVERY_PAIR if pair[1] in MOVES[pair[0]]])
def test_a_move_is_written_down_with_who_brought_it(source: State, target: State) -> None:
    payment, later = _in_state(source, captured_minor=10_000), NOON + timedelta(hours=1)
    move(payment, target, Cause.STAFF, later)
    stored = Payment.objects.get(account_id=payment.account_id, id=payment.id)
    assert (stored.state, stored.final_at) == (target, later if target in FINAL else None)
    (written,) = PaymentMove.objects.filter(account_id=payment.account_id)
    assert (written.source, written.target, written.cause, written.at) == (source, target, "staff", later)


@pytest.mark.django_db
@pytest.mark.parametrize("source", [State.FAILED, State.CANCELED, State.REVIEW])
def test_a_late_success_is_always_credited(source: State) -> None:
    payment = _in_state(source)
    told = Succeeded("pay_late", payment.charge_minor, "USD", payment.id, card=None, saved=None)
    for _ in range(2):
        payment = settle(payment.account_id, payment.id, told, Cause.WEBHOOK, NOON + timedelta(hours=1))
        assert payment.state == State.SUCCEEDED
    assert read.balance(payment.account_id, Kind.CUSTOMER, "USD").balance_micros == 100_000_000
    (written,) = PaymentMove.objects.filter(account_id=payment.account_id)
    assert (written.source, written.target, written.cause) == (source, "succeeded", "webhook")


@pytest.mark.django_db
@pytest.mark.parametrize("told", [Declined(None, DeclineCode.GENERIC, retryable=True), Canceled("pay_late")])
def test_a_failure_that_comes_after_the_success_changes_nothing(told: Outcome) -> None:
    payment = _in_state(State.SUCCEEDED, captured_minor=10_000)
    payment = settle(payment.account_id, payment.id, told, Cause.WEBHOOK, NOON + timedelta(hours=1))
    assert (payment.state, payment.decline_code) == (State.SUCCEEDED, "")
    assert not PaymentMove.objects.filter(account_id=payment.account_id).exists()
