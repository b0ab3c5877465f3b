"""The balance explained: available = payments − refunds ± adjustments and disputes − invoiced − uninvoiced − held
(+ credit limit). Every term is a sum of ledger entries; together they are the balance, to the millionth.
"""

from dataclasses import dataclass
from typing import Final

from django.db import transaction

from raseed.accounts.models import Account
from raseed.ledger import read
from raseed.ledger.chart import EntryKind, Kind
from raseed.money import Money

# What is consumed, whether or not an invoice holds it.
CONSUMPTION: Final = frozenset({EntryKind.USAGE, EntryKind.MONTHLY_FEE, EntryKind.SHORTFALL})
_TERMS: dict[str, frozenset[EntryKind]] = {
    "payments": frozenset({EntryKind.TOPUP_CARD, EntryKind.TOPUP_TRANSFER, EntryKind.TOPUP_CASH}),
    "refunds": frozenset({EntryKind.REFUND}),
    "usage": CONSUMPTION,
}


@dataclass(frozen=True)
class Equation:
    """The terms as signed contributions, all in the account's currency; they add up to `available` exactly.

    `uninvoiced` is consumption that no invoice holds yet, `adjustments` everything by staff and by disputes,
    `held` the open holds.
    """

    payments: Money
    refunds: Money
    adjustments: Money
    invoiced: Money
    uninvoiced: Money
    held: Money
    credit_limit: Money
    available: Money


def available(account: Account) -> Money:
    """Ledger balance − holds + credit limit, from the balance row, on the writer."""
    row = read.balance(account.id, Kind.CUSTOMER, account.currency)
    return Money(row.available_micros, account.currency)


@transaction.atomic
def equation(account: Account) -> Equation:
    """The balance taken apart. All terms come from one snapshot."""
    row = read.balance(account.id, Kind.CUSTOMER, account.currency)
    totals = read.totals(account.id, account.currency)

    def net(kinds: frozenset[EntryKind]) -> int:
        return sum(total.net.micros for kind, total in totals.items() if kind in kinds)

    payments, refunds, usage = (net(kinds) for kinds in _TERMS.values())
    everything = sum(total.net.micros for total in totals.values())
    # Invoicing moves consumption from uninvoiced revenue to revenue; the customer's balance stays as it is.
    uninvoiced = -_uninvoiced(account)
    terms = {
        "payments": payments,
        "refunds": refunds,
        "adjustments": everything - payments - refunds - usage,
        "invoiced": usage - uninvoiced,
        "uninvoiced": uninvoiced,
        "held": -row.held_micros,
        "credit_limit": -(row.floor_micros or 0),
        "available": row.available_micros,
    }
    return Equation(**{name: Money(micros, account.currency) for name, micros in terms.items()})


def _uninvoiced(account: Account) -> int:
    """Consumption, gross of accrued tax, that no invoice holds yet, in micros."""
    kinds = (Kind.UNINVOICED_REVENUE, Kind.TAX_ACCRUED)
    return sum(read.balance(account.id, kind, account.currency).balance_micros for kind in kinds)
