"""Stripe's adapter where Stripe is like no other: faults, lag, its list, its letters; and our server against the SDK's types."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe
from django.db import transaction
from pytest_django import Settings

from gateways.drivers import RememberedCustomers
from gateways.test_contract import order, setup
from raseed.db.uuids import new_id
from raseed.gateways import registry
from raseed.gateways.port import (
    ActionRequired,
    Busy,
    Card,
    CardKept,
    Charge,
    DeclineCode,
    Declined,
    GatewayBusy,
    GatewayUnavailable,
    MovementKind,
    NotFound,
    Pending,
    Refused,
    SavedReference,
    Subject,
    Succeeded,
    Unknown,
    UnreadableWebhook,
)
from raseed.gateways.stripe.adapter import StripeGateway
from raseed.gateways.stripe.declines import decline_of
from stripe_server import StripeServer
from stripe_server.parameters import SCHEMAS

pytestmark = pytest.mark.xdist_group("stripe-server")


@pytest.fixture(scope="module")
def shared_server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


@pytest.fixture
def server(shared_server: StripeServer) -> Iterator[StripeServer]:
    yield shared_server
    shared_server.ahead_s = shared_server.bank.list_lag_s = 0


@pytest.fixture
def gateway(server: StripeServer) -> Iterator[StripeGateway]:
    adapter = adapter_to(server)
    yield adapter
    adapter.close()


def adapter_to(server: StripeServer, **changes: Any) -> StripeGateway:
    given: dict[str, Any] = {
        "secret_key": server.secret_key,
        "webhook_secrets": server.webhook_secrets,
        "customers": RememberedCustomers(),
        "timeout_s": 2,
        "api_base": server.url,
    }
    return StripeGateway(**given | changes)


def on_saved_card(gateway: StripeGateway, server: StripeServer, **changes: Any) -> Charge:
    """A charge of a card that its account has saved."""
    first = order(save_card=True)
    page = gateway.charge(first)
    server.pay(page.gateway_ref, "4242424242424242")
    paid = gateway.fetch(page.gateway_ref)
    assert isinstance(paid, Succeeded)
    assert paid.saved is not None
    return order(account_id=first.account_id, saved_reference=paid.saved.reference, **changes)


# -- bad days


@pytest.mark.parametrize("fault", ["500_after", "rubbish", "drop_after"])
def test_what_cannot_be_read_may_have_charged(
    gateway: StripeGateway, server: StripeServer, fault: str
) -> None:
    charge = on_saved_card(gateway, server)
    before = len(server.requests)
    server.fault(fault, "/v1/payment_intents")
    assert isinstance(gateway.charge(charge), Unknown)
    assert len(server.requests) == before + 1, "the SDK must not send it again by itself"
    assert server.charges(charge.payment_id) == [11_500]
    assert isinstance(gateway.find_by_reference(charge.payment_id), Succeeded)
    assert isinstance(gateway.charge(charge), Succeeded)
    assert server.charges(charge.payment_id) == [11_500]


def test_asked_too_often_is_later_and_not_gone(gateway: StripeGateway, server: StripeServer) -> None:
    charge = on_saved_card(gateway, server)
    server.fault("busy", "/v1/payment_intents")
    assert gateway.charge(charge) == Busy(7)
    assert server.charges(charge.payment_id) == []
    server.fault("busy", "/v1/payment_methods")
    with pytest.raises(GatewayBusy):
        gateway.forget_card(str(charge.saved_reference))
    closed = adapter_to(server, may_leave=lambda: False)
    before = len(server.requests)
    assert closed.charge(order()) == Busy(1)
    with pytest.raises(GatewayBusy):
        closed.list_since("", 1)
    assert len(server.requests) == before


def test_a_key_that_is_being_worked_on_is_pending(gateway: StripeGateway, server: StripeServer) -> None:
    charge = on_saved_card(gateway, server)
    server.in_use(charge.idempotency_key)
    assert gateway.charge(charge) == Pending(None)
    first = order()
    server.in_use(f"customer:{first.account_id}")
    assert gateway.charge(first) == Pending(None)


def test_a_wrong_key_of_ours_refuses_a_charge_and_says_nothing_of_an_old_one(server: StripeServer) -> None:
    stranger = adapter_to(server, secret_key="sk_test_another")
    assert isinstance(stranger.charge(order()), Refused)
    assert isinstance(stranger.find_by_reference(new_id()), Unknown)
    assert isinstance(stranger.fetch("pi_1"), Unknown)
    with pytest.raises(GatewayUnavailable):
        stranger.list_since("", 1)
    stranger.close()


def test_nobody_listens() -> None:
    with StripeServer() as gone:
        gateway = adapter_to(gone, timeout_s=0.5)
        assert isinstance(gateway.charge(order()), ActionRequired)
    charge = order()
    for outcome in (gateway.charge(charge), gateway.fetch("pi_1"), gateway.find_by_reference(new_id())):
        assert isinstance(outcome, Unknown)
    for verb in (
        lambda: gateway.list_since("", 1),
        lambda: gateway.forget_card("pm_1"),
        lambda: gateway.disputes_of("pi_1"),
    ):
        with pytest.raises(GatewayUnavailable):
            verb()
    gateway.close()


@pytest.mark.django_db
def test_no_call_leaves_inside_a_transaction(gateway: StripeGateway, server: StripeServer) -> None:
    before = len(server.requests)
    for verb in (
        lambda: gateway.charge(order()),
        lambda: gateway.fetch("pi_1"),
        lambda: gateway.find_by_reference(new_id()),
        lambda: gateway.cancel("cs_1"),
        lambda: gateway.forget_card("pm_1"),
        lambda: gateway.list_since("", 1),
        lambda: gateway.fetch_refund("re_1"),
        lambda: gateway.disputes_of("pi_1"),
        lambda: gateway.fetch_setup("cs_1"),
    ):
        with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
            verb()
    assert len(server.requests) == before


# -- looking


def test_what_the_minutes_do_not_hold_is_found_by_the_search_once_it_knows(
    gateway: StripeGateway, server: StripeServer
) -> None:
    charge = on_saved_card(gateway, server, payment_id=uuid4())
    assert isinstance(gateway.charge(charge), Succeeded)
    assert gateway.find_by_reference(charge.payment_id) == NotFound()
    server.ahead_s = 61
    assert isinstance(gateway.find_by_reference(charge.payment_id), Succeeded)


def test_a_typed_card_is_one_payment_under_all_of_its_names(
    gateway: StripeGateway, server: StripeServer
) -> None:
    charge = order(payment_id=uuid4())
    page = gateway.charge(charge)
    server.pay(page.gateway_ref, "4000000000000002")
    intent = server.bank.things[page.gateway_ref]["payment_intent"]
    assert gateway.fetch(intent) == page
    server.pay(page.gateway_ref, "4242424242424242")
    paid = gateway.fetch(page.gateway_ref)
    assert isinstance(paid, Succeeded)
    assert gateway.fetch(intent) == paid == gateway.cancel(intent)
    server.ahead_s = 61
    assert gateway.find_by_reference(charge.payment_id) == paid


def test_another_product_on_the_account_has_no_payment_of_ours(
    gateway: StripeGateway, server: StripeServer
) -> None:
    intent = server.foreign_charge(5_000)
    outcome = gateway.fetch(intent)
    assert isinstance(outcome, Succeeded)
    assert outcome.payment_id is None
    assert gateway.list_since("", 100).movements[-1].payment_id is None


# -- the list


def test_a_line_that_comes_late_stands_where_it_belongs(gateway: StripeGateway, server: StripeServer) -> None:
    first, late, last = (server.foreign_charge(amount) for amount in (1_000, 2_000, 3_000))
    seen = [line.gateway_ref for line in gateway.list_since("", 100).movements]
    assert seen[-3:] == [first, late, last]
    server.hide(late, 60)
    page = gateway.list_since("", 100)
    assert [line.gateway_ref for line in page.movements][-2:] == [first, last]
    server.ahead_s = 61
    before = next(line.cursor for line in page.movements if line.gateway_ref == first)
    assert [line.gateway_ref for line in gateway.list_since(before, 100).movements] == [late, last]


def test_payouts_are_passed_over_and_what_is_not_known_is_never_dropped(
    gateway: StripeGateway, server: StripeServer
) -> None:
    charged = server.foreign_charge(1_000)
    start = gateway.list_since("", 100).next_cursor
    for kind in ("payout", "payout", "stripe_fee", "climate_order_purchase", "payout"):
        server.book(kind)
    page = gateway.list_since(start, 2)
    assert [(line.kind, line.amount_minor) for line in page.movements] == [(MovementKind.OTHER, 777)]
    assert page.next_cursor == page.movements[-1].cursor
    after = gateway.list_since(page.next_cursor, 2)
    assert (after.movements, after.next_cursor, after.more) == ((), page.next_cursor, False)
    assert charged


def test_a_question_of_a_bank_is_no_dispute(gateway: StripeGateway, server: StripeServer) -> None:
    page = gateway.charge(order())
    server.pay(page.gateway_ref, "4000000000001976")
    assert gateway.disputes_of(page.gateway_ref) == ()


# -- letters


@pytest.mark.parametrize(
    ("thing", "about"),
    [
        ({"object": "payment_intent", "id": "pi_1"}, (Subject.PAYMENT, "pi_1", "")),
        ({"object": "checkout.session", "id": "cs_1", "mode": "payment"}, (Subject.PAYMENT, "cs_1", "")),
        ({"object": "checkout.session", "id": "cs_1", "mode": "setup"}, (Subject.SETUP, "cs_1", "")),
        ({"object": "setup_intent", "id": "seti_1"}, (Subject.SETUP, "seti_1", "")),
        ({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}, (Subject.PAYMENT, "pi_1", "")),
        ({"object": "refund", "id": "re_1", "payment_intent": "pi_1"}, (Subject.REFUND, "pi_1", "re_1")),
        ({"object": "dispute", "id": "dp_1", "payment_intent": "pi_1"}, (Subject.DISPUTE, "pi_1", "dp_1")),
        (
            {"object": "dispute", "id": "dp_1", "payment_intent": None, "charge": "ch_1"},
            (Subject.DISPUTE, "ch_1", "dp_1"),
        ),
    ],
)
def test_what_a_letter_is_about(
    gateway: StripeGateway, server: StripeServer, thing: dict[str, Any], about: tuple[Subject, str, str]
) -> None:
    ours, now = uuid4(), datetime.now(UTC)
    name = "setup_id" if about[0] is Subject.SETUP else "payment_id"
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "x",
        "data": {"object": thing | {"metadata": {name: str(ours)}}},
    }
    raw = json.dumps(event).encode()
    headers = server.signed(raw, now.timestamp(), "whsec_another", *server.webhook_secrets)
    read = gateway.parse_webhook(raw, headers, now)
    assert (read.subject, read.gateway_ref, read.part_ref) == about
    assert read.payment_id == ours
    # Our server signs as Stripe's SDK verifies.
    assert (
        stripe.Webhook.construct_event(raw, headers["Stripe-Signature"], server.webhook_secrets[0]).id
        == "evt_1"
    )


@pytest.mark.parametrize(
    "thing",
    [
        {"object": "customer", "id": "cus_1"},
        {"object": "checkout.session", "id": "cs_1", "mode": "subscription"},
    ],
)
def test_a_letter_about_something_else_is_not_ours(
    gateway: StripeGateway, server: StripeServer, thing: dict[str, Any]
) -> None:
    raw = json.dumps({"id": "evt_1", "type": "x", "data": {"object": thing}}).encode()
    now = datetime.now(UTC)
    with pytest.raises(UnreadableWebhook, match="take it out"):
        gateway.parse_webhook(raw, server.signed(raw, now.timestamp(), *server.webhook_secrets), now)


@pytest.mark.parametrize("card", ["4242424242424242", "4000002500003155"])
def test_a_setup_is_one_under_both_of_its_names(
    gateway: StripeGateway, server: StripeServer, card: str
) -> None:
    wanted = setup()
    page = gateway.set_up_card(wanted)
    refused = server.pay(page.gateway_ref, "4000000000000002")
    assert refused == page.url
    where = server.pay(page.gateway_ref, card)
    if "/3ds/" in where:
        assert gateway.fetch_setup(page.gateway_ref) == page
        server.authenticate(where)
    kept = gateway.fetch_setup(page.gateway_ref)
    assert isinstance(kept, CardKept)
    intent = server.bank.things[page.gateway_ref]["setup_intent"]
    assert gateway.fetch_setup(intent) == kept
    assert gateway.fetch_setup("seti_nobodys") == NotFound()
    charge = order(account_id=wanted.account_id, saved_reference=kept.saved.reference, unattended=True)
    assert isinstance(gateway.charge(charge), Succeeded)
    assert server.charges(charge.payment_id) == [11_500]


# -- declines


@pytest.mark.parametrize(
    ("error", "read"),
    [
        (
            {"code": "card_declined", "decline_code": "insufficient_funds"},
            (DeclineCode.INSUFFICIENT_FUNDS, True),
        ),
        ({"code": "card_declined", "decline_code": "issuer_not_available"}, (DeclineCode.GENERIC, True)),
        ({"code": "card_declined", "decline_code": "try_again_later"}, (DeclineCode.GENERIC, True)),
        ({"code": "processing_error"}, (DeclineCode.GENERIC, True)),
        ({"code": "card_declined", "decline_code": "lost_card"}, (DeclineCode.GENERIC, False)),
        ({"code": "card_declined", "decline_code": "stolen_card"}, (DeclineCode.GENERIC, False)),
        ({"code": "card_declined", "decline_code": "pickup_card"}, (DeclineCode.GENERIC, False)),
        ({"code": "card_declined", "decline_code": "fraudulent"}, (DeclineCode.GENERIC, False)),
        ({"code": "card_declined", "decline_code": "invalid_account"}, (DeclineCode.GENERIC, False)),
        ({"code": "expired_card", "decline_code": "expired_card"}, (DeclineCode.EXPIRED_CARD, False)),
        ({"code": "incorrect_cvc"}, (DeclineCode.INCORRECT_DETAILS, False)),
        (
            {"code": "authentication_required", "decline_code": "authentication_required"},
            (DeclineCode.AUTHENTICATION_REQUIRED, True),
        ),
        ({"code": "payment_intent_authentication_failure"}, (DeclineCode.AUTHENTICATION_FAILED, True)),
        (
            {"code": "card_declined", "decline_code": "generic_decline", "advice_code": "do_not_try_again"},
            (DeclineCode.GENERIC, False),
        ),
        (
            {"code": "card_declined", "decline_code": "stolen_card", "advice_code": "try_again_later"},
            (DeclineCode.GENERIC, False),
        ),
        ({"code": "card_declined", "decline_code": "one_of_2031"}, (DeclineCode.GENERIC, True)),
        ({}, (DeclineCode.GENERIC, True)),
    ],
)
def test_declines_are_told_in_our_words(error: dict[str, str], read: tuple[DeclineCode, bool]) -> None:
    assert decline_of(error) == read


def test_a_declined_card_is_named(gateway: StripeGateway, server: StripeServer) -> None:
    charge = on_saved_card(gateway, server, unattended=True)
    (customer,) = [gateway._customers.of(charge.account_id)]
    bad = server.kept_card("4000000000009995", str(customer))
    outcome = gateway.charge(order(account_id=charge.account_id, saved_reference=bad, unattended=True))
    assert isinstance(outcome, Declined)
    assert outcome.card == Card("visa", "9995", 12, 2034, "fp00009995")


# -- the server is as Stripe is


def test_the_customers_pages(gateway: StripeGateway, server: StripeServer) -> None:
    page = gateway.charge(order())
    with httpx.Client(trust_env=False) as browser:
        assert "11500 usd" in browser.get(page.url).text
        refused = browser.post(page.url, data={"number": "4000000000000002"})
        assert "declined" in refused.text
        asked = browser.post(page.url, data={"number": "4000 0027 6000 3184"})
        assert asked.status_code == 303
        done = browser.post(asked.headers["Location"], data={"outcome": "complete"})
        assert done.headers["Location"] == "http://localhost:8000/settings/billing/payments/1/return"
        assert browser.get(page.url).status_code == 410
    assert isinstance(gateway.fetch(page.gateway_ref), Succeeded)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("mode=payment&sauce=1", "parameter_unknown"),
        ("metadata[a]=1&payment_intent_data[sauce]=1", "parameter_unknown"),
        ("line_items[0][quantity]=one", "parameter_invalid_integer"),
        ("customer=", "parameter_invalid_empty"),
    ],
)
def test_the_server_refuses_what_stripe_refuses(server: StripeServer, form: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {server.secret_key}", "Stripe-Version": "2026-10-28.endive"}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = httpx.post(f"{server.url}/v1/checkout/sessions", content=form, headers=headers, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


_PARAMS = {
    "customers": "Customer",
    "checkout/sessions": "checkout.Session",
    "payment_intents": "PaymentIntent",
    "setup_intents": "SetupIntent",
    "payment_methods": "PaymentMethod",
    "refunds": "Refund",
    "disputes": "Dispute",
    "balance_transactions": "BalanceTransaction",
}
_ACTS = {"expire": "Expire", "cancel": "Cancel", "detach": "Detach", "search": "Search"}


@pytest.mark.parametrize(("method", "path"), SCHEMAS)
def test_each_parameter_that_the_server_takes_is_one_of_the_sdks(method: str, path: str) -> None:
    parts = path.removeprefix("/v1/").split("/:id")
    base, _, search = parts[0].partition("/search")
    act = _ACTS.get(path.rsplit("/", 1)[1]) or (
        "Create" if method == "POST" else "Retrieve" if len(parts) > 1 else "List"
    )
    package, _, noun = _PARAMS[base].rpartition(".")
    params = stripe.params.checkout if package else stripe.params
    _held_against(SCHEMAS[method, path], getattr(params, f"{noun}{act}Params"))
    assert search == ""


def _held_against(schema: Any, declared: Any) -> None:
    """Every name of ours is declared by the SDK, as deep as ours go."""
    if not isinstance(schema, dict):
        return
    known = getattr(declared, "__annotations__", None)
    assert known is not None, f"{declared} takes no names, {sorted(schema)} given"
    for name, inner in schema.items():
        assert name in known, f"{declared.__name__} knows no {name}"
        one = inner[0] if isinstance(inner, list) else inner
        if isinstance(one, dict):
            module = __import__(declared.__module__, fromlist=["_"])
            names = [
                word
                for word in _words(known[name])
                if hasattr(module, word) and word.startswith(declared.__name__[:7])
            ]
            assert any(_fits(one, getattr(module, word)) for word in names), f"{declared.__name__}.{name}"


def _words(annotation: Any) -> list[str]:
    return [word for word in _split(str(getattr(annotation, "__forward_arg__", annotation))) if word]


def _split(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()


def _fits(schema: Any, declared: Any) -> bool:
    try:
        _held_against(schema, declared)
    except AssertionError:
        return False
    return True


def test_each_field_that_the_server_shows_is_one_of_the_sdks(
    gateway: StripeGateway, server: StripeServer
) -> None:
    page = gateway.charge(order(save_card=True))
    server.pay(page.gateway_ref, "4000000000000259")
    server.bank.refund({"payment_intent": server.bank.things[page.gateway_ref]["payment_intent"]})
    kinds = {
        "customer": stripe.Customer,
        "checkout.session": stripe.checkout.Session,
        "payment_intent": stripe.PaymentIntent,
        "setup_intent": stripe.SetupIntent,
        "payment_method": stripe.PaymentMethod,
        "charge": stripe.Charge,
        "refund": stripe.Refund,
        "dispute": stripe.Dispute,
        "balance_transaction": stripe.BalanceTransaction,
        "event": stripe.Event,
    }
    seen = set()
    for thing in list(server.bank.things.values()):
        known = set(typing.get_type_hints(kinds[thing["object"]], globalns={}, localns=_Anything()) or ())
        extra = set(server.bank.shown(thing, [])) - known
        assert extra == set(), f"{thing['object']} has no {sorted(extra)}"
        seen.add(thing["object"])
    assert seen >= set(kinds) - {"setup_intent"}


class _Anything(dict[str, Any]):
    """Names that the SDK imports for type checkers only."""

    def __missing__(self, name: str) -> Any:
        return Any


# -- wired


def test_the_registry_makes_it_of_the_settings(settings: Settings, server: StripeServer) -> None:
    with pytest.raises(registry.UnknownGateway):
        registry.gateway("stripe")
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = server.secret_key, server.url
    settings.STRIPE_WEBHOOK_SECRET = "whsec_1"
    made = registry.gateway("stripe")
    assert made is registry.gateway("stripe")
    assert made.name == "stripe"
    assert registry.gateway("sandbox").name == "sandbox"
    registry.close_all()


def test_nothing_is_told_to_stripe_beside_the_request(gateway: StripeGateway, server: StripeServer) -> None:
    assert stripe.enable_telemetry is False
    gateway.charge(order())
    gateway.charge(order())
    assert server.requests[-1]["telemetry"] is None


def test_what_is_saved_is_the_card_and_never_its_number(gateway: StripeGateway, server: StripeServer) -> None:
    page = gateway.charge(order(save_card=True))
    server.pay(page.gateway_ref, "5555555555554444")
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert outcome.card is not None
    assert outcome.saved == SavedReference(
        outcome.saved.reference if outcome.saved else "", outcome.card, chargeable_unattended=True
    )
    assert "5555555555554444" not in repr(outcome)
