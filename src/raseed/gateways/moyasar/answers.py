"""What Moyasar's invoices, payments and tokens say, in the words of the port. It asks nobody anything.

Whatever is not known raises KeyError, TypeError or ValueError, or is Unknown: never a guess that money did not move.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from raseed.gateways.port import (
    ActionRequired,
    Canceled,
    Card,
    DeclineCode,
    Declined,
    Movement,
    MovementKind,
    Outcome,
    Pending,
    SavedReference,
    Succeeded,
    Unknown,
)

PAYMENT_ID: Final = "payment_id"
SAVE_CARD: Final = "save_card"
_REFUND_MARK: Final = "refund_"

# A refund does not undo that it was captured: what went back is another matter.
_CAPTURED: Final = frozenset({"paid", "captured", "refunded"})

# Two digits of ISO 8583, as Moyasar lists them, beside 1A of the card schemes: "ask the holder".
_CODES: Final[Mapping[str, DeclineCode]] = {
    "14": DeclineCode.INCORRECT_DETAILS,
    "33": DeclineCode.EXPIRED_CARD,
    "51": DeclineCode.INSUFFICIENT_FUNDS,
    "54": DeclineCode.EXPIRED_CARD,
    "61": DeclineCode.LIMIT_EXCEEDED,
    "65": DeclineCode.LIMIT_EXCEEDED,
    "1A": DeclineCode.AUTHENTICATION_REQUIRED,
}
_HARD: Final = frozenset({"04", "07", "14", "15", "33", "34", "36", "41", "43", "54", "57", "62"})


def reference(payment: Mapping[str, Any]) -> str:
    """Our reference of a payment of Moyasar's: that of its invoice if it was made under one, since that was there first."""
    invoice = payment.get("invoice_id")
    return f"invoice_{uuid(invoice)}" if invoice else f"payment_{uuid(payment['id'])}"


def invoice_outcome(invoice: Mapping[str, Any]) -> Outcome:
    """The outcome of an invoice. A card that is declined on its page ends nothing: another may be typed there."""
    ref, status = f"invoice_{uuid(invoice['id'])}", invoice["status"]
    attempts = invoice.get("payments") or []
    captured = captured_of(invoice)
    if len(captured) > 1:
        return Unknown(f"{ref} is captured {len(captured)} times")
    if captured:
        return _succeeded(ref, captured[0], our_id(invoice))
    if status in {"initiated", "failed"}:
        return ActionRequired(ref, text(invoice["url"]))
    if status == "on_hold":
        return Pending(ref)
    if status in {"canceled", "expired", "voided"}:
        # A customer who is at their bank's page may come back from it with a payment.
        under_way = any(one["status"] == "initiated" for one in attempts)
        return Pending(ref) if under_way else Canceled(ref)
    return Unknown(f"an invoice that is {status!r} without a payment that is")


