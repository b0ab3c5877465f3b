"""The outbox against a real mail server: what is taken, refused, put off, cut off, and asked for twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connections, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from people import NOON, Company
from post_office import PostOffice
from raseed.accounts.models import BillingDetails, Operator
from raseed.audit.log import Who
from raseed.balance.alert_settings import change
from raseed.balance.alerts import Watched
from raseed.balance.models import Alert, AlertKind
from raseed.db.transactions import OpenTransaction
from raseed.documents.issue import file_of
from raseed.documents.models import Document
from raseed.notifications import compose, send
from raseed.notifications.bounces import bounces_of, mails_of_payment, payments_not_reached
from raseed.notifications.mails import (
    NO_ADDRESS,
    NOT_AN_ADDRESS,
    mail_alert,
    mail_receipt,
    mail_service_restored,
    mail_service_suspended,
)
from raseed.notifications.models import Mail, MailRecipient
from raseed.notifications.send import LEASE, TRIES_MAX, WAITS_S, queue_overdue, send_mail

Jobs = Callable[[str], list[dict[str, str]]]


def addressed(company: Company, *addresses: str) -> None:
    BillingDetails.objects.filter(account_id=company.account.id).update(billing_emails=list(addresses))


def again(mail: Mail) -> Mail:
    return Mail.objects.get(account_id=mail.account_id, id=mail.id)


def bounced(mail: Mail) -> dict[str, str]:
    rows = MailRecipient.objects.filter(account_id=mail.account_id, mail_id=mail.id, bounced_at__isnull=False)
    return dict(rows.values_list("address", "bounce_reason"))


def test_a_receipt_is_mailed_once_with_the_stored_file(
    company: Company, voucher: Document, post_office: PostOffice, jobs: Jobs
) -> None:
    addressed(company, "finance@falcon.test", "cfo@falcon.test", "FINANCE@falcon.test")
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    assert jobs("notifications.send_mail") == [
        {"account_id": str(company.account.id), "mail_id": str(mail.id)}
    ]
    for _ in range(3):
        send_mail(company.account.id, mail.id, NOON + timedelta(seconds=1))

    [(addresses, _)] = post_office.letters
    assert addresses == ["finance@falcon.test", "cfo@falcon.test"]
    assert post_office.connections == 1
    [read] = post_office.messages()
    assert read["From"] == "Raseed Telecom <billing@operator.test>"
    assert read["Reply-To"] == "support@operator.test"
    assert read["To"] == "finance@falcon.test, cfo@falcon.test"
    assert read["Message-ID"] == f"<{mail.id.hex}@operator.test>"
    assert read["Subject"] == "Receipt voucher RV-2026-000001: 100.00 USD received"
    assert read["Date"].datetime == NOON
    [paper] = read.iter_attachments()
    stored = file_of(company.account.id, voucher.id, NOON)
    assert (paper.get_content_type(), paper.get_filename()) == ("application/pdf", "RV-2026-000001.pdf")
    assert paper.get_content() == stored.content
    text = read.get_body(("plain",)).get_content()
    html = read.get_body(("html",)).get_content()
    for body in (text, html):
        for said in (
            "100.00 USD",
            "RV-2026-000001",
            "Visa •••• 4242",
            "23 November 2026",
            "Falcon Trading LLC",
        ):
            assert said in _plain(body), said
        assert "http://localhost:8000/settings/billing/invoices?tab=payments" in body
    assert again(mail).sent_at == NOON + timedelta(seconds=1)
    assert again(mail).tries == 1
    assert len(jobs("notifications.send_mail")) == 1


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ").translate(dict.fromkeys((0x2066, 0x2067, 0x2068, 0x2069, 0x200B)))


def test_a_receipt_that_is_asked_for_twice_is_one_mail(
    company: Company, voucher: Document, jobs: Jobs
) -> None:
    made = {mail_receipt(company.account.id, voucher.id, NOON + timedelta(seconds=n)).id for n in range(3)}
    assert len(made) == 1
    assert Mail.objects.filter(account_id=company.account.id).count() == 1
    assert len(jobs("notifications.send_mail")) == 1
    assert MailRecipient.objects.filter(account_id=company.account.id).count() == 1


def test_a_refused_address_is_a_bounce_and_the_others_get_the_mail(
    company: Company, voucher: Document, post_office: PostOffice, jobs: Jobs
) -> None:
    addressed(company, "gone@falcon.test", "cfo@falcon.test")
    post_office.answers["gone@falcon.test"] = "550 5.1.1 no such user"
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)

    assert [addresses for addresses, _ in post_office.letters] == [["cfo@falcon.test"]]
    assert bounced(mail) == {"gone@falcon.test": "550 5.1.1 no such user"}
    assert (again(mail).sent_at, again(mail).gave_up_at) == (NOON, None)
    [bounce] = bounces_of(company.account.id)
    assert (bounce.address, bounce.at, bounce.reason) == ("gone@falcon.test", NOON, "550 5.1.1 no such user")
    [status] = mails_of_payment(company.account.id, voucher.payment_id)
    assert status.addresses == ("gone@falcon.test", "cfo@falcon.test")
    assert (status.sent_at, status.bounces) == (NOON, (bounce,))
    assert payments_not_reached(company.account.id, [voucher.payment_id]) == {voucher.payment_id}
    assert len(jobs("notifications.send_mail")) == 1


def test_when_all_are_refused_nothing_more_is_tried(
    company: Company, voucher: Document, post_office: PostOffice, jobs: Jobs
) -> None:
    addressed(company, "gone@falcon.test")
    post_office.answers["gone@falcon.test"] = "553 no"
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    for hours in range(3):
        send_mail(company.account.id, mail.id, NOON + timedelta(hours=hours))
    assert (again(mail).sent_at, again(mail).gave_up_at, again(mail).tries) == (None, NOON, 1)
    assert post_office.letters == []
    assert post_office.offered == ["gone@falcon.test"]
    assert len(jobs("notifications.send_mail")) == 1


def test_a_text_that_is_refused_for_good_bounces_for_everybody(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    addressed(company, "a@falcon.test", "b@falcon.test")
    post_office.data_answer = "554 5.7.1 looks like spam"
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    assert bounced(mail) == dict.fromkeys(("a@falcon.test", "b@falcon.test"), "554 5.7.1 looks like spam")
    assert again(mail).gave_up_at == NOON


def test_what_is_put_off_is_tried_again_by_the_same_job_until_taken(
    company: Company, voucher: Document, post_office: PostOffice, jobs: Jobs
) -> None:
    addressed(company, "busy@falcon.test", "cfo@falcon.test")
    post_office.answers["busy@falcon.test"] = "451 4.7.1 greylisted"
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    waiting = again(mail)
    assert (waiting.sent_at, waiting.tries) == (None, 1)
    assert waiting.next_try_at == NOON + timedelta(seconds=WAITS_S[0])
    assert waiting.fault == "busy@falcon.test: 451 4.7.1 greylisted"
    queued = ProcrastinateJob.objects.filter(task_name="notifications.send_mail").order_by("id")
    assert [job.scheduled_at for job in queued] == [None, waiting.next_try_at]

    del post_office.answers["busy@falcon.test"]
    send_mail(company.account.id, mail.id, waiting.next_try_at)
    # Only who waits is offered it again.
    assert [addresses for addresses, _ in post_office.letters] == [["cfo@falcon.test"], ["busy@falcon.test"]]
    assert len({read["Message-ID"] for read in post_office.messages()}) == 1
    assert again(mail).sent_at == waiting.next_try_at
    assert (again(mail).fault, bounced(mail)) == ("", {})


def test_after_ten_tries_it_is_given_up_and_shown(
    company: Company, voucher: Document, settings: Settings, jobs: Jobs
) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    now = NOON
    for _ in range(TRIES_MAX):
        send_mail(company.account.id, mail.id, now)
        now = again(mail).next_try_at
    given_up = again(mail)
    assert given_up.tries == TRIES_MAX
    assert given_up.gave_up_at == NOON + timedelta(seconds=sum(WAITS_S))
    assert "ConnectionRefusedError" in given_up.fault
    assert len(jobs("notifications.send_mail")) == TRIES_MAX
    assert payments_not_reached(company.account.id, [voucher.payment_id]) == {voucher.payment_id}
    send_mail(company.account.id, mail.id, now + timedelta(days=1))
    assert again(mail).tries == TRIES_MAX


def test_a_connection_cut_after_the_text_sends_it_again_under_the_same_id(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    post_office.hang_up_after_data = True
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    assert (again(mail).sent_at, again(mail).gave_up_at) == (None, None)
    post_office.hang_up_after_data = False
    send_mail(company.account.id, mail.id, again(mail).next_try_at)
    first, second = post_office.messages()
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]
    assert again(mail).sent_at is not None


def test_one_killed_before_the_mark_sends_again_under_the_same_id_and_not_before_its_lease_is_over(
    company: Company, voucher: Document, post_office: PostOffice, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(name: str, key: object) -> None:
        assert (name, key) == ("KP23", mail.id)
        raise Killed

    mail = mail_receipt(company.account.id, voucher.id, NOON)
    with monkeypatch.context() as armed:
        armed.setattr(send, "failpoint", die)
        with pytest.raises(Killed):
            send_mail(company.account.id, mail.id, NOON)
    send_mail(company.account.id, mail.id, NOON + LEASE - timedelta(seconds=1))
    assert len(post_office.letters) == 1
    last = ProcrastinateJob.objects.filter(task_name="notifications.send_mail").latest("id")
    assert last.scheduled_at == NOON + LEASE
    send_mail(company.account.id, mail.id, NOON + LEASE)
    assert [read["Message-ID"] for read in post_office.messages()] == [mail.message_id] * 2
    assert again(mail).sent_at == NOON + LEASE


def _all_send(mail: Mail, count: int = 8) -> None:
    together = Barrier(count)

    def run(_: int) -> None:
        try:
            together.wait(30)
            send_mail(mail.account_id, mail.id, NOON)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))


def test_eight_jobs_of_one_mail_send_it_once(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    _all_send(mail)
    assert len(post_office.letters) == 1
    assert again(mail).tries == 1


def test_without_the_claim_they_send_it_several_times(
    company: Company, voucher: Document, post_office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the same race with nobody taking the mail first."""
    monkeypatch.setattr(send, "_claimed", lambda *_: True)
    _all_send(mail_receipt(company.account.id, voucher.id, NOON))
    assert len(post_office.letters) > 1


