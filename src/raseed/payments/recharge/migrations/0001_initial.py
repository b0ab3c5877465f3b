"""The first tables of automatic recharge."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("payments", "0005_one_open_recharge"),
    ]

    operations = [
        migrations.CreateModel(
            name="BarredCard",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("method_id", models.UUIDField()),
                ("decline_code", models.CharField(max_length=40)),
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("account", "method_id"), name="recharge_barred_card_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Consideration",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("cause", models.CharField(max_length=20)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("charge", "charge"),
                            ("switched_off", "switched_off"),
                            ("no_consent", "no_consent"),
                            ("closed", "closed"),
                            ("suspended", "suspended"),
                            ("above_threshold", "above_threshold"),
                            ("pending", "pending"),
                            ("no_card", "no_card"),
                            ("in_flight", "in_flight"),
                            ("paused", "paused"),
                            ("backing_off", "backing_off"),
                            ("day_cap", "day_cap"),
                            ("month_cap", "month_cap"),
                            ("not_offered", "not_offered"),
                            ("gateway_down", "gateway_down"),
                            ("authentication", "authentication"),
                            ("declined", "declined"),
                            ("gave_up", "gave_up"),
                        ],
                        max_length=30,
                    ),
                ),
                ("number", models.PositiveIntegerField(default=0)),
                ("available_micros", models.BigIntegerField()),
                ("pending_micros", models.BigIntegerField(default=0)),
                ("threshold_micros", models.BigIntegerField(null=True)),
                ("amount_micros", models.BigIntegerField(null=True)),
                ("charge_minor", models.BigIntegerField(null=True)),
                ("bound", models.CharField(blank=True, max_length=10)),
                ("decline_code", models.CharField(blank=True, max_length=40)),
                ("card_brand", models.CharField(blank=True, max_length=30)),
                ("card_last4", models.CharField(blank=True, max_length=4)),
                ("method_id", models.UUIDField(null=True)),
                ("cap", models.BigIntegerField(null=True)),
                ("next_at", models.DateTimeField(null=True)),
                ("payment_id", models.UUIDField(null=True)),
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
                        related_name="considerations",
                        to="payments.payment",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "-at", "-id"], name="recharge_consideration_recent"),
                    models.Index(fields=["account", "payment_id"], name="recharge_consideration_payment"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RechargeSeries",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tries", models.PositiveIntegerField(default=0)),
                ("is_trying", models.BooleanField(default=False)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField(null=True)),
                ("paused_at", models.DateTimeField(null=True)),
                ("paused_why", models.CharField(blank=True, max_length=40)),
                ("look_at", models.DateTimeField(null=True)),
                ("considered_at", models.DateTimeField(null=True)),
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("look_at__isnull", False)),
                        fields=["look_at"],
                        name="recharge_series_due",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("account",), name="recharge_series_account")],
            },
        ),
        migrations.CreateModel(
            name="RechargeSettings",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("is_on", models.BooleanField(default=False)),
                (
                    "mode",
                    models.CharField(
                        choices=[("target", "Back to a balance"), ("fixed", "A fixed amount")],
                        default="target",
                        max_length=10,
                    ),
                ),
                ("threshold_micros", models.BigIntegerField()),
                ("target_micros", models.BigIntegerField()),
                ("fixed_micros", models.BigIntegerField()),
                ("charges_per_day_max", models.PositiveSmallIntegerField(default=3)),
                ("month_charge_max_micros", models.BigIntegerField()),
                ("consent_at", models.DateTimeField(null=True)),
                ("consent_by", models.UUIDField(null=True)),
                ("consent_version", models.CharField(blank=True, max_length=20)),
                ("consent_text", models.TextField(blank=True)),
                ("changed_at", models.DateTimeField()),
                ("changed_by", models.UUIDField(null=True)),
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
                "constraints": [
                    models.UniqueConstraint(fields=("account",), name="recharge_settings_account"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("fixed_micros__gt", 0), ("target_micros__gt", models.F("threshold_micros"))
                        ),
                        name="recharge_settings_amounts",
                    ),
                ],
            },
        ),
        AccountKey("BarredCard"),
        Distribute("BarredCard"),
        AccountKey("Consideration"),
        AccountForeignKey("Consideration", "payment"),
        Distribute("Consideration"),
        AccountKey("RechargeSeries"),
        Distribute("RechargeSeries"),
        AccountKey("RechargeSettings"),
        Distribute("RechargeSettings"),
    ]
