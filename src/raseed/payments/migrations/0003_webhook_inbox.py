"""When a kept webhook is looked at next, and the count of what came to its door and was refused."""

from django.db import migrations, models
from django.db.models import F


def _plan(apps, editor):
    """What waits for its job now waits for its turn."""
    events = apps.get_model("payments", "InboxEvent").objects.using(editor.connection.alias)
    events.filter(applied_at__isnull=True, tries__lt=10).update(next_try_at=F("received_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_busy_until"),
    ]

    operations = [
        migrations.AddField(
            model_name="inboxevent",
            name="next_try_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="inboxevent",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False)),
                fields=["next_try_at"],
                name="payments_inbox_due",
            ),
        ),
        migrations.CreateModel(
            name="WebhookTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("gateway", models.CharField(max_length=30)),
                ("what", models.CharField(max_length=40)),
                ("hour", models.DateTimeField()),
                ("times", models.PositiveIntegerField()),
                ("last_at", models.DateTimeField()),
                ("skew_s", models.IntegerField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("gateway", "what", "hour"), name="payments_tally_once")
                ],
            },
        ),
        migrations.RunPython(_plan, migrations.RunPython.noop),
    ]