def test_no_mail_is_sent_inside_a_transaction(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    with transaction.atomic(), pytest.raises(OpenTransaction):
        send_mail(company.account.id, mail.id, NOON)
    assert post_office.letters == []


def test_another_account_cannot_send_the_mail(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    with pytest.raises(Mail.DoesNotExist):
        send_mail(UUID(int=1), mail.id, NOON)
    assert post_office.letters == []


def test_hostile_names_reach_neither_headers_nor_markup(
    company: Company, post_office: PostOffice, issue: Callable[[Company], Document]
) -> None:
    Operator.objects.update(name="Evil\r\nBcc: victim@x.test\r\n\r\n<script>alert(1)</script>")
    BillingDetails.objects.filter(account_id=company.account.id).update(
        billing_name='<img src=x onerror="alert(1)">\r\nX-Injected: yes'
    )
    document = issue(company)
    mail = mail_receipt(company.account.id, document.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    [(addresses, raw)] = post_office.letters
    [read] = post_office.messages()
    assert len(addresses) == 1
    assert (read["Bcc"], read["X-Injected"]) == (None, None)
    assert read["From"].addresses[0].addr_spec == "billing@operator.test"
    html = read.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert b"\nBcc:" not in raw


def test_an_address_that_is_none_is_shown_and_never_offered(
    company: Company, voucher: Document, post_office: PostOffice
) -> None:
    addressed(company, "good@falcon.test", "bad\r\nBcc: victim@x.test", "no-at-sign")
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    assert post_office.offered == ["good@falcon.test"]
    assert set(bounced(mail).values()) == {NOT_AN_ADDRESS}
    assert post_office.messages()[0]["To"] == "good@falcon.test"


def test_without_billing_addresses_the_admins_get_it_and_without_them_it_is_shown(
    company: Company, voucher: Document, jobs: Jobs, issue: Callable[[Company], Document]
) -> None:
    addressed(company)
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    assert list(
        MailRecipient.objects.filter(account_id=company.account.id).values_list("address", flat=True)
    ) == [company.admin.email]
    company.admin.is_active = False
    company.admin.save()
    nobody = mail_receipt(company.account.id, issue(company).id, NOON)
    assert (nobody.gave_up_at, nobody.fault) == (NOON, NO_ADDRESS)
    assert [job["mail_id"] for job in jobs("notifications.send_mail")] == [str(mail.id)]


def test_that_service_is_restored_is_told_once_to_billing_and_admins(
    company: Company, post_office: PostOffice
) -> None:
    addressed(company, "finance@falcon.test")
    mails = {
        mail_service_restored(company.account.id, NOON, NOON + timedelta(seconds=n)).id for n in range(2)
    }
    assert len(mails) == 1
    send_mail(company.account.id, mails.pop(), NOON + timedelta(seconds=3))
    [(addresses, _)] = post_office.letters
    assert addresses == ["finance@falcon.test", company.admin.email]
    [read] = post_office.messages()
    assert read["Subject"] == "Your service is active again"
    assert list(read.iter_attachments()) == []
    text = _plain(read.get_body(("plain",)).get_content())
    assert "The suspension ended on 23 November 2026 15:00 UTC+03:00" in text


def test_the_sweep_queues_what_lost_its_job(company: Company, voucher: Document, jobs: Jobs) -> None:
    before = len(jobs("notifications.mail_receipt"))
    assert queue_overdue(NOON + timedelta(seconds=50)) == 0
    assert queue_overdue(NOON + timedelta(seconds=61)) == 1  # the paper without a mail
    assert len(jobs("notifications.mail_receipt")) == before + 1
    mail = mail_receipt(company.account.id, voucher.id, NOON + timedelta(seconds=62))
    assert queue_overdue(mail.created_at + timedelta(seconds=59)) == 0
    swept_at = mail.created_at + timedelta(seconds=61)
    assert queue_overdue(swept_at) == 1
    assert len(jobs("notifications.send_mail")) == 2
    # The next sweep leaves the new job its time.
    assert queue_overdue(swept_at + timedelta(seconds=30)) == 0


def test_a_mail_of_an_arabic_account_reads_from_right_to_left(
    company: Company,
    post_office: PostOffice,
    issue: Callable[[Company], Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compose, "_", lambda _: "سند %(number)s: %(amount)s")
    company.account.language = "ar"
    company.account.save()
    document = issue(company)
    mail = mail_receipt(company.account.id, document.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    [read] = post_office.messages()
    assert read["Content-Language"] == "ar"
    assert str(read["Subject"]).strip() == "سند \u2066RV-2026-000001\u2069: \u2066100.00 USD\u2069"
    assert str(read["From"]) == "رصيد للاتصالات <billing@operator.test>"
    html = read.get_body(("html",)).get_content()
    assert '<html lang="ar" dir="rtl">' in html
    assert "text-align:left" in html  # the figures' side
    for said in ("استلمنا من", "رقم السند", "\u2066100.00 USD\u2069", "نوفمبر"):
        assert said.replace(" USD", "\u00a0USD") in html, said
        assert said in read.get_body(("plain",)).get_content(), said


def test_another_restoring_is_another_mail(company: Company) -> None:
    first = mail_service_restored(company.account.id, NOON, NOON)
    later: datetime = NOON + timedelta(days=1)
    assert mail_service_restored(company.account.id, later, later).id != first.id


def test_that_service_is_suspended_says_what_is_left_and_where_to_pay(
    company: Company, post_office: PostOffice
) -> None:
    addressed(company, "finance@falcon.test")
    first = mail_service_suspended(company.account.id, NOON, NOON)
    assert mail_service_suspended(company.account.id, NOON, NOON + timedelta(seconds=5)).id == first.id
    send_mail(company.account.id, first.id, NOON)
    [(addresses, _)] = post_office.letters
    assert addresses == ["finance@falcon.test", company.admin.email]
    [read] = post_office.messages()
    assert read["Subject"] == "Your service is suspended"
    text = _plain(read.get_body(("plain",)).get_content())
    assert "service was suspended on 23 November 2026 15:00 UTC+03:00" in text
    assert "/settings/billing/balance/pay" in text
    assert "Service stops when nothing is left" not in text


def test_an_alert_goes_to_the_addresses_that_were_chosen_else_to_billing(
    company: Company, post_office: PostOffice
) -> None:
    addressed(company, "finance@falcon.test")
    alert = Alert.objects.create(
        account_id=company.account.id,
        kind=AlertKind.LOW_BALANCE,
        opened_at=NOON,
        limit=25_000_000,
        found=20_000_000,
        available_micros=20_000_000,
    )
    mail = mail_alert(company.account.id, alert.id, NOON)
    assert mail_alert(company.account.id, alert.id, NOON).id == mail.id
    assert [row.address for row in mail.recipients.filter(account_id=company.account.id)] == [
        "finance@falcon.test"
    ]
    send_mail(company.account.id, mail.id, NOON)
    [read] = post_office.messages()
    assert read["Subject"] == "The balance is low"
    assert "came down to 20.00 USD; your limit is 25.00 USD" in _plain(
        read.get_body(("plain",)).get_content()
    )
    change(
        company.account,
        0,
        Watched(addresses=("cfo@falcon.test",)),
        Who(company.admin.id, "admin"),
        NOON,
    )
    other = Alert.objects.create(
        account_id=company.account.id,
        kind=AlertKind.DAYS_LEFT,
        opened_at=NOON,
        limit=3,
        found=2,
        available_micros=20_000_000,
    )
    again = mail_alert(company.account.id, other.id, NOON)
    assert [row.address for row in again.recipients.filter(account_id=company.account.id)] == [
        "cfo@falcon.test"
    ]
