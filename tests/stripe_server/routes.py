"""What each address does: the parameters are read already, `ref` is the id in the path."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from stripe_server.bank import Bank, Thing
from stripe_server.parameters import Refusal


def _make_intent(bank: Bank, given: Thing) -> Thing:
    customer = bank.customer(given.get("customer"))
    if not given.get("confirm"):
        # To be confirmed in the Payment Element, by the customer.
        return bank.make_intent(given, customer)
    method = bank.kept_method(given["payment_method"], customer)
    if given.get("off_session") and "return_url" in given:
        raise Refusal(400, "return_url cannot be given with off_session.", param="return_url")
    intent = bank.make_intent(given, customer, _return_url=given.get("return_url"))
    bank.confirm(intent, method, was_kept=True, off_session=given.get("off_session", False))
    return intent


def _cancel(bank: Bank, _given: Thing, ref: str) -> Thing:
    intent = bank.get("pi", ref, "payment_intent")
    bank.cancel(intent)
    return intent


def _expire(bank: Bank, _given: Thing, ref: str) -> Thing:
    session = bank.get("cs", ref, "checkout.session")
    bank.expire(session)
    return session


def _search(bank: Bank, given: Thing) -> Thing:
    match = re.fullmatch(r"metadata\['([a-z_]+)'\]:'([^']+)'", given["query"])
    if match is None:
        raise Refusal(400, "We were unable to parse your search query.", param="query")
    things = [
        one
        for one in bank.things.values()
        if one["object"] == "payment_intent"
        and one["metadata"].get(match[1]) == match[2]
        and one["created"] + bank.search_lag_s <= bank.now()
    ]
    shown = [bank.shown(one, []) for one in things[: given.get("limit", 10)]]
    return {
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "has_more": False,
        "next_page": None,
        "data": shown,
    }


def _customer(bank: Bank, given: Thing) -> Thing:
    fields = {"name": None, "email": None, "metadata": {}} | given
    return bank.make("cus", "customer", **fields)


ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("POST", "/v1/customers"): _customer,
    ("POST", "/v1/checkout/sessions"): lambda bank, given: bank.make_session(
        given, bank.customer(given.get("customer"))
    ),
    ("GET", "/v1/checkout/sessions"): lambda bank, given: bank.listed(
        "checkout.session",
        "/v1/checkout/sessions",
        given,
        customer=given.get("customer"),
        payment_intent=given.get("payment_intent"),
    ),
    ("GET", "/v1/checkout/sessions/:id"): lambda bank, _, ref: bank.get("cs", ref, "checkout.session"),
    ("POST", "/v1/checkout/sessions/:id/expire"): _expire,
    ("POST", "/v1/payment_intents"): _make_intent,
    ("GET", "/v1/payment_intents"): lambda bank, given: bank.listed(
        "payment_intent", "/v1/payment_intents", given, customer=given.get("customer")
    ),
    ("GET", "/v1/payment_intents/search"): _search,
    ("GET", "/v1/payment_intents/:id"): lambda bank, _, ref: bank.get("pi", ref, "payment_intent"),
    ("POST", "/v1/payment_intents/:id/cancel"): _cancel,
    ("POST", "/v1/setup_intents"): lambda bank, given: bank.make_setup(
        given.get("metadata", {}), bank.customer(given.get("customer"))
    ),
    ("GET", "/v1/setup_intents/:id"): lambda bank, _, ref: bank.get("seti", ref, "setupintent"),
    ("GET", "/v1/payment_methods/:id"): lambda bank, _, ref: bank.get("pm", ref, "PaymentMethod"),
    ("POST", "/v1/payment_methods/:id/detach"): lambda bank, _, ref: bank.detach(ref),
    ("POST", "/v1/refunds"): lambda bank, given: bank.refund(given),
    ("GET", "/v1/refunds"): lambda bank, given: bank.listed(
        "refund", "/v1/refunds", given, payment_intent=given.get("payment_intent")
    ),
    ("GET", "/v1/refunds/:id"): lambda bank, _, ref: bank.get("re", ref, "refund"),
    ("GET", "/v1/disputes"): lambda bank, given: bank.listed(
        "dispute", "/v1/disputes", given, payment_intent=given.get("payment_intent")
    ),
    ("GET", "/v1/balance_transactions"): lambda bank, given: bank.listed(
        "balance_transaction", "/v1/balance_transactions", given
    ),
}
