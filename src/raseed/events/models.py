"""The outbox of webhooks: where they go, and each as it was told, with what became of it. Global tables.

An endpoint of the operator's hears of all accounts, and workers take deliveries over all accounts, so that neither table can
be an account's; each delivery names its account.
"""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.uuids import new_id


class EventKind(models.TextChoices):
    """What can be told. `docs/integrators/outgoing-webhooks.md` says of each what its data holds."""

    PAYMENT_SUCCEEDED = "payment.succeeded", _("A payment succeeded")
    PAYMENT_FAILED = "payment.failed", _("A payment failed")
    ACCOUNT_SUSPENDED = "account.suspended", _("An account was suspended")
    ACCOUNT_RESTORED = "account.restored", _("An account was restored")
    BALANCE_LOW = "balance.low", _("A balance is low")
    RECHARGE_SUCCEEDED = "recharge.succeeded", _("An automatic recharge succeeded")
    RECHARGE_FAILED = "recharge.failed", _("An automatic recharge failed")
    RECHARGE_PAUSED = "recharge.paused", _("Automatic recharge was paused")


class WebhookEndpoint(models.Model):
    """An address of the operator's that is told of some kinds of event: of all accounts, or of one (`account_id`).

    Both secrets are sealed with FACTOR_KEYS; the one before signs too until `secret_before_until`. `failing_since` is when
    it stopped taking anything; it rests until `rests_until` after it gave no answer at all.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The key of the form that made it, so that a double press makes one; a program's command has a key of its own.
    client_key = models.UUIDField(null=True, unique=True)
    account_id = models.UUIDField(null=True)
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=100, blank=True)
    kinds = ArrayField(models.CharField(max_length=40))
    sealed_secret = models.TextField()
    sealed_secret_before = models.TextField(blank=True)
    secret_before_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    is_enabled = models.BooleanField(default=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    rests_until = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["account_id"],
                condition=models.Q(is_enabled=True, removed_at__isnull=True),
                name="events_endpoint_listening",
            ),
        ]


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint. `body` is what is sent each time, to the letter, under the same `event_id`.

    `next_try_at` is when somebody may try; null once it is delivered or given up.
    """

    endpoint = models.ForeignKey(WebhookEndpoint, models.PROTECT, related_name="deliveries", db_index=False)
    account_id = models.UUIDField()
    event_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=40)
    body = models.TextField()
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)
    # What the endpoint answered last: its status, null where it said nothing, and what was wrong.
    last_status = models.PositiveSmallIntegerField(null=True)
    fault = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["endpoint", "next_try_at"],
                condition=models.Q(next_try_at__isnull=False),
                name="events_delivery_due",
            ),
            models.Index(fields=["endpoint", "-id"], name="events_delivery_endpoint"),
        ]

    @property
    def state(self) -> str:
        """delivered, gave_up or waiting."""
        if self.delivered_at is not None:
            return "delivered"
        return "gave_up" if self.gave_up_at is not None else "waiting"
