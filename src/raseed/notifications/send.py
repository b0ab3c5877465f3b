"""Send what the outbox holds: at least once, with the same Message-ID each time, and normally once.

Whoever sends first moves `next_try_at` on and commits, so that two jobs do not send the same mail at the same time and
a killed one is followed by another later. Mail with a one-time link gets its link here, at the last moment. A refusal
for good is written down for the address; anything else is tried again, ten times over a day.
"""

import logging
from datetime import datetime, timedelta
from email.utils import format_datetime, formataddr
from typing import Final
from uuid import UUID

from django.core.mail import EmailMultiAlternatives
from django.db.models import Exists, OuterRef

from raseed.accounts import links
from raseed.accounts.links import Purpose
from raseed.accounts.models import Account, Operator, User
from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.documents.issue import file_of
from raseed.documents.models import DocumentFile
from raseed.failpoints import failpoint
from raseed.notifications.compose import (
    Written,
    email_change,
    invitation,
    notice,
    password_reset,
    sender_name,
)
from raseed.notifications.mails import NOT_AN_ADDRESS
from raseed.notifications.models import (
    LINK_KINDS,
    OPEN,
    Mail,
    MailRecipient,
    Outgoing,
    PersonalKind,
    PersonalMail,
)
from raseed.notifications.smtp import Delivery, deliver

logger = logging.getLogger(__name__)

# A try is over after this, killed or not: five times the mail server's own time limit, and some more.
LEASE: Final = timedelta(seconds=90)
# How long after each failed try the next one comes: ten tries in 22 hours.
WAITS_S: Final = (15, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 43_200)
TRIES_MAX: Final = len(WAITS_S) + 1
# Nobody waits longer for a link that they asked for: the fifth try comes after 21 minutes, and it is the last.
ASKED_TRIES_MAX: Final = 5
ASKED_KINDS: Final = (PersonalKind.PASSWORD_RESET, PersonalKind.EMAIL_CHANGE)
# Sweeps leave a mail this long to be sent by its own job, look back this far for papers, and take so many at a time.
SWEEP_AFTER: Final = timedelta(seconds=60)
SWEEP_BACK: Final = timedelta(days=7)
SWEEP_MAX: Final = 500


def send_mail(account_id: UUID, mail_id: UUID, now: datetime) -> None:
    """Send one mail of an account, unless it is sent, given up, or being sent by somebody else."""
    with atomic():
        mail = Mail.objects.select_for_update().get(account_id=account_id, id=mail_id)
        if not _claimed(mail, now):
            if mail.is_open:
                _queue(mail)
            return
    rows = list(MailRecipient.objects.filter(account_id=account_id, mail_id=mail_id).order_by("id"))
    message = _message(
        mail,
        Written(mail.subject, mail.text, mail.html),
        [row.address for row in rows if row.bounce_reason != NOT_AN_ADDRESS],
    )
    if mail.document_id is not None:
        paper = file_of(account_id, mail.document_id, now)
        message.attach(paper.filename, paper.content, "application/pdf")
    waiting = [row.address for row in rows if row.accepted_at is None and row.bounced_at is None]
    delivery = deliver(message, waiting)
    failpoint("KP23", mail_id)
    _record(mail, delivery, now)


def send_personal_mail(mail_id: UUID, now: datetime) -> None:
    """Write and send a mail to one person, unless it is sent, given up, or being sent by somebody else."""
    with atomic():
        mail = PersonalMail.objects.select_for_update().get(id=mail_id)
        if not _claimed(mail, now):
            if mail.is_open:
                _queue(mail)
            return
    try:
        written = _link_text(mail, now) if mail.kind in LINK_KINDS else _notice_text(mail)
    except _Obsolete as obsolete:
        _record_personal(mail, Delivery(refused={mail.address: str(obsolete)}), now)
        return
    message = _message(mail, written, [mail.address])
    delivery = deliver(message, [mail.address])
    failpoint("KP23", mail_id)
    _record_personal(mail, delivery, now)


def queue_overdue(now: datetime) -> int:
    """Queue again what lost its job: papers without their mail, and mails that nobody has tried; how many."""
    with across_accounts("sweep: papers whose mail was not made, mails that were not tried"):
        papers = list(
            DocumentFile.objects.filter(rendered_at__gt=now - SWEEP_BACK, rendered_at__lt=now - SWEEP_AFTER)
            .exclude(
                Exists(
                    Mail.objects.filter(
                        account_id=OuterRef("account_id"), document_id=OuterRef("document_id")
                    )
                )
            )
            .order_by("rendered_at")
            .values_list("account_id", "document_id")[:SWEEP_MAX]
        )
        mails = list(Mail.objects.filter(OPEN, next_try_at__lt=now - SWEEP_AFTER)[:SWEEP_MAX])
    for account_id, document_id in papers:
        defer("notifications.mail_receipt", account_id=account_id, document_id=document_id)
    found: list[Mail | PersonalMail] = [*mails]
    found += PersonalMail.objects.filter(OPEN, next_try_at__lt=now - SWEEP_AFTER)[:SWEEP_MAX]
    for mail in found:
        with atomic():
            # Moved on, so that the next sweep leaves this job its time as well.
            mail.next_try_at = now
            mail.save(update_fields=["next_try_at"])
            _queue(mail)
    return len(papers) + len(found)


