"""What an Admin types on the page of automatic recharge: read into amounts, each error at its field. Nothing here decides."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, Operator
from raseed.errors import RaseedError
from raseed.money import Money, format_amount, parse_amount
from raseed.payments.amounts import Policy
from raseed.payments.recharge.change import (
    CHARGES_PER_DAY_MAX,
    CHARGES_PER_DAY_USUAL,
    ChargesOutOfRange,
    Wanted,
)
from raseed.payments.recharge.models import Mode, RechargeSettings
from raseed.portal.pages import Text
from raseed.tax.topup import quote

CONSENT_VERSION: Final = "2026-11"
AGREEMENT: Final = _("I agree that the card is charged in this way until automatic recharge is switched off.")
_AMOUNTS: Final = ("threshold", "target", "fixed", "month_cap")
_LENGTH_MAX: Final = 40
# What is proposed where nothing was set up: so many recharges a month.
_RECHARGES_PER_MONTH: Final = 4


@dataclass(frozen=True, slots=True)
class Typed:
    """The form as it came, unread. `read` is the sentence that the page showed when it was sent."""

    version: str = "0"
    mode: str = Mode.TARGET.value
    threshold: str = ""
    target: str = ""
    fixed: str = ""
    day_cap: str = str(CHARGES_PER_DAY_USUAL)
    month_cap: str = ""
    consent: str = ""
    read: str = ""

    @classmethod
    def sent(cls, data: Mapping[str, str]) -> "Typed":
        """From what a browser sent; everything else in it is not read."""
        names = cls.__dataclass_fields__
        given = {name: data.get(name, "").strip() for name in names}
        return cls(**{name: text if name == "read" else text[:_LENGTH_MAX] for name, text in given.items()})

    @property
    def values(self) -> dict[str, str]:
        """By the names of the fields."""
        return asdict(self)


def first(account: Account, policy: Policy) -> Typed:
    """What is proposed where nothing was set up."""
    largest = policy.presets[-1] if policy.presets else policy.maximum
    smallest = policy.presets[0] if policy.presets else policy.minimum
    threshold = Money(smallest.micros // 2, account.currency)
    usual = quote(Operator.objects.get(), largest).charge
    return Typed(
        threshold=_text(threshold),
        target=_text(largest),
        fixed=_text(largest),
        month_cap=_text(Money(usual.micros * _RECHARGES_PER_MONTH, account.currency)),
    )


def filled(row: RechargeSettings, currency: str) -> Typed:
    """The settings as they are."""
    return Typed(
        version=str(row.version),
        mode=row.mode,
        threshold=_text(Money(row.threshold_micros, currency)),
        target=_text(Money(row.target_micros, currency)),
        fixed=_text(Money(row.fixed_micros, currency)),
        day_cap=str(row.charges_per_day_max),
        month_cap=_text(Money(row.month_charge_max_micros, currency)),
    )


def read(typed: Typed, currency: str) -> tuple[Wanted | None, dict[str, Text]]:
    """What is wanted, or the errors by field."""
    errors: dict[str, Text] = {}
    amounts: dict[str, Money] = {}
    mode = Mode.FIXED if typed.mode == Mode.FIXED else Mode.TARGET
    for name in _AMOUNTS:
        try:
            amounts[name] = parse_amount(getattr(typed, name), currency)
        except RaseedError as error:
            # Of the mode that does not count nothing has to be typed.
            if name == (Mode.TARGET.value if mode == Mode.FIXED else Mode.FIXED.value):
                amounts[name] = Money.zero(currency)
            else:
                errors[name] = error.message
    times = int(typed.day_cap) if typed.day_cap.isascii() and typed.day_cap.isdigit() else 0
    if not 1 <= times <= CHARGES_PER_DAY_MAX:
        errors["day_cap"] = ChargesOutOfRange(most=CHARGES_PER_DAY_MAX).message
    if errors:
        return None, errors
    return (
        Wanted(
            mode=mode,
            threshold=amounts["threshold"],
            target=amounts["target"],
            fixed=amounts["fixed"],
            charges_per_day_max=times,
            month_charge_max=amounts["month_cap"],
        ),
        errors,
    )


def _text(amount: Money) -> str:
    return format_amount(amount).replace(",", "")
