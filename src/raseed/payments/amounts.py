"""What may be paid: the operator's policy for the account's currency, applied to what somebody typed."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, AmountPolicy
from raseed.errors import RaseedError
from raseed.money import Money, check_chargeable, format_money, parse_amount


class AmountBelowMinimum(RaseedError):
    """Less than the operator's minimum."""

    code = "amount_below_minimum"
    status = 422
    field = "amount"
    message = _("The smallest payment is %(minimum)s. Enter that or more.")


class AmountAboveMaximum(RaseedError):
    """More than the operator's maximum."""

    code = "amount_above_maximum"
    status = 422
    field = "amount"
    message = _("The largest payment is %(maximum)s. Enter that or less.")


class PaymentsNotOffered(RaseedError):
    """The operator has set no amounts for this currency."""

    code = "payments_not_offered"
    status = 409
    message = _("Payments in %(currency)s are not set up yet. Please ask support.")


@dataclass(frozen=True)
class Policy:
    """Minimum, maximum and the amounts offered as buttons."""

    minimum: Money
    maximum: Money
    presets: tuple[Money, ...]


def policy_of(account: Account) -> Policy:
    """The policy of the account's currency. Raises PaymentsNotOffered."""
    row = AmountPolicy.objects.filter(currency=account.currency).first()
    if row is None:
        raise PaymentsNotOffered(currency=account.currency)
    return Policy(
        Money(row.minimum_micros, row.currency),
        Money(row.maximum_micros, row.currency),
        tuple(Money(micros, row.currency) for micros in row.presets_micros),
    )


def read_amount(text: str, account: Account) -> Money:
    """What was typed, as an amount that may be paid.

    Raises AmountError (not an amount, wrong step), AmountBelowMinimum, AmountAboveMaximum, PaymentsNotOffered.
    """
    policy = policy_of(account)
    amount = parse_amount(text, account.currency)
    check_chargeable(amount)
    check_range(amount, policy)
    return amount


def check_range(amount: Money, policy: Policy) -> None:
    """Raise AmountBelowMinimum or AmountAboveMaximum if the policy does not allow `amount`."""
    if amount < policy.minimum:
        raise AmountBelowMinimum(minimum=format_money(policy.minimum))
    if policy.maximum < amount:
        raise AmountAboveMaximum(maximum=format_money(policy.maximum))
