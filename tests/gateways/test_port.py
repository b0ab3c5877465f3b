"""The port's own rules: what may be asked, and which declines the customer is told."""

from dataclasses import replace
from uuid import UUID

import pytest

from raseed.gateways.port import ACTIONABLE, Charge, DeclineCode, Declined

CHARGE = Charge(
    payment_id=UUID(int=1),
    account_id=UUID(int=2),
    amount_minor=1000,
    currency="USD",
    idempotency_key="key",
    description="Top-up",
    return_url="http://localhost:8000/return",
    saved_reference=None,
    save_card=False,
    unattended=False,
    customer_language="en",
)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": -1}, "amount_minor"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"saved_reference": "card_1", "save_card": True}, "save_card"),
        ({"unattended": True}, "unattended"),
    ],
)
def test_a_charge_that_no_gateway_should_see_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(CHARGE, **changes)  # type: ignore[arg-type]


def test_only_what_the_customer_can_act_on_is_told() -> None:
    told = {code: Declined("pay_1", code, retryable=True).actionable for code in DeclineCode}
    assert told == {
        DeclineCode.INSUFFICIENT_FUNDS: True,
        DeclineCode.EXPIRED_CARD: True,
        DeclineCode.INCORRECT_DETAILS: True,
        DeclineCode.LIMIT_EXCEEDED: True,
        DeclineCode.AUTHENTICATION_FAILED: True,
        DeclineCode.AUTHENTICATION_REQUIRED: True,
        DeclineCode.GENERIC: False,
    }
    assert {code for code, actionable in told.items() if actionable} == ACTIONABLE
