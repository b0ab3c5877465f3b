"""The whole road on Moyasar: open, submit, the invoice's page, webhook, settle; the saved card; the list; what is abandoned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from moyasar_server import MoyasarServer
from people import Company, customer_balance, make_company, make_operator, open_one
from raseed.gateways import registry
from raseed.money import Money
from raseed.payments import inbox, paynow, reconcile, walk
from raseed.payments.models import InboxEvent, Payment, PaymentMethod, ReconciliationBreak
from raseed.payments.states import Cause, State

GOOD, INSUFFICIENT = "4242424242424242", "4201320000311101"


@pytest.fixture
def server(settings: Settings) -> Iterator[MoyasarServer]:
    with MoyasarServer() as running:
        settings.GATEWAY = "moyasar"
        settings.MOYASAR_SECRET_KEY, settings.MOYASAR_API_BASE = running.secret_key, running.url
        settings.MOYASAR_WEBHOOK_SECRET = running.webhook_secret
        yield running
        registry.close_all()


@pytest.fixture
def company(real_db: object) -> Company:
    make_operator()
    return make_company(currency="KWD")


def delivered(server: MoyasarServer) -> None:
    """Moyasar's webhooks arrive, twice each as it may happen, and are worked through."""
    client = Client()
    for headers, raw in server.letters * 2:
        answer = client.post("/webhooks/moyasar", raw, content_type="application/json", headers=headers)
        assert answer.status_code == 200
    server.letters.clear()
    inbox.apply_waiting(timezone.now() + timedelta(seconds=1))


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(account_id=payment.account_id, id=payment.id)


def submitted(company: Company, *args: object, **how: object) -> Payment:
    payment = open_one(company, *args, now=timezone.now(), **how)
    return paynow.submit(company.account.id, payment.id, timezone.now())


def test_pay_now_to_the_balance_and_once_more_with_the_saved_card(
    server: MoyasarServer, company: Company
) -> None:
    payment = submitted(company, "12.34", save_method=True)
    ref = payment.gateway_ref.removeprefix("invoice_")
    assert (payment.state, payment.action_url) == (
        State.ACTION_REQUIRED,
        f"{server.url}/invoices/{ref}?lang=en",
    )
    server.bank.pay_invoice(ref, INSUFFICIENT)
    delivered(server)
    assert fresh(payment).state == State.ACTION_REQUIRED
    assert customer_balance(company) == Money.zero("KWD")
    server.bank.pay_invoice(ref, GOOD)
    delivered(server)
    payment = fresh(payment)
    assert (payment.state, payment.captured_minor, payment.captured_currency) == (
        State.SUCCEEDED,
        12_340,
        "KWD",
    )
    assert customer_balance(company) == Money(12_340_000, "KWD")
    assert not any(server.webhook_secret.encode() in bytes(one.body) for one in InboxEvent.objects.all())

    method = PaymentMethod.objects.get(account_id=company.account.id)
    assert (method.gateway, method.brand, method.last4, method.exp_year) == ("moyasar", "visa", "4242", 2034)
    again = submitted(company, "5", method.id, another=True)
    assert (again.state, again.gateway_ref) == (State.SUCCEEDED, f"payment_{again.id}")
    delivered(server)
    assert customer_balance(company) == Money(17_340_000, "KWD")
    assert (server.charges(payment.id), server.charges(again.id)) == ([12_340], [5_000])
    walked = walk.walk_list("moyasar", timezone.now())
    assert (walked.lines, walked.settled, walked.unknown) == (3, 0, 0)
    assert not ReconciliationBreak.objects.exists()


def test_what_no_webhook_told_is_told_by_the_list_and_an_abandoned_page_is_canceled(
    server: MoyasarServer, company: Company
) -> None:
    listed, left = submitted(company), submitted(company, another=True)
    server.bank.pay_invoice(listed.gateway_ref.removeprefix("invoice_"), GOOD)
    walked = walk.walk_list("moyasar", timezone.now())
    assert (walked.settled, walked.unknown) == (1, 0)
    assert customer_balance(company) == Money(100_000_000, "KWD")
    later = timezone.now() + timedelta(minutes=31)
    left = reconcile.follow(company.account.id, left.id, Cause.RECONCILE, later)
    assert left.state == State.CANCELED
    assert customer_balance(company) == Money(100_000_000, "KWD")


def test_a_forged_letter_is_refused_and_a_true_one_that_lies_books_nothing(
    server: MoyasarServer, company: Company
) -> None:
    payment = submitted(company)
    invoice = payment.gateway_ref.removeprefix("invoice_")
    lie = {
        "id": invoice,
        "invoice_id": invoice,
        "status": "paid",
        "metadata": {"payment_id": str(payment.id)},
    }
    forged = server.letter("payment_paid", lie, secret_token="guessed")
    answer = Client().post("/webhooks/moyasar", forged, content_type="application/json")
    assert (answer.status_code, InboxEvent.objects.count()) == (400, 0)
    server.letters.append(({}, server.letter("payment_paid", lie)))
    delivered(server)
    assert fresh(payment).state == State.ACTION_REQUIRED
    assert customer_balance(company) == Money.zero("KWD")
