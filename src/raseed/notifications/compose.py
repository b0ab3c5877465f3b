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

from raseed.accounts.details import LABELS
from raseed.accounts.models import Account, Operator, Role, User
from raseed.accounts.notices import Notice
from raseed.documents.copies import Language, read_receipt_voucher_copy
from raseed.documents.plaintext import in_its_own_direction, left_to_right, one_line
from raseed.documents.render import voucher_view
from raseed.documents.wording import VOUCHER
from raseed.notifications.models import PersonalMail

PAYMENTS_PATH: Final = "/settings/billing/invoices?tab=payments"
BALANCE_PATH: Final = "/settings/billing/balance"
SECURITY_PATH: Final = "/profile/security"
DETAILS_PATH: Final = "/settings/billing/details"
SUBJECT_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """What a notice says, what to do if it comes as a surprise, and where its button leads (nowhere if `path` is empty)."""

    subject: str | Promise
    said: str | Promise
    advice: str | Promise
    label: str | Promise = ""
    path: str = ""


def _of_a_factor(subject: str | Promise, said: str | Promise) -> NoticeWords:
    """Words of a change to a second factor; `%(thing)s` is the name of what it is about."""
    return NoticeWords(subject, said, _IF_NOT_YOU, gettext_lazy("Sign-in and security"), SECURITY_PATH)


def _of_billing_details(
    subject: str | Promise, said: str | Promise, advice: str | Promise | None = None
) -> NoticeWords:
    """Words of something about Billing Details."""
    return NoticeWords(subject, said, advice or _NOT_EXPECTED, gettext_lazy("Billing Details"), DETAILS_PATH)


