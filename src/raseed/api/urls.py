"""Addresses of the doors for machines."""

from django.urls import path

from raseed.api import health, webhooks

app_name = "api"
urlpatterns = [
    path("webhooks/<slug:gateway_name>", webhooks.webhook, name="webhook"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
