"""Every address of the portal. Who may open it stands in raseed.accounts.access.ROUTES, under the same name."""

from django.urls import include, path

from raseed.portal.views import (
    balance,
    cards,
    details,
    guides,
    mailbox,
    pay,
    payments,
    profile,
    settings,
    start,
    users,
)

app_name = "portal"
urlpatterns = [
    path("", start.start, name="start"),
    path("", include("raseed.portal.people_urls")),
    path("", include("raseed.portal.security_urls")),
    path("home", start.home, name="home"),
    path("preferences/language", start.set_language, name="set_language"),
    path("preferences/theme", start.set_theme, name="set_theme"),
    path("profile", profile.profile, name="profile"),
    path("profile/password", profile.profile_password, name="profile_password"),
    path("profile/sessions/end", profile.profile_sessions, name="profile_sessions"),
    path("settings/general", settings.general, name="general"),
    path("settings/users", users.users, name="users"),
    path("settings/users/new", users.user_new, name="user_new"),
    path("settings/users/<uuid:user_id>", users.user, name="user"),
    path("settings/users/<uuid:user_id>/invite", users.user_invite, name="user_invite"),
    path("settings/users/<uuid:user_id>/role", users.user_role, name="user_role"),
    path("settings/users/<uuid:user_id>/disable", users.user_disable, name="user_disable"),
    path("settings/users/<uuid:user_id>/enable", users.user_enable, name="user_enable"),
    path("settings/billing/balance", balance.balance, name="balance"),
    path("settings/billing/balance/pay", pay.pay, name="pay"),
    path("settings/billing/balance/pay/summary", pay.pay_summary, name="pay_summary"),
    path("settings/billing/details", details.details, name="details"),
    path("settings/billing/details/change", details.details_change, name="details_change"),
    path("settings/billing/details/ask", details.details_ask, name="details_ask"),
    path("settings/billing/details/cards/new", cards.card_add, name="card_add"),
    path("settings/billing/details/cards/<uuid:card_setup_id>", cards.card_setup, name="card_setup"),
    path("settings/billing/details/cards/<uuid:card_setup_id>/return", cards.card_return, name="card_return"),
    path(
        "settings/billing/details/cards/<uuid:payment_method_id>/default",
        cards.card_default,
        name="card_default",
    ),
    path(
        "settings/billing/details/cards/<uuid:payment_method_id>/remove",
        cards.card_remove,
        name="card_remove",
    ),
    path("settings/billing/details/cards/<uuid:payment_method_id>/move", cards.card_move, name="card_move"),
    path("settings/billing/invoices", payments.invoices, name="invoices"),
    path("settings/billing/payments/<uuid:payment_id>", payments.payment, name="payment"),
    path(
        "settings/billing/payments/<uuid:payment_id>/return", payments.payment_return, name="payment_return"
    ),
    path("settings/billing/payments/<uuid:payment_id>/voucher", payments.voucher, name="voucher"),
    path("help/pay-now", guides.pay_now, name="help_pay_now"),
    path("help/pay-now/faq", guides.pay_now_faq, name="help_pay_now_faq"),
    path("demo/mailbox", mailbox.mailbox, name="mailbox"),
    path("demo/mailbox/<str:key>", mailbox.mail, name="mail"),
    path("demo/mailbox/<str:key>/html", mailbox.mail_html, name="mail_html"),
    path("demo/mailbox/<str:key>/files/<str:index>", mailbox.mail_attachment, name="mail_attachment"),
]
