"""Whether a payment's card is typed in the gateway's form within our page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_open_payments"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="card_form",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
