"""The whole road on Stripe: open, submit, Stripe's page, webhook, settle, voucher; and one customer for one account."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from gateways.test_contract import order
from people import Company, customer_balance, make_company, make_operator, open_one
from raseed.documents.issue import file_of, issue_receipt_voucher
from raseed.gateways import registry
from raseed.gateways.customers import Customers
from raseed.gateways.models import GatewayCustomer
from raseed.gateways.port import ActionRequired, Pending
from raseed.money import Money
from raseed.payments import inbox, paynow, reconcile, walk
from raseed.payments.models import GatewayMovement, InboxEvent, Payment, PaymentMethod, ReconciliationBreak
from raseed.payments.states import Cause, State
from stripe_server import StripeServer


@pytest.fixture
def server(settings: Settings) -> Iterator[StripeServer]:
    with StripeServer() as running:
        settings.GATEWAY = "stripe"
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = running.secret_key, running.url
        settings.STRIPE_WEBHOOK_SECRET = running.webhook_secrets[0]
        yield running
        registry.close_all()


@pytest.fixture
def company(real_db: object) -> Company:
    make_operator()
    return make_company(currency="KWD")


def delivered(server: StripeServer) -> None:
    """Stripe's webhooks arrive, twice each as it may happen, and are worked through."""
    client = Client()
    for headers, raw in server.letters * 2:
        answer = client.post("/webhooks/stripe", raw, content_type="application/json", headers=headers)
        assert answer.status_code == 200
    server.letters.clear()
    inbox.apply_waiting(timezone.now() + timedelta(seconds=1))


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(account_id=payment.account_id, id=payment.id)


def test_pay_now_from_the_intent_to_the_voucher(
    server: StripeServer, company: Company, tmp_path: Path
) -> None:
    account_id = company.account.id
    payment = open_one(company, "12.34", save_method=True, now=timezone.now())
    payment = paynow.submit(account_id, payment.id, timezone.now())
    assert (payment.state, payment.action_url) == (
        State.ACTION_REQUIRED,
        f"{server.url}/c/pay/{payment.gateway_ref}",
    )
    assert customer_balance(company) == Money.zero("KWD")

    server.pay(payment.gateway_ref, "4000000000000002")
    delivered(server)
    assert fresh(payment).state == State.ACTION_REQUIRED
    back = server.pay(payment.gateway_ref, "4242424242424242")
    assert back.endswith(f"/settings/billing/payments/{payment.id}/return")
    delivered(server)

    payment = fresh(payment)
    assert (payment.state, payment.captured_minor, payment.captured_currency) == (
        State.SUCCEEDED,
        12_340,
        "KWD",
    )
    assert customer_balance(company) == Money(12_340_000, "KWD")
    assert server.charges(payment.id) == [12_340]
    voucher = issue_receipt_voucher(account_id, payment.id, timezone.now())
    assert file_of(account_id, voucher.id, timezone.now()).content.startswith(b"%PDF")

    method = PaymentMethod.objects.get(account_id=account_id)
    assert (method.gateway, method.brand, method.last4) == ("stripe", "visa", "4242")
    again = open_one(company, "5", method.id, now=timezone.now(), another=True)
    again = paynow.submit(account_id, again.id, timezone.now())
    assert again.state == State.SUCCEEDED
    delivered(server)
    assert customer_balance(company) == Money(17_340_000, "KWD")
    assert server.charges(again.id) == [5_000]

    assert not InboxEvent.objects.filter(applied_at__isnull=True).exists()
    walked = walk.walk_list("stripe", timezone.now())
    assert (walked.lines, walked.settled, walked.unknown) == (2, 0, 0)
    assert GatewayMovement.objects.count() == 2
    assert not ReconciliationBreak.objects.exists()
    assert GatewayCustomer.objects.filter(account_id=account_id, gateway="stripe").count() == 1


