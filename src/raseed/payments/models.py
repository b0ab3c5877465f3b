"""The tables of payments: intents, their moves, saved methods, the webhook inbox and what the gateway says it did.

Global tables, because the gateway names a payment without naming its account: GatewayReference, InboxEvent, WebhookTally,
GatewayMovement, GatewayHealth, ListCursor, ReconciliationBreak. All others belong to an account.
"""

from typing import ClassVar

from django.db import models

from raseed.db.models import Owned

# The names of raseed.payments.states.State, which cannot be imported here; a test holds them equal.
STATES = ["created", "submitted", "action_required", "review", "failed", "canceled", "succeeded"]


class Purpose(models.TextChoices):
    """What a payment is for."""

    PAY_NOW = "pay_now"


class PaymentMethod(Owned):
    """A card that the gateway keeps for the account: never more than brand, last four and expiry here."""

    gateway = models.CharField(max_length=30)
    reference = models.CharField(max_length=200)
    brand = models.CharField(max_length=30)
    last4 = models.CharField(max_length=4)
    exp_month = models.PositiveSmallIntegerField()
    exp_year = models.PositiveSmallIntegerField()
    fingerprint = models.CharField(max_length=100, blank=True)
    chargeable_unattended = models.BooleanField()
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "gateway", "reference"], name="payments_method_reference"
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(is_default=True, removed_at__isnull=True),
                name="payments_method_one_default",
            ),
        ]


class Payment(Owned):
    """One intent to be paid once. Its id is the gateway's idempotency key and our reference there.

    `credit_micros` goes to the balance, `tax_micros` is tax that falls on the top-up, `charge_minor` whole minor
    units are asked of the card. `captured_*` is what the gateway says it took. `asks` counts our questions; the page and
    the worker ask none before `busy_until`, if the gateway asked for that (429).
    """

    client_key = models.UUIDField()
    fingerprint = models.CharField(max_length=64)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    state = models.CharField(max_length=20, default="created")
    currency = models.CharField(max_length=3)
    credit_micros = models.BigIntegerField()
    tax_micros = models.BigIntegerField(default=0)
    charge_minor = models.BigIntegerField()
    captured_minor = models.BigIntegerField(null=True)
    captured_currency = models.CharField(max_length=3, blank=True)
    gateway = models.CharField(max_length=30)
    gateway_ref = models.CharField(max_length=200, blank=True)
    method_id = models.UUIDField(null=True)
    method = models.ForeignObject(
        PaymentMethod,
        models.DO_NOTHING,
        related_name="payments",
        from_fields=("account", "method_id"),
        to_fields=("account", "id"),
        null=True,
    )
    save_method = models.BooleanField(default=False)
    card_brand = models.CharField(max_length=30, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    decline_code = models.CharField(max_length=40, blank=True)
    action_url = models.TextField(blank=True)
    actor_user_id = models.UUIDField(null=True)
    language = models.CharField(max_length=2)
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    asks = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    next_ask_at = models.DateTimeField(null=True)
    busy_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "client_key"], name="payments_payment_client_key"),
            models.CheckConstraint(
                condition=models.Q(credit_micros__gt=0, tax_micros__gte=0, charge_minor__gt=0),
                name="payments_payment_amounts",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=STATES),
                name="payments_payment_state",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="succeeded") | models.Q(captured_minor__isnull=False),
                name="payments_payment_succeeded_captured",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at"], name="payments_payment_recent"),
            models.Index(
                fields=["next_ask_at"],
                condition=models.Q(next_ask_at__isnull=False),
                name="payments_payment_due",
            ),
            models.Index(
                fields=["final_at"],
                condition=models.Q(state="succeeded"),
                name="payments_payment_paid",
            ),
        ]


class PaymentMove(Owned):
    """Every change of a payment's state, with who brought the news. Append-only."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    payment_id = models.UUIDField()
    payment = models.ForeignObject(
        Payment,
        models.DO_NOTHING,
        related_name="moves",
        from_fields=("account", "payment_id"),
        to_fields=("account", "id"),
    )
    source = models.CharField(max_length=20)
    target = models.CharField(max_length=20)
    cause = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account", "payment_id"], name="payments_move_payment")]


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
    """A webhook as it came, kept before it is opened. Unique by gateway and event id.

    `next_try_at` is when it may be looked at next: null once it is applied, and once it is left to a person.
    """

    gateway = models.CharField(max_length=30)
    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=60)
    gateway_ref = models.CharField(max_length=200, blank=True)
    payment_id = models.UUIDField(null=True)
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
