"""Notices of a change to somebody's sign-in, beside the mails with a one-time link."""

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
                    ("password_changed", "Password changed"),
                    ("role_changed", "Role changed"),
                    ("access_ended", "Access ended"),
                    ("access_restored", "Access restored"),
                    ("app_added", "Authenticator app added"),
                    ("app_removed", "Authenticator app removed"),
                    ("passkey_added", "Passkey added"),
                    ("passkey_removed", "Passkey removed"),
                    ("codes_made", "Recovery codes made"),
                    ("code_used", "Recovery code used"),
                    ("factors_reset", "Second factor reset"),
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
                    ("kind__in", ("invitation", "password_reset")),
                ),
                fields=("user_id", "kind"),
                name="notifications_personal_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="personalmail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "invitation",
                            "password_reset",
                            "password_changed",
                            "role_changed",
                            "access_ended",
                            "access_restored",
                            "app_added",
                            "app_removed",
                            "passkey_added",
                            "passkey_removed",
                            "codes_made",
                            "code_used",
                            "factors_reset",
                        ],
                    )
                ),
                name="notifications_personal_kind",
            ),
        ),
    ]
