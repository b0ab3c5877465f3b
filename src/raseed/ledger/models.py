"""The books' tables. Only the SQL functions of `sql/` write them: the application's role may read, and no more.

Entries and transfers are never changed; balances and totals are what the functions keep beside them, and what
`raseed.ledger.verify` adds up again. No code may create, save or delete these models.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from raseed.db.models import Owned
from raseed.ledger.chart import EntryKind, Kind


class LedgerAccount(Owned):
    """The balance row of one kind and currency of an account, in micros; credit minus debit."""

    app_privileges: ClassVar[str] = "SELECT"

    kind = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    balance_micros = models.BigIntegerField(default=0)
    # The sum of open holds: promised, not yet spent.
    held_micros = models.BigIntegerField(default=0)
    # Guarded entries leave at least this much beyond what is held; null where nothing is guarded.
    floor_micros = models.BigIntegerField(null=True)
    # How many entries have touched the row.
    version = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ledger_account"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "currency"], name="ledger_account_kind_currency"
            ),
            # One customer balance, in one currency: an account is not two wallets.
            models.UniqueConstraint(
                fields=["account"], condition=Q(kind=Kind.CUSTOMER), name="ledger_account_one_customer"
            ),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="ledger_account_kind"),
            models.CheckConstraint(condition=Q(held_micros__gte=0), name="ledger_account_held"),
        ]


class LedgerEntry(Owned):
    """Something that happened, once: its operation key is unique in the account, its transfers say what moved."""

    app_privileges: ClassVar[str] = "SELECT"

    kind = models.CharField(max_length=20)
    operation_key = models.CharField(max_length=200)
    # SHA-256 of what the entry moves: the same key with another body is refused.
    fingerprint = models.BinaryField(max_length=32)
    # When it counts, and when it was written down; UTC.
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    # Words and ids that explain the entry; no sum is ever read from it.
    memo = models.JSONField(default=dict)
    reverses_id = models.UUIDField(null=True)
    reverses = models.ForeignObject(
        "self",
        models.DO_NOTHING,
        related_name="reversed_by",
        from_fields=("account", "reverses_id"),
        to_fields=("account", "id"),
        null=True,
    )

    class Meta:
        db_table = "ledger_entry"
        constraints = [
            models.UniqueConstraint(fields=["account", "operation_key"], name="ledger_entry_operation_key"),
            models.UniqueConstraint(
                fields=["account", "reverses_id"],
                condition=Q(reverses_id__isnull=False),
                name="ledger_entry_reversed_once",
            ),
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="ledger_entry_kind"),
        ]
        indexes = [models.Index(fields=["account", "-at", "-id"], name="ledger_entry_history")]


class LedgerTransfer(Owned):
    """One movement of an entry: from the ledger account debited to the one credited, above zero, in one currency.

    It refers to ledger accounts by kind and currency, so it cannot touch one of another currency.
    """

    app_privileges: ClassVar[str] = "SELECT"

    entry_id = models.UUIDField()
    entry = models.ForeignObject(
        LedgerEntry,
        models.DO_NOTHING,
        related_name="transfers",
        from_fields=("account", "entry_id"),
        to_fields=("account", "id"),
    )
    line = models.PositiveSmallIntegerField()
    debit = models.CharField(max_length=20)
    credit = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    amount_micros = models.BigIntegerField()
    # Of guarded entries: what was available after it and the floor that held, as the function saw them.
    available_after_micros = models.BigIntegerField(null=True)
    floor_micros = models.BigIntegerField(null=True)
    debited = models.ForeignObject(
        LedgerAccount,
        models.DO_NOTHING,
        related_name="+",
        from_fields=("account", "debit", "currency"),
        to_fields=("account", "kind", "currency"),
    )
    credited = models.ForeignObject(
        LedgerAccount,
        models.DO_NOTHING,
        related_name="+",
        from_fields=("account", "credit", "currency"),
        to_fields=("account", "kind", "currency"),
    )

    class Meta:
        db_table = "ledger_transfer"
        constraints = [
            models.UniqueConstraint(fields=["account", "entry_id", "line"], name="ledger_transfer_line"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="ledger_transfer_above_zero"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="ledger_transfer_two_accounts"),
            models.CheckConstraint(
                condition=Q(available_after_micros__isnull=True, floor_micros__isnull=True)
                | Q(available_after_micros__gte=F("floor_micros")),
                name="ledger_transfer_floor_held",
            ),
        ]


class CustomerTotal(Owned):
    """What all entries of one kind have moved on the customer balance, in micros.

    It lets the equation of the balance be drawn in the same time for an account with ten entries and with ten
    million. A reversal counts under the kind of the entry that it reverses.
    """

    app_privileges: ClassVar[str] = "SELECT"

    kind = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    debit_micros = models.BigIntegerField(default=0)
    credit_micros = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)

    class Meta:
        db_table = "ledger_customer_total"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "currency"], name="ledger_customer_total_kind"
            ),
        ]
