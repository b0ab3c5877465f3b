"""Payments that have succeeded, in a database of the test's own."""

from collections.abc import Callable
from datetime import datetime

import pytest

from people import NOON, Company, make_company, make_operator, open_one
from raseed.gateways.port import Card, Succeeded
from raseed.payments import states
from raseed.payments.models import Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State


@pytest.fixture
def company(real_db: object) -> Company:
    """An account in USD with an Admin."""
    make_operator()
    return make_company()


@pytest.fixture
def paid() -> Callable[..., Payment]:
    """Open a payment and settle it as captured in full, through the product's own door."""

    def pay(company: Company, amount: str = "100", at: datetime = NOON) -> Payment:
        payment = open_one(company, amount, now=at)
        states.move(payment, State.SUBMITTED, Cause.PAGE, at)
        captured = Succeeded(
            gateway_ref=f"pay_{payment.id.hex}",
            captured_minor=payment.charge_minor,
            captured_currency=payment.currency,
            payment_id=payment.id,
            card=Card("visa", "4242", 12, 2030),
            saved=None,
        )
        return settle(company.account.id, payment.id, captured, Cause.PAGE, at)

    return pay
