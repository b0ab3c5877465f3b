"""Open, submit, settle, against a real bank and a real database: each way that a payment can go."""

from datetime import timedelta
from uuid import uuid4

import pytest

from bank import RunningBank
from people import NOON, Company, command, customer_balance, make_company, open_one, save_card, spend
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import open_suspensions, smallest_sufficient, suspend
from raseed.errors import RaseedError
from raseed.gateways.port import GatewayUnavailable, Refused, Unknown
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.money import Money
from raseed.payments import paynow, reconcile, walk
from raseed.payments.models import GatewayReference, Payment, PaymentMethod, PaymentMove
from raseed.payments.states import Cause, State

USD_100 = Money(100_000_000, "USD")


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(account_id=payment.account_id, id=payment.id)


def test_a_new_card_is_typed_at_the_bank_and_the_balance_rises(bank: RunningBank, company: Company) -> None:
    payment = open_one(company)
    assert payment.state == State.CREATED
    assert customer_balance(company) == Money.zero("USD")
    payment = paynow.submit(company.account.id, payment.id, NOON)
    assert payment.state == State.ACTION_REQUIRED
    assert payment.action_url.startswith(bank.url)

    bank.pay(payment.gateway_ref)
    payment = reconcile.follow(company.account.id, payment.id, Cause.PAGE, NOON + timedelta(seconds=5))

    assert payment.state == State.SUCCEEDED
    assert customer_balance(company) == USD_100
    assert bank.charges(payment.id) == [10_000]
    assert (payment.captured_minor, payment.captured_currency) == (10_000, "USD")
    assert (payment.card_brand, payment.card_last4) == ("visa", "4242")
    clearing = read.balance(company.account.id, Kind.GATEWAY_CLEARING, "USD")
    assert clearing.balance_micros == -100_000_000
    moves = PaymentMove.objects.filter(account_id=company.account.id, payment_id=payment.id).order_by("id")
    assert [(m.source, m.target) for m in moves] == [
        ("created", "submitted"),
        ("submitted", "action_required"),
        ("action_required", "succeeded"),
    ]


def test_a_card_is_forgotten_unless_saving_it_was_asked_for(bank: RunningBank, company: Company) -> None:
    for save in (False, True):
        payment = open_one(company, save_method=save, another=True)
        payment = paynow.submit(company.account.id, payment.id, NOON)
        bank.pay(payment.gateway_ref)
        reconcile.follow(company.account.id, payment.id, Cause.PAGE, NOON + timedelta(seconds=5))
        methods = PaymentMethod.objects.filter(account_id=company.account.id)
        assert methods.count() == int(save)
    method = methods.get()
    assert (method.brand, method.last4, method.is_default) == ("visa", "4242", True)


def test_a_saved_card_is_charged_in_one_step(bank: RunningBank, company: Company) -> None:
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    payment = open_one(company, "49.99", method.id)
    payment = paynow.submit(company.account.id, payment.id, NOON)
    assert payment.state == State.SUCCEEDED
    assert customer_balance(company) == Money(49_990_000, "USD")
    assert bank.charges(payment.id) == [4_999]


@pytest.mark.parametrize(
    ("card", "code"),
    [("4000000000000002", "generic"), ("4000000000009995", "insufficient_funds")],
)
def test_a_declined_card_moves_nothing_and_says_why(
    bank: RunningBank, company: Company, card: str, code: str
) -> None:
    payment = open_one(company)
    payment = paynow.submit(company.account.id, payment.id, NOON)
    bank.pay(payment.gateway_ref, card)
    payment = reconcile.follow(company.account.id, payment.id, Cause.PAGE, NOON + timedelta(seconds=5))
    assert (payment.state, payment.decline_code) == (State.FAILED, code)
    assert customer_balance(company) == Money.zero("USD")
    assert bank.charges(payment.id) == []


