"""Write mails: subject, text and HTML, in the reader's language, from what is given.

Names come from outside: they are made one visible line before they reach a header or a text, the templates escape them
for HTML, and every number is set in its own direction. This module must never read the database, the clock or a secret
that it was not given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from raseed.accounts.factors.notices import Event
from raseed.accounts.models import Account, Operator, User
from raseed.documents.copies import Language, read_receipt_voucher_copy
from raseed.documents.plaintext import in_its_own_direction, left_to_right, one_line
from raseed.documents.render import voucher_view
from raseed.documents.wording import VOUCHER
from raseed.notifications.models import PersonalMail

PAYMENTS_PATH: Final = "/settings/billing/invoices?tab=payments"
BALANCE_PATH: Final = "/settings/billing/balance"
SECURITY_PATH: Final = "/settings/security"
SUBJECT_LENGTH_MAX: Final = 200

# For each event the subject, and the sentence; a passkey's name is `thing`.
_NOTICES: Final[dict[Event, tuple[Promise, Promise]]] = {
    Event.APP_ADDED: (
        gettext_lazy("An authenticator app was added"),
        gettext_lazy("An authenticator app was set up as your second factor."),
    ),
    Event.APP_REMOVED: (
        gettext_lazy("The authenticator app was removed"),
        gettext_lazy("Your authenticator app no longer opens your sign-in."),
    ),
    Event.PASSKEY_ADDED: (
        gettext_lazy("A passkey was added"),
        gettext_lazy("The passkey %(thing)s was added. It signs you in without a password."),
    ),
    Event.PASSKEY_REMOVED: (
        gettext_lazy("A passkey was removed"),
        gettext_lazy("The passkey %(thing)s no longer opens your sign-in."),
    ),
    Event.CODES_MADE: (
        gettext_lazy("New recovery codes were made"),
        gettext_lazy("A new set of recovery codes was made. The earlier ones no longer work."),
    ),
    Event.CODE_USED: (
        gettext_lazy("A recovery code was used"),
        gettext_lazy(
            "One of your recovery codes was used in the place of your second factor. It does not work again."
        ),
    ),
    Event.FACTORS_RESET: (
        gettext_lazy("Your second factor was reset"),
        gettext_lazy(
            "The operator has removed your authenticator app, passkeys and recovery codes, and ended your sessions."
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A mail as it is read."""

    subject: str
    text: str
    html: str


def receipt(frozen: Mapping[str, object], language: Language, operator: Operator) -> Written:
    """The mail that brings a receipt voucher, from the voucher's frozen copy."""
    copy = read_receipt_voucher_copy(frozen)
    words = VOUCHER[language]
    view = cast("dict[str, Any]", voucher_view(copy, language))
    said = {row["label"]: row["lines"][0] for row in view["rows"]}
    said |= {view[name]["label"]: view[name]["text"] for name in ("number", "date")}
    shown = (words.number, words.date, words.method, words.received_from)
    with translation.override(language):
        return _write(
            "receipt",
            operator,
            _("Receipt voucher %(number)s: %(amount)s received")
            % {"number": view["number"]["text"], "amount": view["amount"]["text"]},
            amount=view["amount"]["text"],
            number=view["number"]["text"],
            rows=[(label, said[label]) for label in shown if label in said],
            link=settings.PUBLIC_URL + PAYMENTS_PATH,
        )


def service_restored(account: Account, at: datetime, operator: Operator) -> Written:
    """The mail that says that a payment has ended a suspension."""
    with translation.override(account.language):
        return _write(
            "service_restored",
            operator,
            _("Your service is active again"),
            account=in_its_own_direction(one_line(account.name)),
            at=_moment(at, ZoneInfo(account.time_zone)),
            link=settings.PUBLIC_URL + BALANCE_PATH,
        )


def invitation(user: User, account: Account | None, link: str, operator: Operator) -> Written:
    """The mail that lets an invited user, or one of the staff, choose a password."""
    with translation.override(user.language):
        return _write(
            "invitation",
            operator,
            _("Choose your password and sign in"),
            name=in_its_own_direction(one_line(user.name)),
            account=in_its_own_direction(one_line(account.name)) if account else "",
            address=left_to_right(one_line(user.email)),
            link=link,
        )


def password_reset(user: User, link: str, operator: Operator) -> Written:
    """The mail that lets a user set a new password."""
    with translation.override(user.language):
        return _write(
            "password_reset",
            operator,
            _("Set a new password"),
            name=in_its_own_direction(one_line(user.name)),
            address=left_to_right(one_line(user.email)),
            link=link,
        )


def security_notice(user: User, mail: PersonalMail, account: Account | None, operator: Operator) -> Written:
    """The mail that says what happened to a person's sign-in."""
    thing = in_its_own_direction(one_line(mail.facts["thing"]))
    at = datetime.fromisoformat(mail.facts["at"])
    with translation.override(mail.language):
        subject, said = _NOTICES[Event(mail.facts["event"])]
        return _write(
            "security_notice",
            operator,
            str(subject),
            name=in_its_own_direction(one_line(user.name)),
            address=left_to_right(one_line(mail.address)),
            said=str(said) % {"thing": thing},
            at=_moment(at, ZoneInfo(account.time_zone if account else operator.time_zone)),
            link=settings.PUBLIC_URL + SECURITY_PATH,
        )


def sender_name(operator: Operator, language: str) -> str:
    """The operator's name for the From header: one line, no control characters."""
    return one_line(operator.name_ar if language == "ar" and operator.name_ar.strip() else operator.name)


def _write(template: str, operator: Operator, subject: str, **words: object) -> Written:
    language = translation.get_language() or "en"
    is_rtl = translation.get_language_bidi()
    context = {
        "language": language,
        "direction": "rtl" if is_rtl else "ltr",
        "start": "right" if is_rtl else "left",
        "end": "left" if is_rtl else "right",
        "subject": subject,
        "operator": in_its_own_direction(sender_name(operator, language)),
        "support": left_to_right(one_line(operator.support_contact or operator.email_reply_to)),
        **words,
    }
    return Written(
        subject=_header(subject),
        text=_tidy(render_to_string(f"notifications/{template}.txt", context)),
        html=render_to_string(f"notifications/{template}.html", context),
    )


def _header(subject: str) -> str:
    """Without the isolates, where they change nothing: left to right text in a left to right subject."""
    plain = subject.translate({0x2066: None, 0x2068: None, 0x2069: None})
    return (plain if plain.isascii() else subject)[:SUBJECT_LENGTH_MAX]


def _tidy(text: str) -> str:
    """One empty line between paragraphs, whatever the tags of the template left."""
    paragraphs = [part.strip() for part in text.split("\n\n")]
    return "\n\n".join(part for part in paragraphs if part) + "\n"


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    offset = f"{local:%z}"
    clock = left_to_right(f"{local:%H:%M} UTC{offset[:3]}:{offset[3:]}")
    return f"{in_its_own_direction(date_format(local, 'j F Y', use_l10n=False))} {clock}"
