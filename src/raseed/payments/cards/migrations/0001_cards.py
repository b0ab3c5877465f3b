"""Card setups, cards that were typed, and whether cards are being tested."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("payments", "0008_order_of_cards"),
    ]

    operations = [
        migrations.CreateModel(
            name="CardTesting",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("since", models.DateTimeField(null=True)),
                ("looked_at", models.DateTimeField()),
                ("ended", models.PositiveIntegerField()),
                ("declined", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="cards_testing_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="TypedCard",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("account_id", models.UUIDField()),
                ("place", models.CharField(blank=True, max_length=64)),
                ("begun_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "end",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=10,
                    ),
                ),
                ("fingerprint", models.CharField(blank=True, max_length=100)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account_id", "-begun_at"], name="cards_typed_account"),
                    models.Index(
                        condition=models.Q(("end", "failed"), models.Q(("place", ""), _negated=True)),
                        fields=["place", "-ended_at"],
                        name="cards_typed_place",
                    ),
                    models.Index(fields=["ended_at"], name="cards_typed_ended"),
                    models.Index(
                        condition=models.Q(("end", "passed"), models.Q(("fingerprint", ""), _negated=True)),
                        fields=["fingerprint"],
                        name="cards_typed_fingerprint",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("end__in", ["", "passed", "failed", "left"])),
                        name="cards_typed_end",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CardSetup",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("client_key", models.UUIDField()),
                (
                    "state",
                    models.CharField(
                        default="created",
                        max_length=20,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("gateway", models.CharField(max_length=30)),
                ("gateway_ref", models.CharField(blank=True, max_length=200)),
                ("method_id", models.UUIDField(null=True)),
                ("decline_code", models.CharField(blank=True, max_length=40)),
                ("action_url", models.TextField(blank=True)),
                ("actor_user_id", models.UUIDField()),
                ("actor_ip", models.GenericIPAddressField(null=True)),
                ("language", models.CharField(max_length=2)),
                ("created_at", models.DateTimeField()),
                ("submitted_at", models.DateTimeField(null=True)),
                ("final_at", models.DateTimeField(null=True)),
                ("asks", models.PositiveIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("next_ask_at", models.DateTimeField(null=True)),
                ("busy_until", models.DateTimeField(null=True)),
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
                        related_name="setups",
                        to="payments.paymentmethod",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "-created_at"], name="cards_setup_recent"),
                    models.Index(
                        condition=models.Q(("next_ask_at__isnull", False)),
                        fields=["next_ask_at"],
                        name="cards_setup_due",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("account", "client_key"), name="cards_setup_client_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["created", "submitted", "action_required", "kept", "failed", "canceled"],
                            )
                        ),
                        name="cards_setup_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "kept"), _negated=True),
                            ("method_id__isnull", False),
                            _connector="OR",
                        ),
                        name="cards_setup_kept_method",
                    ),
                ],
            },
        ),
        AccountKey("CardSetup"),
        AccountForeignKey("CardSetup", "method"),
        Distribute("CardSetup"),
    ]
