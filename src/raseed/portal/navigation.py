"""Where the portal can be gone to: the side menu, the crumbs, the tabs of Billing and the menu under the person's name.

One table of places. What is shown of it is what exists and what the person may open; a place that is not built yet, or
is not for a role, leaves no trace. Nothing here decides who may do what: it asks the function it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from raseed.portal.pages import Link, Text

MayOpen = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """A page or a group of pages. ``route`` is empty for a group; ``covers`` are routes that belong to this place."""

    label: Text
    route: str = ""
    icon: str = ""
    covers: tuple[str, ...] = ()
    children: tuple[Place, ...] = ()


BILLING_TABS: Final = (
    Place(
        _("Balance Details"),
        "portal:balance",
        covers=(
            "portal:pay",
            "portal:payment",
            "portal:payment_form",
            "portal:recharge",
            "portal:recharge_history",
            "portal:alerts",
        ),
    ),
    Place(
        _("Billing Details"),
        "portal:details",
        covers=("portal:details_change", "portal:details_ask", "portal:card_add", "portal:card_form"),
    ),
    Place(_("Invoices & Payments"), "portal:invoices"),
    Place(_("Statement of Account"), "portal:statement"),
)

BILLING: Final = Place(
    _("Billing"),
    "portal:balance",
    covers=tuple(route for tab in BILLING_TABS for route in (tab.route, *tab.covers)),
)

USERS: Final = Place(
    _("Users"),
    "portal:users",
    "people",
    covers=(
        "portal:user",
        "portal:user_new",
        "portal:user_invite",
        "portal:user_role",
        "portal:user_disable",
        "portal:user_enable",
    ),
)

GENERAL: Final = Place(_("General"), "portal:general")

API_KEYS: Final = Place(
    _("API keys"), "portal:api_keys", covers=("portal:api_key_new", "portal:api_key_revoke")
)

SIDE: Final = (
    Place(_("Home"), "portal:home", "house"),
    USERS,
    Place(
        _("Settings"),
        icon="gear",
        children=(Place(_("Account Settings"), children=(GENERAL, BILLING, API_KEYS)),),
    ),
    Place(_("Help"), "portal:help_pay_now", "question-circle", covers=("portal:help_pay_now_faq",)),
    Place(_("Demo mailbox"), "portal:mailbox", "envelope", covers=("portal:mail",)),
)

STAFF_SIDE: Final = (
    Place(
        _("Accounts"),
        "backoffice:accounts",
        "people",
        covers=(
            "backoffice:account",
            "backoffice:account_new",
            "backoffice:admin_new",
            "backoffice:rename",
            "backoffice:account_api_keys",
            "backoffice:account_api_key_new",
        ),
    ),
    Place(_("Requests"), "backoffice:requests", "inbox"),
    Place(_("Webhooks"), "backoffice:webhooks", "envelope"),
    Place(
        _("Outgoing webhooks"),
        "backoffice:webhook_endpoints",
        "box-arrow-right",
        covers=("backoffice:webhook_endpoint", "backoffice:webhook_endpoint_new"),
    ),
    Place(_("API keys"), "backoffice:api_keys", "key", covers=("backoffice:api_key_new",)),
    Place(
        _("Reconciliation"),
        "backoffice:breaks",
        "shield-check",
        covers=("backoffice:break_end", "backoffice:break_refund_not_made"),
    ),
    Place(_("Demo mailbox"), "portal:mailbox", "envelope", covers=("portal:mail",)),
)

PERSON: Final = (
    Place(_("Billing and Payments"), "portal:balance", "wallet2"),
    Place(
        _("Your profile"),
        "portal:profile",
        "person-circle",
        covers=(
            "portal:profile_password",
            "portal:profile_sessions",
            "portal:email",
            "portal:email_confirm",
        ),
    ),
    Place(
        _("Sign-in and security"),
        "portal:security",
        "shield-lock",
        covers=("portal:app_add", "portal:passkey_add", "portal:recovery_codes"),
    ),
)


_SETTINGS: Final = (Link(_("Settings"), ""),)
_ACCOUNT_SETTINGS: Final = (*_SETTINGS, Link(_("Account Settings"), ""))


def address(route: str) -> str:
    """Give the address of a route, or nothing when no such page exists."""
    try:
        return reverse(route)
    except NoReverseMatch:
        return ""


def links(places: tuple[Place, ...], here: str, may_open: MayOpen) -> tuple[Link, ...]:
    """Turn places into links: those that exist and may be opened; a group only with something left in it."""
    shown = []
    for place in places:
        children = links(place.children, here, may_open)
        url = address(place.route) if place.route and may_open(place.route) else ""
        if url or children:
            current = here == place.route or here in place.covers
            shown.append(Link(place.label, url, place.icon, current, children))
    return tuple(shown)


def tabs(here: str, may_open: MayOpen) -> tuple[Link, ...]:
    """Give the tabs of Billing on the pages of Billing, else none."""
    return links(BILLING_TABS, here, may_open) if here in BILLING.covers else ()


def crumbs(here: str, may_open: MayOpen) -> tuple[Link, ...]:
    """Say where the page stands: Settings, Account Settings, Billing. Empty where the menu says it all."""
    for place, above in (
        (BILLING, _ACCOUNT_SETTINGS),
        (GENERAL, _ACCOUNT_SETTINGS),
        (API_KEYS, _ACCOUNT_SETTINGS),
        (USERS, _SETTINGS),
    ):
        if here == place.route or here in place.covers:
            url = address(place.route) if may_open(place.route) else ""
            return (*above, Link(place.label, url, current=here == place.route))
    return ()
