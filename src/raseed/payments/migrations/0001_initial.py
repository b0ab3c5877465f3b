"""The first tables of payments."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="GatewayHealth",
            fields=[
                ("gateway", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("first_failure_at", models.DateTimeField(null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("probe_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ListCursor",
            fields=[
                ("gateway", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("cursor", models.CharField(blank=True, max_length=100)),
                ("walked_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="GatewayMovement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("gateway", models.CharField(max_length=30)),
                ("cursor", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=20)),
                ("gateway_ref", models.CharField(max_length=200)),
                ("payment_id", models.UUIDField(null=True)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["payment_id"], name="payments_movement_payment")],
                "constraints": [
                    models.UniqueConstraint(fields=("gateway", "cursor"), name="payments_movement_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="GatewayReference",
            fields=[
                ("payment_id", models.UUIDField(primary_key=True, serialize=False)),
                ("account_id", models.UUIDField()),
                ("gateway", models.CharField(max_length=30)),
                ("gateway_ref", models.CharField(max_length=200, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("gateway", "gateway_ref"), name="payments_reference_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="InboxEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("gateway", models.CharField(max_length=30)),
                ("event_id", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=60)),
                ("gateway_ref", models.CharField(blank=True, max_length=200)),
                ("payment_id", models.UUIDField(null=True)),
                ("body", models.BinaryField()),
                ("received_at", models.DateTimeField()),
                ("applied_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("fault", models.TextField(blank=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("applied_at__isnull", True)),
                        fields=["received_at"],
                        name="payments_inbox_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("gateway", "event_id"), name="payments_inbox_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="PaymentMethod",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("gateway", models.CharField(max_length=30)),
                ("reference", models.CharField(max_length=200)),
                ("brand", models.CharField(max_length=30)),
                ("last4", models.CharField(max_length=4)),
                ("exp_month", models.PositiveSmallIntegerField()),
                ("exp_year", models.PositiveSmallIntegerField()),
                ("fingerprint", models.CharField(blank=True, max_length=100)),
                ("chargeable_unattended", models.BooleanField()),
                ("is_default", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
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
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("client_key", models.UUIDField()),
                ("fingerprint", models.CharField(max_length=64)),
                ("purpose", models.CharField(choices=[("pay_now", "Pay Now")], max_length=20)),
                ("state", models.CharField(default="created", max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("credit_micros", models.BigIntegerField()),
                ("tax_micros", models.BigIntegerField(default=0)),
                ("charge_minor", models.BigIntegerField()),
                ("captured_minor", models.BigIntegerField(null=True)),
                ("captured_currency", models.CharField(blank=True, max_length=3)),
                ("gateway", models.CharField(max_length=30)),
                ("gateway_ref", models.CharField(blank=True, max_length=200)),
                ("method_id", models.UUIDField(null=True)),
                ("save_method", models.BooleanField(default=False)),
                ("card_brand", models.CharField(blank=True, max_length=30)),
                ("card_last4", models.CharField(blank=True, max_length=4)),
                ("decline_code", models.CharField(blank=True, max_length=40)),
                ("action_url", models.TextField(blank=True)),
                ("actor_user_id", models.UUIDField(null=True)),
                ("language", models.CharField(max_length=2)),
                ("created_at", models.DateTimeField()),
                ("submitted_at", models.DateTimeField(null=True)),
                ("final_at", models.DateTimeField(null=True)),
                ("asks", models.PositiveIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("next_ask_at", models.DateTimeField(null=True)),
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
                    "method",
                    models.ForeignObject(
                        from_fields=("account", "method_id"),
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="payments",
                        to="payments.paymentmethod",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentMove",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("payment_id", models.UUIDField()),
                ("source", models.CharField(max_length=20)),
                ("target", models.CharField(max_length=20)),
                ("cause", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
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
                    "payment",
                    models.ForeignObject(
                        from_fields=("account", "payment_id"),
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="moves",
                        to="payments.payment",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReconciliationBreak",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("gateway", models.CharField(max_length=30)),
                ("gateway_ref", models.CharField(blank=True, max_length=200)),
                ("account_id", models.UUIDField(null=True)),
                ("payment_id", models.UUIDField(null=True)),
                ("detail", models.TextField()),
                ("seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("resolved_at__isnull", True)),
                        fields=("kind", "gateway", "gateway_ref", "payment_id"),
                        name="payments_break_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                fields=("account", "gateway", "reference"), name="payments_method_reference"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True), ("removed_at__isnull", True)),
                fields=("account",),
                name="payments_method_one_default",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["account", "-created_at"], name="payments_payment_recent"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("next_ask_at__isnull", False)),
                fields=["next_ask_at"],
                name="payments_payment_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                fields=("account", "client_key"), name="payments_payment_client_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("charge_minor__gt", 0), ("credit_micros__gt", 0), ("tax_micros__gte", 0)),
                name="payments_payment_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "created",
                            "submitted",
                            "action_required",
                            "review",
                            "failed",
                            "canceled",
                            "succeeded",
                        ],
                    )
                ),
                name="payments_payment_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "succeeded"), _negated=True),
                    ("captured_minor__isnull", False),
                    _connector="OR",
                ),
                name="payments_payment_succeeded_captured",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentmove",
            index=models.Index(fields=["account", "payment_id"], name="payments_move_payment"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("state", "succeeded")),
                fields=["final_at"],
                name="payments_payment_paid",
            ),
        ),
        AccountKey("PaymentMethod"),
        Distribute("PaymentMethod"),
        AccountKey("Payment"),
        AccountForeignKey("Payment", "method"),
        Distribute("Payment"),
        AccountKey("PaymentMove"),
        AccountForeignKey("PaymentMove", "payment"),
        Distribute("PaymentMove"),
    ]
