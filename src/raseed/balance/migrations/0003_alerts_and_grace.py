"""Warnings, and the time of grace before a suspension."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountKey, Distribute


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_grace_hours"),
        ("balance", "0002_line"),
    ]

    operations = [
        migrations.AlterField(
            model_name="line",
            name="kind",
            field=models.CharField(
                choices=[("recharge", "Automatic recharge"), ("low_balance", "Low balance")], max_length=20
            ),
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("low_balance", "Low balance"),
                            ("days_left", "Days left"),
                            ("consumption", "Consumption this month"),
                        ],
                        max_length=20,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                ("mailed_at", models.DateTimeField(null=True)),
                ("limit", models.BigIntegerField()),
                ("found", models.BigIntegerField()),
                ("available_micros", models.BigIntegerField()),
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
                    models.Index(fields=["account", "kind", "-opened_at"], name="balance_alert_recent"),
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["opened_at"],
                        name="balance_alert_open",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("account", "kind"),
                        name="balance_alert_one_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertSettings",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("is_on", models.BooleanField()),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.EmailField(max_length=254), default=list, size=None
                    ),
                ),
                ("consumption_limit_micros", models.BigIntegerField(null=True)),
                ("low_balance_micros", models.BigIntegerField(null=True)),
                ("low_days", models.PositiveSmallIntegerField(null=True)),
                ("version", models.PositiveIntegerField(default=1)),
                ("changed_at", models.DateTimeField()),
                ("changed_by", models.UUIDField(null=True)),
                ("watched_at", models.DateTimeField(null=True)),
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
                        condition=models.Q(("consumption_limit_micros__isnull", False), ("is_on", True)),
                        fields=["watched_at"],
                        name="balance_alertsettings_watched",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("account",), name="balance_alertsettings_account")
                ],
            },
        ),
        migrations.CreateModel(
            name="Grace",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
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
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=["until"],
                        name="balance_grace_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("account",),
                        name="balance_grace_one_open",
                    )
                ],
            },
        ),
        AccountKey("Alert"),
        Distribute("Alert"),
        AccountKey("AlertSettings"),
        Distribute("AlertSettings"),
        AccountKey("Grace"),
        Distribute("Grace"),
    ]
