"""The outbox under `raseed verify`: what lies in it too long is named."""

from datetime import datetime, timedelta

from pytest_django import Settings

from people import NOON, Company
from post_office import PostOffice
from raseed.db import invariants
from raseed.documents.models import Document
from raseed.notifications.mails import mail_password_reset, mail_receipt
from raseed.notifications.send import TRIES_MAX, send_mail, send_personal_mail

ALMOST, OVER = NOON + timedelta(minutes=5), NOON + timedelta(minutes=5, seconds=1)


def outbox(now: datetime) -> list[dict[str, str]]:
    """The ids of each violation that the rooms' rules about mail find; the inbox has rules of its own."""
    return [
        dict(found.ids)
        for found in invariants.run(now)
        if found.rule == "I26" and {"mail", "document"} & {*found.ids}
    ]


def test_a_mail_that_nobody_sends_is_named_after_five_minutes(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    assert outbox(ALMOST) == []
    assert outbox(OVER) == [{"account": str(company.account.id), "mail": str(mail.id)}]
    send_mail(company.account.id, mail.id, OVER)
    assert outbox(OVER) == []


def test_a_mail_given_up_is_no_longer_waiting(
    company: Company, voucher: Document, settings: Settings
) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    now = NOON
    for _ in range(TRIES_MAX):
        assert (outbox(now) == []) is (now <= ALMOST)
        send_mail(company.account.id, mail.id, now)
        mail.refresh_from_db()
        now = mail.next_try_at
    assert outbox(now) == []


def test_a_personal_mail_that_nobody_sends_is_named(company: Company, post_office: PostOffice) -> None:
    mail = mail_password_reset(company.admin.id, NOON)
    assert mail is not None
    assert outbox(OVER) == [{"mail": str(mail.id), "user": str(company.admin.id)}]
    send_personal_mail(mail.id, OVER)
    assert outbox(OVER) == []


def test_a_sent_mark_taken_away_is_named(
    real_db: object, company: Company, voucher: Document, post_office: PostOffice
) -> None:
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    assert outbox(OVER) == []
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("UPDATE notifications_mail SET sent_at = NULL")
    assert [ids["mail"] for ids in outbox(OVER)] == [str(mail.id)]


def test_a_paper_that_no_mail_brings_is_named(company: Company, voucher: Document) -> None:
    assert outbox(ALMOST) == []
    assert outbox(OVER) == [{"account": str(company.account.id), "document": str(voucher.id)}]
