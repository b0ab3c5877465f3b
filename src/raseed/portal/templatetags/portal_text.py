"""How the pages write amounts, times, states and icons.

Amounts keep their own direction in Arabic text; times carry the exact moment and its zone. Nothing here may compute
an amount, and nothing marks text of a person as safe.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from raseed.accounts.api_keys import KeyState
from raseed.accounts.members import MemberState
from raseed.local_time import zone_name
from raseed.money import MICROS_PER_UNIT, MINUS, Money, currency_of, format_amount, format_money
from raseed.payments.states import State

register = template.Library()

# Unicode isolates: what stands between them cannot turn round in right-to-left text (a minus sign, a card number).
ISOLATE: Final = "\u2066"
POP: Final = "\u2069"


class Look(NamedTuple):
    """How a payment's state is drawn."""

    tone: str
    icon: str


LOOKS: Final[dict[State, Look]] = {
    State.CREATED: Look("info", "hourglass-split"),
    State.SUBMITTED: Look("info", "hourglass-split"),
    State.ACTION_REQUIRED: Look("warning", "shield-check"),
    State.REVIEW: Look("warning", "search"),
    State.FAILED: Look("danger", "x-circle-fill"),
    State.CANCELED: Look("muted", "slash-circle"),
    State.SUCCEEDED: Look("success", "check-circle-fill"),
}


MEMBER_LOOKS: Final[dict[MemberState, tuple[Look, str | Promise]]] = {
    MemberState.INVITED: (Look("info", "envelope"), gettext_lazy("Invited")),
    MemberState.ACTIVE: (Look("success", "check-circle-fill"), gettext_lazy("Active")),
    MemberState.DISABLED: (Look("muted", "slash-circle"), gettext_lazy("Disabled")),
}


KEY_LOOKS: Final[dict[KeyState, tuple[Look, str | Promise]]] = {
    KeyState.WORKING: (Look("success", "check-circle-fill"), gettext_lazy("Working")),
    KeyState.EXPIRED: (Look("muted", "hourglass-split"), gettext_lazy("Expired")),
    KeyState.REVOKED: (Look("muted", "slash-circle"), gettext_lazy("Revoked")),
}


DELIVERY_LOOKS: Final[dict[str, tuple[Look, str | Promise]]] = {
    "waiting": (Look("info", "hourglass-split"), gettext_lazy("Waiting")),
    "delivered": (Look("success", "check-circle-fill"), gettext_lazy("Delivered")),
    "gave_up": (Look("danger", "x-circle-fill"), gettext_lazy("Given up")),
}


def isolated(text: str) -> str:
    """Put ``text`` between isolates, for amounts, phone numbers and ids within a sentence."""
    return f"{ISOLATE}{text}{POP}"


@register.filter
def money(amount: Money) -> SafeString:
    """Write an amount with its code, kept left to right: ``1,284.50 USD``."""
    return format_html('<span class="amount" dir="ltr">{}</span>', isolated(format_money(amount)))


@register.filter
def kilobytes(count: int) -> str:
    """Write a number of bytes as ``38.2 KB``, its figure as amounts are written: a dot before the decimals."""
    return gettext("%(size)s KB") % {"size": isolated(f"{count / 1024:,.1f}")}


@register.filter
def figure(amount: Money) -> SafeString:
    """Write an amount without its code, for columns whose head names it."""
    return format_html('<span class="amount" dir="ltr">{}</span>', isolated(format_amount(amount)))


@register.filter
def exact(amount: Money) -> SafeString:
    """Write an amount to the millionth, without its code: the terms of a sum must add up for whoever checks it."""
    whole, micros = divmod(abs(amount.micros), MICROS_PER_UNIT)
    exponent = currency_of(amount.currency).exponent
    decimals = f"{micros:06d}"
    shown = decimals[:exponent] + decimals[exponent:].rstrip("0")
    sign = MINUS if amount.micros < 0 else ""
    return format_html('<span class="amount" dir="ltr">{}</span>', isolated(f"{sign}{whole:,}.{shown}"))


@register.filter
def field_amount(amount: Money) -> str:
    """Write an amount as a person would type it: no separators, no code."""
    return format_amount(amount).replace(",", "")


@register.filter
def isolate(text: object) -> str:
    """Keep an id, a phone number or a card number from turning round in Arabic."""
    return isolated(str(text))


@register.filter
def unbroken(text: object) -> SafeString:
    """Keep a card, a voucher number or a case on one line, left to right."""
    return format_html('<span class="amount" dir="ltr">{}</span>', isolated(str(text)))


@register.filter
def when(moment: datetime) -> SafeString:
    """Write a moment in the reader's time zone, with the zone beside it and UTC behind it."""
    local = timezone.localtime(moment)
    # A format, not a sentence: Arabic writes another comma.
    shape = gettext("j M Y, H:i")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S} UTC",
        f"{date_format(local, shape)} {isolated(zone_name(local))}",
    )


@register.simple_tag
def state_badge(state: str) -> SafeString:
    """Draw a payment's state: colour, icon and word, so that none of them is needed alone."""
    known = State(state)
    look = LOOKS[known]
    return format_html(
        '<span class="badge-state tone-{}">{}{}</span>', look.tone, icon(look.icon), known.label
    )


@register.simple_tag
def member_badge(state: str) -> SafeString:
    """Draw whether a user can sign in: colour, icon and word."""
    look, word = MEMBER_LOOKS[MemberState(state)]
    return format_html('<span class="badge-state tone-{}">{}{}</span>', look.tone, icon(look.icon), word)


@register.simple_tag
def delivery_badge(state: str) -> SafeString:
    """Draw what became of a webhook: colour, icon and word."""
    look, word = DELIVERY_LOOKS[state]
    return format_html('<span class="badge-state tone-{}">{}{}</span>', look.tone, icon(look.icon), word)


@register.simple_tag
def key_badge(state: str) -> SafeString:
    """Draw whether an API key opens anything: colour, icon and word."""
    look, word = KEY_LOOKS[KeyState(state)]
    return format_html('<span class="badge-state tone-{}">{}{}</span>', look.tone, icon(look.icon), word)


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """Draw an icon of the sprite. It is decoration: the words beside it carry the meaning."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static("vendor/icons/icons.svg"),
        name,
    )
