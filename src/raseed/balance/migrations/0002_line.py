"""Lines that the available balance is watched against."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountKey, Distribute


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("balance", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Line",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(choices=[("recharge", "Automatic recharge")], max_length=20)),
                ("amount_micros", models.BigIntegerField()),
                ("crossed_at", models.DateTimeField(null=True)),
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
                    models.UniqueConstraint(fields=("account", "kind"), name="balance_line_kind")
                ],
            },
        ),
        AccountKey("Line"),
        Distribute("Line"),
    ]
