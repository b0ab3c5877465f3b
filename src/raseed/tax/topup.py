"""What a card pays for a top-up: the amount that is added, the tax that falls on it, and the charge. And what of money
that came otherwise is added, and what is tax.

`on_usage` (most countries): tax accrues with use, the card pays what is added. `on_topup` (Saudi VAT
regulations, Art. 53(1)(b)): the card pays net + VAT and the balance gets the net.
"""

from dataclasses import dataclass

from raseed.accounts.models import Operator, TaxMode
from raseed.money import Money, currency_of

PPM = 1_000_000


@dataclass(frozen=True)
class TopUpQuote:
    """`credit` goes to the balance, `tax` falls on it, `charge_minor` whole minor units are asked of the card."""

    credit: Money
    tax: Money
    charge_minor: int

    @property
    def charge(self) -> Money:
        """The charge as money; what rounding up to the gateway's step adds goes to the rounding account."""
        return Money.from_minor(self.charge_minor, self.credit.currency)


def quote(operator: Operator, credit: Money) -> TopUpQuote:
    """Quote a top-up of `credit`. Tax is rounded half up to the minor unit, the charge up to the gateway's step."""
    tax = Money.zero(credit.currency)
    if operator.tax_mode == TaxMode.ON_TOPUP:
        minor = currency_of(credit.currency).minor_micros
        # Half up on integers: floor((2a + b) / 2b) for a / b.
        numerator, denominator = credit.micros * operator.tax_rate_ppm, PPM * minor
        tax = Money.from_minor((2 * numerator + denominator) // (2 * denominator), credit.currency)
    return TopUpQuote(credit, tax, (credit + tax).minor_ceil_to_step())


def split(operator: Operator, received: Money) -> TopUpQuote:
    """Take apart what came by transfer or in cash: `credit` and `tax` add up to `received` exactly.

    Where tax falls on the top-up it is in what was received; it is rounded half up to the minor unit.
    """
    tax = Money.zero(received.currency)
    if operator.tax_mode == TaxMode.ON_TOPUP:
        minor = currency_of(received.currency).minor_micros
        numerator = received.micros * operator.tax_rate_ppm
        denominator = (PPM + operator.tax_rate_ppm) * minor
        tax = Money.from_minor((2 * numerator + denominator) // (2 * denominator), received.currency)
    return TopUpQuote(received - tax, tax, received.minor_exact())
