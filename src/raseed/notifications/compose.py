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

from raseed.accounts.models import Account, Operator, Role, User
from raseed.accounts.notices import Notice
from raseed.documents.copies import Language, read_receipt_voucher_copy
from raseed.documents.plaintext import in_its_own_direction, left_to_right, one_line
from raseed.documents.render import voucher_view
from raseed.documents.wording import VOUCHER
from raseed.gateways.port import DisputeState
from raseed.money import Money, format_money
from raseed.notifications.models import PersonalMail
from raseed.payments.models import Payment, PaymentDispute, Refund
from raseed.payments.refund_states import RefundState

PAYMENTS_PATH: Final = "/settings/billing/invoices?tab=payments"
BALANCE_PATH: Final = "/settings/billing/balance"
SECURITY_PATH: Final = "/profile/security"
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


_REFUND_TOLD: Final = {
    RefundState.CREATED: (
        gettext_lazy("%(amount)s are on their way back to your card"),
        gettext_lazy(
            "We are giving %(amount)s back to the card that you paid %(paid)s with on %(day)s."
            " Your bank may need up to ten days to show it."
        ),
        gettext_lazy("%(credit)s of it were taken from the balance of %(account)s."),
    ),
    RefundState.SUCCEEDED: (
        gettext_lazy("%(amount)s were given back to your card"),
        gettext_lazy(
            "The bank has confirmed that %(amount)s of your payment of %(paid)s on %(day)s go back to your card."
        ),
        gettext_lazy("%(credit)s of it were taken from the balance of %(account)s."),
    ),
    RefundState.FAILED: (
        gettext_lazy("%(amount)s could not be given back to your card"),
        gettext_lazy(
            "The bank could not give back %(amount)s of your payment of %(paid)s on %(day)s to your card."
        ),
        gettext_lazy(
            "%(credit)s are in the balance of %(account)s again. Ask us for another way to get them back."
        ),
    ),
}
_DISPUTE_TOLD: Final = {
    DisputeState.OPEN: (
        gettext_lazy("A payment of %(amount)s is disputed: your service is suspended"),
        gettext_lazy(
            "The holder of the card has asked their bank to take back %(amount)s, paid on %(day)s."
            " The bank has done so, and the amount was taken from the balance of %(account)s."
        ),
        gettext_lazy(
            "Service is suspended until this is settled, and nothing is recharged automatically. If it is a mistake, tell"
            " your bank and us."
        ),
    ),
    DisputeState.WON: (
        gettext_lazy("The dispute over %(amount)s has ended in your favour"),
        gettext_lazy(
            "The bank has given back %(amount)s, paid on %(day)s. They are in the balance of %(account)s again."
        ),
        gettext_lazy("The suspension for this dispute has ended, unless another payment is disputed."),
    ),
    DisputeState.LOST: (
        gettext_lazy("The dispute over %(amount)s has ended: the bank keeps the money"),
        gettext_lazy(
            "The bank has decided that %(amount)s, paid on %(day)s, stay with the holder of the card."
            " They were taken from the balance of %(account)s when the dispute opened."
        ),
        gettext_lazy("Service stays suspended. Ask us what is to be done so that it can go on."),
    ),
}


_STAFF_SUBJECTS: Final = {
    DisputeState.OPEN: gettext_lazy("Dispute opened: %(amount)s of %(account)s"),
    DisputeState.WON: gettext_lazy("Dispute won: %(amount)s of %(account)s"),
    DisputeState.LOST: gettext_lazy("Dispute lost: %(amount)s of %(account)s"),
}


def refund_told(
    account: Account, payment: Payment, refund: Refund, state: RefundState, operator: Operator
) -> Written:
    """The mail that says where a refund stands."""
    with translation.override(account.language):
        names = _money_names(account, payment.final_at or payment.created_at) | {
            "amount": _amount(Money.from_minor(refund.amount_minor, refund.currency)),
            "paid": _amount(Money.from_minor(payment.captured_minor or 0, payment.captured_currency)),
            "credit": _amount(Money(refund.credit_micros, refund.currency)),
        }
        return _money_mail(_REFUND_TOLD[state], names, operator)


def dispute_told(
    account: Account, dispute: PaymentDispute, state: DisputeState, operator: Operator
) -> Written:
    """The mail to an account that says where a dispute stands."""
    with translation.override(account.language):
        names = _money_names(account, dispute.payment.final_at or dispute.opened_at) | {
            "amount": _amount(Money.from_minor(dispute.amount_minor, dispute.currency))
        }
        return _money_mail(_DISPUTE_TOLD[state], names, operator)


def dispute_told_to_staff(
    account: Account, dispute: PaymentDispute, state: DisputeState, operator: Operator
) -> Written:
    """The mail to finance that says where a dispute stands and what is asked of them; in English."""
    with translation.override("en"):
        names = _money_names(account, dispute.payment.final_at or dispute.opened_at) | {
            "amount": _amount(Money.from_minor(dispute.amount_minor, dispute.currency)),
            "reference": left_to_right(one_line(dispute.part_ref)),
            "payment": left_to_right(str(dispute.payment_id)),
        }
        return _money_mail(
            (
                _STAFF_SUBJECTS[state],
                gettext_lazy(
                    "Dispute %(reference)s over %(amount)s, paid on %(day)s as payment %(payment)s by %(account)s."
                ),
                gettext_lazy(
                    "While it is open, send the bank your evidence before its deadline. The balance was debited when it"
                    " opened; a suspension for a lost dispute is lifted by staff."
                ),
            ),
            names,
            operator,
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
            "thing": in_its_own_direction(one_line(facts.get("thing", ""))),
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


def _money_names(account: Account, paid_at: datetime) -> dict[str, str]:
    local = paid_at.astimezone(ZoneInfo(account.time_zone))
    return {
        "account": in_its_own_direction(one_line(account.name)),
        "day": in_its_own_direction(date_format(local, "j F Y", use_l10n=False)),
    }


def _amount(amount: Money) -> str:
    return left_to_right(format_money(amount))


def _money_mail(
    words: tuple[str | Promise, str | Promise, str | Promise], names: Mapping[str, str], operator: Operator
) -> Written:
    """A mail of a subject and two paragraphs that leads to the payments."""
    subject, said, further = (str(one) % names for one in words)
    return _write(
        "money_moved",
        operator,
        subject,
        said=said,
        further=further,
        link=settings.PUBLIC_URL + PAYMENTS_PATH,
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
