"""Keys of the API: of the whole operator, or of one account."""

from django.db import migrations, models

import raseed.db.uuids


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_grace_hours"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField(null=True)),
                ("name", models.CharField(max_length=60)),
                (
                    "access",
                    models.CharField(
                        choices=[("read", "Read only"), ("full", "Read and change")], max_length=10
                    ),
                ),
                ("hint", models.CharField(max_length=12)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("created_by", models.UUIDField()),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["account_id", "-created_at"], name="accounts_apikey_owner")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("access__in", ["read", "full"])), name="accounts_apikey_access"
                    )
                ],
            },
        ),
    ]
