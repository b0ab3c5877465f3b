"""What the gateway says, and how it is: global tables, because it names a payment without naming its account."""

from typing import ClassVar

from django.db import models


class GatewayReference(models.Model):
    """Which account a payment belongs to, for news that names only the payment; and its id at the gateway, once.

    Written with the intent. `gateway_ref` is filled in when the gateway first names it. It is taken back (payments/ties.py)
    only where the gateway, asked by that id, says that it is another payment's.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    payment_id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    gateway = models.CharField(max_length=30)
    gateway_ref = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULLs do not collide in the unique key

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "gateway_ref"], name="payments_reference_once"),
        ]


class InboxEvent(models.Model):
    """A webhook as it came, kept before it is opened. Unique by gateway and event id. `subject` is what it is about.

    `next_try_at` is when it may be looked at next: null once it is applied, and once it is left to a person.
    """

    gateway = models.CharField(max_length=30)
    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=10, default="payment", db_default="payment")
    gateway_ref = models.CharField(max_length=200, blank=True)
    payment_id = models.UUIDField(null=True)
    part_ref = models.CharField(max_length=200, blank=True, default="", db_default="")
    body = models.BinaryField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    fault = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "event_id"], name="payments_inbox_once"),
        ]
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=models.Q(applied_at__isnull=True),
                name="payments_inbox_waiting",
            ),
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(next_try_at__isnull=False),
                name="payments_inbox_due",
            ),
        ]


class WebhookTally(models.Model):
    """How often, in an hour, something came to the webhooks' door that is an alarm. Counted; nothing else is kept of it.

    `what` is the code of a refusal, or "clock_differs". `skew_s` is how far the latest one's signature was before our clock.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    gateway = models.CharField(max_length=30)
    what = models.CharField(max_length=40)
    hour = models.DateTimeField()
    times = models.PositiveIntegerField()
    last_at = models.DateTimeField()
    skew_s = models.IntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "what", "hour"], name="payments_tally_once"),
        ]


class GatewayMovement(models.Model):
    """A line of the gateway's own list, copied as it was read: the other side of reconciliation. Append-only."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    gateway = models.CharField(max_length=30)
    cursor = models.CharField(max_length=100)
    kind = models.CharField(max_length=20)
    gateway_ref = models.CharField(max_length=200)
    part_ref = models.CharField(max_length=200, blank=True, default="", db_default="")
    payment_id = models.UUIDField(null=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "cursor"], name="payments_movement_once"),
        ]
        indexes = [models.Index(fields=["payment_id"], name="payments_movement_payment")]


class ListCursor(models.Model):
    """How far the gateway's own list has been walked, and when."""

    gateway = models.CharField(max_length=30, primary_key=True)
    cursor = models.CharField(max_length=100, blank=True)
    walked_at = models.DateTimeField()


class GatewayHealth(models.Model):
    """The circuit breaker of one gateway, shared by all processes."""

    gateway = models.CharField(max_length=30, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    first_failure_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)


class ReconciliationBreak(models.Model):
    """Something that does not agree with the gateway and waits for a person. It has an age, an owner and an end.

    `owner_id` is the member of staff who took it. One that was ended and is not over opens again: it keeps its
    `seen_at`, and `reopened` counts.
    """

    kind = models.CharField(max_length=40)
    gateway = models.CharField(max_length=30)
    gateway_ref = models.CharField(max_length=200, blank=True)
    account_id = models.UUIDField(null=True)
    payment_id = models.UUIDField(null=True)
    detail = models.TextField()
    seen_at = models.DateTimeField()
    owner_id = models.UUIDField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.UUIDField(null=True)
    reason = models.TextField(blank=True, db_default="")
    reopened = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "gateway", "gateway_ref", "payment_id"],
                condition=models.Q(resolved_at__isnull=True),
                nulls_distinct=False,
                name="payments_break_once",
            ),
        ]
