"""Make the mails that other rooms ask for by name: keep each with its text, queue its sending in the same transaction.

Asked twice, a mail is made once: its key says what it is about. Mail with a one-time link keeps neither link nor text;
`raseed.notifications.send` writes it at the moment of sending. Nothing here talks to a mail server.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from raseed.accounts.models import Account, BillingDetails, Membership, Operator, Role, StaffRole, User
from raseed.balance.alerts import settings_of, watched_by
from raseed.balance.equation import available
from raseed.balance.models import Alert
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.db.uuids import new_id
from raseed.documents.copies import Language
from raseed.documents.models import Document
from raseed.gateways.port import DisputeState
from raseed.notifications.compose import (
    Written,
    address_removed,
    alert,
    dispute_told,
    dispute_told_to_staff,
    grace,
    receipt,
    recharge,
    refund_told,
    service_restored,
    service_suspended,
)
from raseed.notifications.models import OPEN, Mail, MailKind, MailRecipient, PersonalKind, PersonalMail
from raseed.payments.models import Payment, PaymentDispute, Refund
from raseed.payments.recharge.models import Consideration
from raseed.payments.refund_states import RefundState

# A job that ran twice, or an impatient second click, is not a second mail.
ASKED_AGAIN_WITHIN: Final = timedelta(seconds=60)
NO_ADDRESS: Final = "the account has no billing e-mail and no active Admin"
NOT_AN_ADDRESS: Final = "not an e-mail address"


def mail_receipt(account_id: UUID, document_id: UUID, now: datetime) -> Mail:
    """Mail a receipt voucher, its file attached, to the account's billing addresses; give the mail."""
    document = Document.objects.get(account_id=account_id, id=document_id)
    operator = Operator.objects.get()
    language: Language = "ar" if document.language == "ar" else "en"
    written = receipt(document.copy, language, operator)
    return _keep(
        Mail(kind=MailKind.RECEIPT, key=str(document_id), account_id=account_id, document_id=document_id),
        written,
        language,
        billing_addresses(account_id),
        operator,
        now,
    )


def mail_service_restored(account_id: UUID, at: datetime, now: datetime) -> Mail:
    """Say that a payment ended the suspension at `at`, to billing addresses and Admins; give the mail."""
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    return _keep(
        Mail(kind=MailKind.SERVICE_RESTORED, key=at.isoformat(), account_id=account_id),
        service_restored(account, at, operator),
        account.language,
        _distinct(billing_addresses(account_id) + admin_addresses(account_id)),
        operator,
        now,
    )


def mail_address_removed(account_id: UUID, address: str, at: datetime, now: datetime) -> Mail:
    """Tell an address that it is no billing e-mail of the account any more; give the mail."""
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    # The key is short and names no address.
    key = f"{at.isoformat()} {sha256(address.encode()).hexdigest()[:32]}"
    return _keep(
        Mail(kind=MailKind.ADDRESS_REMOVED, key=key, account_id=account_id),
        address_removed(address, account, at, operator),
        account.language,
        [address],
        operator,
        now,
    )


def mail_service_suspended(account_id: UUID, at: datetime, now: datetime) -> Mail:
    """Say that the balance ran out and service stopped at `at`, to billing addresses and Admins; give the mail."""
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    return _keep(
        Mail(kind=MailKind.SERVICE_SUSPENDED, key=at.isoformat(), account_id=account_id),
        service_suspended(account, at, available(account), operator),
        account.language,
        _distinct(billing_addresses(account_id) + admin_addresses(account_id)),
        operator,
        now,
    )


def mail_grace(account_id: UUID, at: datetime, until: datetime, now: datetime) -> Mail:
    """Say that the balance ran out at `at` and service goes on `until`, to billing addresses and Admins; give the mail."""
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    return _keep(
        Mail(kind=MailKind.GRACE, key=at.isoformat(), account_id=account_id),
        grace(account, until, available(account), operator),
        account.language,
        _distinct(billing_addresses(account_id) + admin_addresses(account_id)),
        operator,
        now,
    )


