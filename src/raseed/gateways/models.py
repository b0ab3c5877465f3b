"""The tables of gateways: how fast we may speak to each, and which customer of theirs an account is."""

from typing import ClassVar

from django.db import models

from raseed.db.models import Owned


class GatewayPace(models.Model):
    """When the next request to a gateway would be due if all came evenly. Lost in a crash without harm."""

    gateway = models.CharField(max_length=30, primary_key=True)
    due_at = models.DateTimeField()


class GatewayCustomer(Owned):
    """The customer under which a gateway keeps an account's cards. Written once."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    gateway = models.CharField(max_length=30)
    reference = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "gateway"], name="gateways_customer_once"),
        ]
