"""One contract for all gateways: the same cases through every adapter, against a server that speaks its gateway's protocol.

What each gateway is and how its customers act is in `drivers.py`. The cases that need a verb that not every gateway has are
made for those that have it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateways.drivers import (
    CAPABILITIES,
    CARD_SETUP,
    DISPUTES,
    DRIVERS,
    ENDS_3DS,
    FAILS_ONCE_SAVED,
    GOOD,
    REFUNDS,
    SECRET,
    SECRET_BEFORE,
    SIGNATURES,
    THREE_DS,
    Driver,
    reserialised,
)
from raseed.db.uuids import new_id
from raseed.gateways.port import (
    ActionRequired,
    Canceled,
    CardKept,
    CardSetup,
    Charge,
    DeclineCode,
    Declined,
    DisputeState,
    ForgedWebhook,
    Movement,
    MovementKind,
    NotFound,
    Refunded,
    RefundFailed,
    RefundOrder,
    RefundPending,
    Refused,
    SavedReference,
    Subject,
    Succeeded,
    Unknown,
    WebhookOutOfTime,
)

pytestmark = pytest.mark.xdist_group("gateway-contract")

RETURN_URL = "http://localhost:8000/settings/billing/payments/1/return"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Driver]]:
    """The gateways that cases have asked for, each started once."""
    started: dict[str, Driver] = {}
    yield started
    for driver in started.values():
        driver.__exit__(None, None, None)


@pytest.fixture
def driver(
    request: pytest.FixtureRequest, running: dict[str, Driver], tmp_path_factory: pytest.TempPathFactory
) -> Driver:
    name = request.param
    if name not in running:
        running[name] = DRIVERS[name](tmp_path_factory.mktemp(name)).__enter__()
    return running[name]


def test_every_gateway_can_each_thing_or_says_why_not() -> None:
    for kind in DRIVERS.values():
        assert kind.can | set(kind.cannot) == CAPABILITIES, kind.name
        assert not kind.can & set(kind.cannot), kind.name


every = pytest.mark.parametrize("driver", list(DRIVERS), indirect=True)


def those_with(capability: str) -> pytest.MarkDecorator:
    able = [name for name, kind in DRIVERS.items() if capability in kind.can]
    return pytest.mark.parametrize("driver", able, indirect=True)


def each(trait: str) -> pytest.MarkDecorator:
    """Each gateway with each of its own: currencies, typed, saved."""
    cases = [(name, one) for name, kind in DRIVERS.items() for one in getattr(kind, trait)]
    return pytest.mark.parametrize(("driver", "one"), cases, indirect=["driver"])


def order(**changes: Any) -> Charge:
    payment_id = new_id()
    charge = Charge(
        payment_id=payment_id,
        account_id=uuid4(),
        amount_minor=11_500,
        currency="USD",
        idempotency_key=str(payment_id),
        description="Top-up of the prepaid balance",
        return_url=RETURN_URL,
        saved_reference=None,
        save_card=False,
        unattended=False,
        customer_language="en",
    )
    return replace(charge, **changes)


def opened(driver: Driver, charge: Charge) -> ActionRequired:
    page = driver.gateway.charge(charge)
    assert isinstance(page, ActionRequired), page
    # A saved card is typed nowhere: its 3-D Secure is always a page of the gateway's.
    assert bool(page.url) is (charge.saved_reference is not None or not driver.in_our_page)
    assert page.url.startswith("http") or not page.url
    return page


def paid(driver: Driver, charge: Charge, card: str = GOOD) -> Succeeded:
    page = opened(driver, charge)
    driver.pay(page, card)
    outcome = driver.gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded), outcome
    return outcome


def kept(driver: Driver, account_id: UUID, card: str = GOOD) -> SavedReference:
    """A card that the account saved by paying with it."""
    page = opened(driver, order(account_id=account_id, save_card=True))
    driver.pay(page, card)
    if card == THREE_DS:
        driver.authenticate(page)
    outcome = driver.gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.saved is not None
    return outcome.saved


def with_saved(driver: Driver, card: str = GOOD, **changes: Any) -> Charge:
    account_id = uuid4()
    reference = kept(driver, account_id, card).reference
    return order(account_id=account_id, saved_reference=reference, **changes)


# -- charges


@each("currencies")
def test_a_typed_card_pays_exactly_what_was_asked(driver: Driver, one: str) -> None:
    charge = order(currency=one, amount_minor=driver.currencies[one])
    page = opened(driver, charge)
    assert (
        driver.gateway.fetch(page.gateway_ref) == page == driver.gateway.find_by_reference(charge.payment_id)
    )
    assert driver.charges(charge.payment_id) == []

    driver.pay(page)

    outcome = driver.gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert (outcome.captured_minor, outcome.captured_currency) == (charge.amount_minor, one)
    assert (outcome.gateway_ref, outcome.payment_id) == (page.gateway_ref, charge.payment_id)
    assert outcome.card is not None
    assert (outcome.card.brand, outcome.card.last4) == ("visa", "4242")
    assert outcome.saved is None
    assert driver.gateway.find_by_reference(charge.payment_id) == outcome
    assert driver.charges(charge.payment_id) == [charge.amount_minor]


@every
@pytest.mark.parametrize("unattended", [False, True])
def test_a_card_that_was_saved_is_charged_later(driver: Driver, unattended: bool) -> None:
    account_id = uuid4()
    saved = kept(driver, account_id)
    assert saved.chargeable_unattended
    assert saved.card.last4 == "4242"
    charge = order(account_id=account_id, saved_reference=saved.reference, unattended=unattended)

    outcome = driver.gateway.charge(charge)

    assert isinstance(outcome, Succeeded)
    assert (outcome.captured_minor, outcome.captured_currency) == (11_500, "USD")
    assert outcome.payment_id == charge.payment_id
    assert driver.gateway.fetch(outcome.gateway_ref) == outcome
    assert driver.gateway.find_by_reference(charge.payment_id) == outcome


@each("typed")
def test_a_declined_card_on_the_page_charges_nothing(driver: Driver, one: str) -> None:
    charge = order()
    page = opened(driver, charge)
    driver.pay(page, one)
    assert driver.charges(charge.payment_id) == []
    outcome = driver.gateway.fetch(page.gateway_ref)
    if not driver.page_goes_on:
        assert isinstance(outcome, Declined)
        assert (outcome.code, outcome.retryable) == driver.typed[one]
        return
    assert outcome == page
    driver.pay(page)
    assert isinstance(driver.gateway.fetch(page.gateway_ref), Succeeded)
    assert driver.charges(charge.payment_id) == [11_500]


@each("saved")
def test_a_saved_card_that_is_declined_says_why_and_whether_to_try_again(driver: Driver, one: str) -> None:
    charge = with_saved(driver)
    card = driver.declining(one, charge.account_id, charge.saved_reference or "")
    charge = replace(charge, saved_reference=card, unattended=True)

    outcome = driver.gateway.charge(charge)

    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.retryable) == driver.saved[one]
    assert outcome.gateway_ref is not None
    assert driver.gateway.fetch(outcome.gateway_ref) == outcome
    assert driver.gateway.charge(charge) == outcome
    assert driver.charges(charge.payment_id) == []


@every
def test_a_card_that_works_once_and_fails_once_saved(driver: Driver) -> None:
    outcome = driver.gateway.charge(with_saved(driver, FAILS_ONCE_SAVED, unattended=True))
    assert isinstance(outcome, Declined)
    assert outcome.retryable


@every
@pytest.mark.parametrize("passes", [True, False])
def test_three_d_secure_of_a_saved_card(driver: Driver, passes: bool) -> None:
    charge = with_saved(driver, THREE_DS)
    page = opened(driver, charge)
    assert driver.charges(charge.payment_id) == []
    assert driver.gateway.fetch(page.gateway_ref) == page

    driver.authenticate(page, passes=passes)

    outcome = driver.gateway.fetch(page.gateway_ref)
    if passes:
        assert isinstance(outcome, Succeeded)
    else:
        assert isinstance(outcome, Declined)
        assert outcome.code is DeclineCode.AUTHENTICATION_FAILED
    assert driver.charges(charge.payment_id) == ([11_500] if passes else [])


@those_with(ENDS_3DS)
def test_three_d_secure_that_is_abandoned_is_canceled(driver: Driver) -> None:
    charge = with_saved(driver, THREE_DS)
    page = opened(driver, charge)
    assert driver.gateway.cancel(page.gateway_ref) == Canceled(page.gateway_ref)
    assert driver.gateway.fetch(page.gateway_ref) == Canceled(page.gateway_ref)
    assert driver.charges(charge.payment_id) == []


@every
def test_three_d_secure_of_a_typed_card(driver: Driver) -> None:
    charge = order()
    page = opened(driver, charge)
    driver.pay(page, THREE_DS)
    assert isinstance(driver.gateway.fetch(page.gateway_ref), ActionRequired)
    assert driver.charges(charge.payment_id) == []
    driver.authenticate(page)
    assert isinstance(driver.gateway.fetch(page.gateway_ref), Succeeded)
    assert driver.charges(charge.payment_id) == [11_500]


@every
def test_an_unattended_charge_that_needs_its_holder_moves_nothing(driver: Driver) -> None:
    charge = with_saved(driver, THREE_DS, unattended=True)
    outcome = driver.gateway.charge(charge)
    if isinstance(outcome, Declined):
        assert outcome.code is DeclineCode.AUTHENTICATION_REQUIRED
    else:
        assert isinstance(outcome, ActionRequired)
    assert driver.charges(charge.payment_id) == []


# -- once


@every
@pytest.mark.parametrize("saved", [False, True])
def test_the_same_key_twice_is_one_payment(driver: Driver, saved: bool) -> None:
    charge = with_saved(driver) if saved else order()
    first = driver.gateway.charge(charge)
    assert driver.gateway.charge(charge) == first
    if isinstance(first, ActionRequired):
        driver.pay(first)
    assert driver.charges(charge.payment_id) == [11_500]


@every
def test_the_same_key_for_another_amount_is_never_taken_for_not_charged(driver: Driver) -> None:
    charge = with_saved(driver)
    driver.gateway.charge(charge)
    assert isinstance(driver.gateway.charge(replace(charge, amount_minor=9_900)), Unknown)
    assert driver.charges(charge.payment_id) == [11_500]


@every
def test_an_answer_that_is_lost_is_unknown_and_found_by_our_id(driver: Driver) -> None:
    charge = with_saved(driver)
    driver.lose("answer")
    assert isinstance(driver.gateway.charge(charge), Unknown)
    assert driver.charges(charge.payment_id) == [11_500]
    found = driver.gateway.find_by_reference(charge.payment_id)
    assert isinstance(found, Succeeded)
    assert driver.gateway.charge(charge) == found
    assert driver.charges(charge.payment_id) == [11_500]


@every
def test_a_request_that_is_lost_is_unknown_and_not_found_and_sent_again(driver: Driver) -> None:
    charge = with_saved(driver)
    driver.lose("request")
    assert isinstance(driver.gateway.charge(charge), Unknown)
    assert driver.gateway.find_by_reference(charge.payment_id) == NotFound()
    assert isinstance(driver.gateway.charge(charge), Succeeded)
    assert driver.charges(charge.payment_id) == [11_500]


@every
def test_what_the_gateway_refuses_charges_nothing(driver: Driver) -> None:
    for charge in (order(currency="XXX", amount_minor=1), order(saved_reference="nobodys")):
        assert isinstance(driver.gateway.charge(charge), Refused)
        assert driver.gateway.find_by_reference(charge.payment_id) == NotFound()


@every
def test_three_decimals_go_in_steps_of_ten(driver: Driver) -> None:
    charge = order(currency="KWD", amount_minor=12_345)
    assert isinstance(driver.gateway.charge(charge), Refused)
    assert driver.charges(charge.payment_id) == []


# -- the end of it


@every
def test_canceled_before_the_customer_acts(driver: Driver) -> None:
    charge = order()
    page = opened(driver, charge)
    assert driver.gateway.cancel(page.gateway_ref) == Canceled(page.gateway_ref)
    assert driver.gateway.cancel(page.gateway_ref) == Canceled(page.gateway_ref)
    assert driver.gateway.find_by_reference(charge.payment_id) == Canceled(page.gateway_ref)


@every
@pytest.mark.parametrize("saved", [False, True])
def test_canceled_too_late_is_what_it_is(driver: Driver, saved: bool) -> None:
    outcome = driver.gateway.charge(with_saved(driver)) if saved else paid(driver, order())
    assert driver.gateway.cancel(outcome.gateway_ref) == outcome


@every
@pytest.mark.parametrize(
    "ref", ["", "..", "../customers", "a/b?c#d", "pi_", "cs_ü", "pi_nobodys", "cs_test_nobodys"]
)
def test_references_that_are_not_there_lead_nowhere(driver: Driver, ref: str) -> None:
    assert isinstance(driver.gateway.fetch(ref), NotFound | Unknown)
    assert isinstance(driver.gateway.cancel(ref), NotFound | Unknown)


@every
def test_another_customers_payment_says_whose_it_is(driver: Driver) -> None:
    mine, theirs = order(), order()
    outcome = paid(driver, theirs)
    assert outcome.payment_id == theirs.payment_id != mine.payment_id
    assert driver.gateway.find_by_reference(mine.payment_id) == NotFound()


@every
def test_a_forgotten_card_is_not_charged_again(driver: Driver) -> None:
    charge = with_saved(driver)
    driver.gateway.forget_card(charge.saved_reference)
    driver.gateway.forget_card(charge.saved_reference)
    assert isinstance(driver.gateway.charge(charge), Refused)
    assert driver.charges(charge.payment_id) == []


# -- the list


def walked(driver: Driver, cursor: str, limit: int = 3) -> list[Movement]:
    movements: list[Movement] = []
    more = True
    while more:
        page = driver.gateway.list_since(cursor, limit)
        assert len(page.movements) <= limit
        assert page.next_cursor != cursor or not page.more
        movements += page.movements
        cursor, more = page.next_cursor or cursor, page.more
    return movements


@every
def test_the_list_holds_every_charge_once_in_order_whatever_the_pages(driver: Driver) -> None:
    charges = [order() for _ in range(4)]
    outcomes = [paid(driver, charge) for charge in charges]
    all_ = walked(driver, "", limit=100)
    cursors = [line.cursor for line in all_]
    assert len(set(cursors)) == len(cursors)
    mine = [line for line in all_ if line.payment_id in {charge.payment_id for charge in charges}]
    assert [line.payment_id for line in mine] == [charge.payment_id for charge in charges]
    assert {(line.kind, line.amount_minor, line.currency, line.part_ref) for line in mine} == {
        (MovementKind.CHARGE, 11_500, "USD", "")
    }
    assert [driver.gateway.fetch(line.gateway_ref) for line in mine] == outcomes
    assert [line.cursor for line in walked(driver, "", limit=3)] == cursors
    assert [line.cursor for line in walked(driver, cursors[-3], limit=1)] == cursors[-2:]
    end = driver.gateway.list_since(cursors[-1], 3)
    assert (end.movements, end.more) == ((), False)


# -- letters


def last_letter(driver: Driver, named: UUID | str) -> tuple[dict[str, str], bytes]:
    """The latest letter that bears our id, or the gateway's of a refund or dispute."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for headers, raw in reversed(driver.letters(0)):
            if str(named).encode() in raw:
                return headers, raw
        time.sleep(0.02)
    raise AssertionError("no letter came")


