"""What automatic recharge says in the active language: a row of the history, on the page and in the mail; and what is agreed to."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from raseed.accounts.models import Account
from raseed.local_time import zone_name
from raseed.money import Money, format_money
from raseed.payments.models import PaymentMethod
from raseed.payments.recharge.change import Wanted, usual_charge
from raseed.payments.recharge.models import Consideration, Mode
from raseed.payments.recharge.reasons import (
    BOUNDS,
    NEXT_CARD,
    NEXT_TRY,
    NO_REASON,
    OWN_DECLINES,
    SENTENCES,
    UNTIL_CHANGED,
    Reason,
)
from raseed.payments.wording import card_name, decline_reason

_TARGET: Final = gettext_lazy(
    "When the available balance reaches %(threshold)s we charge your %(card)s so that it is %(target)s again; about %(charge)s."
)
_TARGET_WITH_TAX: Final = gettext_lazy(
    "When the available balance reaches %(threshold)s we charge your %(card)s so that it is %(target)s again; about %(charge)s with VAT."
)
_FIXED: Final = gettext_lazy(
    "When the available balance reaches %(threshold)s we charge your %(card)s %(charge)s, or as many times that as bring it above %(threshold)s again."
)
_FIXED_WITH_TAX: Final = gettext_lazy(
    "When the available balance reaches %(threshold)s we charge your %(card)s %(charge)s with VAT, or as many times that as bring it above %(threshold)s again."
)
_AT_MOST: Final = gettext_lazy(
    "At most %(cap)s a month; charges a day: at most %(times)s. If the card is declined, the next saved card is charged."
)
# Amounts, cards and times keep their own direction in Arabic.
_ISOLATE: Final = "\u2066"
_POP: Final = "\u2069"


def sentence(row: Consideration, account: Account) -> str:
    """Why it was charged or was not, with its figures; times by the account's zone."""
    reason = Reason(row.reason)
    names = {
        "card": _kept(card_name(row.card_brand, row.card_last4)),
        "charge": _kept(_charge(row, account)),
        "available": _money(row.available_micros, account),
        "pending": _money(row.pending_micros, account),
        "cap": _cap(row, account),
        "next": moment(row.next_at, account),
        "decline": str(decline_reason(row.decline_code) or OWN_DECLINES.get(row.decline_code, NO_REASON)),
    }
    parts: list[str | Promise] = [SENTENCES[reason]]
    if row.bound:
        parts.append(BOUNDS[row.bound])
    if reason is Reason.DECLINED:
        parts.append(NEXT_TRY if row.next_at else NEXT_CARD)
    if reason is Reason.GAVE_UP:
        parts.append(UNTIL_CHANGED)
    return " ".join(str(part) % names for part in parts)


def promise(account: Account, wanted: Wanted, card: PaymentMethod) -> str:
    """Exactly what an Admin agrees to: when which card is charged how much, and how often at most. Raises the errors of amounts."""
    charge = usual_charge(account, wanted)
    names = {
        "threshold": _money(wanted.threshold.micros, account),
        "target": _money(wanted.target.micros, account),
        "card": _kept(card_name(card.brand, card.last4)),
        "charge": _money(charge.charge.micros, account),
        "times": _kept(str(wanted.charges_per_day_max)),
        "cap": _money(wanted.month_charge_max.micros, account),
    }
    if wanted.mode == Mode.FIXED:
        first = _FIXED_WITH_TAX if charge.tax else _FIXED
    else:
        first = _TARGET_WITH_TAX if charge.tax else _TARGET
    return f"{first} {_AT_MOST}" % names


def moment(at: datetime | None, account: Account) -> str:
    """A time as it is where the account is, with its zone; a dash for none."""
    if at is None:
        return "–"
    local = at.astimezone(ZoneInfo(account.time_zone))
    # The same shape as on all pages; Arabic writes another comma.
    return f"{date_format(local, gettext('j M Y, H:i'))} {_kept(zone_name(local))}"


def _charge(row: Consideration, account: Account) -> str:
    return format_money(Money.from_minor(row.charge_minor, account.currency)) if row.charge_minor else ""


def _cap(row: Consideration, account: Account) -> str:
    if row.cap is None:
        return ""
    return _money(row.cap, account) if row.reason == Reason.MONTH_CAP else _kept(str(row.cap))


def _money(micros: int, account: Account) -> str:
    return _kept(format_money(Money(micros, account.currency)))


def _kept(text: str) -> str:
    return f"{_ISOLATE}{text}{_POP}" if text else ""
