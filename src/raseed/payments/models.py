"""The tables of payments: intents, their moves, saved methods, the webhook inbox and what the gateway says it did.

Global tables, because the gateway names a payment without naming its account: GatewayReference, InboxEvent, WebhookTally,
GatewayMovement, GatewayHealth, ListCursor, ReconciliationBreak, TransferReference. All others belong to an account.
"""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned

# The names of raseed.payments.states.State, which cannot be imported here; a test holds them equal.
STATES = ["created", "submitted", "action_required", "review", "failed", "canceled", "succeeded"]
# The names of raseed.payments.refund_states.RefundState, likewise.
REFUND_STATES = ["created", "submitted", "pending", "succeeded", "failed"]


class Purpose(models.TextChoices):
    """What a payment is for."""

    PAY_NOW = "pay_now", _("Pay Now")
    RECHARGE = "recharge", _("Automatic recharge")
    OFFLINE = "offline", _("Recorded by hand")


class PaymentMethod(Owned):
    """A card that the gateway keeps for the account: never more than brand, last four and expiry here.

    `rank` is its place among those that are not the default, 1 first. A removed card is forgotten at the gateway by a job;
    `forgotten_at` says that it is. `expiry_told_days` is the smallest of the warnings (30, 7 days ahead) that were mailed.
    """

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
    rank = models.PositiveIntegerField(default=0, db_default=0)
    forgotten_at = models.DateTimeField(null=True)
    expiry_told_days = models.PositiveSmallIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["removed_at"],
                condition=models.Q(removed_at__isnull=False, forgotten_at__isnull=True),
                name="payments_method_to_forget",
            ),
            models.Index(
                fields=["exp_year", "exp_month"],
                condition=models.Q(removed_at__isnull=True),
                name="payments_method_expiry",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "gateway", "reference"], name="payments_method_reference"
            ),
            # The same card kept twice is one card.
            models.UniqueConstraint(
                fields=["account", "gateway", "fingerprint"],
                condition=models.Q(removed_at__isnull=True) & ~models.Q(fingerprint=""),
                name="payments_method_one_of_a_card",
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
    `refunded_minor` is what refunds that have not failed give back of `captured_minor`, `disputed_minor` what open and lost
    disputes take of the rest.
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
    refunded_minor = models.BigIntegerField(default=0, db_default=0)
    disputed_minor = models.BigIntegerField(default=0, db_default=0)
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
    # The card is typed in the gateway's form within our page: chosen once, since a repeat must ask for the same.
    card_form = models.BooleanField(default=False, db_default=False)
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
            # The guard of automatic recharge against itself. Without `review`: a late capture may bring a payment there,
            # and nothing here may make settling fail.
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(purpose="recharge", state__in=["created", "submitted", "action_required"]),
                name="payments_one_open_recharge",
            ),
            models.CheckConstraint(
                condition=models.Q(refunded_minor__gte=0, disputed_minor__gte=0)
                & (
                    models.Q(refunded_minor=0, disputed_minor=0)
                    | models.Q(
                        captured_minor__isnull=False,
                        refunded_minor__lte=models.F("captured_minor") - models.F("disputed_minor"),
                    )
                ),
                name="payments_payment_given_back",
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