@every
def test_a_letter_names_the_payment_to_fetch(driver: Driver) -> None:
    charge = order()
    outcome = paid(driver, charge)
    headers, raw = last_letter(driver, charge.payment_id)
    event = driver.gateway.parse_webhook(raw, headers, datetime.now(UTC))
    assert (event.subject, event.payment_id) == (Subject.PAYMENT, charge.payment_id)
    assert driver.gateway.fetch(event.gateway_ref) == outcome


@those_with(SIGNATURES)
def test_a_letter_is_read_only_as_it_was_signed(driver: Driver) -> None:
    charge = order()
    paid(driver, charge)
    headers, raw = last_letter(driver, charge.payment_id)
    now = datetime.now(UTC)

    event = driver.gateway.parse_webhook(raw, headers, now)
    shouted = {name.upper(): value for name, value in headers.items()}
    assert driver.gateway.parse_webhook(raw, shouted, now) == event

    for forged in (raw + b" ", reserialised(raw), raw.replace(b"11500", b"11501")):
        with pytest.raises(ForgedWebhook):
            driver.gateway.parse_webhook(forged, headers, now)
    for bad in (
        {},
        {driver.signature_header: "t=1,v1=00"},
        driver.signed(raw, now.timestamp(), "whsec_other"),
    ):
        with pytest.raises(ForgedWebhook):
            driver.gateway.parse_webhook(raw, bad, now)


