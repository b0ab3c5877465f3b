"""Pay Now through its pages: one form is one payment, errors sit at their field, and nothing moves on a refusal."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bank import RunningBank
from people import Company, customer_balance, make_company, make_operator, open_one, save_card, spend
from raseed.accounts.models import TaxMode
from raseed.balance.models import Reason, Suspension
from raseed.money import Money
from raseed.payments.models import GatewayHealth, Payment, PaymentMethod
from raseed.payments.states import State

PAY = "/settings/billing/balance/pay"
SUMMARY = "/settings/billing/balance/pay/summary"
HTMX = {"HX-Request": "true"}


def form(client: Client) -> dict[str, str]:
    """The fields that the form would send untouched, as a browser reads them."""
    page = client.get(PAY).content.decode()
    key = re.search(r'name="client_key" value="([^"]+)"', page)
    method = re.search(r'name="method" value="([^"]+)"(?: checked)?', page)
    assert key
    assert method
    return {"client_key": key[1], "method": method[1]}


def text(response: HttpResponse) -> str:
    """The words of the page, without marks of direction."""
    plain = re.sub(r"<[^>]+>|[\u2066\u2069]", " ", response.content.decode())
    return re.sub(r"\s+", " ", plain).replace(" .", ".").replace("\u00a0", " ")


def saved(bank: RunningBank, company: Company, card: str = "4242424242424242") -> PaymentMethod:
    return save_card(company, bank.save_card(card, customer=str(company.account.id)))


def come_back(client: Client, payment: Payment) -> HttpResponse:
    """Return from the bank's page five seconds after it was opened: the bank is asked once a second at most."""
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        return client.get(f"/settings/billing/payments/{payment.id}/return")


def the_payment(company: Company) -> Payment:
    return Payment.objects.get(account_id=company.account.id)


def count(company: Company) -> int:
    return Payment.objects.filter(account_id=company.account.id).count()


