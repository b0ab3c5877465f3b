"""Money that no gateway carried, as staff write it down, and the reference by which it is known whose it is."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned
from raseed.payments.models.intents import Payment


class OfflineMethod(models.TextChoices):
    """How money came that no gateway carried. In the place of a gateway's name on the payment."""

    TRANSFER = "transfer", _("Bank transfer")
    CASH = "cash", _("In cash")


class OfflineState(models.TextChoices):
    """Where a record of such money stands; the words are those that staff read."""

    WAITING = "waiting", _("Waits for a second person")
    RECORDED = "recorded", _("Recorded")
    DECLINED = "declined", _("Declined")
    REVERSED = "reversed", _("Taken back")


class OfflinePayment(Owned):
    """Money that came by bank transfer or in cash, as staff wrote it down; `payment_id` once it is credited.

    `reference` is the transfer's, or the number of the receipt book. `needs_second` says that the amount is above the limit,
    so that somebody else than `recorded_by` has to approve it.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    client_key = models.UUIDField()
    fingerprint = models.CharField(max_length=64)
    method = models.CharField(max_length=10, choices=OfflineMethod.choices)
    reference = models.CharField(max_length=100, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=OfflineState.choices)
    needs_second = models.BooleanField()
    recorded_by = models.UUIDField()
    approved_by = models.UUIDField(null=True)
    ended_by = models.UUIDField(null=True)
    ended_reason = models.TextField(blank=True)
    payment_id = models.UUIDField(null=True)
    payment = models.ForeignObject(
        Payment,
        models.DO_NOTHING,
        related_name="offline",
        from_fields=("account", "payment_id"),
        to_fields=("account", "id"),
        null=True,
    )
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "client_key"], name="payments_offline_client_key"),
            models.UniqueConstraint(fields=["account", "payment_id"], name="payments_offline_payment_once"),
            models.CheckConstraint(
                condition=models.Q(
                    method__in=OfflineMethod.values, state__in=OfflineState.values, amount_minor__gt=0
                ),
                name="payments_offline_known",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "declined"], payment_id__isnull=True)
                | models.Q(state__in=["recorded", "reversed"], payment_id__isnull=False),
                name="payments_offline_credited",
            ),
            # Four eyes, by the database's own word.
            models.CheckConstraint(
                condition=~models.Q(approved_by=models.F("recorded_by"))
                & (
                    models.Q(needs_second=False)
                    | models.Q(state__in=["waiting", "declined"])
                    | models.Q(approved_by__isnull=False)
                ),
                name="payments_offline_second_person",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=models.Q(state="waiting"),
                name="payments_offline_waiting",
            ),
        ]


class TransferReference(models.Model):
    """What an account's people write on a bank transfer, so that it is known whose it is: ISO 11649, with check digits."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    reference = models.CharField(max_length=25, primary_key=True)
    account_id = models.UUIDField(unique=True)
