"""The chart: which ledger accounts an account has, which entries there are, and what an entry may not do.

Every ledger account belongs to one account; the operator's totals are sums over accounts. A balance is credit
minus debit. This module must stay free of the database.
"""

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Kind(TextChoices):
    """What a ledger account is for. There is one of each kind for each account and currency, made at first use."""

    CUSTOMER = "customer", _("Customer balance")
    GATEWAY_CLEARING = "gateway_clearing", _("Gateway clearing")
    BANK = "bank", _("Bank")
    CASH = "cash", _("Cash")
    UNINVOICED_REVENUE = "uninvoiced_revenue", _("Uninvoiced revenue")
    REVENUE = "revenue", _("Revenue")
    TAX_ACCRUED = "tax_accrued", _("Tax accrued")
    TAX_PAYABLE = "tax_payable", _("Tax payable")
    ROUNDING = "rounding", _("Rounding")
    FEES = "fees", _("Gateway fees")
    SUSPENSE = "suspense", _("Suspense")
    ADJUSTMENTS = "adjustments", _("Adjustments")
    PROMOTIONS = "promotions", _("Promotions")
    WRITE_OFF = "write_off", _("Write-offs")
    DISPUTES = "disputes", _("Disputes")


class EntryKind(TextChoices):
    """What happened. A reversal keeps its own kind and counts, in totals, against the kind of the entry it mirrors."""

    TOPUP_CARD = "topup_card", _("Top-up by card")
    TOPUP_TRANSFER = "topup_transfer", _("Top-up by bank transfer")
    TOPUP_CASH = "topup_cash", _("Top-up in cash")
    USAGE = "usage", _("Usage")
    MONTHLY_FEE = "monthly_fee", _("Monthly fee")
    SHORTFALL = "shortfall", _("Commitment shortfall")
    INVOICE = "invoice", _("Invoice")
    ADJUSTMENT = "adjustment", _("Adjustment")
    PROMOTION = "promotion", _("Promotion")
    WRITE_OFF = "write_off", _("Write-off")
    REFUND = "refund", _("Refund")
    DISPUTE = "dispute", _("Dispute")
    DISPUTE_WON = "dispute_won", _("Dispute won")
    REVERSAL = "reversal", _("Reversal")
    FEE = "fee", _("Gateway fee")
    PAYOUT = "payout", _("Payout")
    UNEXPECTED_CAPTURE = "unexpected_capture", _("Unexpected capture")
    SUSPENSE_RELEASE = "suspense_release", _("Suspense released")
    SUSPENSE_REFUND = "suspense_refund", _("Suspense refunded")


# Money that is given away by choice stops at the floor. All else is a fact (usage, fees, disputes) or a staff
# member's written correction, and a fact is booked even below the floor.
GUARDED: Final = frozenset({EntryKind.REFUND})
