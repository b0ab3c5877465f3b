"""Addresses of the second factor and of a person's own security; `portal.urls` includes the list in its own."""

from django.urls import path

from raseed.portal import proof_views, security_views

urlpatterns = [
    path("login/second", proof_views.second_factor, name="second_factor"),
    path("login/passkey", proof_views.passkey_sign_in, name="passkey_sign_in"),
    path("login/passkey/question", proof_views.passkey_question, name="passkey_question"),
    path("confirm", proof_views.confirm, name="confirm"),
    path("confirm/question", proof_views.confirm_question, name="confirm_question"),
    path("profile/security", security_views.security, name="security"),
    path("profile/security/app", security_views.app_add, name="app_add"),
    path("profile/security/app/remove", security_views.app_remove, name="app_remove"),
    path("profile/security/codes", security_views.recovery_codes, name="recovery_codes"),
    path("profile/security/passkeys/new", security_views.passkey_add, name="passkey_add"),
    path("profile/security/passkeys/question", security_views.passkey_question, name="passkey_make"),
    path(
        "profile/security/passkeys/<uuid:passkey_id>/name",
        security_views.passkey_rename,
        name="passkey_rename",
    ),
    path(
        "profile/security/passkeys/<uuid:passkey_id>/remove",
        security_views.passkey_remove,
        name="passkey_remove",
    ),
]