def _claimed(mail: Outgoing, now: datetime) -> bool:
    """Take the mail, which the caller has locked, for one try. False if it is not open or not due."""
    if not mail.is_open or mail.next_try_at > now:
        return False
    mail.tries += 1
    mail.next_try_at = now + LEASE
    mail.save(update_fields=["tries", "next_try_at"])
    return True


def _message(mail: Outgoing, written: Written, addresses: list[str]) -> EmailMultiAlternatives:
    operator = Operator.objects.get()
    message = EmailMultiAlternatives(
        subject=written.subject,
        body=written.text,
        from_email=formataddr((sender_name(operator, mail.language), operator.email_from)),
        to=addresses,
        reply_to=[operator.email_reply_to],
        headers={
            "Message-ID": mail.message_id,
            "Date": format_datetime(mail.created_at),
            "Content-Language": mail.language,
            # No holiday answers, please (RFC 3834).
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(written.html, "text/html")
    return message


class _Obsolete(Exception):
    """Why a link is not to be sent any more."""


def _link_text(mail: PersonalMail, now: datetime) -> Written:
    """Make the link and say what it is for; who asks for a reset and has no password yet is still being invited.

    Raises _Obsolete.
    """
    if mail.kind == PersonalKind.EMAIL_CHANGE:
        return _email_change_text(mail, now)
    user = User.objects.filter(id=mail.user_id, is_active=True, email=mail.address).first()
    if user is None:
        # Disabled, or known by another address since: the link could reach somebody else.
        raise _Obsolete("no longer the address of an active user")
    link = links.make(user, now)
    if mail.kind == PersonalKind.INVITATION and link.purpose is not Purpose.INVITATION:
        raise _Obsolete("the user has chosen a password already")
    operator = Operator.objects.get()
    if link.purpose is Purpose.INVITATION:
        return invitation(user, _account_of(user), link.url, operator)
    return password_reset(user, link.url, operator)


def _email_change_text(mail: PersonalMail, now: datetime) -> Written:
    """Make the link to confirm a new address, unless the sign-in has changed since it was asked for. Raises _Obsolete."""
    user = User.objects.filter(id=mail.user_id, is_active=True).first()
    if user is None or user.sessions_valid_from.isoformat() != mail.facts["since"]:
        raise _Obsolete("the sign-in has changed since")
    return email_change(
        user, mail.address, links.make_email_change(user, mail.address, now).url, Operator.objects.get()
    )


def _notice_text(mail: PersonalMail) -> Written:
    """Say what has changed, to whoever had the address then: also to who is disabled now."""
    user = User.objects.get(id=mail.user_id)
    return notice(mail, user, _account_of(user), Operator.objects.get())


def _account_of(user: User) -> Account | None:
    return Account.objects.filter(id=user.account_id).first() if user.account_id else None


def _record(mail: Mail, delivery: Delivery, now: datetime) -> None:
    with atomic():
        mail = Mail.objects.select_for_update().get(account_id=mail.account_id, id=mail.id)
        rows = MailRecipient.objects.filter(account_id=mail.account_id, mail_id=mail.id)
        rows.filter(address__in=delivery.taken, accepted_at__isnull=True).update(accepted_at=now)
        for address, reason in delivery.refused.items():
            rows.filter(address=address, bounced_at__isnull=True).update(bounced_at=now, bounce_reason=reason)
        if mail.is_open:
            _conclude(mail, delivery, now, TRIES_MAX)


def _record_personal(mail: PersonalMail, delivery: Delivery, now: datetime) -> None:
    with atomic():
        mail = PersonalMail.objects.select_for_update().get(id=mail.id)
        if not mail.is_open:
            return
        if delivery.refused:
            mail.bounced_at, mail.bounce_reason = now, delivery.refused[mail.address]
            mail.save(update_fields=["bounced_at", "bounce_reason"])
        tries_max = ASKED_TRIES_MAX if mail.kind in ASKED_KINDS else TRIES_MAX
        _conclude(mail, delivery, now, tries_max)


def _conclude(mail: Mail | PersonalMail, delivery: Delivery, now: datetime, tries_max: int) -> None:
    """Mark a mail that was tried: sent, to be tried again, or given up. The caller has locked it."""
    mail.fault = "; ".join(
        f"{address}: {why}" for address, why in (delivery.later | delivery.refused).items()
    )
    if delivery.later and mail.tries < tries_max:
        mail.next_try_at = now + timedelta(seconds=WAITS_S[mail.tries - 1])
        _queue(mail)
    elif delivery.later or (delivery.refused and not delivery.taken and not _anybody_has(mail)):
        mail.gave_up_at = now
        logger.error("mail %s is given up after %d tries: %s", mail.id, mail.tries, mail.fault)
    else:
        mail.sent_at = now
    mail.save(update_fields=["fault", "next_try_at", "gave_up_at", "sent_at"])


def _anybody_has(mail: Mail | PersonalMail) -> bool:
    """Whether an earlier try was taken for some address."""
    return (
        isinstance(mail, Mail)
        and MailRecipient.objects.filter(
            account_id=mail.account_id, mail_id=mail.id, accepted_at__isnull=False
        ).exists()
    )


def _queue(mail: Mail | PersonalMail) -> None:
    """Queue the job that sends it, not before `next_try_at`."""
    if isinstance(mail, Mail):
        defer("notifications.send_mail", run_at=mail.next_try_at, account_id=mail.account_id, mail_id=mail.id)
    else:
        defer("notifications.send_personal_mail", run_at=mail.next_try_at, mail_id=mail.id)
