"""The first tables of documents."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("payments", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="NumberCounter",
            fields=[
                ("series", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("last", models.PositiveBigIntegerField()),
                ("issued_at", models.DateTimeField()),
                ("issued_on", models.DateField()),
            ],
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(choices=[("receipt_voucher", "Receipt voucher")], max_length=20)),
                ("series", models.CharField(max_length=20)),
                ("number", models.PositiveBigIntegerField()),
                ("display_number", models.CharField(max_length=40)),
                ("issued_at", models.DateTimeField()),
                ("issued_on", models.DateField()),
                ("payment_id", models.UUIDField()),
                ("language", models.CharField(max_length=2)),
                ("copy", models.JSONField()),
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
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="documents",
                        to="payments.payment",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DocumentFile",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("document_id", models.UUIDField()),
                ("language", models.CharField(max_length=2)),
                ("content", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("rendered_at", models.DateTimeField()),
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
                    "document",
                    models.ForeignObject(
                        from_fields=("account", "document_id"),
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="files",
                        to="documents.document",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="IssuedNumber",
            fields=[
                ("document_id", models.UUIDField(primary_key=True, serialize=False)),
                ("account_id", models.UUIDField()),
                ("series", models.CharField(max_length=20)),
                ("number", models.PositiveBigIntegerField()),
                ("issued_on", models.DateField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("series", "number"), name="documents_issuednumber_once")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["issued_at"], name="documents_document_issued"),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(
                fields=("account", "kind", "payment_id"), name="documents_document_one_a_payment"
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(
                fields=("account", "series", "number"), name="documents_document_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["receipt_voucher"])), name="documents_document_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gt", 0)), name="documents_document_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="documentfile",
            constraint=models.UniqueConstraint(
                fields=("account", "document_id", "language"), name="documents_file_one_a_language"
            ),
        ),
        AccountKey("Document"),
        AccountForeignKey("Document", "payment"),
        Distribute("Document"),
        AccountKey("DocumentFile"),
        AccountForeignKey("DocumentFile", "document"),
        Distribute("DocumentFile"),
    ]
