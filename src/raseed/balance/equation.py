"""The balance explained: available = payments − refunds ± adjustments and disputes − invoiced − uninvoiced − held
(+ credit limit). Every term is a sum of ledger entries; together they are the balance, to the millionth.
"""

from dataclasses import dataclass
from uuid import UUID

from raseed.accounts.models import Account
from raseed.ledger import read
from raseed.ledger.chart import EntryKind, Kind
from raseed.money import Money

_PAYMENTS = frozenset({EntryKind.TOPUP_CARD, EntryKind.TOPUP_TRANSFER, EntryKind.TOPUP_CASH})


@dataclass(frozen=True)
class Equation:
    """The terms as signed contributions to `available`, all in the account's currency."""

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
