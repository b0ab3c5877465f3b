"""Mails about refunds and disputes: to whom, in which language, what they say, and once for each state."""

from uuid import UUID

import pytest

from giving_back import STAFF
from people import NOON, Company, make_company, make_operator, make_user, open_one
from raseed.accounts.models import StaffRole
from raseed.gateways.port import Dispute, DisputeState, Succeeded
from raseed.money import Money
from raseed.notifications import mails
from raseed.notifications.models import Mail, MailRecipient
from raseed.payments.dispute import settle_dispute
from raseed.payments.models import Payment, PaymentDispute, Refund
from raseed.payments.refund import RefundCommand, open_refund
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move

pytestmark = pytest.mark.django_db


def paid(company: Company) -> Payment:
    payment = open_one(company)
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    told = Succeeded("pay_1", payment.charge_minor, payment.currency, payment.id, None, None)
    return settle(payment.account_id, payment.id, told, Cause.PAGE, NOON)


def refund_of(payment: Payment) -> Refund:
    asked = RefundCommand(
        payment.account_id, UUID(int=5), payment.id, Money.from_minor(4_000, payment.currency), "x", STAFF
    )
    return open_refund(asked, NOON)


def recipients(mail: Mail) -> list[str]:
    rows = MailRecipient.objects.filter(account_id=mail.account_id, mail_id=mail.id)
    return sorted(row.address for row in rows)


@pytest.mark.parametrize(
    ("state", "subject"),
    [
        ("created", "40.00 USD are on their way back to your card"),
        ("succeeded", "40.00 USD were given back to your card"),
        ("failed", "40.00 USD could not be given back to your card"),
    ],
)
def test_a_refund_is_told_to_the_billing_addresses_once(state: str, subject: str) -> None:
    make_operator()
    company = make_company()
    found = refund_of(paid(company))
    mail = mails.mail_refund(found.account_id, found.id, state, NOON)
    assert mails.mail_refund(found.account_id, found.id, state, NOON).id == mail.id
    assert mail.subject == subject
    assert recipients(mail) == [f"finance@{company.account.id.hex[-8:]}.test"]
    for said in ("40.00 USD", "100.00 USD", "Falcon Trading", " November "):
        assert said in mail.text
        assert said.replace(" USD", "\u00a0USD") in mail.html, "an amount stands on one line"


def test_a_dispute_is_told_to_the_account_in_its_language_and_to_finance() -> None:
    make_operator()
    company = make_company(language="ar")
    make_user("huda@operator.test", "Huda", staff_role=StaffRole.FINANCE)
    make_user("sami@operator.test", "Sami", staff_role=StaffRole.SUPPORT)
    payment = paid(company)
    told = Dispute("dp_1", "pay_1", 10_000, "USD", DisputeState.OPEN)
    found = settle_dispute(payment.account_id, payment.id, told, NOON)
    assert isinstance(found, PaymentDispute)
    for state in DisputeState:
        for _ in range(2):
            mails.mail_dispute(found.account_id, found.id, state, NOON)
    rows = Mail.objects.filter(account_id=company.account.id).order_by("id")
    assert [row.kind for row in rows] == ["dispute", "dispute_to_staff"] * 3
    account, staff = rows[0], rows[1]
    assert "أُوقفت خدمتك" in account.subject
    assert company.admin.email in recipients(account)
    assert recipients(staff) == ["huda@operator.test"]
    assert staff.subject == "Dispute opened: 100.00 USD of Falcon Trading"
    assert "dp_1" in staff.text
