"""Addresses of the back office, under /backoffice/."""

from django.urls import path

from raseed.backoffice import break_views, key_views, request_views, views, webhook_views, webhooks

app_name = "backoffice"
urlpatterns = [
    path("", views.home, name="home"),
    path("accounts", views.accounts, name="accounts"),
    path("accounts/new", views.account_new, name="account_new"),
    path("accounts/<uuid:account_id>", views.account, name="account"),
    path("accounts/<uuid:account_id>/suspend", views.suspend, name="suspend"),
    path("accounts/<uuid:account_id>/lift/<slug:reason>", views.lift, name="lift"),
    path("accounts/<uuid:account_id>/rename", views.rename, name="rename"),
    path("accounts/<uuid:account_id>/people/new", views.admin_new, name="admin_new"),
    path(
        "accounts/<uuid:account_id>/people/<uuid:user_id>/sessions/end",
        views.end_sessions,
        name="end_sessions",
    ),
    path("api-keys", key_views.api_keys, name="api_keys"),
    path("api-keys/new", key_views.api_key_new, name="api_key_new"),
    path("api-keys/<uuid:api_key_id>/revoke", key_views.api_key_revoke, name="api_key_revoke"),
    path("accounts/<uuid:account_id>/api-keys", key_views.account_api_keys, name="account_api_keys"),
    path(
        "accounts/<uuid:account_id>/api-keys/new", key_views.account_api_key_new, name="account_api_key_new"
    ),
    path("breaks", break_views.breaks, name="breaks"),
    path("breaks/<int:break_id>/take", break_views.break_take, name="break_take"),
    path("breaks/<int:break_id>/end", break_views.break_end, name="break_end"),
    path(
        "breaks/<int:break_id>/refund-not-made",
        break_views.break_refund_not_made,
        name="break_refund_not_made",
    ),
    path("accounts/<uuid:account_id>/people/<uuid:user_id>/invite", views.invite, name="invite"),
    path("webhook-endpoints", webhook_views.webhook_endpoints, name="webhook_endpoints"),
    path("webhook-endpoints/new", webhook_views.webhook_endpoint_new, name="webhook_endpoint_new"),
    path(
        "webhook-endpoints/<uuid:webhook_endpoint_id>",
        webhook_views.webhook_endpoint,
        name="webhook_endpoint",
    ),
    path(
        "webhook-endpoints/<uuid:webhook_endpoint_id>/rotate",
        webhook_views.webhook_endpoint_rotate,
        name="webhook_endpoint_rotate",
    ),
    path(
        "webhook-endpoints/<uuid:webhook_endpoint_id>/switch/<slug:way>",
        webhook_views.webhook_endpoint_switch,
        name="webhook_endpoint_switch",
    ),
    path(
        "webhook-endpoints/<uuid:webhook_endpoint_id>/remove",
        webhook_views.webhook_endpoint_remove,
        name="webhook_endpoint_remove",
    ),
    path(
        "webhook-deliveries/<int:webhook_delivery_id>/replay",
        webhook_views.webhook_replay,
        name="webhook_replay",
    ),
    path("requests", request_views.requests, name="requests"),
    path(
        "accounts/<uuid:account_id>/requests/<uuid:change_request_id>/approve",
        request_views.request_approve,
        name="request_approve",
    ),
    path(
        "accounts/<uuid:account_id>/requests/<uuid:change_request_id>/refuse",
        request_views.request_refuse,
        name="request_refuse",
    ),
    path("webhooks", webhooks.page, name="webhooks"),
    path("webhooks/try-again", webhooks.try_again, name="webhook_try_again"),
]
