"""The operator, the accounts, their users and billing details.

Global tables: Operator, AmountPolicy, User, AttemptCount, ApiKey. All others belong to an account. Nothing here may know money's state.
"""

from typing import ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned
from raseed.db.uuids import new_id


class Language(models.TextChoices):
    """Languages that every page, mail and paper exists in."""

    ENGLISH = "en", _("English")
    ARABIC = "ar", _("Arabic")


class TaxMode(models.TextChoices):
    """When tax falls: with each charge for usage, or on the top-up (Saudi VAT regulations, Art. 53(1)(b))."""

    ON_USAGE = "on_usage", _("On usage")
    ON_TOPUP = "on_topup", _("On the top-up")


class Operator(models.Model):
    """The company that runs this installation: one row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=200)
    name_ar = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    address_ar = models.TextField(blank=True)
    country = models.CharField(max_length=2)
    tax_number = models.CharField(max_length=40, blank=True)
    registration_number = models.CharField(max_length=40, blank=True)
    time_zone = models.CharField(max_length=60)
    email_from = models.EmailField()
    email_reply_to = models.EmailField()
    support_contact = models.CharField(max_length=200, blank=True)
    tax_mode = models.CharField(max_length=10, choices=TaxMode.choices, default=TaxMode.ON_USAGE)
    # Parts per million: 150000 is 15 %.
    tax_rate_ppm = models.PositiveIntegerField(default=0)
    # How long an account whose balance ran out goes on before it is suspended; 0 is not at all.
    grace_hours = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="accounts_operator_one_row"),
            models.CheckConstraint(
                condition=models.Q(tax_rate_ppm__lte=1_000_000), name="accounts_operator_tax_rate"
            ),
        ]


class AmountPolicy(models.Model):
    """What may be paid in a currency: minimum, maximum and the amounts offered as buttons, in micros.

    What staff record by hand above `second_person_micros` needs a second one of them; null is as if it were the maximum.
    """

    currency = models.CharField(max_length=3, primary_key=True)
    minimum_micros = models.BigIntegerField()
    maximum_micros = models.BigIntegerField()
    presets_micros = ArrayField(models.BigIntegerField(), default=list)
    second_person_micros = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(minimum_micros__gt=0, maximum_micros__gte=models.F("minimum_micros")),
                name="accounts_amountpolicy_range",
            ),
        ]


class Mode(models.TextChoices):
    """Prepaid: usage is deducted from the balance. Postpaid: usage runs up to a credit limit."""

    PREPAID = "prepaid", _("Prepaid")
    POSTPAID = "postpaid", _("Postpaid")


class Account(models.Model):
    """A company that buys from the operator; the root by which all that it owns is distributed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.PREPAID)
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=60)
    language = models.CharField(max_length=2, choices=Language.choices, default=Language.ENGLISH)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)


class Role(models.TextChoices):
    """What a user is in the account."""

    ADMIN = "admin", _("Admin")
    SUPERVISOR = "supervisor", _("Supervisor")
    AGENT = "agent", _("Agent")


class StaffRole(models.TextChoices):
    """What one of the operator's own people is; empty for everybody else."""

    NONE = "", _("Not staff")
    SUPPORT = "support", _("Support")
    FINANCE = "finance", _("Finance")


class People(BaseUserManager["User"]):
    """Finds users by e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person who signs in: of one account, or of the operator's staff, never both. A global table."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Lower case always (a constraint holds it), so that one address is one person.
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=2, choices=Language.choices, default=Language.ENGLISH)
    account_id: "UUID | None" = models.UUIDField(null=True, blank=True)  # type: ignore[assignment]
    staff_role = models.CharField(
        max_length=10, choices=StaffRole.choices, default=StaffRole.NONE, blank=True
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    # Sessions begun before this are dead: a password change ends them all.
    sessions_valid_from = models.DateTimeField()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[People] = People()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="accounts_user_email_lower"
            ),
            models.CheckConstraint(
                condition=models.Q(account_id__isnull=True) | models.Q(staff_role=""),
                name="accounts_user_account_or_staff",
            ),
        ]


class AttemptCount(models.Model):
    """How often something was tried for one subject in the running window. A global table: the tries of strangers.

    `subject` is a keyed hash, so that the table tells nobody which addresses were tried.
    """

    purpose = models.CharField(max_length=30)
    subject = models.CharField(max_length=64)
    began_at = models.DateTimeField()
    tries = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purpose", "subject"], name="accounts_attemptcount_subject"),
        ]
        indexes = [models.Index(fields=["began_at"], name="accounts_attemptcount_began")]


class KeyAccess(models.TextChoices):
    """What a key may do within its scope."""

    READ = "read", _("Read only")
    FULL = "full", _("Read and change")


class ApiKey(models.Model):
    """A machine's right to the API: of the whole operator, or of one account (`account_id`). A global table.

    The key itself is kept nowhere: `digest` is its SHA-256, `hint` what a person knows it by again. Asked at every request.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account_id = models.UUIDField(null=True)
    name = models.CharField(max_length=60)
    access = models.CharField(max_length=10, choices=KeyAccess.choices)
    hint = models.CharField(max_length=12)
    digest = models.BinaryField(max_length=32, unique=True)
    created_by = models.UUIDField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    # Written at most once a minute.
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "-created_at"], name="accounts_apikey_owner")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(access__in=KeyAccess.values), name="accounts_apikey_access"
            ),
        ]


class Membership(Owned):
    """A user's role in the account, asked at every request: a removed role is gone at the next one."""

    user_id = models.UUIDField()
    role = models.CharField(max_length=10, choices=Role.choices)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user_id"], name="accounts_membership_user"),
        ]


class BillingDetails(Owned):
    """Whom papers are made out to and where mail about money goes: one row an account."""

    billing_name = models.CharField(max_length=200)
    address = models.TextField()
    country = models.CharField(max_length=2)
    vat_id = models.CharField(max_length=40, blank=True)
    registration_number = models.CharField(max_length=40, blank=True)
    billing_emails = ArrayField(models.EmailField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], name="accounts_billingdetails_account"),
        ]


class RequestState(models.TextChoices):
    """What became of a request to staff."""

    OPEN = "open", _("Waiting for an answer")
    APPROVED = "approved", _("Done")
    REFUSED = "refused", _("Not done")


class ChangeRequest(Owned):
    """An Admin asks staff to change what only staff may: at most one open at a time.

    `before` and `wanted` hold the fields that are to change and no others; `answer` is why it was refused.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    asked_by = models.UUIDField(null=True)
    asked_at = models.DateTimeField()
    why = models.TextField()
    before = models.JSONField()
    wanted = models.JSONField()
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.OPEN)
    answered_by = models.UUIDField(null=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(state="open"), name="accounts_request_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=RequestState.values), name="accounts_request_state"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-asked_at"], name="accounts_request_recent"),
            models.Index(
                fields=["asked_at"], condition=models.Q(state="open"), name="accounts_request_waiting"
            ),
        ]
