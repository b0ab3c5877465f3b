"""The open payments of an account are found without a walk over all that it ever made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0008_order_of_cards"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("state__in", ["created", "submitted", "action_required", "review"])),
                fields=["account", "-created_at"],
                name="payments_payment_open",
            ),
        ),
    ]
