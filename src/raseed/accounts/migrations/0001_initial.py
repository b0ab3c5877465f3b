"""The first tables of accounts."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import raseed.db.uuids
from raseed.db.operations import AccountKey, Distribute


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "mode",
                    models.CharField(
                        choices=[("prepaid", "Prepaid"), ("postpaid", "Postpaid")],
                        default="prepaid",
                        max_length=10,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("time_zone", models.CharField(max_length=60)),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("ar", "Arabic")], default="en", max_length=2
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("name", models.CharField(max_length=200)),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("ar", "Arabic")], default="en", max_length=2
                    ),
                ),
                ("account_id", models.UUIDField(blank=True, null=True)),
                (
                    "staff_role",
                    models.CharField(
                        blank=True,
                        choices=[("", "Not staff"), ("support", "Support"), ("finance", "Finance")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("sessions_valid_from", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("email", django.db.models.functions.text.Lower("email"))),
                        name="accounts_user_email_lower",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("account_id__isnull", True), ("staff_role", ""), _connector="OR"),
                        name="accounts_user_account_or_staff",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AmountPolicy",
            fields=[
                ("currency", models.CharField(max_length=3, primary_key=True, serialize=False)),
                ("minimum_micros", models.BigIntegerField()),
                ("maximum_micros", models.BigIntegerField()),
                (
                    "presets_micros",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("maximum_micros__gte", models.F("minimum_micros")), ("minimum_micros__gt", 0)
                        ),
                        name="accounts_amountpolicy_range",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Operator",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("name_ar", models.CharField(blank=True, max_length=200)),
                ("address", models.TextField(blank=True)),
                ("address_ar", models.TextField(blank=True)),
                ("country", models.CharField(max_length=2)),
                ("tax_number", models.CharField(blank=True, max_length=40)),
                ("registration_number", models.CharField(blank=True, max_length=40)),
                ("time_zone", models.CharField(max_length=60)),
                ("email_from", models.EmailField(max_length=254)),
                ("email_reply_to", models.EmailField(max_length=254)),
                ("support_contact", models.CharField(blank=True, max_length=200)),
                (
                    "tax_mode",
                    models.CharField(
                        choices=[("on_usage", "On usage"), ("on_topup", "On the top-up")],
                        default="on_usage",
                        max_length=10,
                    ),
                ),
                ("tax_rate_ppm", models.PositiveIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="accounts_operator_one_row"),
                    models.CheckConstraint(
                        condition=models.Q(("tax_rate_ppm__lte", 1000000)), name="accounts_operator_tax_rate"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AttemptCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("purpose", models.CharField(max_length=30)),
                ("subject", models.CharField(max_length=64)),
                ("began_at", models.DateTimeField()),
                ("tries", models.PositiveIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["began_at"], name="accounts_attemptcount_began")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("purpose", "subject"), name="accounts_attemptcount_subject"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BillingDetails",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("billing_name", models.CharField(max_length=200)),
                ("address", models.TextField()),
                ("country", models.CharField(max_length=2)),
                ("vat_id", models.CharField(blank=True, max_length=40)),
                ("registration_number", models.CharField(blank=True, max_length=40)),
                (
                    "billing_emails",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.EmailField(max_length=254), default=list, size=None
                    ),
                ),
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
                    models.UniqueConstraint(fields=("account",), name="accounts_billingdetails_account")
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=raseed.db.uuids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("user_id", models.UUIDField()),
                (
                    "role",
                    models.CharField(
                        choices=[("admin", "Admin"), ("supervisor", "Supervisor"), ("agent", "Agent")],
                        max_length=10,
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
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
                    models.UniqueConstraint(fields=("account", "user_id"), name="accounts_membership_user")
                ],
            },
        ),
        Distribute("Account"),
        AccountKey("BillingDetails"),
        Distribute("BillingDetails"),
        AccountKey("Membership"),
        Distribute("Membership"),
    ]
