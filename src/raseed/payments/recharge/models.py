"""The tables of automatic recharge: what the Admin wants, how the tries stand, every yes and no, cards that are not tried again.

The charge itself is a Payment like any other, of purpose `recharge`; at most one of an account is open
(`payments_one_open_recharge`).
"""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned
from raseed.payments.models import Payment
from raseed.payments.recharge.reasons import Reason


class Mode(models.TextChoices):
    """How much is charged: what is missing to the target, or a fixed amount."""

    TARGET = "target", _("Back to a balance")
    FIXED = "fixed", _("A fixed amount")


class RechargeSettings(Owned):
    """What an Admin wants, one row an account. `version` goes up with each change; who saves says which they saw.

    `consent_text` is the sentence that was agreed to, as it was read. `fixed_micros` counts in the fixed mode,
    `target_micros` in the other. `month_charge_max_micros` bounds what cards are charged in a month of the account's time zone.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    version = models.PositiveIntegerField(default=1)
    is_on = models.BooleanField(default=False)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.TARGET)
    threshold_micros = models.BigIntegerField()
    target_micros = models.BigIntegerField()
    fixed_micros = models.BigIntegerField()
    charges_per_day_max = models.PositiveSmallIntegerField(default=3)
    month_charge_max_micros = models.BigIntegerField()
    consent_at = models.DateTimeField(null=True)
    consent_by = models.UUIDField(null=True)
    consent_version = models.CharField(max_length=20, blank=True)
    consent_text = models.TextField(blank=True)
    changed_at = models.DateTimeField()
    changed_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], name="recharge_settings_account"),
            models.CheckConstraint(
                condition=models.Q(target_micros__gt=models.F("threshold_micros"), fixed_micros__gt=0),
                name="recharge_settings_amounts",
            ),
        ]


class RechargeSeries(Owned):
    """How the tries stand, one row an account, so that a restart forgets nothing.

    A try charges one card after the other, as far as it must; `is_trying` while one is under way, `tries` is its number,
    counted for ever. `failures` of tries in a row; none before `next_try_at`; none at all while `paused_at` is set. The sweep
    considers the account at `look_at`; `considered_at` is when anybody last did.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    tries = models.PositiveIntegerField(default=0)
    is_trying = models.BooleanField(default=False)
    failures = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    paused_why = models.CharField(max_length=40, blank=True)
    look_at = models.DateTimeField(null=True)
    considered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], name="recharge_series_account"),
        ]
        indexes = [
            models.Index(
                fields=["look_at"], condition=models.Q(look_at__isnull=False), name="recharge_series_due"
            ),
        ]


class Consideration(Owned):
    """A recharge considered: charged, or not and why. What became of a try is a row of its own. Append-only.

    `reason` is why, `cause` what made us look. `amount_micros` is what would be
    added, `charge_minor` what the card would be charged; `bound` says that an operator's limit decided the amount. `number`
    is the try that it belongs to. `cap` is the cap that stopped it: charges a day, or micros a month. `next_at` is when the next
    try may be, or until when an Admin may confirm.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    at = models.DateTimeField()
    cause = models.CharField(max_length=20)
    reason = models.CharField(max_length=30, choices=[(one.value, one.value) for one in Reason])
    number = models.PositiveIntegerField(default=0)
    available_micros = models.BigIntegerField()
    pending_micros = models.BigIntegerField(default=0)
    threshold_micros = models.BigIntegerField(null=True)
    amount_micros = models.BigIntegerField(null=True)
    charge_minor = models.BigIntegerField(null=True)
    bound = models.CharField(max_length=10, blank=True)
    decline_code = models.CharField(max_length=40, blank=True)
    card_brand = models.CharField(max_length=30, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    method_id = models.UUIDField(null=True)
    cap = models.BigIntegerField(null=True)
    next_at = models.DateTimeField(null=True)
    payment_id = models.UUIDField(null=True)
    payment = models.ForeignObject(
        Payment,
        models.DO_NOTHING,
        related_name="considerations",
        from_fields=("account", "payment_id"),
        to_fields=("account", "id"),
        null=True,
    )

    class Meta:
        indexes = [
            models.Index(fields=["account", "-at", "-id"], name="recharge_consideration_recent"),
            models.Index(fields=["account", "payment_id"], name="recharge_consideration_payment"),
        ]


class BarredCard(Owned):
    """A saved card that was declined for good: it is never charged unattended again. Saved anew, it is another card."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    method_id = models.UUIDField()
    decline_code = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "method_id"], name="recharge_barred_card_once"),
        ]
