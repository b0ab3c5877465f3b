"""Notices of cards and billing details, and the mail to an address that gets no more papers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_change_requests"),
        ("documents", "0001_initial"),
        ("notifications", "0002_personal_notices"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="mail",
            name="notifications_mail_kind",
        ),
        migrations.RemoveConstraint(
            model_name="personalmail",
            name="notifications_personal_kind",
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("receipt", "Receipt voucher"),
                    ("service_restored", "Service restored"),
                    ("address_removed", "Billing e-mail removed"),
                ],
                max_length=20,
            ),
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
                    ("card_added", "Card added"),
                    ("card_removed", "Card removed"),
                    ("card_made_default", "Default card changed"),
                    ("card_expires", "Card expires"),
                    ("details_changed", "Billing details changed"),
                    ("request_approved", "Request approved"),
                    ("request_refused", "Request refused"),
                    ("card_testing", "Cards are being tested"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["receipt", "service_restored", "address_removed"])),
                name="notifications_mail_kind",
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
                            "card_added",
                            "card_removed",
                            "card_made_default",
                            "card_expires",
                            "details_changed",
                            "request_approved",
                            "request_refused",
                            "card_testing",
                        ],
                    )
                ),
                name="notifications_personal_kind",
            ),
        ),
    ]
