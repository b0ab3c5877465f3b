"""The key of the form that made an endpoint: one form makes one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0001_webhooks"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="client_key",
            field=models.UUIDField(null=True, unique=True),
        ),
    ]
