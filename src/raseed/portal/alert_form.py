"""What an Admin types on the page of e-mail alerts: read into limits and addresses, each error at its field. Nothing here decides."""

import re
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account
from raseed.balance.alert_settings import LowDaysOutOfRange
from raseed.balance.alerts import Watched
from raseed.errors import RaseedError
from raseed.money import Money, format_amount, parse_amount

_BETWEEN: Final = re.compile(r"[\s,;،؛]+")
_AMOUNT: Final = {"class": "form-control", "inputmode": "decimal", "autocomplete": "off", "dir": "ltr"}


class AmountField(forms.CharField):
    """An amount of the account's currency; empty is none."""

    def __init__(self, **named: Any) -> None:
        super().__init__(required=False, max_length=40, widget=forms.TextInput(_AMOUNT), **named)
        self.currency = ""

    def clean(self, value: Any) -> Any:
        """The amount as Money, or None. Raises ValidationError with what would be right."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_amount(text, self.currency)
        except RaseedError as error:
            raise forms.ValidationError(str(error.message)) from error


class AlertForm(forms.Form):
    """Warnings by mail: on or off, where to, and the limits. `version` is the one that the page showed."""

    is_on = forms.BooleanField(
        label=_("Send e-mail alerts"),
        required=False,
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )
    low_balance = AmountField(
        label=_("When the available balance comes down to"), help_text=_("Leave empty for no such alert.")
    )
    low_days = forms.CharField(
        label=_("When the balance lasts only so many days"),
        required=False,
        max_length=40,
        widget=forms.TextInput(
            {"class": "form-control", "inputmode": "numeric", "autocomplete": "off", "dir": "ltr"}
        ),
        help_text=_("Reckoned from the consumption of the last seven days. Leave empty for no such alert."),
    )
    consumption_limit = AmountField(
        label=_("When consumption this month reaches"), help_text=_("Leave empty for no such alert.")
    )
    addresses = forms.CharField(
        label=_("Send to"),
        required=False,
        max_length=4000,
        widget=forms.Textarea({"class": "form-control", "rows": 3, "dir": "ltr", "autocomplete": "off"}),
        help_text=_("One address a line, at most ten. Leave empty for the billing e-mails of the account."),
    )
    version = forms.IntegerField(min_value=0, max_value=10**9, widget=forms.HiddenInput)

    def __init__(self, account: Account, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        for name in ("low_balance", "consumption_limit"):
            field = self.fields[name]
            if isinstance(field, AmountField):
                field.currency = account.currency

    @staticmethod
    def filled(account: Account, watched: Watched, version: int) -> "AlertForm":
        """The form as it is drawn first."""
        return AlertForm(
            account,
            initial={
                "is_on": watched.is_on,
                "low_balance": _text(watched.low_balance),
                "low_days": watched.low_days or "",
                "consumption_limit": _text(watched.consumption_limit),
                "addresses": "\n".join(watched.addresses),
                "version": version,
            },
        )

    def clean_low_days(self) -> int | None:
        """The days as a number, or None."""
        text = self.cleaned_data["low_days"].strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise forms.ValidationError(LowDaysOutOfRange(most=60).message)
        return int(text)

    def watched(self) -> Watched:
        """What was typed."""
        typed = self.cleaned_data
        addresses = tuple(filter(None, _BETWEEN.split(typed["addresses"])))
        return Watched(
            typed["is_on"], addresses, typed["consumption_limit"], typed["low_balance"], typed["low_days"]
        )


def _text(amount: Money | None) -> str:
    return "" if amount is None else format_amount(amount).replace(",", "")
