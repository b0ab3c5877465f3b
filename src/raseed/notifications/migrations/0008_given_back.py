"""Mails about refunds and disputes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_second_person"),
        ("documents", "0001_initial"),
        ("notifications", "0007_key_and_webhook_notices"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="mail",
            name="notifications_mail_kind",
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("receipt", "Receipt voucher"),
                    ("service_restored", "Service restored"),
                    ("recharge", "Automatic recharge"),
                    ("service_suspended", "Service suspended"),
                    ("grace", "Balance ran out"),
                    ("alert", "E-mail alert"),
                    ("refund", "Refund"),
                    ("dispute", "Dispute"),
                    ("dispute_to_staff", "Dispute, to staff"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "receipt",
                            "service_restored",
                            "recharge",
                            "service_suspended",
                            "grace",
                            "alert",
                            "refund",
                            "dispute",
                            "dispute_to_staff",
                        ],
                    )
                ),
                name="notifications_mail_kind",
            ),
        ),
    ]