@those_with(SIGNATURES)
@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_letter_out_of_time_is_refused_and_says_so(driver: Driver, seconds: int) -> None:
    charge = order()
    paid(driver, charge)
    _, raw = last_letter(driver, charge.payment_id)
    now = datetime.now(UTC)
    at_s = int(now.timestamp())
    headers = driver.signed(raw, at_s - seconds, SECRET)
    with pytest.raises(WebhookOutOfTime):
        driver.gateway.parse_webhook(raw, headers, datetime.fromtimestamp(at_s, UTC))
    edge = driver.signed(raw, at_s - (seconds - 1 if seconds > 0 else seconds + 1), SECRET)
    assert driver.gateway.parse_webhook(raw, edge, datetime.fromtimestamp(at_s, UTC))


@those_with(SIGNATURES)
def test_both_secrets_are_taken_while_one_is_being_changed(driver: Driver) -> None:
    charge = order()
    paid(driver, charge)
    _, raw = last_letter(driver, charge.payment_id)
    now = datetime.now(UTC)
    turning = driver.adapter(SECRET, SECRET_BEFORE)
    for secret in (SECRET, SECRET_BEFORE):
        assert turning.parse_webhook(raw, driver.signed(raw, now.timestamp(), secret), now)
    with pytest.raises(ForgedWebhook):
        driver.gateway.parse_webhook(raw, driver.signed(raw, now.timestamp(), SECRET_BEFORE), now)
    turning.close()