def test_a_customer_who_gives_up_at_the_bank_is_not_charged(bank: RunningBank, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    bank.pay(payment.gateway_ref, outcome="cancel")
    payment = reconcile.follow(company.account.id, payment.id, Cause.PAGE, NOON + timedelta(seconds=5))
    assert payment.state == State.CANCELED
    assert customer_balance(company) == Money.zero("USD")


def test_an_abandoned_3d_secure_is_canceled_at_the_bank_first(bank: RunningBank, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    bank.pay(payment.gateway_ref, "4000002760003184", outcome="abandon")
    later = NOON + timedelta(minutes=29)
    assert (
        reconcile.follow(company.account.id, payment.id, Cause.RECONCILE, later).state
        == State.ACTION_REQUIRED
    )
    later = NOON + timedelta(minutes=31)
    assert reconcile.follow(company.account.id, payment.id, Cause.RECONCILE, later).state == State.CANCELED
    assert bank.charges(payment.id) == []


def test_the_banks_list_settles_what_nobody_told_us(bank: RunningBank, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    bank.pay(payment.gateway_ref)
    walked = walk.walk_list("sandbox", NOON + timedelta(minutes=1))
    assert (walked.settled, walked.unknown) == (1, 0)
    assert fresh(payment).state == State.SUCCEEDED
    assert customer_balance(company) == USD_100
    again = walk.walk_list("sandbox", NOON + timedelta(minutes=2))
    assert (again.settled, again.lines) == (0, 0)


def test_a_late_success_wins_over_a_cancel(bank: RunningBank, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(state=State.CANCELED)
    bank.pay(payment.gateway_ref)
    walk.walk_list("sandbox", NOON + timedelta(minutes=1))
    assert fresh(payment).state == State.SUCCEEDED
    assert customer_balance(company) == USD_100


def test_a_charge_in_the_list_is_not_passed_before_the_bank_confirms_it(
    bank: RunningBank, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paynow.submit(company.account.id, open_one(company).id, NOON)
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(state=State.CANCELED)
    bank.pay(payment.gateway_ref)
    with monkeypatch.context() as deaf:
        deaf.setattr(type(paynow.gateway("sandbox")), "fetch", lambda *_: Unknown("no answer"))
        with pytest.raises(GatewayUnavailable):
            walk.walk_list("sandbox", NOON + timedelta(minutes=1))
    assert fresh(payment).state == State.CANCELED
    assert walk.walk_list("sandbox", NOON + timedelta(minutes=2)).settled == 1
    assert customer_balance(company) == USD_100


def test_a_refused_resend_is_no_proof_that_nothing_was_charged(
    bank: RunningBank, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    payment = open_one(company, "100", method.id)
    bank.behaviour(reference=str(payment.id), behaviour="G8")
    paynow.submit(company.account.id, payment.id, NOON)
    with monkeypatch.context() as refusing:
        refusing.setattr(type(paynow.gateway("sandbox")), "charge", lambda *_: Refused("not today"))
        later = NOON + timedelta(seconds=5)
        payment = reconcile.follow(company.account.id, payment.id, Cause.RECONCILE, later)
    assert payment.state == State.SUBMITTED


def test_another_customers_reference_is_refused(bank: RunningBank, company: Company) -> None:
    other = make_company("Other")
    paid = paynow.submit(other.account.id, open_one(other).id, NOON)
    bank.pay(paid.gateway_ref)
    mine = paynow.submit(company.account.id, open_one(company).id, NOON)
    outcome = paynow.gateway("sandbox").fetch(paid.gateway_ref)
    paynow.settle(company.account.id, mine.id, outcome, Cause.WEBHOOK, NOON)
    assert fresh(mine).state == State.ACTION_REQUIRED
    assert customer_balance(company) == Money.zero("USD")
    assert GatewayReference.objects.get(payment_id=mine.id).gateway_ref == mine.gateway_ref


def test_a_payment_lifts_a_suspension_for_the_balance_and_no_other(
    bank: RunningBank, company: Company
) -> None:
    spend(company, "3.10")
    suspend(company.account.id, Reason.BALANCE, NOON)
    suspend(company.account.id, Reason.STAFF, NOON)
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    assert smallest_sufficient(company.account, Money(5_000_000, "USD")) == Money(5_000_000, "USD")
    paynow.submit(company.account.id, open_one(company, "5", method.id).id, NOON)
    assert [one.reason for one in open_suspensions(company.account.id)] == [Reason.STAFF]
    lifted = Suspension.objects.get(account_id=company.account.id, reason=Reason.BALANCE)
    assert lifted.lifted_at == NOON


def test_a_payment_that_does_not_suffice_lifts_nothing(bank: RunningBank, company: Company) -> None:
    spend(company, "20")
    suspend(company.account.id, Reason.BALANCE, NOON)
    assert smallest_sufficient(company.account, Money(5_000_000, "USD")) == Money(20_010_000, "USD")
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    paynow.submit(company.account.id, open_one(company, "20", method.id).id, NOON)
    assert customer_balance(company) == Money.zero("USD")
    assert [one.reason for one in open_suspensions(company.account.id)] == [Reason.BALANCE]


def test_the_same_key_returns_the_first_payment_and_another_body_is_refused(
    bank: RunningBank, company: Company
) -> None:
    asked = command(company, "50", client_key=uuid4())
    first = paynow.open_payment(asked, NOON)
    assert paynow.open_payment(asked, NOON).id == first.id
    with pytest.raises(paynow.IntentReused):
        paynow.open_payment(command(company, "51", client_key=asked.client_key), NOON)
    assert Payment.objects.filter(account_id=company.account.id).count() == 1


def test_a_second_payment_asks_first(bank: RunningBank, company: Company) -> None:
    open_one(company, "50")
    with pytest.raises(paynow.PaymentInProgress) as refused:
        open_one(company, "50", now=NOON + timedelta(seconds=12))
    assert str(refused.value.message) == (
        "A 50.00 USD payment from 12 s ago is in progress. Pay another 50.00 USD?"
    )
    assert Payment.objects.filter(account_id=company.account.id).count() == 1
    open_one(company, "50", now=NOON + timedelta(seconds=13), another=True)
    assert Payment.objects.filter(account_id=company.account.id).count() == 2


@pytest.mark.parametrize("amount", ["4.99", "5000.01"])
def test_amounts_outside_the_policy_are_refused(company: Company, amount: str) -> None:
    with pytest.raises(RaseedError) as refused:
        open_one(company, amount)
    assert refused.value.field == "amount"
    assert not Payment.objects.filter(account_id=company.account.id).exists()


def test_the_circuit_opens_after_five_silences_and_nothing_new_is_written(
    bank: RunningBank, company: Company
) -> None:
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    bank.stop()
    for second in range(5):
        now = NOON + timedelta(seconds=second)
        paynow.submit(company.account.id, open_one(company, "10", method.id, now, another=True).id, now)
    with pytest.raises(RaseedError, match="gateway_down"):
        open_one(company, "10", method.id, NOON + timedelta(seconds=6), another=True)
    assert Payment.objects.filter(account_id=company.account.id).count() == 5
    bank.start()
    later = NOON + timedelta(seconds=30)
    reconcile.ask_silent(later)
    assert open_one(company, "10", method.id, later, another=True).state == State.CREATED