def test_what_no_webhook_told_is_told_by_the_list_and_by_asking(
    server: StripeServer, company: Company
) -> None:
    account_id = company.account.id
    listed = paynow.submit(account_id, open_one(company, now=timezone.now()).id, timezone.now())
    asked = open_one(company, now=timezone.now(), another=True)
    asked = paynow.submit(account_id, asked.id, timezone.now())
    for payment in (listed, asked):
        server.pay(payment.gateway_ref, "4242424242424242")
    reconcile.follow(account_id, asked.id, Cause.PAGE, timezone.now() + timedelta(seconds=5))
    assert (fresh(asked).state, fresh(listed).state) == (State.SUCCEEDED, State.ACTION_REQUIRED)
    walked = walk.walk_list("stripe", timezone.now())
    assert (walked.settled, walked.unknown) == (1, 0)
    assert fresh(listed).state == State.SUCCEEDED
    assert customer_balance(company) == Money(200_000_000, "KWD")


def test_a_request_that_is_sent_again_is_the_same_to_the_letter(
    server: StripeServer, company: Company
) -> None:
    """An Arabic page asks and hears nothing; a worker, which speaks English, finds nothing and asks again."""
    account_id = company.account.id
    payment = open_one(company, language="ar", now=timezone.now())
    server.fault("drop_after", "/v1/checkout/sessions")
    with translation.override("ar"):
        payment = paynow.submit(account_id, payment.id, timezone.now())
    assert (payment.state, payment.gateway_ref) == (State.SUBMITTED, "")
    with translation.override("en"):
        outcome = paynow.send(payment)
    assert isinstance(outcome, ActionRequired)
    sessions = [one for one in server.bank.things.values() if one["object"] == "checkout.session"]
    assert [one["id"] for one in sessions] == [outcome.gateway_ref]


def test_an_abandoned_page_is_expired_at_stripe_first(server: StripeServer, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company, now=timezone.now()).id, timezone.now())
    later = timezone.now() + timedelta(minutes=31)
    payment = reconcile.follow(company.account.id, payment.id, Cause.RECONCILE, later)
    assert payment.state == State.CANCELED
    assert server.bank.things[payment.gateway_ref]["status"] == "expired"
    assert server.charges(payment.id) == []


def test_a_forged_letter_is_refused_and_not_kept(server: StripeServer, company: Company) -> None:
    payment = paynow.submit(company.account.id, open_one(company, now=timezone.now()).id, timezone.now())
    server.pay(payment.gateway_ref, "4242424242424242")
    _, raw = server.letters[-1]
    forged = server.signed(raw, server.now(), "whsec_of_a_thief")
    answer = Client().post("/webhooks/stripe", raw, content_type="application/json", headers=forged)
    assert answer.status_code == 400
    assert Client().post("/webhooks/sandbox", raw, content_type="application/json").status_code == 404
    assert not InboxEvent.objects.exists()


def test_two_first_payments_at_once_make_one_customer(server: StripeServer, company: Company) -> None:
    gateway = registry.gateway("stripe")
    barrier = threading.Barrier(4)
    outcomes = []

    def pay() -> None:
        barrier.wait()
        outcomes.append(gateway.charge(replace(order(), account_id=company.account.id)))
        connection.close()

    threads = [threading.Thread(target=pay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who meets the key while it is being worked on is told to ask again.
    assert all(isinstance(one, ActionRequired | Pending) for one in outcomes)
    assert any(isinstance(one, ActionRequired) for one in outcomes)
    made = [one for one in server.bank.things.values() if one["object"] == "customer"]
    assert [one["id"] for one in made] == [Customers("stripe").of(company.account.id)]


def test_the_customer_that_is_kept_first_stays(company: Company) -> None:
    customers, other = Customers("stripe"), Customers("another")
    assert customers.of(company.account.id) is None
    assert (
        customers.keep(company.account.id, "cus_1") == "cus_1" == customers.keep(company.account.id, "cus_2")
    )
    assert other.of(company.account.id) is None
    assert other.keep(company.account.id, "cus_3") == "cus_3"
    assert customers.of(company.account.id) == "cus_1"
