"""Notices about cards and billing details, and the mail to a billing address that was removed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_change_requests"),
        ("documents", "0001_initial"),
        ("notifications", "0008_given_back"),
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
                    ("recharge", "Automatic recharge"),
                    ("service_suspended", "Service suspended"),
                    ("grace", "Balance ran out"),
                    ("alert", "E-mail alert"),
                    ("refund", "Refund"),
                    ("dispute", "Dispute"),
                    ("dispute_to_staff", "Dispute, to staff"),
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
                            "address_removed",
                        ],
                    )
                ),
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
