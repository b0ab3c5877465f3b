"""Notices of an API key made or revoked, and of webhooks that were stopped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0006_balance_mails"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="personalmail",
            name="notifications_personal_kind",
        ),
        migrations.AlterField(
            model_name="personalmail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invitation", "Invitation"),
                    ("password_reset", "Password reset"),
                    ("email_change", "Change of e-mail address"),
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
                    ("email_change_asked", "Change of e-mail address asked for"),
                    ("email_changed", "E-mail address changed"),
                    ("email_wanted", "E-mail address wanted by another person"),
                    ("books_broken", "Books broken"),
                    ("api_key_made", "API key made"),
                    ("api_key_revoked", "API key revoked"),
                    ("webhooks_stopped", "Webhooks stopped"),
                ],
                max_length=20,
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
                            "email_change",
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
                            "email_change_asked",
                            "email_changed",
                            "email_wanted",
                            "books_broken",
                            "api_key_made",
                            "api_key_revoked",
                            "webhooks_stopped",
                        ],
                    )
                ),
                name="notifications_personal_kind",
            ),
        ),
    ]
