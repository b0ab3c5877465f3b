"""The order of an account's cards, one row for one card, cards to be forgotten at the gateway, and what a webhook is about."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_offline_payments"),
    ]

    operations = [
        migrations.AddField(
            model_name="inboxevent",
            name="subject",
            field=models.CharField(db_default="payment", default="payment", max_length=10),
        ),
        migrations.AddField(
            model_name="paymentmethod",
            name="expiry_told_days",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="paymentmethod",
            name="forgotten_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="paymentmethod",
            name="rank",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="paymentmethod",
            index=models.Index(
                condition=models.Q(("forgotten_at__isnull", True), ("removed_at__isnull", False)),
                fields=["removed_at"],
                name="payments_method_to_forget",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentmethod",
            index=models.Index(
                condition=models.Q(("removed_at__isnull", True)),
                fields=["exp_year", "exp_month"],
                name="payments_method_expiry",
            ),
        ),
        # Of cards that were kept twice the default stays, else the newest; the others are forgotten at the gateway by a job.
        migrations.RunSQL(
            """
            WITH twins AS (
                SELECT account_id, id, row_number() OVER (
                    PARTITION BY account_id, gateway, fingerprint ORDER BY is_default DESC, created_at DESC
                ) AS place
                FROM payments_paymentmethod WHERE removed_at IS NULL AND fingerprint <> ''
            )
            UPDATE payments_paymentmethod kept SET removed_at = kept.created_at
            FROM twins WHERE twins.place > 1 AND kept.account_id = twins.account_id AND kept.id = twins.id;
            WITH places AS (
                SELECT account_id, id, row_number() OVER (PARTITION BY account_id ORDER BY created_at DESC) AS place
                FROM payments_paymentmethod WHERE removed_at IS NULL
            )
            UPDATE payments_paymentmethod kept SET rank = places.place
            FROM places WHERE kept.account_id = places.account_id AND kept.id = places.id;
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("removed_at__isnull", True), models.Q(("fingerprint", ""), _negated=True)
                ),
                fields=("account", "gateway", "fingerprint"),
                name="payments_method_one_of_a_card",
            ),
        ),
    ]
