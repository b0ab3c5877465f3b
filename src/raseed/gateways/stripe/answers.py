"""Read what Stripe says: plain dicts of its API become the port's outcomes.

Pure functions. They raise KeyError, TypeError or ValueError for what cannot be read, which the adapter takes for Unknown;
they never guess that money did or did not move.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from raseed.gateways.port import (
    ActionRequired,
    Canceled,
    Card,
    CardKept,
    Declined,
    Dispute,
    DisputeState,
    Movement,
    MovementKind,
    Outcome,
    Pending,
    Refunded,
    RefundFailed,
    RefundOutcome,
    RefundPending,
    SavedReference,
    SetupOutcome,
    Succeeded,
    Unknown,
)
from raseed.gateways.stripe.declines import decline_of

PAYMENT_ID: Final = "payment_id"
SETUP_ID: Final = "setup_id"
REFUND_ID: Final = "refund_id"
# On intents that a Checkout Session makes: the session's id is then the payment's reference.
VIA: Final = "via"
CHECKOUT: Final = "checkout"
# On intents whose card is typed in the Payment Element within our page: their own id is the reference.
ELEMENT: Final = "element"
# What the customer can still act on there: a card that was declined, or a 3-D Secure that was not passed, ends nothing.
TO_BE_TYPED: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


def intent_outcome(intent: Mapping[str, Any], gateway_ref: str) -> Outcome:
    """The outcome of a PaymentIntent whose `latest_charge` and `payment_method` are expanded, under our reference of it."""
    status = intent["status"]
    if status == "succeeded":
        return Succeeded(
            gateway_ref=gateway_ref,
            captured_minor=whole(intent["amount_received"]),
            captured_currency=text(intent["currency"]).upper(),
            payment_id=our_id(intent["metadata"], PAYMENT_ID),
            card=_charged_card(intent),
            saved=_saved_by_payment(intent),
        )
    if status == "processing":
        return Pending(gateway_ref)
    if status == "canceled":
        return Canceled(gateway_ref)
    in_our_page = is_typed_in_our_page(intent) and status in TO_BE_TYPED
    if in_our_page or status == "requires_action":
        url = "" if in_our_page else text(intent["next_action"]["redirect_to_url"]["url"])
        return ActionRequired(gateway_ref, url)
    error = intent["last_payment_error"]
    if status == "requires_payment_method" and error is not None:
        return declined(error, gateway_ref)
    return Unknown(f"a state that we do not use: {status!r}")


def session_outcome(session: Mapping[str, Any]) -> Outcome:
    """The outcome of a Checkout Session of mode payment whose `payment_intent` is expanded.

    A card that is declined on Stripe's page ends nothing: the customer may type another one there.
    """
    ref, intent = text(session["id"]), session["payment_intent"]
    if intent is not None and intent["status"] in {"succeeded", "processing"}:
        return intent_outcome(intent, ref)
    if session["status"] == "open":
        return ActionRequired(ref, text(session["url"]))
    if session["status"] == "expired":
        return Canceled(ref)
    return Unknown(f"a {session['status']!r} session whose intent is {intent and intent['status']!r}")


def setup_outcome(session: Mapping[str, Any]) -> SetupOutcome:
    """The outcome of a Checkout Session of mode setup whose `setup_intent.payment_method` is expanded."""
    ref, intent = text(session["id"]), session["setup_intent"]
    if intent is not None and intent["status"] == "succeeded":
        saved = saved_card(intent["payment_method"])
        if saved is None:
            return Unknown("a setup without a card")
        return CardKept(ref, our_id(session["metadata"], SETUP_ID), saved)
    if intent is not None and intent["status"] == "processing":
        return Pending(ref)
    if session["status"] == "open":
        return ActionRequired(ref, text(session["url"]))
    if session["status"] == "expired":
        return Canceled(ref)
    return Unknown(f"a {session['status']!r} session whose setup is {intent and intent['status']!r}")


def setup_intent_outcome(intent: Mapping[str, Any]) -> SetupOutcome:
    """The outcome of a SetupIntent of the Payment Element, whose `payment_method` is expanded."""
    ref, status = text(intent["id"]), intent["status"]
    if status == "succeeded":
        saved = saved_card(intent["payment_method"])
        if saved is None:
            return Unknown("a setup without a card")
        return CardKept(ref, our_id(intent["metadata"], SETUP_ID), saved)
    if status == "processing":
        return Pending(ref)
    if status == "canceled":
        return Canceled(ref)
    if status in TO_BE_TYPED:
        return ActionRequired(ref, "")
    return Unknown(f"a state that we do not use: {status!r}")


def is_typed_in_our_page(intent: Mapping[str, Any]) -> bool:
    """Whether a PaymentIntent or SetupIntent was made for the Payment Element."""
    return bool((intent.get("metadata") or {}).get(VIA) == ELEMENT)


def declined(error: Mapping[str, Any], gateway_ref: str | None) -> Declined:
    """A card error, of an answer or of an intent's last attempt."""
    code, retryable = decline_of(error)
    method = error.get("payment_method")
    return Declined(gateway_ref, code, retryable=retryable, card=_card(method and method.get("card")))


def refund_outcome(refund: Mapping[str, Any]) -> RefundOutcome:
    """The outcome of a Refund."""
    ref, status = text(refund["id"]), refund["status"]
    if status == "succeeded":
        return Refunded(ref)
    if status in {"pending", "requires_action"}:
        return RefundPending(ref)
    if status in {"failed", "canceled"}:
        return RefundFailed(ref, str(refund.get("failure_reason") or status))
    return Unknown(f"a state of a refund that we do not know: {status!r}")


