"""What may be asked: the parameters of each endpoint, read strictly from a form or a query.

A schema is a dict of names; a value is a type, a nested dict, or a list of one schema. `...` is metadata: any names.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

EXPAND: dict[str, Any] = {"expand": [str]}
METADATA: dict[str, Any] = {"metadata": ...}
PAGING: dict[str, Any] = EXPAND | {"limit": int, "starting_after": str, "ending_before": str}
WINDOW: dict[str, Any] = {"created": {"gte": int, "lte": int, "gt": int, "lt": int}}

SCHEMAS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/customers"): METADATA | {"name": str, "email": str},
    ("POST", "/v1/checkout/sessions"): EXPAND
    | METADATA
    | {
        "mode": str,
        "customer": str,
        "client_reference_id": str,
        "currency": str,
        "success_url": str,
        "cancel_url": str,
        "locale": str,
        "allowed_payment_method_types": [str],
        "line_items": [
            {
                "quantity": int,
                "price_data": {"currency": str, "unit_amount": int, "product_data": {"name": str}},
            }
        ],
        "payment_intent_data": METADATA
        | {"description": str, "setup_future_usage": str, "capture_method": str},
        "setup_intent_data": METADATA,
        "adaptive_pricing": {"enabled": bool},
    },
    ("GET", "/v1/checkout/sessions"): PAGING | WINDOW | {"customer": str, "payment_intent": str},
    ("GET", "/v1/checkout/sessions/:id"): EXPAND,
    ("POST", "/v1/checkout/sessions/:id/expire"): EXPAND,
    ("POST", "/v1/payment_intents"): EXPAND
    | METADATA
    | {
        "amount": int,
        "currency": str,
        "customer": str,
        "payment_method": str,
        "allowed_payment_method_types": [str],
        "capture_method": str,
        "confirm": bool,
        "off_session": bool,
        "return_url": str,
        "description": str,
        "setup_future_usage": str,
    },
    ("GET", "/v1/payment_intents"): PAGING | WINDOW | {"customer": str},
    ("GET", "/v1/payment_intents/search"): EXPAND | {"query": str, "limit": int},
    ("GET", "/v1/payment_intents/:id"): EXPAND,
    ("POST", "/v1/payment_intents/:id/cancel"): EXPAND,
    ("POST", "/v1/setup_intents"): EXPAND
    | METADATA
    | {"customer": str, "usage": str, "allowed_payment_method_types": [str]},
    ("GET", "/v1/setup_intents/:id"): EXPAND,
    ("GET", "/v1/payment_methods/:id"): EXPAND,
    ("POST", "/v1/payment_methods/:id/detach"): EXPAND,
    ("POST", "/v1/refunds"): EXPAND | METADATA | {"payment_intent": str, "amount": int},
    ("GET", "/v1/refunds"): PAGING | {"payment_intent": str},
    ("GET", "/v1/refunds/:id"): EXPAND,
    ("GET", "/v1/disputes"): PAGING | {"payment_intent": str},
    ("GET", "/v1/balance_transactions"): PAGING,
}


class Refusal(Exception):
    """An error of Stripe's: HTTP status and error object."""

    def __init__(self, status: int, message: str, **error: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": message, **error}


def read(schema: dict[str, Any], encoded: str) -> dict[str, Any]:
    """The parameters of a form or a query; raises Refusal for one that is unknown or of another type."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded)):
        parts = re.findall(r"[^\[\]]+|\[\]", name)
        if not parts or "[]" in parts[:-1]:
            raise Refusal(400, f"Invalid parameter name: {name}")
        node = tree
        for part in parts[:-1]:
            node = node.setdefault(part, {})
        node[str(len(node)) if parts[-1] == "[]" else parts[-1]] = value
    return _typed(schema, tree, "")


def _typed(schema: Any, value: Any, at: str) -> Any:
    if schema is ...:
        return {name: _typed(str, one, f"{at}[{name}]") for name, one in value.items()}
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            raise Refusal(400, f"Invalid object: {at}", param=at)
        read_: dict[str, Any] = {}
        for name, one in value.items():
            inner = f"{at}[{name}]" if at else name
            if name not in schema:
                raise Refusal(
                    400, f"Received unknown parameter: {inner}", code="parameter_unknown", param=inner
                )
            read_[name] = _typed(schema[name], one, inner)
        return read_
    if isinstance(schema, list):
        if not isinstance(value, dict) or list(value) != [str(place) for place in range(len(value))]:
            raise Refusal(400, f"Invalid array: {at}", param=at)
        return [_typed(schema[0], one, f"{at}[{place}]") for place, one in value.items()]
    return _scalar(schema, value, at)


def _scalar(kind: type, value: Any, at: str) -> Any:
    if not isinstance(value, str):
        raise Refusal(400, f"Invalid {kind.__name__}: {at}", param=at)
    if kind is int:
        if re.fullmatch(r"-?[0-9]{1,15}", value, re.ASCII) is None:
            raise Refusal(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=at)
        return int(value)
    if kind is bool:
        if value not in {"true", "false"}:
            raise Refusal(400, f"Invalid boolean: {value}", param=at)
        return value == "true"
    if value == "":
        raise Refusal(
            400, f"You passed an empty string for '{at}'.", code="parameter_invalid_empty", param=at
        )
    return value
