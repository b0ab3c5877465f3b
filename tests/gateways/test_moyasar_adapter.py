"""Moyasar's adapter where Moyasar is like no other: `given_id`, invoices, refunds without an id, letters without a signature."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from pytest_django import Settings

from gateways.test_contract import order
from moyasar_server import MoyasarServer
from moyasar_server.bank import THREE_DS
from raseed.db.transactions import OpenTransaction
from raseed.db.uuids import new_id
from raseed.gateways import registry
from raseed.gateways.moyasar.adapter import MoyasarGateway
from raseed.gateways.port import (
    ActionRequired,
    Busy,
    Canceled,
    Charge,
    DeclineCode,
    Declined,
    ForgedWebhook,
    GatewayBusy,
    GatewayUnavailable,
    MovementKind,
    NotFound,
    Pending,
    Refunded,
    RefundOrder,
    RefundPending,
    Refused,
    Subject,
    Succeeded,
    Unknown,
    UnreadableWebhook,
)

pytestmark = pytest.mark.xdist_group("moyasar-server")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD = "4242424242424242"


@pytest.fixture
def server() -> Iterator[MoyasarServer]:
    with MoyasarServer() as running:
        yield running


def speaking(server: MoyasarServer, **changes: Any) -> MoyasarGateway:
    given = {"secret_key": server.secret_key, "webhook_secrets": [server.webhook_secret], "timeout_s": 2.0}
    return MoyasarGateway(**given | {"api_base": server.url} | changes)


@pytest.fixture
def gateway(server: MoyasarServer) -> Iterator[MoyasarGateway]:
    adapter = speaking(server)
    yield adapter
    adapter.close()


def by_token(server: MoyasarServer, number: str = GOOD, **changes: Any) -> Charge:
    return order(saved_reference=server.bank.keep(number), unattended=True, **changes)


def captured(gateway: MoyasarGateway, charge: Charge) -> Succeeded:
    outcome = gateway.charge(charge)
    assert isinstance(outcome, Succeeded), outcome
    return outcome


def typed(
    server: MoyasarServer, gateway: MoyasarGateway, charge: Charge, number: str = GOOD
) -> ActionRequired:
    page = gateway.charge(charge)
    assert isinstance(page, ActionRequired), page
    server.bank.pay_invoice(page.gateway_ref.removeprefix("invoice_"), number)
    return page


def sent(server: MoyasarServer, method: str, path: str) -> int:
    return sum((one["method"], one["path"]) == (method, path) for one in server.requests)


# -- once


def test_a_given_id_twice_is_refused_and_what_is_there_is_looked_up(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    charge = by_token(server)
    first = captured(gateway, charge)
    assert first.gateway_ref == f"payment_{charge.payment_id}"
    assert gateway.charge(charge) == first
    assert [one["status"] for one in server.requests] == [201, 400, 200]
    for other in (replace(charge, amount_minor=9_900), replace(charge, currency="SAR")):
        assert isinstance(gateway.charge(other), Unknown)
    assert server.charges(charge.payment_id) == [11_500]


def test_a_given_id_that_is_taken_and_cannot_be_looked_up_is_unknown(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    charge = by_token(server)
    captured(gateway, charge)
    server.fault("drop_before", "GET", "payments/:id")
    assert isinstance(gateway.charge(charge), Unknown)
    server.fault("busy", "GET", "payments/:id")
    assert gateway.charge(charge) == Busy(7)


def test_an_invoice_whose_answer_was_lost_is_found_and_no_second_one_is_made(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    charge = order()
    server.fault("drop_after", "POST", "invoices")
    assert isinstance(gateway.charge(charge), Unknown)
    page = gateway.charge(charge)
    assert isinstance(page, ActionRequired)
    assert len(server.bank.invoices) == 1
    assert isinstance(gateway.charge(replace(charge, amount_minor=9_900)), Unknown)
    server.fault("500_after", "GET", "invoices")
    assert isinstance(gateway.charge(order()), Unknown)
    assert len(server.bank.invoices) == 1


def test_our_id_is_in_what_is_sent_and_nothing_of_a_card(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    charge = by_token(server)
    captured(gateway, charge)
    held = server.bank.payments[str(charge.payment_id)]
    assert held["metadata"] == {"payment_id": str(charge.payment_id)}
    assert server.requests[0]["parameters"] == [
        "amount", "callback_url", "currency", "description", "given_id", "metadata", "source",
    ]  # fmt: skip


# -- answers


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_after", "rubbish", "html_404"])
def test_no_readable_answer_is_unknown(server: MoyasarServer, gateway: MoyasarGateway, fault: str) -> None:
    charge = by_token(server)
    server.fault(fault, "POST", "payments")
    assert isinstance(gateway.charge(charge), Unknown)
    server.fault(fault, "GET", "payments/:id")
    assert isinstance(gateway.find_by_reference(charge.payment_id), Unknown)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"status": "weird"},
        {"status": "authorized"},
        {"status": None},
        {"amount": "11500"},
        {"amount": 0},
        {"currency": None},
        {"source": None},
        {"id": "../../x"},
    ],
)
def test_nonsense_is_unknown(
    server: MoyasarServer, gateway: MoyasarGateway, nonsense: dict[str, object]
) -> None:
    charge = by_token(server)
    captured(gateway, charge)
    server.bank.payments[str(charge.payment_id)] |= nonsense
    assert isinstance(gateway.fetch(f"payment_{charge.payment_id}"), Unknown)


def test_busy_is_busy_and_does_nothing(server: MoyasarServer, gateway: MoyasarGateway) -> None:
    charge = by_token(server)
    server.fault("busy", "POST", "payments")
    assert gateway.charge(charge) == Busy(7)
    assert server.bank.payments == {}
    server.fault("busy", "GET", "payments")
    with pytest.raises(GatewayBusy):
        gateway.list_since("", 10)
    server.fault("500_after", "DELETE", "tokens/:id")
    with pytest.raises(GatewayUnavailable):
        gateway.forget_card("token_x")
    held_back = speaking(server, may_leave=lambda: False)
    before = len(server.requests)
    assert held_back.charge(charge) == Busy(1)
    assert len(server.requests) == before
    held_back.close()


def test_a_wrong_key_is_refused(server: MoyasarServer) -> None:
    stranger = speaking(server, secret_key="sk_test_other")
    assert isinstance(stranger.charge(by_token(server)), Refused)
    assert isinstance(stranger.fetch(f"payment_{uuid4()}"), Unknown)
    stranger.close()
    with pytest.raises(ValueError, match="MOYASAR_SECRET_KEY is empty"):
        speaking(server, secret_key=" ")


@pytest.mark.parametrize(("amount", "currency"), [(12_345, "KWD"), (12_345, "BHD"), (5_001, "OMR")])
def test_three_decimals_whose_last_is_not_zero_are_never_sent(
    server: MoyasarServer, gateway: MoyasarGateway, amount: int, currency: str
) -> None:
    assert isinstance(gateway.charge(by_token(server, amount_minor=amount, currency=currency)), Refused)
    assert server.requests == []
    charge = by_token(server, amount_minor=amount // 10 * 10, currency=currency)
    outcome = captured(gateway, charge)
    assert (outcome.captured_minor, outcome.captured_currency) == (amount // 10 * 10, currency)


def test_the_page_keeps_no_card_that_nobody_asked_to_keep(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    page = typed(server, gateway, order())
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert outcome.saved is None
    server.bank.page_keeps_cards = False
    wanted = typed(server, gateway, order(save_card=True))
    paid = gateway.fetch(wanted.gateway_ref)
    assert isinstance(paid, Succeeded)
    assert paid.saved is None


def test_silence_about_the_kept_card_does_not_hold_up_the_money(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    page = typed(server, gateway, order(save_card=True))
    server.fault("drop_before", "GET", "tokens/:id")
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert (outcome.captured_minor, outcome.saved) == (11_500, None)


def test_an_invoice_is_not_canceled_while_its_customer_is_at_the_bank(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    page = typed(server, gateway, order(), THREE_DS)
    ref = page.gateway_ref.removeprefix("invoice_")
    assert gateway.cancel(page.gateway_ref) == Pending(page.gateway_ref)
    server.bank.authenticate(ref, passes=False)
    assert gateway.fetch(page.gateway_ref) == Canceled(page.gateway_ref)


def test_a_saved_card_at_three_d_secure_cannot_be_canceled_and_never_gets_voided(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    charge = replace(by_token(server, THREE_DS), unattended=False)
    page = gateway.charge(charge)
    assert isinstance(page, ActionRequired)
    assert gateway.cancel(page.gateway_ref) == page
    server.bank.authenticate(str(charge.payment_id), passes=False)
    outcome = gateway.cancel(page.gateway_ref)
    assert isinstance(outcome, Declined)
    assert outcome.code is DeclineCode.AUTHENTICATION_FAILED
    assert not any("void" in one["path"] for one in server.requests)


def test_an_invoice_that_was_paid_twice_is_no_plain_success(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    page = typed(server, gateway, order())
    ref = page.gateway_ref.removeprefix("invoice_")
    server.bank.invoices[ref]["status"] = "initiated"
    server.bank.pay_invoice(ref, GOOD)
    assert isinstance(gateway.fetch(page.gateway_ref), Unknown)


# -- letters


def test_a_letter_bears_the_secret_or_is_forged(server: MoyasarServer, gateway: MoyasarGateway) -> None:
    charge = by_token(server)
    outcome = captured(gateway, charge)
    payment = server.bank.payments[str(charge.payment_id)]
    good = server.letter("payment_paid", payment)
    event = gateway.parse_webhook(good, {}, NOW)
    assert (event.gateway_ref, event.payment_id) == (outcome.gateway_ref, charge.payment_id)
    assert (event.kind, event.subject, event.signed_at) == ("payment_paid", Subject.PAYMENT, NOW)
    assert json.loads(event.without_secret or b"") == json.loads(good) | {"secret_token": ""}
    without = {name: value for name, value in json.loads(good).items() if name != "secret_token"}
    bad: list[bytes] = [
        json.dumps(without).encode(),
        *(
            server.letter("payment_paid", payment, secret_token=one)
            for one in ("", "wrong", None, 1, [], "ü", "\ud800")
        ),
        server.letter("payment_paid", payment, secret_token=server.webhook_secret[:-1]),
        *(b"", b"{}", b"[]", b"\xff", b"[" * 100_000),
    ]
    for raw in bad:
        with pytest.raises(ForgedWebhook):
            gateway.parse_webhook(raw, {}, NOW)


def test_every_secret_is_compared_in_constant_time(
    server: MoyasarServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That time tells nothing cannot be measured here: it is watched that each comparison is the one that promises it."""
    compared: list[bytes] = []
    plain = hmac.compare_digest

    def watched(right: bytes, given: bytes) -> bool:
        compared.append(right)
        return plain(right, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    turning = speaking(server, webhook_secrets=["in-use", "before"])
    payment = {"id": str(uuid4()), "refunded": 0}
    for secret in ("in-use", "before"):
        compared.clear()
        assert turning.parse_webhook(server.letter("payment_paid", payment, secret_token=secret), {}, NOW)
        assert compared == [b"in-use", b"before"]
    with pytest.raises(ForgedWebhook):
        turning.parse_webhook(server.letter("payment_paid", payment), {}, NOW)
    turning.close()


def test_a_letter_of_moyasars_about_something_else_is_unreadable(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    for changes in (
        {"data": {}},
        {"data": None},
        {"data": {"id": "x"}},
        {"id": None},
        {"id": "x" * 201},
        {"type": ""},
    ):
        with pytest.raises(UnreadableWebhook):
            gateway.parse_webhook(server.letter("payment_paid", {"id": str(uuid4())}, **changes), {}, NOW)


def test_a_letter_about_a_payment_under_an_invoice_names_the_invoice(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    server.bank.hands_metadata_on = False
    charge = order()
    page = typed(server, gateway, charge)
    event = gateway.parse_webhook(server.letters[-1][1], {}, NOW)
    assert (event.gateway_ref, event.payment_id) == (page.gateway_ref, None)
    outcome = gateway.fetch(event.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert outcome.payment_id == charge.payment_id
    (line,) = gateway.list_since("", 10).movements
    assert (line.gateway_ref, line.payment_id) == (page.gateway_ref, charge.payment_id)
    own = f"payment_{next(iter(server.bank.payments))}"
    assert gateway.fetch(own) == outcome


# -- refunds


def back(outcome: Succeeded, amount: int) -> RefundOrder:
    refund_id = new_id()
    return RefundOrder(refund_id, outcome.gateway_ref, amount, outcome.captured_currency, str(refund_id))


@pytest.mark.parametrize("is_typed", [False, True])
def test_money_is_given_back_in_parts_and_each_order_once(
    server: MoyasarServer, gateway: MoyasarGateway, is_typed: bool
) -> None:
    if is_typed:
        outcome = gateway.fetch(typed(server, gateway, order()).gateway_ref)
    else:
        outcome = gateway.charge(by_token(server))
    assert isinstance(outcome, Succeeded)
    part, same_again, rest = back(outcome, 1_500), back(outcome, 1_500), back(outcome, 8_500)
    first = gateway.refund(part)
    assert isinstance(first, Refunded)
    assert gateway.refund(part) == first == gateway.fetch_refund(first.part_ref)
    assert gateway.find_refund(outcome.gateway_ref, part.refund_id) == first
    assert gateway.find_refund(outcome.gateway_ref, rest.refund_id) == NotFound()
    second = gateway.refund(same_again)
    assert isinstance(second, Refunded)
    assert second != first
    assert isinstance(gateway.refund(replace(part, amount_minor=2_000)), Unknown)
    assert isinstance(gateway.refund(back(outcome, 8_501)), Refused)
    event = gateway.parse_webhook(server.letters[-1][1], {}, NOW)
    assert (event.subject, event.part_ref) == (Subject.REFUND, second.part_ref)
    assert isinstance(gateway.refund(rest), Refunded)
    assert isinstance(gateway.refund(back(outcome, 1)), Refused)
    (held,) = server.bank.payments.values()
    assert held["refunded"] == 11_500
    assert gateway.fetch(outcome.gateway_ref) == outcome
    lines = gateway.list_since("", 10).movements
    assert [(line.kind, line.amount_minor) for line in lines] == [
        (MovementKind.CHARGE, 11_500),
        (MovementKind.REFUND, 8_500),
    ]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_after", "rubbish"])
def test_a_refund_whose_answer_is_lost_is_never_ordered_again(
    server: MoyasarServer, gateway: MoyasarGateway, fault: str
) -> None:
    outcome = captured(gateway, by_token(server))
    held = server.bank.payments[str(outcome.payment_id)]
    wanted = back(outcome, 1_500)
    server.fault(fault, "POST", "payments/:id/refund")
    assert isinstance(gateway.refund(wanted), Unknown)
    again = gateway.refund(wanted)
    was_done = fault != "drop_before"
    assert isinstance(again, Refunded if was_done else Unknown)
    found = gateway.find_refund(outcome.gateway_ref, wanted.refund_id)
    assert isinstance(found, Refunded if was_done else RefundPending)
    assert held["refunded"] == (1_500 if was_done else 0)
    other = gateway.refund(back(outcome, 1_500))
    assert isinstance(other, Refunded if was_done else Unknown)
    assert held["refunded"] == (3_000 if was_done else 0)


@pytest.mark.parametrize("fault", ["busy", "refused"])
def test_a_refund_that_is_not_taken_can_be_ordered_later(
    server: MoyasarServer, gateway: MoyasarGateway, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = captured(gateway, by_token(server))
    wanted = back(outcome, 1_500)
    if fault == "busy":
        server.fault("busy", "POST", "payments/:id/refund")
        assert gateway.refund(wanted) == Busy(7)
    else:
        with monkeypatch.context() as closed:
            closed.setattr(server.bank, "refund", lambda _given, ref: server.bank.payment(f"{ref}x"))
            assert isinstance(gateway.refund(wanted), Refused)
    assert server.bank.payments[str(outcome.payment_id)]["refunded"] == 0
    assert isinstance(gateway.refund(wanted), Refunded)
    assert server.bank.payments[str(outcome.payment_id)]["refunded"] == 1_500


def test_nothing_is_given_back_of_what_was_not_charged(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    page = gateway.charge(order())
    assert isinstance(page, ActionRequired)
    nothing = Succeeded(page.gateway_ref, 11_500, "USD", None, None, None)
    assert gateway.refund(back(nothing, 100)) == NotFound()
    assert gateway.refund(back(replace(nothing, gateway_ref="nobodys"), 100)) == NotFound()
    assert gateway.fetch_refund("nobodys") == NotFound()
    assert gateway.disputes_of(page.gateway_ref) == ()
    kuwait = replace(back(captured(gateway, by_token(server)), 100), currency="KWD")
    assert isinstance(gateway.refund(kuwait), Refused)


# -- the list, and where it is wired


def test_the_list_tells_declines_voids_and_what_is_not_known(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    declined, voided, strange = by_token(server, "4000000000000002"), by_token(server), by_token(server)
    for charge in (declined, voided, strange):
        gateway.charge(charge)
    server.bank.payments[str(voided.payment_id)] |= {
        "status": "voided", "voided_at": "2099-01-01T00:00:00.000Z",
    }  # fmt: skip
    server.bank.payments[str(strange.payment_id)]["status"] = "verified"
    told = [(line.kind, line.payment_id, line.part_ref) for line in gateway.list_since("", 100).movements]
    assert told == [
        (MovementKind.DECLINE, declined.payment_id, ""),
        (MovementKind.CANCEL, voided.payment_id, ""),
        (MovementKind.OTHER, strange.payment_id, ""),
        (MovementKind.REFUND, voided.payment_id, f"{voided.payment_id}:void"),
    ]


def test_a_refund_comes_after_later_charges_and_no_earlier_line_moves(
    server: MoyasarServer, gateway: MoyasarGateway
) -> None:
    first, second = captured(gateway, by_token(server)), captured(gateway, by_token(server))
    before = gateway.list_since("", 100)
    gateway.refund(back(first, 500))
    after = gateway.list_since("", 100)
    assert after.movements[:2] == before.movements
    assert [line.payment_id for line in after.movements] == [
        first.payment_id, second.payment_id, first.payment_id,
    ]  # fmt: skip
    assert gateway.list_since(before.next_cursor, 100).movements == after.movements[2:]
    with pytest.raises(GatewayUnavailable):
        gateway.list_since("nonsense", 10)


def test_a_list_that_cannot_be_read_is_no_list(server: MoyasarServer, gateway: MoyasarGateway) -> None:
    charge = by_token(server)
    captured(gateway, charge)
    server.bank.payments[str(charge.payment_id)]["amount"] = None
    with pytest.raises(GatewayUnavailable):
        gateway.list_since("", 10)


@pytest.mark.django_db
def test_no_request_leaves_inside_a_transaction(server: MoyasarServer, gateway: MoyasarGateway) -> None:
    ref = f"payment_{uuid4()}"
    for verb in (
        lambda: gateway.charge(order()),
        lambda: gateway.charge(by_token(server)),
        lambda: gateway.fetch(ref),
        lambda: gateway.find_by_reference(uuid4()),
        lambda: gateway.cancel(ref.replace("payment", "invoice")),
        lambda: gateway.forget_card("token_1"),
        lambda: gateway.list_since("", 1),
        lambda: gateway.fetch_refund(f"{uuid4()}:1"),
    ):
        with transaction.atomic(), pytest.raises(OpenTransaction):
            verb()
    assert server.requests == []


def test_the_registry_makes_it_of_its_settings(settings: Settings) -> None:
    with pytest.raises(registry.UnknownGateway):
        registry.gateway("moyasar")
    settings.MOYASAR_SECRET_KEY, settings.MOYASAR_WEBHOOK_SECRET = "sk_test_1", "one"
    settings.MOYASAR_WEBHOOK_SECRET_BEFORE = "two"
    made = registry.gateway("moyasar")
    assert made is registry.gateway("moyasar")
    letter = json.dumps(
        {"id": "e", "type": "payment_paid", "secret_token": "two", "data": {"id": str(UUID(int=7))}}
    )
    assert made.parse_webhook(letter.encode(), {}, NOW).gateway_ref == f"payment_{UUID(int=7)}"
    registry.close_all()
