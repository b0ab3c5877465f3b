"""Payments that staff record by hand, and the references that people write on bank transfers."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_second_person"),
        ("payments", "0006_given_back"),
    ]

    operations = [
        migrations.CreateModel(
            name="TransferReference",
            fields=[
                ("reference", models.CharField(max_length=25, primary_key=True, serialize=False)),
                ("account_id", models.UUIDField(unique=True)),
            ],
        ),
        migrations.AlterField(
            model_name="payment",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("pay_now", "Pay Now"),
                    ("recharge", "Automatic recharge"),
                    ("offline", "Recorded by hand"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="OfflinePayment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("client_key", models.UUIDField()),
                ("fingerprint", models.CharField(max_length=64)),
                (
                    "method",
                    models.CharField(
                        choices=[("transfer", "Bank transfer"), ("cash", "In cash")], max_length=10
                    ),
                ),
                ("reference", models.CharField(blank=True, max_length=100)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for a second person"),
                            ("recorded", "Recorded"),
                            ("declined", "Declined"),
                            ("reversed", "Taken back"),
                        ],
                        max_length=10,
                    ),
                ),
                ("needs_second", models.BooleanField()),
                ("recorded_by", models.UUIDField()),
                ("approved_by", models.UUIDField(null=True)),
                ("ended_by", models.UUIDField(null=True)),
                ("ended_reason", models.TextField(blank=True)),
                ("payment_id", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
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
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="offline",
                        to="payments.payment",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["created_at"],
                        name="payments_offline_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "client_key"), name="payments_offline_client_key"
                    ),
                    models.UniqueConstraint(
                        fields=("account", "payment_id"), name="payments_offline_payment_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount_minor__gt", 0),
                            ("method__in", ["transfer", "cash"]),
                            ("state__in", ["waiting", "recorded", "declined", "reversed"]),
                        ),
                        name="payments_offline_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("payment_id__isnull", True), ("state__in", ["waiting", "declined"])),
                            models.Q(("payment_id__isnull", False), ("state__in", ["recorded", "reversed"])),
                            _connector="OR",
                        ),
                        name="payments_offline_credited",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approved_by", models.F("recorded_by")), _negated=True),
                            models.Q(
                                ("needs_second", False),
                                ("state__in", ["waiting", "declined"]),
                                ("approved_by__isnull", False),
                                _connector="OR",
                            ),
                        ),
                        name="payments_offline_second_person",
                    ),
                ],
            },
        ),
        AccountKey("OfflinePayment"),
        AccountForeignKey("OfflinePayment", "payment"),
        Distribute("OfflinePayment"),
    ]
