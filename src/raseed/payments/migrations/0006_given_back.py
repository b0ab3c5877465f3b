"""Refunds, disputes, and what both take of a payment; what a webhook or a line of the list is about."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("payments", "0005_one_open_recharge"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentDispute",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("payment_id", models.UUIDField()),
                ("gateway", models.CharField(max_length=30)),
                ("part_ref", models.CharField(max_length=200)),
                ("state", models.CharField(max_length=10)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("opened_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("payment_id", models.UUIDField()),
                ("client_key", models.UUIDField()),
                ("fingerprint", models.CharField(max_length=64)),
                ("state", models.CharField(default="created", max_length=20)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("credit_micros", models.BigIntegerField()),
                ("tax_micros", models.BigIntegerField(default=0)),
                ("rounding_micros", models.BigIntegerField(default=0)),
                ("gateway", models.CharField(max_length=30)),
                ("part_ref", models.CharField(blank=True, max_length=200)),
                ("reason", models.TextField()),
                ("actor_user_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("submitted_at", models.DateTimeField(null=True)),
                ("final_at", models.DateTimeField(null=True)),
                ("asks", models.PositiveIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("next_ask_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="RefundMove",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("refund_id", models.UUIDField()),
                ("source", models.CharField(max_length=20)),
                ("target", models.CharField(max_length=20)),
                ("cause", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="gatewaymovement",
            name="part_ref",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="inboxevent",
            name="part_ref",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="payment",
            name="disputed_minor",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="payment",
            name="refunded_minor",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("disputed_minor__gte", 0),
                    ("refunded_minor__gte", 0),
                    models.Q(
                        models.Q(("disputed_minor", 0), ("refunded_minor", 0)),
                        models.Q(
                            ("captured_minor__isnull", False),
                            (
                                "refunded_minor__lte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("captured_minor"), "-", models.F("disputed_minor")
                                ),
                            ),
                        ),
                        _connector="OR",
                    ),
                ),
                name="payments_payment_given_back",
            ),
        ),
        migrations.AddField(
            model_name="paymentdispute",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="paymentdispute",
            name="payment",
            field=models.ForeignObject(
                from_fields=("account", "payment_id"),
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="disputes",
                to="payments.payment",
                to_fields=("account", "id"),
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="payment",
            field=models.ForeignObject(
                from_fields=("account", "payment_id"),
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="refunds",
                to="payments.payment",
                to_fields=("account", "id"),
            ),
        ),
        migrations.AddField(
            model_name="refundmove",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="refundmove",
            name="refund",
            field=models.ForeignObject(
                from_fields=("account", "refund_id"),
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="moves",
                to="payments.refund",
                to_fields=("account", "id"),
            ),
        ),
        migrations.AddIndex(
            model_name="paymentdispute",
            index=models.Index(fields=["account", "payment_id"], name="payments_dispute_payment"),
        ),
        migrations.AddConstraint(
            model_name="paymentdispute",
            constraint=models.UniqueConstraint(
                fields=("account", "gateway", "part_ref"), name="payments_dispute_part_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentdispute",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0), ("state__in", ["open", "won", "lost"])),
                name="payments_dispute_state",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(fields=["account", "payment_id"], name="payments_refund_payment"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("next_ask_at__isnull", False)),
                fields=["next_ask_at"],
                name="payments_refund_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                fields=("account", "client_key"), name="payments_refund_client_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                condition=models.Q(("part_ref", ""), _negated=True),
                fields=("account", "gateway", "part_ref"),
                name="payments_refund_part_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_minor__gt", 0),
                    ("credit_micros__gte", 0),
                    ("rounding_micros__gte", 0),
                    ("tax_micros__gte", 0),
                ),
                name="payments_refund_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["created", "submitted", "pending", "succeeded", "failed"])),
                name="payments_refund_state",
            ),
        ),
        migrations.AddIndex(
            model_name="refundmove",
            index=models.Index(fields=["account", "refund_id"], name="payments_refundmove_refund"),
        ),
        AccountKey("Refund"),
        AccountForeignKey("Refund", "payment"),
        Distribute("Refund"),
        AccountKey("RefundMove"),
        AccountForeignKey("RefundMove", "refund"),
        Distribute("RefundMove"),
        AccountKey("PaymentDispute"),
        AccountForeignKey("PaymentDispute", "payment"),
        Distribute("PaymentDispute"),
    ]
