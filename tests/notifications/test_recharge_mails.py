"""Mail about automatic recharge: to whom, why, and where its button leads; once a row, in the account's language."""

import pytest

from people import NOON, Company, open_one
from post_office import PostOffice
from raseed.accounts.models import Account
from raseed.db.transactions import atomic
from raseed.notifications.mails import mail_recharge
from raseed.notifications.models import Mail
from raseed.notifications.send import send_mail
from raseed.payments.models import Payment
from raseed.payments.recharge import history
from raseed.payments.recharge.history import Seen
from raseed.payments.recharge.reasons import NOTICED, Cause, Reason
from recharging import DAY


@pytest.fixture
def payment(company: Company) -> Payment:
    payment = open_one(company, "475")
    payment.card_brand, payment.card_last4 = "visa", "0341"
    return payment


def mailed(company: Company, office: PostOffice) -> tuple[str, str, str]:
    row = history.latest(company.account.id)
    assert row is not None
    mail = mail_recharge(company.account.id, row.id, NOON)
    assert mail_recharge(company.account.id, row.id, NOON).id == mail.id
    send_mail(company.account.id, mail.id, NOON)
    message = office.messages()[-1]
    html = message.get_body(("html",)).get_content()
    text = message.get_body(("plain",)).get_content()
    assert text.splitlines()[-1]
    assert "href" in html
    return str(message["To"]), str(message["Subject"]), text


def test_a_failed_try_names_the_card_the_reason_and_the_next_try(
    company: Company, payment: Payment, post_office: PostOffice
) -> None:
    with atomic():
        history.became(
            payment, Reason.DECLINED, 1, Seen(12_500_000), NOON, code="insufficient_funds", next_at=NOON + DAY
        )
    to, subject, text = mailed(company, post_office)
    assert company.admin.email in to
    assert "finance@" in to
    assert subject == "The automatic recharge did not go through"
    assert "0341" in text
    assert "the card has insufficient funds. The next try is on 24 Nov 2026, 15:00 \u2066GMT+3\u2069." in text
    assert "/settings/billing/balance/pay?amount=475.00" in text


def test_the_mail_to_confirm_leads_to_the_payment(
    company: Company, payment: Payment, post_office: PostOffice
) -> None:
    with atomic():
        history.became(payment, Reason.AUTHENTICATION, 1, Seen(0), NOON, next_at=NOON + DAY)
    _to, subject, text = mailed(company, post_office)
    assert subject == "Your bank wants you to confirm the automatic recharge"
    assert f"/settings/billing/payments/{payment.id}" in text
    assert "until 24 Nov 2026, 15:00" in text


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_notice_has_its_mail(
    company: Company, payment: Payment, post_office: PostOffice, language: str
) -> None:
    Account.objects.filter(id=company.account.id).update(language=language)
    for reason in NOTICED:
        if reason in {Reason.DECLINED, Reason.GAVE_UP, Reason.AUTHENTICATION}:
            with atomic():
                history.became(payment, reason, 1, Seen(0), NOON, code="generic", next_at=NOON)
        else:
            history.refused(company.account, Cause.CROSSED, reason, Seen(0), NOON, next_at=NOON, cap=3)
        _to, subject, text = mailed(company, post_office)
        assert "%(" not in subject + text
    assert Mail.objects.filter(account_id=company.account.id).count() == len(NOTICED)
