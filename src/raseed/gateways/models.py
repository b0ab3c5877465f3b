"""The one table of gateways: how fast we may speak to each, for all processes together."""

from django.db import models


class GatewayPace(models.Model):
    """When the next request to a gateway would be due if all came evenly. Lost in a crash without harm."""

    gateway = models.CharField(max_length=30, primary_key=True)
    due_at = models.DateTimeField()
