"""Stripe's decline codes in our words, and whether the card may be tried again.

What Stripe advises (`advice_code`) and what is known of the code must both allow another try. A code that is not known is a
generic decline that may be tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from raseed.gateways.port import DeclineCode

CODES: Final[Mapping[str, DeclineCode]] = {
    "insufficient_funds": DeclineCode.INSUFFICIENT_FUNDS,
    "expired_card": DeclineCode.EXPIRED_CARD,
    "incorrect_number": DeclineCode.INCORRECT_DETAILS,
    "invalid_number": DeclineCode.INCORRECT_DETAILS,
    "incorrect_cvc": DeclineCode.INCORRECT_DETAILS,
    "invalid_cvc": DeclineCode.INCORRECT_DETAILS,
    "invalid_expiry_month": DeclineCode.INCORRECT_DETAILS,
    "invalid_expiry_year": DeclineCode.INCORRECT_DETAILS,
    "incorrect_zip": DeclineCode.INCORRECT_DETAILS,
    "incorrect_address": DeclineCode.INCORRECT_DETAILS,
    "withdrawal_count_limit_exceeded": DeclineCode.LIMIT_EXCEEDED,
    "card_velocity_exceeded": DeclineCode.LIMIT_EXCEEDED,
    "authentication_required": DeclineCode.AUTHENTICATION_REQUIRED,
    "authentication_not_handled": DeclineCode.AUTHENTICATION_FAILED,
    "payment_intent_authentication_failure": DeclineCode.AUTHENTICATION_FAILED,
    "setup_intent_authentication_failure": DeclineCode.AUTHENTICATION_FAILED,
}
# The card as it is will not do: it needs another card, or other details.
_HARD: Final = frozenset(
    {
        "expired_card",
        "incorrect_number",
        "invalid_number",
        "incorrect_cvc",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "incorrect_zip",
        "incorrect_address",
        "stolen_card",
        "lost_card",
        "pickup_card",
        "restricted_card",
        "fraudulent",
        "merchant_blacklist",
        "highest_risk_level",
        "invalid_account",
        "new_account_information_available",
        "card_not_supported",
        "currency_not_supported",
        "not_permitted",
        "transaction_not_allowed",
        "service_not_allowed",
        "security_violation",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stop_payment_order",
        "do_not_try_again",
        "testmode_decline",
    }
)
_ADVICE_AGAINST: Final = frozenset({"do_not_try_again", "confirm_card_data"})


def decline_of(error: Mapping[str, Any]) -> tuple[DeclineCode, bool]:
    """Our code and whether the card may be tried again, from a `last_payment_error` or the error of an answer."""
    # "card_declined" says nothing by itself: the reason is beside it.
    reasons = [str(error.get("decline_code") or ""), str(error.get("code") or "")]
    code = next((CODES[reason] for reason in reasons if reason in CODES), DeclineCode.GENERIC)
    is_hard = any(reason in _HARD for reason in reasons) or error.get("advice_code") in _ADVICE_AGAINST
    return code, not is_hard
