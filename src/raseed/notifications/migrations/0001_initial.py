"""The first tables of notifications."""

import django.db.models.deletion
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountForeignKey, AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("documents", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Mail",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("language", models.CharField(max_length=2)),
                ("message_id", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                ("gave_up_at", models.DateTimeField(null=True)),
                ("fault", models.TextField(blank=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("receipt", "Receipt voucher"), ("service_restored", "Service restored")],
                        max_length=20,
                    ),
                ),
                ("key", models.CharField(max_length=80)),
                ("subject", models.CharField(max_length=300)),
                ("text", models.TextField()),
                ("html", models.TextField()),
                ("document_id", models.UUIDField(null=True)),
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
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="mails",
                        to="documents.document",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MailRecipient",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("mail_id", models.UUIDField()),
                ("address", models.CharField(max_length=254)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("bounced_at", models.DateTimeField(null=True)),
                ("bounce_reason", models.TextField(blank=True)),
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
                    "mail",
                    models.ForeignObject(
                        from_fields=("account", "mail_id"),
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="recipients",
                        to="notifications.mail",
                        to_fields=("account", "id"),
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PersonalMail",
            fields=[
                ("language", models.CharField(max_length=2)),
                ("message_id", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                ("gave_up_at", models.DateTimeField(null=True)),
                ("fault", models.TextField(blank=True)),
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("invitation", "Invitation"), ("password_reset", "Password reset")],
                        max_length=20,
                    ),
                ),
                ("user_id", models.UUIDField()),
                ("address", models.EmailField(max_length=254)),
                ("bounced_at", models.DateTimeField(null=True)),
                ("bounce_reason", models.TextField(blank=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("gave_up_at__isnull", True), ("sent_at__isnull", True)),
                        fields=["next_try_at"],
                        name="notifications_personal_open",
                    ),
                    models.Index(
                        fields=["user_id", "kind", "-created_at"], name="notifications_personal_user"
                    ),
                    models.Index(fields=["message_id"], name="notifications_personal_msg_id"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("gave_up_at__isnull", True), ("sent_at__isnull", True)),
                        fields=("user_id", "kind"),
                        name="notifications_personal_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["invitation", "password_reset"])),
                        name="notifications_personal_kind",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("gave_up_at__isnull", True), ("sent_at__isnull", True)),
                fields=["next_try_at"],
                name="notifications_mail_open",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(fields=["account", "document_id"], name="notifications_mail_document"),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(fields=["message_id"], name="notifications_mail_message_id"),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.UniqueConstraint(
                fields=("account", "kind", "key"), name="notifications_mail_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["receipt", "service_restored"])),
                name="notifications_mail_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="mailrecipient",
            constraint=models.UniqueConstraint(
                fields=("account", "mail_id", "address"), name="notifications_recipient_once"
            ),
        ),
        AccountKey("Mail"),
        AccountForeignKey("Mail", "document"),
        Distribute("Mail"),
        AccountKey("MailRecipient"),
        AccountForeignKey("MailRecipient", "mail"),
        Distribute("MailRecipient"),
    ]
