"""The outbox: every mail is a row before it is sent.

Mail of an account is kept with its text; mail to one person keeps no text and is written when it is sent, so that no
one-time link is ever stored. PersonalMail is a global table, because staff have no account.
"""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.accounts.notices import Notice
from raseed.db.models import Owned
from raseed.db.uuids import new_id
from raseed.documents.models import Document


class MailKind(models.TextChoices):
    """What an account's mail is about."""

    RECEIPT = "receipt", _("Receipt voucher")
    SERVICE_RESTORED = "service_restored", _("Service restored")
    RECHARGE = "recharge", _("Automatic recharge")
    SERVICE_SUSPENDED = "service_suspended", _("Service suspended")
    GRACE = "grace", _("Balance ran out")
    ALERT = "alert", _("E-mail alert")
    REFUND = "refund", _("Refund")
    DISPUTE = "dispute", _("Dispute")
    DISPUTE_TO_STAFF = "dispute_to_staff", _("Dispute, to staff")
    ADDRESS_REMOVED = "address_removed", _("Billing e-mail removed")


class PersonalKind(models.TextChoices):
    """What a mail to one person is for: the first three bring a one-time link, the last is an alarm, the others tell of a change."""

    INVITATION = "invitation", _("Invitation")
    PASSWORD_RESET = "password_reset", _("Password reset")
    EMAIL_CHANGE = "email_change", _("Change of e-mail address")
    PASSWORD_CHANGED = Notice.PASSWORD_CHANGED.value, _("Password changed")
    ROLE_CHANGED = Notice.ROLE_CHANGED.value, _("Role changed")
    ACCESS_ENDED = Notice.ACCESS_ENDED.value, _("Access ended")
    ACCESS_RESTORED = Notice.ACCESS_RESTORED.value, _("Access restored")
    APP_ADDED = Notice.APP_ADDED.value, _("Authenticator app added")
    APP_REMOVED = Notice.APP_REMOVED.value, _("Authenticator app removed")
    PASSKEY_ADDED = Notice.PASSKEY_ADDED.value, _("Passkey added")
    PASSKEY_REMOVED = Notice.PASSKEY_REMOVED.value, _("Passkey removed")
    CODES_MADE = Notice.CODES_MADE.value, _("Recovery codes made")
    CODE_USED = Notice.CODE_USED.value, _("Recovery code used")
    FACTORS_RESET = Notice.FACTORS_RESET.value, _("Second factor reset")
    EMAIL_CHANGE_ASKED = Notice.EMAIL_CHANGE_ASKED.value, _("Change of e-mail address asked for")
    EMAIL_CHANGED = Notice.EMAIL_CHANGED.value, _("E-mail address changed")
    EMAIL_WANTED = Notice.EMAIL_WANTED.value, _("E-mail address wanted by another person")
    BOOKS_BROKEN = "books_broken", _("Books broken")
    API_KEY_MADE = Notice.API_KEY_MADE.value, _("API key made")
    API_KEY_REVOKED = Notice.API_KEY_REVOKED.value, _("API key revoked")
    WEBHOOKS_STOPPED = Notice.WEBHOOKS_STOPPED.value, _("Webhooks stopped")
    CARD_ADDED = Notice.CARD_ADDED.value, _("Card added")
    CARD_REMOVED = Notice.CARD_REMOVED.value, _("Card removed")
    CARD_MADE_DEFAULT = Notice.CARD_MADE_DEFAULT.value, _("Default card changed")
    CARD_EXPIRES = Notice.CARD_EXPIRES.value, _("Card expires")
    DETAILS_CHANGED = Notice.DETAILS_CHANGED.value, _("Billing details changed")
    REQUEST_APPROVED = Notice.REQUEST_APPROVED.value, _("Request approved")
    REQUEST_REFUSED = Notice.REQUEST_REFUSED.value, _("Request refused")
    CARD_TESTING = Notice.CARD_TESTING.value, _("Cards are being tested")


LINK_KINDS = (PersonalKind.INVITATION, PersonalKind.PASSWORD_RESET, PersonalKind.EMAIL_CHANGE)
ALARM_KINDS = (PersonalKind.BOOKS_BROKEN,)
# To one address only, the person's own. Two new addresses asked for are two links.
ONE_OPEN_KINDS = (PersonalKind.INVITATION, PersonalKind.PASSWORD_RESET)


class Outgoing(models.Model):
    """What sending needs to know. Open while neither sent nor given up.

    `next_try_at` is when somebody may try; whoever tries moves it on first, so that two do not send at once.
    `gave_up_at` says that nothing more is tried, `fault` what went wrong last.
    """

    language = models.CharField(max_length=2)
    message_id = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField()
    gave_up_at = models.DateTimeField(null=True)
    fault = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        """Whether it still has to be sent."""
        return self.sent_at is None and self.gave_up_at is None


OPEN = models.Q(sent_at__isnull=True, gave_up_at__isnull=True)


class Mail(Outgoing, Owned):
    """A mail to an account, its text as it was written. `key` names what it is about, so that it is made once."""

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    kind = models.CharField(max_length=20, choices=MailKind.choices)
    key = models.CharField(max_length=80)
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField()
    # The paper whose file is attached.
    document_id = models.UUIDField(null=True)
    document = models.ForeignObject(
        Document,
        models.DO_NOTHING,
        related_name="mails",
        from_fields=("account", "document_id"),
        to_fields=("account", "id"),
        null=True,
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "key"], name="notifications_mail_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=MailKind.values), name="notifications_mail_kind"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=OPEN, name="notifications_mail_open"),
            models.Index(fields=["account", "document_id"], name="notifications_mail_document"),
            # Mail that came back names nothing else.
            models.Index(fields=["message_id"], name="notifications_mail_message_id"),
        ]


class MailRecipient(Owned):
    """One address of a mail: taken by its mail server, or refused or sent back, with the reason."""

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    mail_id = models.UUIDField()
    mail = models.ForeignObject(
        Mail,
        models.DO_NOTHING,
        related_name="recipients",
        from_fields=("account", "mail_id"),
        to_fields=("account", "id"),
    )
    address = models.CharField(max_length=254)
    accepted_at = models.DateTimeField(null=True)
    bounced_at = models.DateTimeField(null=True)
    bounce_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "mail_id", "address"], name="notifications_recipient_once"
            ),
        ]


class PersonalMail(Outgoing):
    """A mail to a user or one of the staff: a one-time link, a notice or an alarm of what `facts` say. Neither link nor text is kept."""

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=20, choices=PersonalKind.choices)
    user_id = models.UUIDField()
    address = models.EmailField()
    facts = models.JSONField(default=dict)
    bounced_at = models.DateTimeField(null=True)
    bounce_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            # Asking again while one is on its way is asking once. Two changes are two notices.
            models.UniqueConstraint(
                fields=["user_id", "kind"],
                condition=OPEN & models.Q(kind__in=ONE_OPEN_KINDS),
                name="notifications_personal_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=PersonalKind.values), name="notifications_personal_kind"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=OPEN, name="notifications_personal_open"),
            models.Index(fields=["user_id", "kind", "-created_at"], name="notifications_personal_user"),
            models.Index(fields=["message_id"], name="notifications_personal_msg_id"),
        ]