def test_a_new_card_goes_to_the_bank_and_comes_back_paid(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    posted = payer.post(PAY, {**form(payer), "amount": "100"})

    payment = the_payment(paying)
    assert posted.status_code == 302
    assert posted.headers["Location"] == payment.action_url
    assert payment.action_url.startswith(bank.url)
    assert (payment.charge_minor, payment.save_method) == (10_000, False)

    bank.pay(payment.gateway_ref)
    back = come_back(payer, payment)
    assert back.headers["Location"] == f"/settings/billing/balance?payment={payment.id}"
    page = text(payer.get(back.headers["Location"]))
    assert "Paid. Your balance is 100.00 USD." in page
    assert "100.00 USD was added from Visa •••• 4242." in page
    assert customer_balance(paying) == Money.from_minor(10_000, "USD")
    assert bank.charges(payment.id) == [10_000]
    assert not PaymentMethod.objects.filter(account_id=paying.account.id).exists()


def test_a_card_is_saved_only_when_ticked(payer: Client, paying: Company, bank: RunningBank) -> None:
    payer.post(PAY, {**form(payer), "amount": "100", "save_card": "1"})
    payment = the_payment(paying)
    bank.pay(payment.gateway_ref)
    come_back(payer, payment)

    assert PaymentMethod.objects.get(account_id=paying.account.id).last4 == "4242"
    assert "Visa •••• 4242" in text(payer.get(PAY))


def test_a_saved_card_pays_at_once_without_script(payer: Client, paying: Company, bank: RunningBank) -> None:
    card = saved(bank, paying)
    fields = form(payer)
    assert fields["method"] == str(card.id)

    posted = payer.post(PAY, {**fields, "amount": "1,000.50"})

    payment = the_payment(paying)
    assert posted.headers["Location"] == f"/settings/billing/payments/{payment.id}"
    assert "Paid. Your balance is 1,000.50 USD." in text(payer.get(posted.headers["Location"]))
    assert bank.charges(payment.id) == [100_050]


def test_with_htmx_the_result_and_the_new_balance_come_in_one_answer(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    saved(bank, paying)

    answer = payer.post(PAY, {**form(payer), "amount": "100"}, headers=HTMX)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in page
    assert 'id="available-balance" class="hero-figure" hx-swap-oob="true"' in page
    assert "Paid. Your balance is 100.00 USD." in text(answer)


def test_with_htmx_the_bank_is_reached_by_a_redirect_of_the_whole_page(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    answer = payer.post(PAY, {**form(payer), "amount": "100"}, headers=HTMX)

    assert answer.headers["HX-Redirect"] == the_payment(paying).action_url


def test_the_same_form_twice_is_one_payment(payer: Client, paying: Company, bank: RunningBank) -> None:
    saved(bank, paying)
    fields = {**form(payer), "amount": "100"}

    first, second = payer.post(PAY, fields), payer.post(PAY, fields)

    assert first.headers["Location"] == second.headers["Location"]
    assert bank.charges(the_payment(paying).id) == [10_000]


def test_the_same_form_with_another_amount_is_refused(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    saved(bank, paying)
    fields = form(payer)
    payer.post(PAY, {**fields, "amount": "100"})

    answer = payer.post(PAY, {**fields, "amount": "200"})

    assert answer.status_code == 422
    assert "already used for another payment" in text(answer)
    assert fields["client_key"] not in answer.content.decode()
    assert bank.charges(the_payment(paying).id) == [10_000]


def test_a_second_payment_beside_one_in_progress_needs_a_yes_to_that_one(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    card = saved(bank, paying)
    running = open_one(paying, "50", now=timezone.now() - timedelta(seconds=12))
    fields = {**form(payer), "method": str(card.id), "amount": "100"}

    warned = payer.post(PAY, fields)
    assert warned.status_code == 409
    assert re.search(r"A payment of 50.00 USD from 1[2-9] seconds ago is in progress", text(warned))
    assert f'name="beside" value="{running.id}"' in warned.content.decode()
    assert count(paying) == 1

    other = payer.post(PAY, {**fields, "beside": str(uuid4())})
    assert (other.status_code, count(paying)) == (409, 1)

    agreed = payer.post(PAY, {**fields, "beside": str(running.id)})
    assert (agreed.status_code, count(paying)) == (302, 2)


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("", "Enter an amount"),
        ("0", "above zero"),
        ("-5", "without a plus or minus sign"),
        ("NaN", "Enter an amount in digits"),
        ("1e9", "Enter an amount in digits"),
        ("0.001", "at most 2 decimals"),
        ("10.005", "at most 2 decimals"),
        ("1,0", "A comma may only separate whole thousands"),
        ("4.99", "The smallest payment is 5.00 USD"),
        ("5000.01", "The largest payment is 5,000.00 USD"),
        ("9" * 25, "too large"),
    ],
)
def test_f18_a_wrong_amount_is_said_at_its_field_and_nothing_is_written(
    admin: Client, company: Company, amount: str, says: str
) -> None:
    answer = admin.post(PAY, {"client_key": str(uuid4()), "method": "new", "amount": amount})

    page = answer.content.decode()
    assert 400 <= answer.status_code < 500
    assert says in text(answer)
    assert 'aria-invalid="true"' in page
    assert f'value="{amount}"' in page
    assert count(company) == 0


@pytest.mark.parametrize(("amount", "minor"), [("١٬٠٠٠٫٥٠", 100_050), ("1,000.50", 100_050), ("5", 500)])
def test_an_amount_is_read_as_it_is_written(
    payer: Client, paying: Company, bank: RunningBank, amount: str, minor: int
) -> None:
    payer.post(PAY, {**form(payer), "amount": amount})

    assert the_payment(paying).charge_minor == minor


def test_htmx_gets_the_form_with_its_errors_and_no_failed_request(admin: Client, company: Company) -> None:
    key = str(uuid4())

    answer = admin.post(PAY, {"client_key": key, "method": "new", "amount": "1"}, headers=HTMX)

    assert answer.status_code == 200
    assert "The smallest payment is 5.00 USD" in text(answer)
    assert f'name="client_key" value="{key}"' in answer.content.decode()
    assert count(company) == 0


@pytest.mark.parametrize("method", ["", "nonsense", str(UUID(int=7))])
def test_a_card_that_is_not_saved_is_refused_at_its_field(
    admin: Client, company: Company, method: str
) -> None:
    answer = admin.post(PAY, {"client_key": str(uuid4()), "method": method, "amount": "100"})

    assert answer.status_code == 422
    assert 'id="pay-method-error"' in answer.content.decode()
    assert count(company) == 0


def test_another_accounts_card_is_not_a_card(admin: Client, company: Company) -> None:
    theirs = save_card(make_company("Hawk"), "card_hawk")

    answer = admin.post(PAY, {"client_key": str(uuid4()), "method": str(theirs.id), "amount": "100"})

    assert (answer.status_code, count(company)) == (422, 0)


@pytest.mark.parametrize("key", ["", "x", "1"])
def test_a_form_without_its_key_is_drawn_again_with_one(admin: Client, company: Company, key: str) -> None:
    answer = admin.post(PAY, {"client_key": key, "method": "new", "amount": "100"})

    assert answer.status_code == 400
    assert "This form was not complete" in text(answer)
    assert re.search(r'name="client_key" value="[0-9a-f-]{36}"', answer.content.decode())
    assert count(company) == 0


def test_a_silent_bank_takes_the_form_away_unless_no_worker_has_asked_it_for_a_minute(
    admin: Client, company: Company
) -> None:
    now = timezone.now()
    GatewayHealth.objects.create(
        gateway=django_settings.GATEWAY, failures=5, opened_at=now, probe_at=now + timedelta(seconds=60)
    )
    assert "not available at the moment" in text(admin.get(PAY))
    assert "client_key" not in admin.get(PAY).content.decode()

    refused = admin.post(PAY, {"client_key": str(uuid4()), "method": "new", "amount": "100"})
    assert (refused.status_code, count(company)) == (503, 0)

    GatewayHealth.objects.update(probe_at=now - timedelta(seconds=61))
    assert "client_key" in admin.get(PAY).content.decode()


def test_a_declined_card_says_what_can_be_done(payer: Client, paying: Company, bank: RunningBank) -> None:
    payer.post(PAY, {**form(payer), "amount": "100"})
    payment = the_payment(paying)
    bank.pay(payment.gateway_ref, "4000000000009995")

    page = text(payer.get(come_back(payer, payment).headers["Location"]))

    assert "Declined: the card has insufficient funds." in page
    assert "Nothing was charged." in page
    assert "Other card" in page
    assert customer_balance(paying) == Money.zero("USD")


def test_a_bank_that_does_not_answer_is_being_confirmed_and_not_asked_for_again(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    card = saved(bank, paying)
    bank.behaviour(next="G5")

    answer = payer.post(PAY, {**form(payer), "method": str(card.id), "amount": "100"}, headers=HTMX)

    assert the_payment(paying).state == State.SUBMITTED
    assert "Confirming with your bank. Do not pay again; this page follows." in text(answer)
    assert 'hx-trigger="every 1s"' in answer.content.decode()
    assert "Confirming with your bank." in text(payer.get("/settings/billing/balance"))


def test_a_suspended_account_is_told_the_smallest_payment_and_comes_back_with_it(
    payer: Client, paying: Company, bank: RunningBank
) -> None:
    card = saved(bank, paying)
    spend(paying, "8.10")
    Suspension.objects.create(account_id=paying.account.id, reason=Reason.BALANCE, since=timezone.now())
    page = text(payer.get("/settings/billing/balance"))
    assert "the balance is −8.10 USD" in page
    assert "Pay at least 8.11 USD (the smallest payment)" in page

    answer = payer.post(PAY, {**form(payer), "method": str(card.id), "amount": "8.11"}, headers=HTMX)

    assert "Paid. Your balance is 0.01 USD." in text(answer)
    assert "Your service is running again." in text(answer)
    assert "Service is suspended" not in text(payer.get("/settings/billing/balance"))


def test_the_summary_says_what_is_added_and_what_is_charged(admin: Client, company: Company) -> None:
    plain = text(admin.get(SUMMARY, {"amount": "100"}, headers=HTMX))
    assert "Added to balance 100.00 USD Charged to card 100.00 USD" in plain
    assert "Pay 100.00 USD" in plain

    make_operator(TaxMode.ON_TOPUP, 150_000)
    taxed = text(admin.get(SUMMARY, {"amount": "100"}, headers=HTMX))
    assert "Added to balance 100.00 USD VAT 15 % 15.00 USD Charged to card 115.00 USD" in taxed
    assert "Pay 115.00 USD" in taxed


def test_the_summary_says_what_is_wrong_while_somebody_types(admin: Client) -> None:
    answer = admin.get(SUMMARY, {"amount": "4"}, headers=HTMX)

    assert answer.status_code == 200
    assert "The smallest payment is 5.00 USD" in text(answer)
    assert "Enter an amount" not in text(admin.get(SUMMARY, {"amount": " "}, headers=HTMX))


def test_the_form_begins_with_the_amount_and_card_of_its_address(admin: Client, company: Company) -> None:
    card = save_card(company, "card_1")

    chosen = admin.get(PAY).content.decode()
    assert f'value="{card.id}" checked' in chosen
    other = admin.get(PAY, {"amount": "250", "method": "new"}).content.decode()
    assert 'value="new" checked' in other
    assert 'name="amount" type="text"' in other
    assert 'value="250"' in other


def test_a_currency_that_is_not_offered_has_no_form(db: None) -> None:
    make_operator()
    client = Client()
    client.force_login(make_company("Nile", currency="EGP").admin)

    page = client.get(PAY)

    assert "Payments in EGP are not set up yet" in text(page)
    assert "client_key" not in page.content.decode()


def test_where_the_operator_wants_it_the_banks_page_is_framed(
    payer: Client, paying: Company, bank: RunningBank, settings: Settings
) -> None:
    settings.CARD_PAGE = "iframe"

    shown = payer.post(PAY, {**form(payer), "amount": "100"}, headers=HTMX)

    payment = the_payment(paying)
    back = f"/settings/billing/payments/{payment.id}/return"
    assert "HX-Redirect" not in shown.headers
    assert f'src="{payment.action_url}?embed=1" data-then="{back}"' in shown.content.decode()
    later = payer.get("/settings/billing/balance").content.decode()
    assert "<iframe" not in later
    assert f'href="{payment.action_url}"' in later
