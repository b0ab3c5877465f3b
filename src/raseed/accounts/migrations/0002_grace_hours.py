"""How long an account goes on after its balance ran out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="operator",
            name="grace_hours",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