_NOT_EXPECTED: Final = gettext_lazy(
    "If this comes as a surprise, look who did it with the other Admins, and tell the operator."
)
_IF_NOT_YOU: Final = gettext_lazy("If it was not you, set a new password at once and tell the operator.")
_ASK_AN_ADMIN: Final = gettext_lazy("If this comes as a surprise, ask an Admin of %(account)s.")
_NOTICES: Final[dict[Notice, NoticeWords]] = {
    Notice.PASSWORD_CHANGED: NoticeWords(
        gettext_lazy("Your password was changed"),
        gettext_lazy(
            "The password of %(address)s was changed on %(at)s, from the network address %(place)s."
        ),
        gettext_lazy("If it was you, there is nothing to do. If it was not you, set a new password at once."),
        gettext_lazy("Set a new password"),
        "/password/reset",
    ),
    Notice.ROLE_CHANGED: NoticeWords(
        gettext_lazy("Your role was changed"),
        gettext_lazy(
            "Your role in the account of %(account)s was changed on %(at)s: %(before)s before, %(after)s now."
        ),
        _ASK_AN_ADMIN,
        gettext_lazy("Open your page"),
        "/home",
    ),
    Notice.ACCESS_ENDED: NoticeWords(
        gettext_lazy("Your access has ended"),
        gettext_lazy("Your sign-in %(address)s to the account of %(account)s was disabled on %(at)s."),
        _ASK_AN_ADMIN,
    ),
    Notice.ACCESS_RESTORED: NoticeWords(
        gettext_lazy("You can sign in again"),
        gettext_lazy("Your sign-in %(address)s to the account of %(account)s was enabled again on %(at)s."),
        _ASK_AN_ADMIN,
        gettext_lazy("Sign in"),
        "/login",
    ),
    Notice.APP_ADDED: _of_a_factor(
        gettext_lazy("An authenticator app was added"),
        gettext_lazy("An authenticator app was set up as your second factor on %(at)s."),
    ),
    Notice.APP_REMOVED: _of_a_factor(
        gettext_lazy("The authenticator app was removed"),
        gettext_lazy("Since %(at)s your authenticator app no longer opens your sign-in."),
    ),
    Notice.PASSKEY_ADDED: _of_a_factor(
        gettext_lazy("A passkey was added"),
        gettext_lazy("The passkey %(thing)s was added on %(at)s. It signs you in without a password."),
    ),
    Notice.PASSKEY_REMOVED: _of_a_factor(
        gettext_lazy("A passkey was removed"),
        gettext_lazy("Since %(at)s the passkey %(thing)s no longer opens your sign-in."),
    ),
    Notice.CODES_MADE: _of_a_factor(
        gettext_lazy("New recovery codes were made"),
        gettext_lazy("A new set of recovery codes was made on %(at)s. The earlier ones no longer work."),
    ),
    Notice.CODE_USED: _of_a_factor(
        gettext_lazy("A recovery code was used"),
        gettext_lazy(
            "One of your recovery codes was used in the place of your second factor on %(at)s. It does not work again."
        ),
    ),
    Notice.FACTORS_RESET: _of_a_factor(
        gettext_lazy("Your second factor was reset"),
        gettext_lazy(
            "On %(at)s the operator removed your authenticator app, passkeys and recovery codes, and ended your sessions."
        ),
    ),
    Notice.CARD_ADDED: _of_billing_details(
        gettext_lazy("A card was added"),
        gettext_lazy("The card %(thing)s was added to the account of %(account)s on %(at)s."),
    ),
    Notice.CARD_REMOVED: _of_billing_details(
        gettext_lazy("A card was removed"),
        gettext_lazy(
            "The card %(thing)s was removed from the account of %(account)s on %(at)s. It is not charged any more."
        ),
    ),
    Notice.CARD_MADE_DEFAULT: _of_billing_details(
        gettext_lazy("Another card is charged first"),
        gettext_lazy(
            "Since %(at)s the card %(thing)s is the default of the account of %(account)s: it is charged first."
        ),
    ),
    Notice.CARD_EXPIRES: _of_billing_details(
        gettext_lazy("A card is about to expire"),
        gettext_lazy(
            "The card %(thing)s of the account of %(account)s works until the end of %(month)s. After that it cannot be charged."
        ),
        gettext_lazy("Add the new card in good time, so that payments and automatic recharge go on."),
    ),
    Notice.DETAILS_CHANGED: _of_billing_details(
        gettext_lazy("Billing details were changed"),
        gettext_lazy("The billing details of %(account)s were changed on %(at)s: %(thing)s."),
    ),
    Notice.REQUEST_APPROVED: _of_billing_details(
        gettext_lazy("Your change of billing details is done"),
        gettext_lazy(
            "The operator has made the change that was asked for %(account)s on %(at)s: %(thing)s. Receipts and invoices are made out so from now on; those that are issued stay as they are."
        ),
    ),
    Notice.REQUEST_REFUSED: _of_billing_details(
        gettext_lazy("Your change of billing details was not made"),
        gettext_lazy(
            "The operator did not make the change that was asked for %(account)s on %(at)s. The reason: %(thing)s"
        ),
        gettext_lazy("You can ask again, with what was missing."),
    ),
    Notice.CARD_TESTING: NoticeWords(
        gettext_lazy("Many cards are being declined"),
        gettext_lazy(
            "Since %(at)s somebody may be trying stolen cards: %(declined)s of the last %(ended)s new cards were declined within ten minutes."
        ),
        gettext_lazy(
            "Everybody who types a new card now solves a short check first; saved cards go on as usual. It ends by itself. The runbook says what to look at."
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


def notice(mail: PersonalMail, user: User, account: Account | None, operator: Operator) -> Written:
    """The mail that tells a person of a change to their sign-in, from the facts that were kept with it."""
    facts: Mapping[str, str] = mail.facts
    zone = ZoneInfo(account.time_zone if account else operator.time_zone)
    with translation.override(mail.language):
        words = _NOTICES[Notice(mail.kind)]
        names = {
            "address": left_to_right(one_line(mail.address)),
            "account": in_its_own_direction(one_line(account.name if account else operator.name)),
            "at": _moment(datetime.fromisoformat(facts["at"]), zone),
            "place": left_to_right(facts.get("ip") or "–"),
            "thing": in_its_own_direction(one_line(_thing(facts))),
            "month": left_to_right(facts.get("month", "")),
            "declined": facts.get("declined", ""),
            "ended": facts.get("ended", ""),
            **{name: Role(facts[name]).label for name in ("before", "after") if name in facts},
        }
        return _write(
            "notice",
            operator,
            str(words.subject),
            name=in_its_own_direction(one_line(user.name)),
            said=str(words.said) % names,
            advice=str(words.advice) % names,
            label=words.label,
            link=settings.PUBLIC_URL + words.path if words.path else "",
        )


def _thing(facts: Mapping[str, str]) -> str:
    """What a notice is about: a name, or the fields that changed as their form calls them."""
    if "fields" in facts:
        return ", ".join(str(LABELS[name]) for name in facts["fields"].split(","))
    return facts.get("thing", "")


def address_removed(address: str, account: Account, at: datetime, operator: Operator) -> Written:
    """The mail to an address that gets no more papers of an account."""
    with translation.override(account.language):
        return _write(
            "address_removed",
            operator,
            _("Receipts and invoices no longer come to this address"),
            account=in_its_own_direction(one_line(account.name)),
            address=left_to_right(one_line(address)),
            at=_moment(at, ZoneInfo(account.time_zone)),
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