@those_with(SIGNATURES)
@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'{"id": 1}', b"\xff", b"[" * 100_000, b'{"id":"e","type":"x","data":{}}']
)
def test_a_signed_letter_that_is_none_is_refused(driver: Driver, raw: bytes) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ForgedWebhook):
        driver.gateway.parse_webhook(raw, driver.signed(raw, now.timestamp(), SECRET), now)


@every
def test_no_adapter_without_secrets(driver: Driver) -> None:
    for secrets in ((), ("",), (" ",), (SECRET, "")):
        with pytest.raises(ValueError, match="WEBHOOK_SECRET is empty"):
            driver.adapter(*secrets)


# -- cards kept without a charge


def setup(**changes: Any) -> CardSetup:
    setup_id = new_id()
    wanted = CardSetup(setup_id, uuid4(), "USD", str(setup_id), RETURN_URL, "ar")
    return replace(wanted, **changes)


@those_with(CARD_SETUP)
def test_a_card_is_kept_and_charged_unattended(driver: Driver) -> None:
    wanted = setup()
    page = driver.gateway.set_up_card(wanted)
    assert isinstance(page, ActionRequired)
    assert driver.gateway.set_up_card(wanted) == page == driver.gateway.fetch_setup(page.gateway_ref)

    driver.keep_card(page)

    outcome = driver.gateway.fetch_setup(page.gateway_ref)
    assert isinstance(outcome, CardKept)
    assert (outcome.gateway_ref, outcome.setup_id) == (page.gateway_ref, wanted.setup_id)
    assert outcome.saved.card.last4 == "4242"
    headers, raw = last_letter(driver, wanted.setup_id)
    event = driver.gateway.parse_webhook(raw, headers, datetime.now(UTC))
    assert (event.subject, event.payment_id) == (Subject.SETUP, wanted.setup_id)
    assert driver.gateway.fetch_setup(event.gateway_ref) == outcome
    charge = order(account_id=wanted.account_id, saved_reference=outcome.saved.reference, unattended=True)
    assert isinstance(driver.gateway.charge(charge), Succeeded)
    assert driver.charges(charge.payment_id) == [11_500]


