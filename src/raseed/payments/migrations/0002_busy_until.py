"""A payment that the gateway asked us to be patient with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="busy_until",
            field=models.DateTimeField(null=True),
        ),
    ]
