"""Suspensions: why an account's service is told to stop, since when, and when it was let go on. And the lines that the
available balance is watched against.
"""

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


class LineKind(models.TextChoices):
    """What happens when the available balance comes down to a line."""

    RECHARGE = "recharge", _("Automatic recharge")


class Line(Owned):
    """An amount that the available balance is watched against. Armed while `crossed_at` is null: see balance/lines.py."""

    kind = models.CharField(max_length=20, choices=LineKind.choices)
    amount_micros = models.BigIntegerField()
    crossed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="balance_line_kind"),
        ]