@those_with(CARD_SETUP)
def test_a_setup_that_is_not_there(driver: Driver) -> None:
    assert driver.gateway.fetch_setup("nobodys") == NotFound()


# -- refunds


def back(outcome: Succeeded, amount_minor: int, **changes: Any) -> RefundOrder:
    refund_id = new_id()
    wanted = RefundOrder(
        refund_id, outcome.gateway_ref, amount_minor, outcome.captured_currency, str(refund_id)
    )
    return replace(wanted, **changes)


def given_back(driver: Driver, wanted: RefundOrder) -> Refunded:
    """Ask for it and let the time go by that the gateway takes."""
    answer = driver.gateway.refund(wanted)
    if isinstance(answer, RefundPending):
        driver.finish_refunds()
        answer = driver.gateway.fetch_refund(answer.part_ref)
    assert isinstance(answer, Refunded), answer
    return answer


@those_with(REFUNDS)
@pytest.mark.parametrize("saved", [False, True])
def test_money_is_given_back_in_parts_and_never_more_than_there_was(driver: Driver, saved: bool) -> None:
    outcome = driver.gateway.charge(with_saved(driver)) if saved else paid(driver, order())
    part, rest = back(outcome, 1_500), back(outcome, 10_000)
    first = given_back(driver, part)
    assert driver.gateway.fetch_refund(first.part_ref) == first
    again = driver.gateway.refund(part)
    assert isinstance(again, Refunded | RefundPending)
    assert again.part_ref == first.part_ref
    assert driver.gateway.find_refund(outcome.gateway_ref, part.refund_id) == first
    assert isinstance(driver.gateway.refund(back(outcome, 10_001)), Refused)
    assert driver.gateway.find_refund(outcome.gateway_ref, rest.refund_id) == NotFound()
    given_back(driver, rest)
    assert isinstance(driver.gateway.refund(back(outcome, 1)), Refused)
    assert driver.gateway.fetch(outcome.gateway_ref) == outcome
    lines = [line for line in walked(driver, "", 100) if line.payment_id == outcome.payment_id]
    assert [(line.kind, line.amount_minor) for line in lines if line.kind is not MovementKind.CHARGE] == [
        (MovementKind.REFUND, 1_500),
        (MovementKind.REFUND, 10_000),
    ]
    assert lines[1].part_ref == first.part_ref


