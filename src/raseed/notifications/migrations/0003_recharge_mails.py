"""Mail about automatic recharge."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("documents", "0001_initial"),
        ("notifications", "0002_personal_notices"),
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
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["receipt", "service_restored", "recharge"])),
                name="notifications_mail_kind",
            ),
        ),
    ]