def mail_alert(account_id: UUID, alert_id: UUID, now: datetime) -> Mail:
    """Warn that a limit was reached, at the addresses that the account chose, else its billing addresses. Once an alert."""
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    row = Alert.objects.get(account_id=account_id, id=alert_id)
    chosen = watched_by(account, settings_of(account_id)).addresses
    return _keep(
        Mail(kind=MailKind.ALERT, key=str(row.id), account_id=account_id),
        alert(account, row, operator),
        account.language,
        _distinct(list(chosen)) or billing_addresses(account_id),
        operator,
        now,
    )


def mail_recharge(account_id: UUID, consideration_id: UUID, now: datetime) -> Mail:
    """Say what became of an automatic recharge, to billing addresses and Admins; give the mail. Once for each row."""
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    row = Consideration.objects.get(account_id=account_id, id=consideration_id)
    return _keep(
        Mail(kind=MailKind.RECHARGE, key=str(row.id), account_id=account_id),
        recharge(account, row, operator),
        account.language,
        _distinct(billing_addresses(account_id) + admin_addresses(account_id)),
        operator,
        now,
    )


def mail_refund(account_id: UUID, refund_id: UUID, state: str, now: datetime) -> Mail:
    """Say to the billing addresses that a refund is on its way, was made, or failed; once for each `state`."""
    refund = Refund.objects.get(account_id=account_id, id=refund_id)
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    payment = Payment.objects.get(account_id=account_id, id=refund.payment_id)
    return _keep(
        Mail(kind=MailKind.REFUND, key=f"{refund_id}:{state}", account_id=account_id),
        refund_told(account, payment, refund, RefundState(state), operator),
        account.language,
        billing_addresses(account_id),
        operator,
        now,
    )


def mail_dispute(account_id: UUID, dispute_id: UUID, state: str, now: datetime) -> None:
    """Say to billing addresses and Admins, and to staff in finance, that a dispute opened or ended; once for each `state`."""
    dispute = PaymentDispute.objects.get(account_id=account_id, id=dispute_id)
    account = Account.objects.get(id=account_id)
    operator = Operator.objects.get()
    said = DisputeState(state)
    _keep(
        Mail(kind=MailKind.DISPUTE, key=f"{dispute_id}:{state}", account_id=account_id),
        dispute_told(account, dispute, said, operator),
        account.language,
        _distinct(billing_addresses(account_id) + admin_addresses(account_id)),
        operator,
        now,
    )
    _keep(
        Mail(kind=MailKind.DISPUTE_TO_STAFF, key=f"{dispute_id}:{state}", account_id=account_id),
        dispute_told_to_staff(account, dispute, said, operator),
        "en",
        finance_addresses() or [operator.email_reply_to],
        operator,
        now,
    )


def mail_invitation(user_id: UUID, now: datetime) -> PersonalMail | None:
    """Mail a user the link to choose a first password; None if there is nobody, or they have one already."""
    user = User.objects.filter(id=user_id, is_active=True).first()
    if user is None or user.has_usable_password():
        return None
    return _keep_personal(PersonalKind.INVITATION, user, now)


def mail_password_reset(user_id: UUID, now: datetime) -> PersonalMail | None:
    """Mail a user the link to set a new password; None if there is no such active user."""
    user = User.objects.filter(id=user_id, is_active=True).first()
    return None if user is None else _keep_personal(PersonalKind.PASSWORD_RESET, user, now)


def mail_email_change(
    mail_id: UUID, user_id: UUID, address: str, since: str, now: datetime
) -> PersonalMail | None:
    """Mail the link that confirms a person's new address to that address; None if there is no such active user.

    `since` is the moment since which the person's sessions held when it was asked for. Once an id.
    """
    user = User.objects.filter(id=user_id, is_active=True).first()
    if user is None:
        return None
    mail = _personal(mail_id, PersonalKind.EMAIL_CHANGE, user, now)
    mail.address, mail.facts = address, {"since": since}
    return _keep_once(mail)


def mail_notice(
    mail_id: UUID, user_id: UUID, kind: str, address: str, facts: Mapping[str, str], now: datetime
) -> PersonalMail | None:
    """Tell a person, at the address of then, of a change to their sign-in; None if there is no such user. Once an id."""
    user = User.objects.filter(id=user_id).first()
    if user is None:
        return None
    mail = _personal(mail_id, PersonalKind(kind), user, now)
    mail.address, mail.facts = address, dict(facts)
    return _keep_once(mail)


