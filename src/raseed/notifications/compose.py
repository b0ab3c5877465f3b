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
from raseed.balance.models import Alert
from raseed.balance.wording import alert_sentence, alert_title
from raseed.documents.copies import Language, read_receipt_voucher_copy
from raseed.documents.plaintext import in_its_own_direction, left_to_right, on_one_line, one_line
from raseed.documents.render import voucher_view
from raseed.documents.wording import VOUCHER
from raseed.gateways.port import DisputeState
from raseed.money import Money, format_amount, format_money
from raseed.notifications.models import PersonalKind, PersonalMail
from raseed.notifications.notice_words import ALARMS, NOTICES
from raseed.payments.models import Payment, PaymentDispute, Refund
from raseed.payments.recharge.models import Consideration
from raseed.payments.recharge.reasons import Reason
from raseed.payments.recharge.wording import sentence
from raseed.payments.refund_states import RefundState

PAY_PATH: Final = "/settings/billing/balance/pay?amount=%(amount)s"
RECHARGE_PATH: Final = "/settings/billing/balance/recharge"
PAYMENTS_PATH: Final = "/settings/billing/invoices?tab=payments"
BALANCE_PATH: Final = "/settings/billing/balance"
PAYMENT_PATH: Final = "/settings/billing/payments/%(payment)s"
SUBJECT_LENGTH_MAX: Final = 200


_SETTINGS: Final = (gettext_lazy("Open automatic recharge"), RECHARGE_PATH)
_PAY_NOW: Final = (gettext_lazy("Pay Now"), PAY_PATH)
# Subject, and the button with where it leads; `%(payment)s` and `%(amount)s` are filled in.
_RECHARGES: Final[dict[Reason, tuple[str | Promise, tuple[str | Promise, str]]]] = {
    Reason.NO_CARD: (gettext_lazy("Automatic recharge has no card to charge"), _PAY_NOW),
    Reason.DAY_CAP: (gettext_lazy("Automatic recharge has reached the day’s cap"), _SETTINGS),
    Reason.MONTH_CAP: (gettext_lazy("Automatic recharge has reached the month’s cap"), _SETTINGS),
    Reason.AUTHENTICATION: (
        gettext_lazy("Your bank wants you to confirm the automatic recharge"),
        (gettext_lazy("Confirm at the bank"), PAYMENT_PATH),
    ),
    Reason.DECLINED: (gettext_lazy("The automatic recharge did not go through"), _PAY_NOW),
    Reason.GAVE_UP: (gettext_lazy("Automatic recharge is paused"), _PAY_NOW),
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


def recharge(account: Account, row: Consideration, operator: Operator) -> Written:
    """The mail that says why an automatic recharge was not made, and what helps."""
    subject, (label, path) = _RECHARGES[Reason(row.reason)]
    places = {
        "payment": str(row.payment_id),
        "amount": format_amount(Money(row.amount_micros, account.currency)).replace(",", "")
        if row.amount_micros
        else "",
    }
    with translation.override(account.language):
        return _about_balance(
            account,
            operator,
            str(subject),
            sentence(row, account),
            Money(row.available_micros, account.currency),
            label,
            path % places,
        )


def alert(account: Account, row: Alert, operator: Operator) -> Written:
    """The mail that warns of a limit that was reached."""
    with translation.override(account.language):
        return _about_balance(
            account,
            operator,
            alert_title(row),
            alert_sentence(row, account),
            Money(row.available_micros, account.currency),
            gettext_lazy("Pay Now"),
            PAY_PATH % {"amount": ""},
        )


def service_suspended(account: Account, at: datetime, balance: Money, operator: Operator) -> Written:
    """The mail that says that service has stopped, and that a payment brings it back."""
    with translation.override(account.language):
        said = _(
            "The balance ran out and service was suspended on %(at)s. A payment restores it at once, by itself."
        ) % {"at": _moment(at, ZoneInfo(account.time_zone))}
        return _about_balance(
            account,
            operator,
            _("Your service is suspended"),
            said,
            balance,
            gettext_lazy("Pay Now"),
            PAY_PATH % {"amount": ""},
        )


def grace(account: Account, until: datetime, balance: Money, operator: Operator) -> Written:
    """The mail that says until when an account whose balance ran out goes on."""
    with translation.override(account.language):
        said = _(
            "The balance has run out. Service goes on until %(until)s and is suspended then, unless you pay."
        ) % {"until": _moment(until, ZoneInfo(account.time_zone))}
        return _about_balance(
            account,
            operator,
            _("The balance has run out"),
            said,
            balance,
            gettext_lazy("Pay Now"),
            PAY_PATH % {"amount": ""},
        )


def _about_balance(
    account: Account,
    operator: Operator,
    subject: str,
    said: str,
    balance: Money,
    label: str | Promise,
    path: str,
) -> Written:
    """A mail to those who look after the account's money: what happened, what is left, and one button."""
    return _write(
        "balance_notice",
        operator,
        subject,
        said=said,
        account=in_its_own_direction(one_line(account.name)),
        balance=left_to_right(format_money(balance)),
        # Of one that has run out it is said already what becomes of service.
        is_left=balance.micros > 0,
        label=label,
        link=settings.PUBLIC_URL + path,
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


def _money_names(account: Account, paid_at: datetime) -> dict[str, str]:
    local = paid_at.astimezone(ZoneInfo(account.time_zone))
    return {
        "account": in_its_own_direction(one_line(account.name)),
        "day": in_its_own_direction(date_format(local, "j F Y", use_l10n=False)),
    }


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


def _amount(amount: Money) -> str:
    return left_to_right(format_money(amount))


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


def email_change(user: User, address: str, link: str, operator: Operator) -> Written:
    """The mail to a new address that lets its owner confirm it."""
    with translation.override(user.language):
        return _write(
            "email_change",
            operator,
            _("Confirm your new e-mail address"),
            name=in_its_own_direction(one_line(user.name)),
            address=left_to_right(one_line(address)),
            link=link,
        )


def notice(mail: PersonalMail, user: User, account: Account | None, operator: Operator) -> Written:
    """The mail that tells a person of a change to their sign-in, or of an alarm, from the facts that were kept with it."""
    facts: Mapping[str, str] = mail.facts
    zone = ZoneInfo(account.time_zone if account else operator.time_zone)
    with translation.override(mail.language):
        kind = PersonalKind(mail.kind)
        words = ALARMS[kind] if kind in ALARMS else NOTICES[Notice(kind)]
        names = {
            "address": left_to_right(one_line(mail.address)),
            "account": in_its_own_direction(one_line(account.name if account else operator.name)),
            "at": _moment(datetime.fromisoformat(facts["at"]), zone),
            "place": left_to_right(facts.get("ip") or "–"),
            **{name: left_to_right(one_line(facts[name])) for name in ("email", "rules") if name in facts},
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
            why=words.why,
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
        html=on_one_line(render_to_string(f"notifications/{template}.html", context)),
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
