"""The books, and the functions that alone may write them."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, CreateFunction, Distribute

SQL = Path(__file__).parent.parent / "sql"
# Balance rows are rewritten all the time: room in their pages keeps the new versions off the indexes.
ROOMY = "ALTER TABLE {} SET (fillfactor = 50)"
TIGHT = "ALTER TABLE {} RESET (fillfactor)"


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="LedgerAccount",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("balance_micros", models.BigIntegerField(default=0)),
                ("held_micros", models.BigIntegerField(default=0)),
                ("floor_micros", models.BigIntegerField(null=True)),
                ("version", models.BigIntegerField(default=0)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "db_table": "ledger_account",
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("operation_key", models.CharField(max_length=200)),
                ("fingerprint", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("memo", models.JSONField(default=dict)),
                ("reverses_id", models.UUIDField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "reverses",
                    models.ForeignObject(
                        from_fields=("account", "reverses_id"),
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="reversed_by",
                        to="ledger.ledgerentry",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
            options={
                "db_table": "ledger_entry",
            },
        ),
        migrations.CreateModel(
            name="LedgerTransfer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("entry_id", models.UUIDField()),
                ("line", models.PositiveSmallIntegerField()),
                ("debit", models.CharField(max_length=20)),
                ("credit", models.CharField(max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("amount_micros", models.BigIntegerField()),
                ("available_after_micros", models.BigIntegerField(null=True)),
                ("floor_micros", models.BigIntegerField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "credited",
                    models.ForeignObject(
                        from_fields=("account", "credit", "currency"),
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="ledger.ledgeraccount",
                        to_fields=("account", "kind", "currency"),
                    ),
                ),
                (
                    "debited",
                    models.ForeignObject(
                        from_fields=("account", "debit", "currency"),
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="ledger.ledgeraccount",
                        to_fields=("account", "kind", "currency"),
                    ),
                ),
                (
                    "entry",
                    models.ForeignObject(
                        from_fields=("account", "entry_id"),
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="transfers",
                        to="ledger.ledgerentry",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
            options={
                "db_table": "ledger_transfer",
            },
        ),
        migrations.CreateModel(
            name="CustomerTotal",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("debit_micros", models.BigIntegerField(default=0)),
                ("credit_micros", models.BigIntegerField(default=0)),
                ("entries", models.BigIntegerField(default=0)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "db_table": "ledger_customer_total",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "kind", "currency"), name="ledger_customer_total_kind"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.UniqueConstraint(
                fields=("account", "kind", "currency"), name="ledger_account_kind_currency"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "customer")),
                fields=("account",),
                name="ledger_account_one_customer",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "customer",
                            "gateway_clearing",
                            "bank",
                            "cash",
                            "uninvoiced_revenue",
                            "revenue",
                            "tax_accrued",
                            "tax_payable",
                            "rounding",
                            "fees",
                            "suspense",
                            "adjustments",
                            "promotions",
                            "write_off",
                            "disputes",
                        ],
                    )
                ),
                name="ledger_account_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgeraccount",
            constraint=models.CheckConstraint(
                condition=models.Q(("held_micros__gte", 0)), name="ledger_account_held"
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(fields=["account", "-at", "-id"], name="ledger_entry_history"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                fields=("account", "operation_key"), name="ledger_entry_operation_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reverses_id__isnull", False)),
                fields=("account", "reverses_id"),
                name="ledger_entry_reversed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "topup_card",
                            "topup_transfer",
                            "topup_cash",
                            "usage",
                            "monthly_fee",
                            "shortfall",
                            "invoice",
                            "adjustment",
                            "promotion",
                            "write_off",
                            "refund",
                            "dispute",
                            "dispute_won",
                            "reversal",
                            "fee",
                            "payout",
                            "unexpected_capture",
                            "suspense_release",
                            "suspense_refund",
                        ],
                    )
                ),
                name="ledger_entry_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransfer",
            constraint=models.UniqueConstraint(
                fields=("account", "entry_id", "line"), name="ledger_transfer_line"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_micros__gt", 0)), name="ledger_transfer_above_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("debit", models.F("credit")), _negated=True),
                name="ledger_transfer_two_accounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgertransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("available_after_micros__isnull", True), ("floor_micros__isnull", True)),
                    ("available_after_micros__gte", models.F("floor_micros")),
                    _connector="OR",
                ),
                name="ledger_transfer_floor_held",
            ),
        ),
        AccountKey("LedgerAccount"),
        Distribute("LedgerAccount"),
        AccountKey("LedgerEntry"),
        AccountForeignKey("LedgerEntry", "reverses"),
        Distribute("LedgerEntry"),
        AccountKey("LedgerTransfer"),
        AccountForeignKey("LedgerTransfer", "entry"),
        AccountForeignKey("LedgerTransfer", "debited"),
        AccountForeignKey("LedgerTransfer", "credited"),
        Distribute("LedgerTransfer"),
        AccountKey("CustomerTotal"),
        Distribute("CustomerTotal"),
        migrations.RunSQL(ROOMY.format("ledger_account"), TIGHT.format("ledger_account")),
        migrations.RunSQL(ROOMY.format("ledger_customer_total"), TIGHT.format("ledger_customer_total")),
        CreateFunction(
            "ledger_post(uuid, uuid, text, text, bytea, timestamptz, timestamptz, jsonb, uuid, boolean,"
            " uuid[], text[], text[], bigint[], text[])",
            file=str(SQL / "0001_post.sql"),
            distributed_with="ledger_account",
        ),
        CreateFunction(
            "ledger_set_floor(uuid, text, bigint)",
            file=str(SQL / "0001_set_floor.sql"),
            distributed_with="ledger_account",
        ),
    ]
