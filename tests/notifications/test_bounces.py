"""Delivery status notifications, as mail servers write them, and as somebody might forge them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from people import NOON, Company
from post_office import PostOffice
from raseed.documents.models import Document
from raseed.notifications.bounces import NotABounce, bounces_of, payments_not_reached, record_bounce
from raseed.notifications.mails import mail_password_reset, mail_receipt
from raseed.notifications.models import Mail, MailRecipient, PersonalMail
from raseed.notifications.send import send_mail, send_personal_mail

LATER = NOON + timedelta(minutes=3)

# As RFC 3464, appendix D, has it.
NOTIFICATION = """\
Date: Mon, 23 Nov 2026 12:03:00 +0000
From: Mail Delivery Subsystem <MAILER-DAEMON@mx.falcon.test>
To: billing@operator.test
Subject: Returned mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="RAA14128"

--RAA14128

Your mail could not be delivered.

--RAA14128
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.falcon.test

Final-Recipient: rfc822; {address}
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 mailbox
 unknown

--RAA14128
Content-Type: {returned_type}

{returned}

--RAA14128--
"""


def notification(
    message_id: str, address: str, action: str = "failed", returned_type: str = "message/rfc822"
) -> bytes:
    returned = f"From: billing@operator.test\nMessage-ID: {message_id}\nSubject: Receipt\n\nGone."
    text = NOTIFICATION.format(address=address, action=action, returned_type=returned_type, returned=returned)
    return text.replace("\n", "\r\n").encode()


@pytest.fixture
def sent(company: Company, voucher: Document, post_office: PostOffice) -> Mail:
    """A receipt that the mail server has taken."""
    mail = mail_receipt(company.account.id, voucher.id, NOON)
    send_mail(company.account.id, mail.id, NOON)
    return mail


def address_of(mail: Mail) -> str:
    return MailRecipient.objects.get(account_id=mail.account_id, mail_id=mail.id).address


def unmarked(mail: Mail) -> bool:
    return bounces_of(mail.account_id) == []


@pytest.mark.parametrize("returned_type", ["message/rfc822", "text/rfc822-headers"])
def test_a_notification_marks_the_address_of_the_mail_that_it_returns(
    sent: Mail, voucher: Document, returned_type: str
) -> None:
    address = address_of(sent)
    raw = notification(sent.message_id, address.upper(), returned_type=returned_type)
    assert record_bounce(raw, LATER) == [address.upper()]
    [bounce] = bounces_of(sent.account_id)
    assert (bounce.address, bounce.at, bounce.reason) == (address, LATER, "550 5.1.1 mailbox unknown")
    assert payments_not_reached(sent.account_id, [voucher.payment_id]) == {voucher.payment_id}
    # Told again, the first word stands.
    assert record_bounce(raw, LATER + timedelta(days=1)) == []
    assert bounces_of(sent.account_id) == [bounce]


def test_a_notification_about_a_personal_mail_marks_it(company: Company, post_office: PostOffice) -> None:
    mail = mail_password_reset(company.admin.id, NOON)
    assert mail is not None
    send_personal_mail(mail.id, NOON)
    assert record_bounce(notification(mail.message_id, company.admin.email), LATER) == [company.admin.email]
    assert PersonalMail.objects.get().bounced_at == LATER
    assert PersonalMail.objects.get().sent_at == NOON


def test_a_report_without_the_mail_is_matched_by_what_it_answers(sent: Mail) -> None:
    raw = notification("<somebody@else.test>", address_of(sent))
    raw = raw.replace(b"Subject: Returned mail", f"In-Reply-To: {sent.message_id}\r\nSubject: Back".encode())
    assert record_bounce(raw, LATER) == [address_of(sent)]


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", ""])
def test_what_has_not_failed_is_no_bounce(sent: Mail, action: str) -> None:
    assert record_bounce(notification(sent.message_id, address_of(sent), action), LATER) == []
    assert unmarked(sent)


def test_an_address_that_the_mail_did_not_go_to_is_not_marked(sent: Mail) -> None:
    assert record_bounce(notification(sent.message_id, "somebody@else.test"), LATER) == []
    assert unmarked(sent)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: hello\r\n\r\nNot a report",
        b"Content-Type: multipart/report; boundary=x\r\n\r\nno parts",
        b"Content-Type: multipart/report\r\n\r\n",
        notification("<0123456789abcdef0123456789abcdef@operator.test>", "finance@falcon.test"),
        notification("<not-ours@else.test>", "finance@falcon.test"),
        notification("'; DROP TABLE mail; --", "finance@falcon.test"),
    ],
    ids=["empty", "bytes", "a mail", "no parts", "no boundary", "unknown", "not ours", "hostile"],
)
def test_anything_else_is_refused_by_name_and_marks_nothing(sent: Mail, raw: bytes) -> None:
    with pytest.raises(NotABounce):
        record_bounce(raw, LATER)
    assert unmarked(sent)


def test_a_report_without_recipients_marks_nothing(sent: Mail, jobs: Callable[[str], list[object]]) -> None:
    raw = notification(sent.message_id, address_of(sent)).replace(b"Final-Recipient", b"X-Nobody")
    assert record_bounce(raw, LATER) == []
    assert unmarked(sent)
    assert len(jobs("notifications.send_mail")) == 1