def captured_of(invoice: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The payments under an invoice that were captured."""
    return [one for one in invoice.get("payments") or [] if one["status"] in _CAPTURED]


def payment_outcome(payment: Mapping[str, Any]) -> Outcome:
    """The outcome of a payment that we made of a token."""
    ref, status, source = f"payment_{uuid(payment['id'])}", payment["status"], payment["source"]
    if status in _CAPTURED:
        return _succeeded(ref, payment, our_id(payment))
    if status == "initiated":
        url = source.get("transaction_url")
        return ActionRequired(ref, text(url)) if url else Pending(ref)
    if status == "failed":
        code, retryable = _decline_of(source)
        return Declined(ref, code, retryable=retryable, card=card_of(source))
    if status == "voided":
        return Canceled(ref)
    return Unknown(f"a state that we do not use: {status!r}")


def saved_card(token: Mapping[str, Any]) -> SavedReference | None:
    """A token that may be charged; None for one that is not active."""
    if token["status"] != "active":
        return None
    card = Card(
        text(token["brand"]), text(token["last_four"]), int(token["month"]), _full_year(token["year"])
    )
    return SavedReference(text(token["id"]), card, chargeable_unattended=True)


def card_of(source: Mapping[str, Any]) -> Card | None:
    """What a payment says of its card. Moyasar does not say when it expires: month and year are 0."""
    number = str(source.get("number") or "")
    if not re.search(r"[0-9]{4}$", number) or not source.get("company"):
        return None
    return Card(text(source["company"]), number[-4:], 0, 0)


def refund_mark(refund_id: UUID) -> str:
    """Under which name a refund is noted in its payment's metadata."""
    return f"{_REFUND_MARK}{refund_id.hex}"


def marks_of(payment: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Refunds that were noted before they were ordered: what was refunded before, and what would be after."""
    notes = {
        name: value
        for name, value in (payment.get("metadata") or {}).items()
        if name.startswith(_REFUND_MARK) and value
    }
    pairs = {name: text(value).split(":") for name, value in notes.items()}
    return {name: (int(before), int(after)) for name, (before, after) in pairs.items()}


def movements_of(payment: Mapping[str, Any], payment_id: UUID | None) -> list[Movement]:
    """The lines of one payment: its end, and what was given back of it until the latest refund.

    One that was voided is no charge any more: `fetch` would not confirm it, and the walk would never pass it. That it may have been
    credited before is why its refund is a line too, which a person sees.
    """
    kinds = {"failed": MovementKind.DECLINE, "voided": MovementKind.CANCEL, "initiated": None}
    kind = (
        MovementKind.CHARGE
        if payment["status"] in _CAPTURED
        else kinds.get(payment["status"], MovementKind.OTHER)
    )
    if kind is None:
        return []
    lines = [_line(payment, payment_id, kind, "created_at", whole(payment["amount"]), "")]
    refunded = int(payment["refunded"])
    if payment["status"] == "voided":
        part = f"{uuid(payment['id'])}:void"
        lines.append(
            _line(payment, payment_id, MovementKind.REFUND, "voided_at", whole(payment["amount"]), part)
        )
    elif refunded:
        before = next((before for before, after in marks_of(payment).values() if after == refunded), 0)
        part = f"{uuid(payment['id'])}:{refunded}"
        lines.append(_line(payment, payment_id, MovementKind.REFUND, "refunded_at", refunded - before, part))
    return lines


def _line(
    payment: Mapping[str, Any],
    payment_id: UUID | None,
    kind: MovementKind,
    when: str,
    amount: int,
    part: str,
) -> Movement:
    at = moment(payment[when])
    return Movement(
        cursor=f"{at.isoformat(timespec='microseconds')} {uuid(payment['id'])} {part}".rstrip(),
        kind=kind,
        gateway_ref=reference(payment),
        payment_id=payment_id,
        amount_minor=amount,
        currency=text(payment["currency"]).upper(),
        at=at,
        part_ref=part,
    )


def our_id(thing: Mapping[str, Any]) -> UUID | None:
    """Our payment id as Moyasar holds it; None if it holds none that can be ours."""
    try:
        return UUID(text((thing.get("metadata") or {})[PAYMENT_ID]))
    except (KeyError, TypeError, ValueError):
        return None


def uuid(value: object) -> str:
    """The value, if it is a UUID's text; else ValueError or TypeError. It goes into addresses."""
    return str(UUID(text(value)))


def moment(value: object) -> datetime:
    """A time of Moyasar's, in UTC; else ValueError."""
    at = datetime.fromisoformat(text(value))
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC)


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


def _succeeded(ref: str, payment: Mapping[str, Any], payment_id: UUID | None) -> Succeeded:
    # `captured` is filled only where capturing is a step of its own.
    captured = payment["captured"] if payment["status"] == "captured" else payment["amount"]
    currency = text(payment["currency"]).upper()
    return Succeeded(ref, whole(captured), currency, payment_id, card_of(payment["source"]), saved=None)


def _decline_of(source: Mapping[str, Any]) -> tuple[DeclineCode, bool]:
    code = str(source.get("response_code") or "")
    if not code and str(source.get("message") or "").upper().startswith("3DS"):
        return DeclineCode.AUTHENTICATION_FAILED, True
    return _CODES.get(code, DeclineCode.GENERIC), code not in _HARD


def _full_year(value: object) -> int:
    year = int(str(value))
    return year + 2000 if year < 100 else year
