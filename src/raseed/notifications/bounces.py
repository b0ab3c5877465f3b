"""Mail that came back: read delivery status notifications (RFC 3464), and say what became of an account's mail.

A notification comes from outside and may be forged: it can mark an address of a mail of ours, named by its Message-ID,
as bounced, and do nothing else.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Final, cast
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from raseed.db.guard import across_accounts
from raseed.db.transactions import atomic
from raseed.documents.models import Document
from raseed.errors import RaseedError
from raseed.notifications.models import Mail, MailRecipient, PersonalMail

REASON_LENGTH_MAX: Final = 500
SHOWN_MAX: Final = 50
_MESSAGE_ID: Final = re.compile(r"<[0-9a-f]{32}@[^<>\s]+>")


class NotABounce(RaseedError):
    """What was handed in is no delivery status notification about a mail of ours."""

    code = "not_a_bounce"
    status = 422
    message = _("This is not a delivery status notification (RFC 3464) about a mail that was sent from here.")


@dataclass(frozen=True, slots=True)
class Bounce:
    """An address that a mail did not reach, when that was known (UTC), and what the mail server said."""

    address: str
    at: datetime
    reason: str
    subject: str


@dataclass(frozen=True, slots=True)
class MailStatus:
    """What became of a mail. `fault` is what went wrong at the last try, in the mail server's words."""

    subject: str
    addresses: tuple[str, ...]
    sent_at: datetime | None
    gave_up_at: datetime | None
    fault: str
    bounces: tuple[Bounce, ...]


def record_bounce(raw: bytes, now: datetime) -> list[str]:
    """Mark the addresses that a notification says have failed; give those that were marked by it.

    Raises NotABounce for anything else than a notification about a mail of ours. A delay is no bounce, and neither is
    an address that the mail did not go to.
    """
    report = message_from_bytes(raw, policy=policy.default)
    if report.get_content_type() != "multipart/report":
        raise NotABounce(f"it is {report.get_content_type()}, not multipart/report")
    mail = _mail_named_in(report)
    if mail is None:
        raise NotABounce("it names no Message-ID of ours")
    with atomic():
        return [address for address, reason in _failed(report) if _mark(mail, address, reason, now)]


def _mark(mail: Mail | PersonalMail, address: str, reason: str, now: datetime) -> bool:
    rows = (
        MailRecipient.objects.filter(account_id=mail.account_id, mail_id=mail.id)
        if isinstance(mail, Mail)
        else PersonalMail.objects.filter(id=mail.id)
    )
    return bool(
        rows.filter(address__iexact=address, bounced_at__isnull=True).update(
            bounced_at=now, bounce_reason=reason
        )
    )


def _mail_named_in(report: EmailMessage) -> Mail | PersonalMail | None:
    """The mail that came back: by its own headers, else by what the report says that it answers."""
    named = [str(part["Message-ID"] or "") for part in _returned(report)]
    named += [str(report["In-Reply-To"] or ""), str(report["References"] or "")]
    for message_id in _MESSAGE_ID.findall(" ".join(named)):
        with across_accounts("mail that came back names no account"):
            mail = Mail.objects.filter(message_id=message_id).first()
        found = mail or PersonalMail.objects.filter(message_id=message_id).first()
        if found is not None:
            return found
    return None


def _returned(report: EmailMessage) -> Iterator[Message]:
    """The mail that came back, or as much of its headers as the report brings."""
    for part in report.walk():
        if part.get_content_type() == "message/rfc822":
            yield from cast("list[Message]", part.get_payload())
        elif part.get_content_type() == "text/rfc822-headers":
            content = part.get_payload(decode=True)
            yield message_from_bytes(content if isinstance(content, bytes) else b"", policy=policy.default)


def _failed(report: EmailMessage) -> Iterator[tuple[str, str]]:
    """(address, reason) of each recipient of the report that has failed for good."""
    for part in report.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in cast("list[Message]", part.get_payload()):
            if str(block["Action"] or "").strip().lower() != "failed":
                continue
            recipient = str(block["Original-Recipient"] or block["Final-Recipient"] or "")
            address = recipient.partition(";")[2].strip().strip("<>")
            said = str(block["Diagnostic-Code"] or "").partition(";")[2] or str(block["Status"] or "")
            if address:
                yield address, " ".join(said.split())[:REASON_LENGTH_MAX]


def mails_of_payment(account_id: UUID, payment_id: UUID) -> list[MailStatus]:
    """What became of the mails that brought this payment's papers, oldest first."""
    papers = Document.objects.filter(account_id=account_id, payment_id=payment_id)
    mails = list(
        Mail.objects.filter(
            account_id=account_id, document_id__in=list(papers.values_list("id", flat=True))
        ).order_by("created_at", "id")
    )
    rows: dict[UUID, list[MailRecipient]] = defaultdict(list)
    for row in MailRecipient.objects.filter(
        account_id=account_id, mail_id__in=[mail.id for mail in mails]
    ).order_by("id"):
        rows[row.mail_id].append(row)
    return [_status(mail, rows[mail.id]) for mail in mails]


def _status(mail: Mail, rows: list[MailRecipient]) -> MailStatus:
    return MailStatus(
        subject=mail.subject,
        addresses=tuple(row.address for row in rows),
        sent_at=mail.sent_at,
        gave_up_at=mail.gave_up_at,
        fault=mail.fault,
        bounces=tuple(
            Bounce(row.address, row.bounced_at, row.bounce_reason, mail.subject)
            for row in rows
            if row.bounced_at
        ),
    )


def bounces_of(account_id: UUID) -> list[Bounce]:
    """The addresses of this account that its mail did not reach, the latest first, at most fifty."""
    rows = (
        MailRecipient.objects.filter(account_id=account_id, bounced_at__isnull=False)
        .select_related("mail")
        .order_by("-bounced_at", "-id")[:SHOWN_MAX]
    )
    return [
        Bounce(row.address, row.bounced_at, row.bounce_reason, row.mail.subject)
        for row in rows
        if row.bounced_at
    ]


def payments_not_reached(account_id: UUID, payment_ids: list[UUID]) -> set[UUID]:
    """Which of these payments have a mail that did not reach somebody: refused, sent back, or given up."""
    papers = dict(
        Document.objects.filter(account_id=account_id, payment_id__in=payment_ids).values_list(
            "id", "payment_id"
        )
    )
    mails = Mail.objects.filter(account_id=account_id, document_id__in=list(papers))
    known = {
        mail_id: papers[document_id]
        for mail_id, document_id in mails.values_list("id", "document_id")
        if document_id
    }
    bounced = MailRecipient.objects.filter(
        account_id=account_id, mail_id__in=list(known), bounced_at__isnull=False
    ).values_list("mail_id", flat=True)
    given_up = mails.filter(gave_up_at__isnull=False).values_list("id", flat=True)
    return {known[mail_id] for mail_id in {*bounced, *given_up}}
