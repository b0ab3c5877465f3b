"""What we send to Stripe, as plain parameters: the same for the same order, each time, since a key allows no other.

Amounts go in whole minor units of ISO 4217, which is what Stripe wants: 1 JPY is 1, 1 KWD is 1000. (Stripe takes the currencies
of three decimals in steps of 10, as `raseed.money` does.) Nothing here reads a clock or a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raseed.gateways.port import CardSetup, Charge, RefundOrder
from raseed.gateways.stripe.answers import CHECKOUT, ELEMENT, PAYMENT_ID, REFUND_ID, SETUP_ID, VIA


def payment_session(charge: Charge, customer: str) -> Any:
    """A Checkout Session for a card that the customer types. Cards only: other methods may take days to be final."""
    intent = {
        "metadata": {PAYMENT_ID: str(charge.payment_id), VIA: CHECKOUT},
        "description": charge.description,
        "capture_method": "automatic",
    }
    if charge.save_card:
        intent["setup_future_usage"] = "off_session"
    price = {
        "currency": charge.currency.lower(),
        "unit_amount": charge.amount_minor,
        "product_data": {"name": charge.description},
    }
    return _page(charge.return_url, charge.customer_language) | {
        "mode": "payment",
        "customer": customer,
        "client_reference_id": str(charge.payment_id),
        "line_items": [{"price_data": price, "quantity": 1}],
        "metadata": {PAYMENT_ID: str(charge.payment_id)},
        "payment_intent_data": intent,
        # Stripe may else offer to charge in the customer's own currency, at a rate of its own.
        "adaptive_pricing": {"enabled": False},
        "expand": ["payment_intent"],
    }


def saved_card_intent(charge: Charge, customer: str) -> Any:
    """A PaymentIntent that charges a saved card at once; 3-D Secure, if it is asked for, is a page to go to."""
    how: dict[str, Any] = {"off_session": True} if charge.unattended else {"return_url": charge.return_url}
    return how | {
        "amount": charge.amount_minor,
        "currency": charge.currency.lower(),
        "customer": customer,
        "payment_method": charge.saved_reference,
        "allowed_payment_method_types": ["card"],
        "capture_method": "automatic",
        "confirm": True,
        "description": charge.description,
        "metadata": {PAYMENT_ID: str(charge.payment_id)},
        "expand": ["latest_charge", "payment_method"],
    }


def typed_card_intent(charge: Charge, customer: str) -> Any:
    """A PaymentIntent that the customer confirms in the Payment Element, with the card that they type there."""
    how = {"setup_future_usage": "off_session"} if charge.save_card else {}
    return how | {
        "amount": charge.amount_minor,
        "currency": charge.currency.lower(),
        "customer": customer,
        "allowed_payment_method_types": ["card"],
        "capture_method": "automatic",
        "description": charge.description,
        "metadata": {PAYMENT_ID: str(charge.payment_id), VIA: ELEMENT},
        "expand": ["latest_charge", "payment_method"],
    }


def typed_card_setup(setup: CardSetup, customer: str) -> Any:
    """A SetupIntent that the customer confirms in the Payment Element."""
    return {
        "customer": customer,
        "allowed_payment_method_types": ["card"],
        "usage": "off_session",
        "metadata": {SETUP_ID: str(setup.setup_id), VIA: ELEMENT},
        "expand": ["payment_method"],
    }


def setup_session(setup: CardSetup, customer: str) -> Any:
    """A Checkout Session for a card to be kept, confirmed with its bank for charges when nobody is there."""
    ours = {SETUP_ID: str(setup.setup_id)}
    return _page(setup.return_url, setup.customer_language) | {
        "mode": "setup",
        "customer": customer,
        "currency": setup.currency.lower(),
        "client_reference_id": str(setup.setup_id),
        "metadata": ours,
        "setup_intent_data": {"metadata": ours | {VIA: CHECKOUT}},
        "expand": ["setup_intent.payment_method"],
    }


def refund(order: RefundOrder, intent: Mapping[str, Any]) -> Any:
    """A refund of an intent, with both of our ids: its webhooks name the payment by them."""
    metadata = {REFUND_ID: str(order.refund_id)}
    payment_id = (intent.get("metadata") or {}).get(PAYMENT_ID)
    if payment_id:
        metadata[PAYMENT_ID] = payment_id
    return {"payment_intent": intent["id"], "amount": order.amount_minor, "metadata": metadata}


def _page(return_url: str, language: str) -> dict[str, Any]:
    """What every page of Stripe's is told. It knows no Arabic: "auto" is then the browser's own choice."""
    return {
        "allowed_payment_method_types": ["card"],
        "success_url": return_url,
        "cancel_url": return_url,
        "locale": "en" if language == "en" else "auto",
    }
