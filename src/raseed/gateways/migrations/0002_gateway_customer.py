"""Which customer of a gateway an account is."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountKey, Distribute


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("gateways", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="GatewayCustomer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("gateway", models.CharField(max_length=30)),
                ("reference", models.CharField(max_length=200)),
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
                    models.UniqueConstraint(fields=("account", "gateway"), name="gateways_customer_once")
                ],
            },
        ),
        AccountKey("GatewayCustomer"),
        Distribute("GatewayCustomer"),
    ]
