"""Above which amount a payment that is recorded by hand needs a second person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_api_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="amountpolicy",
            name="second_person_micros",
            field=models.BigIntegerField(null=True),
        ),
    ]
