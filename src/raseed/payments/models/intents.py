"""Saved cards, the intents to be paid once, and every move of an intent."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned

# The names of raseed.payments.states.State, which cannot be imported here; a test holds them equal.
STATES = ["created", "submitted", "action_required", "review", "failed", "canceled", "succeeded"]
# Those whose outcome is open.
OPEN_STATES = ["created", "submitted", "action_required", "review"]


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
            # Asked before every payment: is one under way? Not a walk over all that were ever made.
            models.Index(
                fields=["account", "-created_at"],
                condition=models.Q(state__in=OPEN_STATES),
                name="payments_payment_open",
            ),
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
