"""The tables of cards that are typed at the gateway: setups, and what became of every card that was typed.

Global tables: TypedCard, because a card tester uses many accounts from one place and one card in many accounts; and
CardTesting, one row. No number, no expiry and no address of a client is kept here.
"""

from typing import ClassVar

from django.db import models

from raseed.db.models import Owned
from raseed.payments.models import PaymentMethod


class SetupState(models.TextChoices):
    """Where a card setup stands."""

    CREATED = "created"
    SUBMITTED = "submitted"
    ACTION_REQUIRED = "action_required"
    KEPT = "kept"
    FAILED = "failed"
    CANCELED = "canceled"


class CardSetup(Owned):
    """One intent to keep one card without charging it. Its id is the gateway's idempotency key and our reference there.

    `asks` counts our questions; none is asked before `busy_until`, if the gateway asked for that (429).
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    client_key = models.UUIDField()
    state = models.CharField(max_length=20, default=SetupState.CREATED)
    currency = models.CharField(max_length=3)
    gateway = models.CharField(max_length=30)
    gateway_ref = models.CharField(max_length=200, blank=True)
    method_id = models.UUIDField(null=True)
    method = models.ForeignObject(
        PaymentMethod,
        models.DO_NOTHING,
        related_name="setups",
        from_fields=("account", "method_id"),
        to_fields=("account", "id"),
        null=True,
    )
    # The card is typed in the gateway's form within our page: chosen once, since a repeat must ask for the same.
    card_form = models.BooleanField(default=False, db_default=False)
    decline_code = models.CharField(max_length=40, blank=True)
    action_url = models.TextField(blank=True)
    actor_user_id = models.UUIDField()
    actor_ip = models.GenericIPAddressField(null=True)
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
            models.UniqueConstraint(fields=["account", "client_key"], name="cards_setup_client_key"),
            models.CheckConstraint(condition=models.Q(state__in=SetupState.values), name="cards_setup_state"),
            models.CheckConstraint(
                condition=~models.Q(state="kept") | models.Q(method_id__isnull=False),
                name="cards_setup_kept_method",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at"], name="cards_setup_recent"),
            models.Index(
                fields=["next_ask_at"],
                condition=models.Q(next_ask_at__isnull=False),
                name="cards_setup_due",
            ),
        ]


class CardEnd(models.TextChoices):
    """What became of a card that was typed; empty while it is not known."""

    OPEN = "", "open"
    PASSED = "passed"
    FAILED = "failed"
    LEFT = "left"  # not typed to the end


class TypedCard(models.Model):
    """A card that may be typed at the gateway for the payment or setup whose id this row has, and what became of it.

    `place` is a keyed hash of where the person is; `fingerprint` is the gateway's, "" until it names the card.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    place = models.CharField(max_length=64, blank=True)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=10, default=CardEnd.OPEN, blank=True)
    fingerprint = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(end__in=CardEnd.values), name="cards_typed_end"),
        ]
        indexes = [
            models.Index(fields=["account_id", "-begun_at"], name="cards_typed_account"),
            models.Index(
                fields=["place", "-ended_at"],
                condition=models.Q(end="failed") & ~models.Q(place=""),
                name="cards_typed_place",
            ),
            models.Index(fields=["ended_at"], name="cards_typed_ended"),
            models.Index(
                fields=["fingerprint"],
                condition=models.Q(end="passed") & ~models.Q(fingerprint=""),
                name="cards_typed_fingerprint",
            ),
        ]


class CardTesting(models.Model):
    """Whether many cards are being declined everywhere just now: one row. While `since` is set, everybody solves a puzzle."""

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    id = models.SmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField(null=True)
    looked_at = models.DateTimeField()
    ended = models.PositiveIntegerField()
    declined = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="cards_testing_one_row"),
        ]
