"""Reads what the pages show of automatic recharge, always for one account. Nothing here writes or decides."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from raseed.accounts.models import Account
from raseed.documents.issue import voucher_numbers
from raseed.documents.plaintext import on_one_line
from raseed.money import Money, format_money
from raseed.payments.models import Payment, Purpose
from raseed.payments.recharge import cards, guards
from raseed.payments.recharge.change import settings_of
from raseed.payments.recharge.models import Consideration, Mode, RechargeSeries, RechargeSettings
from raseed.payments.recharge.reasons import SENTENCES, Reason
from raseed.payments.recharge.spent import spent_since
from raseed.payments.recharge.wording import sentence
from raseed.payments.states import State
from raseed.payments.wording import card_name
from raseed.portal.pages import RechargeCard, RechargeLine, Text
from raseed.portal.templatetags.portal_text import isolated

SHOWN: Final = 10
HISTORY_SHOWN: Final = 100
_TONES: Final[dict[Reason, tuple[str, str]]] = {
    Reason.DECLINED: ("danger", "x-circle-fill"),
    Reason.GAVE_UP: ("danger", "x-circle-fill"),
    Reason.AUTHENTICATION: ("warning", "shield-check"),
    Reason.NO_CARD: ("warning", "credit-card"),
    Reason.PAUSED: ("warning", "exclamation-triangle-fill"),
    Reason.DAY_CAP: ("warning", "exclamation-triangle-fill"),
    Reason.MONTH_CAP: ("warning", "exclamation-triangle-fill"),
}
_QUIET: Final = ("muted", "slash-circle")
# Rows that say something else once their payment is over.
_OF_A_PAYMENT: Final = frozenset({Reason.CHARGE, Reason.AUTHENTICATION})


def recharge_card(account: Account, now: datetime, *, may_change: bool) -> RechargeCard:
    """Automatic recharge as it stands, with the latest that was considered."""
    row = settings_of(account.id)
    lines = history(account, SHOWN)
    if row is None:
        return RechargeCard(is_on=False, lines=lines, may_change=may_change)
    usable = cards.usable(account.id, now)
    series = RechargeSeries.objects.filter(account_id=account.id).first()
    is_paused = row.is_on and series is not None and series.paused_at is not None
    waiting = Payment.objects.filter(
        account_id=account.id, purpose=Purpose.RECHARGE, state=State.ACTION_REQUIRED
    ).first()
    return RechargeCard(
        is_on=row.is_on,
        is_paused=is_paused,
        version=row.version,
        threshold=Money(row.threshold_micros, account.currency),
        target=_money_if(row.mode == Mode.TARGET, row.target_micros, account),
        fixed=_money_if(row.mode == Mode.FIXED, row.fixed_micros, account),
        card=card_name(usable[0].brand, usable[0].last4) if usable else "",
        month_charged=spent_since(account, guards.month_of(account, now)).amount,
        month_cap=Money(row.month_charge_max_micros, account.currency),
        notice=_notice(row, is_paused=is_paused, has_card=bool(usable)),
        confirm=waiting.id if waiting else None,
        lines=lines,
        may_change=may_change,
    )


def _money_if(counts: object, micros: int, account: Account) -> Money | None:
    return Money(micros, account.currency) if counts else None


def _notice(row: RechargeSettings, *, is_paused: bool, has_card: bool) -> Text:
    """What an Admin must do before the next recharge can happen."""
    if not row.is_on:
        return ""
    if not has_card:
        return SENTENCES[Reason.NO_CARD]
    return SENTENCES[Reason.PAUSED] if is_paused else ""


def history(account: Account, limit: int) -> tuple[RechargeLine, ...]:
    """The latest recharges considered, newest first. A charge that was declined is told by the row of its decline."""
    rows = (
        Consideration.objects.filter(account_id=account.id)
        .exclude(reason=Reason.CHARGE, payment_id__in=_ended_badly(account))
        .order_by("-at", "-id")[:limit]
    )
    return _lines(account, rows)


def _ended_badly(account: Account) -> list[UUID]:
    return list(
        Payment.objects.filter(
            account_id=account.id,
            purpose=Purpose.RECHARGE,
            state__in=[State.FAILED, State.CANCELED],
        )
        .order_by("-created_at")
        .values_list("id", flat=True)[:HISTORY_SHOWN]
    )


def _lines(account: Account, rows: Iterable[Consideration]) -> tuple[RechargeLine, ...]:
    found = list(rows)
    ids = [one.payment_id for one in found if one.payment_id and one.reason in _OF_A_PAYMENT]
    payments = {one.id: one for one in Payment.objects.filter(account_id=account.id, id__in=ids)}
    numbers = voucher_numbers(account.id, ids)
    return tuple(_line(one, payments, numbers, account) for one in found)


def _line(
    row: Consideration, payments: dict[UUID, Payment], numbers: dict[UUID, str], account: Account
) -> RechargeLine:
    payment = payments.get(row.payment_id) if row.payment_id else None
    if payment is not None and row.reason == Reason.CHARGE:
        return _charge(row, payment, numbers.get(payment.id, ""), account)
    if payment is not None and payment.state == State.SUCCEEDED:
        return _confirmed(row, payment)
    return _refusal(row, account)


def _confirmed(row: Consideration, payment: Payment) -> RechargeLine:
    """What the bank wanted is done: the charge has a line of its own."""
    text = _("The bank of %(card)s wanted you to confirm %(charge)s. That was done, and it was charged.") % {
        "charge": isolated(format_money(Money.from_minor(payment.charge_minor, payment.currency))),
        "card": isolated(card_name(payment.card_brand, payment.card_last4)),
    }
    return RechargeLine(row.at, "muted", "shield-check", on_one_line(text), payment.id)


def _charge(row: Consideration, payment: Payment, voucher_number: str, account: Account) -> RechargeLine:
    if payment.state != State.SUCCEEDED:
        return RechargeLine(
            row.at, "info", "hourglass-split", on_one_line(sentence(row, account)), payment.id
        )
    text = _("Charged %(charge)s on %(card)s, because the balance came to %(available)s.") % {
        "charge": isolated(format_money(Money.from_minor(payment.charge_minor, payment.currency))),
        "card": isolated(card_name(payment.card_brand, payment.card_last4)),
        "available": isolated(format_money(Money(row.available_micros, account.currency))),
    }
    return RechargeLine(row.at, "success", "check-circle-fill", on_one_line(text), payment.id, voucher_number)


def _refusal(row: Consideration, account: Account) -> RechargeLine:
    tone, icon = _TONES.get(Reason(row.reason), _QUIET)
    return RechargeLine(row.at, tone, icon, on_one_line(sentence(row, account)), row.payment_id)
