"""Mails about the balance: alerts, the time of grace, a suspension."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_grace_hours"),
        ("documents", "0001_initial"),
        ("notifications", "0005_recharge_mails"),
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
                        ["receipt", "service_restored", "recharge", "service_suspended", "grace", "alert"],
                    )
                ),
                name="notifications_mail_kind",
            ),
        ),
    ]
