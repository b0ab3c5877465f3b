"""At most one open automatic recharge an account."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("payments", "0004_break_ended"),
    ]

    operations = [
        migrations.AlterField(
            model_name="payment",
            name="purpose",
            field=models.CharField(
                choices=[("pay_now", "Pay Now"), ("recharge", "Automatic recharge")], max_length=20
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("purpose", "recharge"), ("state__in", ["created", "submitted", "action_required"])
                ),
                fields=("account",),
                name="payments_one_open_recharge",
            ),
        ),
    ]
