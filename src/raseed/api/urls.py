"""Addresses of the doors for machines."""

from django.urls import path

from raseed.api import health, violations, webhooks

app_name = "api"
urlpatterns = [
    path("webhooks/<slug:gateway_name>", webhooks.webhook, name="webhook"),
    path("csp-reports", violations.csp_report, name="csp_report"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
