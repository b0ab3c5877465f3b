"""The first tables of balance."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Suspension",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("balance", "The balance ran out"),
                            ("staff", "Suspended by support"),
                            ("dispute", "A payment is disputed"),
                        ],
                        max_length=10,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("lifted_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True)),
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
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at__isnull", True)),
                        fields=("account", "reason"),
                        name="balance_suspension_one_open",
                    )
                ],
            },
        ),
        AccountKey("Suspension"),
        Distribute("Suspension"),
    ]
