"""What goes back: refunds with their moves, and disputes."""

from typing import ClassVar

from django.db import models

from raseed.db.models import Owned
from raseed.payments.models.intents import Payment

# The names of raseed.payments.refund_states.RefundState, likewise.
REFUND_STATES = ["created", "submitted", "pending", "succeeded", "failed"]


class Refund(Owned):
    """One order to give back part or all of a payment, once. Its id is the gateway's idempotency key and our reference there.

    `amount_minor` goes back to the card; `credit_micros` of it is taken from the balance, `tax_micros` from the tax of the
    top-up, `rounding_micros` is what rounding the charge up had left. Taken when the order is written down; given back
    if it fails.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    payment_id = models.UUIDField()
    payment = models.ForeignObject(
        Payment,
        models.DO_NOTHING,
        related_name="refunds",
        from_fields=("account", "payment_id"),
        to_fields=("account", "id"),
    )
    client_key = models.UUIDField()
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=20, default="created")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    credit_micros = models.BigIntegerField()
    tax_micros = models.BigIntegerField(default=0)
    rounding_micros = models.BigIntegerField(default=0)
    gateway = models.CharField(max_length=30)
    part_ref = models.CharField(max_length=200, blank=True)
    reason = models.TextField()
    actor_user_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    asks = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    next_ask_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "client_key"], name="payments_refund_client_key"),
            models.UniqueConstraint(
                fields=["account", "gateway", "part_ref"],
                condition=~models.Q(part_ref=""),
                name="payments_refund_part_once",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    amount_minor__gt=0, credit_micros__gte=0, tax_micros__gte=0, rounding_micros__gte=0
                ),
                name="payments_refund_amounts",
            ),
            models.CheckConstraint(condition=models.Q(state__in=REFUND_STATES), name="payments_refund_state"),
        ]
        indexes = [
            models.Index(fields=["account", "payment_id"], name="payments_refund_payment"),
            models.Index(
                fields=["next_ask_at"],
                condition=models.Q(next_ask_at__isnull=False),
                name="payments_refund_due",
            ),
        ]


class RefundMove(Owned):
    """Every change of a refund's state, with who brought the news. Append-only."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    refund_id = models.UUIDField()
    refund = models.ForeignObject(
        Refund,
        models.DO_NOTHING,
        related_name="moves",
        from_fields=("account", "refund_id"),
        to_fields=("account", "id"),
    )
    source = models.CharField(max_length=20)
    target = models.CharField(max_length=20)
    cause = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account", "refund_id"], name="payments_refundmove_refund")]


class PaymentDispute(Owned):
    """A charge that its cardholder had their bank take back, by the gateway's id of it; open, then won or lost."""

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    payment_id = models.UUIDField()
    payment = models.ForeignObject(
        Payment,
        models.DO_NOTHING,
        related_name="disputes",
        from_fields=("account", "payment_id"),
        to_fields=("account", "id"),
    )
    gateway = models.CharField(max_length=30)
    part_ref = models.CharField(max_length=200)
    state = models.CharField(max_length=10)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "gateway", "part_ref"], name="payments_dispute_part_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["open", "won", "lost"], amount_minor__gt=0),
                name="payments_dispute_state",
            ),
        ]
        indexes = [models.Index(fields=["account", "payment_id"], name="payments_dispute_payment")]
