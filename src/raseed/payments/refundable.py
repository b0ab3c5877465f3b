"""How much of a payment can be given back, and which part of it is balance, tax and rounding.

At most what was captured, less what is given back or disputed already, and no more than is unspent: no refund takes the
balance below zero, whatever the credit limit. Nothing here writes; who decides on it has locked the payment.
"""

from dataclasses import dataclass

from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.money import CURRENCIES, Money
from raseed.payments.models import Payment, Purpose, Refund
from raseed.payments.refund_states import RefundState
from raseed.payments.states import State


@dataclass(frozen=True, slots=True)
class Parts:
    """What an amount that goes back to the card is made of, in micros: taken from the balance, from the tax, from rounding."""

    credit: int
    tax: int
    rounding: int


def max_refundable(payment: Payment) -> Money:
    """The most that can go back to the card now, in steps that the gateway takes; zero if nothing can."""
    nothing = Money.zero(payment.currency)
    if payment.state != State.SUCCEEDED or payment.purpose == Purpose.OFFLINE:
        return nothing
    currency = CURRENCIES[payment.currency]
    unspent = unspent_micros(payment)
    left = (payment.captured_minor or 0) - payment.refunded_minor - payment.disputed_minor
    # Tax and rounding come back on top of the balance's part, so that more may go to the card than is unspent. Near this
    # much: what earlier refunds rounded away may add a step or two.
    near = unspent * (payment.captured_minor or 0) // payment.credit_micros
    most = min(left, near + 3 * currency.gateway_step)
    most -= most % currency.gateway_step
    given = given_back(payment)
    while most > 0 and parts_of(payment, most, given).credit > unspent:
        most -= currency.gateway_step
    return Money.from_minor(max(most, 0), payment.currency)


def unspent_micros(payment: Payment) -> int:
    """What the account has left of its own money, in micros: balance less holds, without a credit limit."""
    row = read.balance(payment.account_id, Kind.CUSTOMER, payment.currency)
    return max(0, min(row.balance_micros - row.held_micros, row.available_micros))


def given_back(payment: Payment) -> list[Refund]:
    """The refunds of the payment that have not failed."""
    return list(
        Refund.objects.filter(account_id=payment.account_id, payment_id=payment.id).exclude(
            state=RefundState.FAILED
        )
    )


def parts_of(payment: Payment, amount_minor: int, given: list[Refund]) -> Parts:
    """Take `amount_minor` apart, after the refunds `given`, so that all of them together come out to the millionth.

    Tax goes back in proportion, rounded half up to the minor unit over all refunds; rounding with the last of them.
    """
    unit = CURRENCIES[payment.currency].minor_micros
    captured = payment.captured_minor or 0
    after = sum(one.amount_minor for one in given) + amount_minor
    amount = amount_minor * unit
    tax_minor = payment.tax_micros // unit
    tax_after = (2 * tax_minor * after + captured) // (2 * captured) * unit
    tax = min(max(tax_after - sum(one.tax_micros for one in given), 0), amount)
    rounding = 0
    if after == captured:
        left_over = captured * unit - payment.credit_micros - payment.tax_micros
        rounding = min(max(left_over - sum(one.rounding_micros for one in given), 0), amount - tax)
    return Parts(amount - tax - rounding, tax, rounding)