def billing_addresses(account_id: UUID) -> list[str]:
    """Where mail about the account's money goes: the billing e-mails, else its Admins."""
    billing = BillingDetails.objects.filter(account_id=account_id).first()
    return _distinct(billing.billing_emails if billing else []) or admin_addresses(account_id)


def admin_addresses(account_id: UUID) -> list[str]:
    """The addresses of the account's active Admins."""
    admins = Membership.objects.filter(account_id=account_id, role=Role.ADMIN, is_active=True)
    people = User.objects.filter(id__in=list(admins.values_list("user_id", flat=True)), is_active=True)
    return list(people.order_by("email").values_list("email", flat=True))


def finance_addresses() -> list[str]:
    """The addresses of the operator's active finance staff."""
    people = User.objects.filter(staff_role=StaffRole.FINANCE, is_active=True)
    return list(people.order_by("email").values_list("email", flat=True))


def _distinct(addresses: list[str]) -> list[str]:
    """Each address once, whatever its case, in the order and the spelling in which it came first."""
    first: dict[str, str] = {}
    for address in addresses:
        if address.strip():
            first.setdefault(address.strip().lower(), address.strip())
    return list(first.values())


def _keep(
    mail: Mail, written: Written, language: str, addresses: list[str], operator: Operator, now: datetime
) -> Mail:
    mail.message_id = _message_id(mail.id, operator)
    mail.language = language
    mail.subject, mail.text, mail.html = written.subject, written.text, written.html
    mail.created_at = mail.next_try_at = now
    recipients = [_recipient(mail, address, now) for address in addresses]
    if all(recipient.bounced_at for recipient in recipients):
        mail.gave_up_at, mail.fault = now, NOT_AN_ADDRESS if recipients else NO_ADDRESS
    with atomic():
        Mail.objects.bulk_create([mail], ignore_conflicts=True)
        kept = Mail.objects.get(account_id=mail.account_id, kind=mail.kind, key=mail.key)
        if kept.id == mail.id:
            MailRecipient.objects.bulk_create(recipients)
            if mail.is_open:
                defer("notifications.send_mail", account_id=mail.account_id, mail_id=mail.id)
    return kept


def _recipient(mail: Mail, address: str, now: datetime) -> MailRecipient:
    """A row for an address; one that is none is recorded as refused and never reaches a header."""
    row = MailRecipient(account_id=mail.account_id, mail_id=mail.id, address=address)
    try:
        validate_email(address)
    except ValidationError:
        row.bounced_at, row.bounce_reason = now, NOT_AN_ADDRESS
    return row


def _keep_personal(kind: PersonalKind, user: User, now: datetime) -> PersonalMail:
    mail = _personal(new_id(), kind, user, now)
    with atomic():
        asked = PersonalMail.objects.filter(user_id=user.id, kind=kind)
        recent = asked.filter(created_at__gt=now - ASKED_AGAIN_WITHIN).order_by("-created_at").first()
        if recent is not None:
            return recent
        PersonalMail.objects.bulk_create([mail], ignore_conflicts=True)
        kept = asked.filter(OPEN).get()
        if kept.id == mail.id:
            defer("notifications.send_personal_mail", mail_id=mail.id)
    return kept


def _keep_once(mail: PersonalMail) -> PersonalMail:
    """Keep a mail whose id was made when it was asked for, so that a job that runs twice makes one."""
    with atomic():
        PersonalMail.objects.bulk_create([mail], ignore_conflicts=True)
        kept = PersonalMail.objects.get(id=mail.id)
        if kept.is_open:
            defer("notifications.send_personal_mail", mail_id=mail.id)
    return kept


def _personal(mail_id: UUID, kind: PersonalKind, user: User, now: datetime) -> PersonalMail:
    return PersonalMail(
        id=mail_id,
        kind=kind,
        user_id=user.id,
        address=user.email,
        language=user.language,
        message_id=_message_id(mail_id, Operator.objects.get()),
        created_at=now,
        next_try_at=now,
    )


def _message_id(mail_id: UUID, operator: Operator) -> str:
    """Made once, from the row's id, and short enough to stand on one line."""
    return f"<{mail_id.hex}@{operator.email_from.rpartition('@')[2]}>"
