"""Addresses of the doors for machines."""

from django.urls import include, path

from raseed.api import health, v1, violations, webhooks

app_name = "api"
urlpatterns = [
    path("api/v1/", include((v1.urlpatterns, "v1"))),
    path("webhooks/<slug:gateway_name>", webhooks.webhook, name="webhook"),
    path("csp-reports", violations.csp_report, name="csp_report"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
