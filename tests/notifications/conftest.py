"""A mail server, and a voucher ready to be mailed."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from people import NOON, Company, make_company, make_operator, open_one
from post_office import PostOffice
from raseed.documents.issue import issue_receipt_voucher, render_document
from raseed.documents.models import Document
from raseed.gateways.port import Card, Succeeded
from raseed.payments import states
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State


@pytest.fixture
def post_office(settings: Settings) -> Iterator[PostOffice]:
    """A mail server that takes everything, unless told otherwise."""
    with PostOffice() as office:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", office.port
        yield office


@pytest.fixture
def company(real_db: object) -> Company:
    """An account in USD with an Admin."""
    make_operator()
    return make_company()


@pytest.fixture
def voucher(company: Company) -> Document:
    """The voucher of a payment of 100.00 USD, its file made."""
    return issued(company)


def issued(company: Company, at: datetime = NOON) -> Document:
    """Pay 100.00, settle, issue and render."""
    payment = open_one(company, now=at)
    states.move(payment, State.SUBMITTED, Cause.PAGE, at)
    captured = Succeeded(
        f"pay_{payment.id.hex}",
        payment.charge_minor,
        payment.currency,
        payment.id,
        Card("visa", "4242", 12, 2030),
        None,
    )
    settle(company.account.id, payment.id, captured, Cause.PAGE, at)
    document = issue_receipt_voucher(company.account.id, payment.id, at)
    render_document(company.account.id, document.id, at)
    return document


@pytest.fixture
def jobs() -> Callable[[str], list[dict[str, str]]]:
    """The arguments of the jobs queued under a name, in the order of queueing."""
    return lambda name: list(
        ProcrastinateJob.objects.filter(task_name=name).order_by("id").values_list("args", flat=True)
    )


@pytest.fixture
def issue() -> Callable[[Company], Document]:
    """Issue the voucher of one more payment."""
    return issued
