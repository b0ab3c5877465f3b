"""What Admins ask staff to change."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountKey, Distribute


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_second_person"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChangeRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("asked_by", models.UUIDField(null=True)),
                ("asked_at", models.DateTimeField()),
                ("why", models.TextField()),
                ("before", models.JSONField()),
                ("wanted", models.JSONField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waiting for an answer"),
                            ("approved", "Done"),
                            ("refused", "Not done"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("answered_by", models.UUIDField(null=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("answer", models.TextField(blank=True)),
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
                    models.Index(fields=["account", "-asked_at"], name="accounts_request_recent"),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["asked_at"],
                        name="accounts_request_waiting",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("account",),
                        name="accounts_request_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "approved", "refused"])),
                        name="accounts_request_state",
                    ),
                ],
            },
        ),
        AccountKey("ChangeRequest"),
        Distribute("ChangeRequest"),
    ]
