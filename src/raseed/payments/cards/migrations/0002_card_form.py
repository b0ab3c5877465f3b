"""Whether a card to be kept is typed in the gateway's form within our page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cards", "0001_cards"),
    ]

    operations = [
        migrations.AddField(
            model_name="cardsetup",
            name="card_form",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