@those_with(REFUNDS)
def test_the_same_key_for_another_refund_is_never_taken_for_not_refunded(driver: Driver) -> None:
    outcome = paid(driver, order())
    wanted = back(outcome, 1_000)
    driver.gateway.refund(wanted)
    assert isinstance(driver.gateway.refund(replace(wanted, amount_minor=2_000)), Unknown)


@those_with(REFUNDS)
def test_a_refund_that_takes_its_time_and_one_that_fails(driver: Driver) -> None:
    slow = paid(driver, order(), driver.refund_cards["pending"])
    bad = paid(driver, order(), driver.refund_cards["fails"])
    pending, failing = driver.gateway.refund(back(slow, 500)), driver.gateway.refund(back(bad, 500))
    assert isinstance(pending, RefundPending)
    assert isinstance(failing, Refunded | RefundPending)
    driver.finish_refunds()
    assert driver.gateway.fetch_refund(pending.part_ref) == Refunded(pending.part_ref)
    assert isinstance(driver.gateway.fetch_refund(failing.part_ref), RefundFailed)
    headers, raw = last_letter(driver, failing.part_ref)
    event = driver.gateway.parse_webhook(raw, headers, datetime.now(UTC))
    assert (event.subject, event.part_ref) == (Subject.REFUND, failing.part_ref)
    assert driver.gateway.fetch(event.gateway_ref) == bad
    lines = [line for line in walked(driver, "", 100) if line.payment_id == bad.payment_id]
    assert MovementKind.REFUND_FAILED in {line.kind for line in lines}


@those_with(REFUNDS)
def test_nothing_is_given_back_of_what_was_not_charged(driver: Driver) -> None:
    page = opened(driver, order())
    nothing = Succeeded(page.gateway_ref, 11_500, "USD", None, None, None)
    assert isinstance(driver.gateway.refund(back(nothing, 100)), NotFound | Refused)
    assert driver.gateway.fetch_refund("nobodys") == NotFound()


# -- disputes


@those_with(DISPUTES)
@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_is_seen_from_its_opening_to_its_end(driver: Driver, won: bool) -> None:
    charge = order()
    outcome = paid(driver, charge, driver.disputed_cards[won])
    driver.open_dispute(outcome.gateway_ref)
    (dispute,) = driver.gateway.disputes_of(outcome.gateway_ref)
    assert (dispute.gateway_ref, dispute.amount_minor, dispute.currency, dispute.state) == (
        outcome.gateway_ref,
        11_500,
        "USD",
        DisputeState.OPEN,
    )
    driver.end_dispute(outcome.gateway_ref, won=won)
    (ended,) = driver.gateway.disputes_of(outcome.gateway_ref)
    assert ended == replace(dispute, state=DisputeState.WON if won else DisputeState.LOST)
    headers, raw = last_letter(driver, dispute.part_ref)
    event = driver.gateway.parse_webhook(raw, headers, datetime.now(UTC))
    assert (event.subject, event.part_ref) == (Subject.DISPUTE, dispute.part_ref)
    assert driver.gateway.fetch(event.gateway_ref) == outcome
    kinds = [line.kind for line in walked(driver, "", 100) if line.payment_id == charge.payment_id]
    assert MovementKind.DISPUTE in kinds
    assert (MovementKind.DISPUTE_WON in kinds) is won


@those_with(DISPUTES)
def test_a_payment_that_nobody_disputes(driver: Driver) -> None:
    assert driver.gateway.disputes_of(paid(driver, order()).gateway_ref) == ()
