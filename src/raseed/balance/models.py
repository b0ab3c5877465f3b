"""Suspensions: why an account's service is told to stop, since when, and when it was let go on; the time of grace before one.
The lines that the available balance is watched against, and the warnings that people are given.
"""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned


class Reason(models.TextChoices):
    """Why an account is suspended. A payment lifts `balance` and no other."""

    BALANCE = "balance", _("The balance ran out")
    STAFF = "staff", _("Suspended by support")
    DISPUTE = "dispute", _("A payment is disputed")


class Suspension(Owned):
    """One suspension with its reason; open while `lifted_at` is null. The account is suspended while any is open."""

    reason = models.CharField(max_length=10, choices=Reason.choices)
    since = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "reason"],
                condition=models.Q(lifted_at__isnull=True),
                name="balance_suspension_one_open",
            ),
        ]


class Grace(Owned):
    """The time that the operator gives an account whose balance ran out, before it is suspended. Open while `ended_at` is null."""

    since = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(ended_at__isnull=True), name="balance_grace_one_open"
            ),
        ]
        indexes = [
            models.Index(
                fields=["until"], condition=models.Q(ended_at__isnull=True), name="balance_grace_due"
            ),
        ]


class LineKind(models.TextChoices):
    """What happens when the available balance comes down to a line."""

    RECHARGE = "recharge", _("Automatic recharge")
    LOW_BALANCE = "low_balance", _("Low balance")


class Line(Owned):
    """An amount that the available balance is watched against. Armed while `crossed_at` is null: see balance/lines.py."""

    kind = models.CharField(max_length=20, choices=LineKind.choices)
    amount_micros = models.BigIntegerField()
    crossed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="balance_line_kind"),
        ]


class AlertKind(models.TextChoices):
    """What an account is warned of."""

    LOW_BALANCE = "low_balance", _("Low balance")
    DAYS_LEFT = "days_left", _("Days left")
    CONSUMPTION = "consumption", _("Consumption this month")


class AlertSettings(Owned):
    """Of what an account wants to be warned by mail, and where; one row an account, none until an Admin saves it.

    `addresses` empty means the billing addresses. A limit that is null is not watched. `version` counts changes.
    `watched_at` is when the month's consumption was last looked at.
    """

    is_on = models.BooleanField()
    addresses = ArrayField(models.EmailField(), default=list)
    consumption_limit_micros = models.BigIntegerField(null=True)
    low_balance_micros = models.BigIntegerField(null=True)
    low_days = models.PositiveSmallIntegerField(null=True)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()
    changed_by = models.UUIDField(null=True)
    watched_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], name="balance_alertsettings_account"),
        ]
        indexes = [
            models.Index(
                fields=["watched_at"],
                condition=models.Q(is_on=True, consumption_limit_micros__isnull=False),
                name="balance_alertsettings_watched",
            ),
        ]


class Alert(Owned):
    """A warning that stands: open from when its limit was reached until the account is well clear of it.

    `limit` is what was reached: micros of LOW_BALANCE and CONSUMPTION, days of DAYS_LEFT; `found` is what there was, in the
    same unit. `mailed_at` is null while its mail waits for the cooldown of the one before.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    kind = models.CharField(max_length=20, choices=AlertKind.choices)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    limit = models.BigIntegerField()
    found = models.BigIntegerField()
    available_micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind"],
                condition=models.Q(closed_at__isnull=True),
                name="balance_alert_one_open",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "kind", "-opened_at"], name="balance_alert_recent"),
            models.Index(
                fields=["opened_at"], condition=models.Q(closed_at__isnull=True), name="balance_alert_open"
            ),
        ]
