"""Stripe's test cards: what each does when it is charged, by its public documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TestCard:
    """`code` and `decline_code` of the refusal, if it is refused; `saved_only`: only once it is kept.

    `three_ds`: "never", "always", or "until_set_up" for a card that is asked once and then left in peace.
    """

    brand: str = "visa"
    code: str = ""
    decline_code: str | None = None
    advice_code: str | None = None
    saved_only: bool = False
    three_ds: str = "never"
    refund: str = "succeeded"
    dispute: str = ""


def declined(decline_code: str, advice_code: str | None = "try_again_later") -> TestCard:
    return TestCard(code="card_declined", decline_code=decline_code, advice_code=advice_code)


CARDS = {
    "4242424242424242": TestCard(),
    "5555555555554444": TestCard(brand="mastercard"),
    "4000000000000002": declined("generic_decline"),
    "4000000000009995": declined("insufficient_funds"),
    "4000000000009987": declined("lost_card", "do_not_try_again"),
    "4000000000009979": declined("stolen_card", "do_not_try_again"),
    "4000000000000069": TestCard(code="expired_card"),
    "4000000000000127": TestCard(code="incorrect_cvc"),
    "4000000000000119": TestCard(code="processing_error", advice_code="try_again_later"),
    "4000000000006975": declined("card_velocity_exceeded"),
    "4100000000000019": declined("fraudulent", None),
    "4000002760003184": TestCard(three_ds="always"),
    "4000002500003155": TestCard(three_ds="until_set_up"),
    "4000000000000341": TestCard(
        code="card_declined", decline_code="generic_decline", advice_code="try_again_later", saved_only=True
    ),
    "4000000000007726": TestCard(refund="pending"),
    "4000000000005126": TestCard(refund="fails_later"),
    "4000000000000259": TestCard(dispute="needs_response"),
    "4000000000001976": TestCard(dispute="warning_needs_response"),
}