_DISPUTES: Final[Mapping[str, DisputeState]] = {
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
    # An appeal follows a dispute that was lost, and the money stays away until it is won.
    "appeal_needs_response": DisputeState.LOST,
    "appeal_under_review": DisputeState.LOST,
}
# Questions of a bank, and disputes that were averted: no money was taken.
_NO_DISPUTES: Final = frozenset(
    {"warning_needs_response", "warning_under_review", "warning_closed", "prevented"}
)


def dispute_of(dispute: Mapping[str, Any], gateway_ref: str) -> Dispute | None:
    """A Dispute under our reference of the payment; None if no money was taken. KeyError for a state that is not known."""
    if dispute["status"] in _NO_DISPUTES:
        return None
    return Dispute(
        part_ref=text(dispute["id"]),
        gateway_ref=gateway_ref,
        amount_minor=whole(dispute["amount"]),
        currency=text(dispute["currency"]).upper(),
        state=_DISPUTES[dispute["status"]],
    )


# Lines of Stripe's balance that concern no payment: what is paid out, and what Stripe takes for itself.
_NO_MOVEMENTS: Final = frozenset(
    {
        "payout",
        "payout_cancel",
        "payout_failure",
        "payout_minimum_balance_hold",
        "payout_minimum_balance_release",
        "stripe_fee",
        "stripe_fx_fee",
        "tax_fee",
        "network_cost",
        "topup",
        "topup_reversal",
        "reserve_transaction",
        "reserved_funds",
        "reserve_hold",
        "reserve_release",
    }
)
_KINDS: Final[Mapping[str, MovementKind]] = {
    "charge": MovementKind.CHARGE,
    "payment": MovementKind.CHARGE,
    "refund": MovementKind.REFUND,
    "payment_refund": MovementKind.REFUND,
    "refund_failure": MovementKind.REFUND_FAILED,
    "payment_failure_refund": MovementKind.REFUND_FAILED,
}


def movement(line: Mapping[str, Any]) -> Movement | None:
    """A balance transaction whose source is expanded; None if it concerns no payment.

    Amount and currency are the payment's own: the line's are those of the operator's settlement.
    """
    if line["type"] in _NO_MOVEMENTS:
        return None
    source = line["source"]
    is_object = isinstance(source, dict)
    kind = _KINDS.get(line["type"], MovementKind.OTHER) if is_object else MovementKind.OTHER
    if line["type"] == "adjustment" and is_object and source["object"] == "dispute":
        kind = MovementKind.DISPUTE if line["amount"] < 0 else MovementKind.DISPUTE_WON
    thing: Mapping[str, Any] = source if is_object else {"id": str(source or ""), "object": ""}
    charge = thing.get("charge") if isinstance(thing.get("charge"), dict) else None
    amount = thing.get("amount_captured") if kind is MovementKind.CHARGE else thing.get("amount")
    return Movement(
        cursor=text(line["id"]),
        kind=kind,
        gateway_ref=str(thing.get("payment_intent") or thing.get("charge") or thing["id"])
        if charge is None
        else text(charge["payment_intent"] or charge["id"]),
        payment_id=our_id(thing.get("metadata") or {}, PAYMENT_ID)
        or our_id((charge or {}).get("metadata") or {}, PAYMENT_ID),
        amount_minor=abs(int(amount if amount is not None else line["amount"])),
        currency=text(thing.get("currency") or line["currency"]).upper(),
        at=datetime.fromtimestamp(whole(line["created"]), UTC),
        part_ref="" if thing["object"] in {"charge", ""} else text(thing["id"]),
    )


def saved_card(method: Mapping[str, Any] | None) -> SavedReference | None:
    """A PaymentMethod that Stripe keeps for the customer; None if it keeps it for nobody.

    Stripe does not foretell whether the card's bank will want its holder: an unattended charge that it refuses for that
    comes back as AUTHENTICATION_REQUIRED.
    """
    card = None if method is None else _card(method.get("card"))
    if method is None or card is None or method["customer"] is None:
        return None
    return SavedReference(text(method["id"]), card, chargeable_unattended=True)


def our_id(metadata: Mapping[str, Any] | None, name: str) -> UUID | None:
    """Our id as Stripe holds it; None if it holds none that can be ours."""
    try:
        return UUID(text((metadata or {})[name]))
    except (KeyError, TypeError, ValueError):
        return None


def text(value: object) -> str:
    """The value, if it is a text that is not empty; else TypeError."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"a text was expected, not {value!r}"[:200])
    return value


def whole(value: object) -> int:
    """The value, if it is a whole number above zero; else TypeError."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise TypeError(f"a whole number above zero was expected, not {value!r}"[:200])
    return value


def _charged_card(intent: Mapping[str, Any]) -> Card | None:
    charge = intent["latest_charge"]
    return _card(((charge or {}).get("payment_method_details") or {}).get("card"))


def _saved_by_payment(intent: Mapping[str, Any]) -> SavedReference | None:
    return saved_card(intent["payment_method"]) if intent["setup_future_usage"] == "off_session" else None


def _card(body: Mapping[str, Any] | None) -> Card | None:
    if body is None:
        return None
    return Card(
        brand=text(body["brand"]),
        last4=text(body["last4"]),
        exp_month=whole(body["exp_month"]),
        exp_year=whole(body["exp_year"]),
        fingerprint=str(body.get("fingerprint") or ""),
    )
