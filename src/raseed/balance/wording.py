"""What a warning says, in the active language: on the page and in the mail."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, ngettext

from raseed.accounts.models import Account
from raseed.balance.models import Alert, AlertKind
from raseed.money import Money, format_money

_TITLES: Final[dict[AlertKind, str | Promise]] = {
    AlertKind.LOW_BALANCE: gettext_lazy("The balance is low"),
    AlertKind.DAYS_LEFT: gettext_lazy("The balance will not last long"),
    AlertKind.CONSUMPTION: gettext_lazy("This month’s consumption has reached your limit"),
}


def alert_title(alert: Alert) -> str:
    """A heading, without a full stop."""
    return str(_TITLES[AlertKind(alert.kind)])


def alert_sentence(alert: Alert, account: Account) -> str:
    """What was reached, and what there was."""
    match AlertKind(alert.kind):
        case AlertKind.LOW_BALANCE:
            return gettext("The available balance came down to %(found)s; your limit is %(limit)s.") % {
                "found": _amount(alert.found, account),
                "limit": _amount(alert.limit, account),
            }
        case AlertKind.DAYS_LEFT:
            if alert.found < 1:
                return gettext("At the pace of the last seven days the balance lasts less than a day.")
            return ngettext(
                "At the pace of the last seven days the balance lasts about %(days)s day.",
                "At the pace of the last seven days the balance lasts about %(days)s days.",
                alert.found,
            ) % {"days": alert.found}
        case AlertKind.CONSUMPTION:
            return gettext(
                "%(found)s were consumed since the first of the month; your limit is %(limit)s."
            ) % {
                "found": _amount(alert.found, account),
                "limit": _amount(alert.limit, account),
            }


def _amount(micros: int, account: Account) -> str:
    """Between isolates, so that it keeps its direction within an Arabic sentence."""
    return f"\u2066{format_money(Money(micros, account.currency))}\u2069"
