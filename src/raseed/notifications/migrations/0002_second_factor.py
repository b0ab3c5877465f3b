from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0001_initial"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="personalmail",
            name="notifications_personal_one_open",
        ),
        migrations.RemoveConstraint(
            model_name="personalmail",
            name="notifications_personal_kind",
        ),
        migrations.AddField(
            model_name="personalmail",
            name="facts",
            field=models.JSONField(default=dict),
        ),
        migrations.AlterField(
            model_name="personalmail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invitation", "Invitation"),
                    ("password_reset", "Password reset"),
                    ("security_notice", "Security notice"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="personalmail",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("gave_up_at__isnull", True),
                    ("sent_at__isnull", True),
                    models.Q(("kind", "security_notice"), _negated=True),
                ),
                fields=("user_id", "kind"),
                name="notifications_personal_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="personalmail",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["invitation", "password_reset", "security_notice"])),
                name="notifications_personal_kind",
            ),
        ),
    ]
