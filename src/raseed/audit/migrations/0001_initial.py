"""The audit log: of each account, and of the operator's own house."""

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
            name="OperatorAuditEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor_id", models.UUIDField(null=True)),
                ("actor_role", models.CharField(max_length=20)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("action", models.CharField(max_length=60)),
                ("object_kind", models.CharField(max_length=60)),
                ("object_id", models.CharField(max_length=100)),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                ("reason", models.TextField(blank=True)),
            ],
            options={
                "indexes": [models.Index(fields=["-at"], name="audit_operatorentry_latest")],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor_id", models.UUIDField(null=True)),
                ("actor_role", models.CharField(max_length=20)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("action", models.CharField(max_length=60)),
                ("object_kind", models.CharField(max_length=60)),
                ("object_id", models.CharField(max_length=100)),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                ("reason", models.TextField(blank=True)),
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
                "indexes": [models.Index(fields=["account", "-at"], name="audit_auditentry_latest")],
            },
        ),
        AccountKey("AuditEntry"),
        Distribute("AuditEntry"),
    ]
