"""The adapter against the real bank process: each card and each behaviour becomes the right answer."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from bank import RunningBank, eventually
from raseed.gateways.port import (
    ActionRequired,
    Canceled,
    CardKept,
    CardSetup,
    Charge,
    DeclineCode,
    Declined,
    GatewayUnavailable,
    MovementKind,
    NotFound,
    Pending,
    Refunded,
    RefundFailed,
    RefundOrder,
    RefundPending,
    Refused,
    Succeeded,
    Unknown,
)
from raseed.gateways.registry import UnknownGateway
from raseed.gateways.registry import gateway as configured
from raseed.gateways.sandbox import SandboxGateway

ACCOUNT = UUID(int=7)


def order(**changes: object) -> Charge:
    payment_id = uuid4()
    charge = Charge(
        payment_id=payment_id,
        account_id=ACCOUNT,
        amount_minor=11_500,
        currency="USD",
        idempotency_key=str(payment_id),
        description="Top-up",
        return_url="http://localhost:8000/return",
        saved_reference=None,
        save_card=False,
        unattended=False,
        customer_language="ar",
    )
    return replace(charge, **changes)  # type: ignore[arg-type]


def opened(gateway: SandboxGateway, charge: Charge) -> ActionRequired:
    outcome = gateway.charge(charge)
    assert isinstance(outcome, ActionRequired)
    return outcome


def saved(gateway: SandboxGateway, bank: RunningBank, card: str = "4242424242424242") -> str:
    page = opened(gateway, order(save_card=True))
    bank.pay(page.gateway_ref, card)
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert outcome.saved is not None
    return outcome.saved.reference


def test_new_card_goes_to_the_page_then_succeeds(gateway: SandboxGateway, bank: RunningBank) -> None:
    charge = order(save_card=True)
    page = opened(gateway, charge)
    assert page.url == f"{bank.url}/pay/{page.gateway_ref}"
    assert gateway.fetch(page.gateway_ref) == page == gateway.find_by_reference(charge.payment_id)
    bank.pay(page.gateway_ref, "5555555555554444", expiry="09/30")
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert gateway.find_by_reference(charge.payment_id) == outcome
    assert (outcome.captured_minor, outcome.captured_currency) == (11_500, "USD")
    assert outcome.payment_id == charge.payment_id
    assert outcome.card is not None
    assert (outcome.card.brand, outcome.card.last4) == ("mastercard", "4444")
    assert (outcome.card.exp_month, outcome.card.exp_year) == (9, 2030)
    assert outcome.saved is not None
    assert outcome.saved.card == outcome.card
    assert outcome.saved.chargeable_unattended is True


def test_card_used_once_gives_no_reference(gateway: SandboxGateway, bank: RunningBank) -> None:
    page = opened(gateway, order())
    bank.pay(page.gateway_ref)
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Succeeded)
    assert outcome.saved is None


@pytest.mark.parametrize(
    ("card", "code", "retryable"),
    [
        ("4000000000000002", DeclineCode.GENERIC, True),
        ("4000000000009995", DeclineCode.INSUFFICIENT_FUNDS, True),
        ("4000000000000069", DeclineCode.EXPIRED_CARD, False),
        ("4000000000000127", DeclineCode.INCORRECT_DETAILS, False),
        ("4000000000006975", DeclineCode.LIMIT_EXCEEDED, True),
        ("4000000000009979", DeclineCode.GENERIC, False),
        ("4111111111111111", DeclineCode.GENERIC, True),
    ],
)
def test_each_decline(
    gateway: SandboxGateway, bank: RunningBank, card: str, code: DeclineCode, retryable: bool
) -> None:
    charge = order()
    page = opened(gateway, charge)
    bank.pay(page.gateway_ref, card)
    outcome = gateway.fetch(page.gateway_ref)
    assert isinstance(outcome, Declined)
    assert (outcome.gateway_ref, outcome.code, outcome.retryable) == (page.gateway_ref, code, retryable)
    assert outcome.card is not None
    assert outcome.card.last4 == card[-4:]
    assert bank.charges(charge.payment_id) == []


def test_three_ds_completed_and_failed(gateway: SandboxGateway, bank: RunningBank) -> None:
    card = saved(gateway, bank, "4000002760003184")
    good, bad = (opened(gateway, order(saved_reference=card)) for _ in range(2))
    assert "/3ds/" in good.url
    bank.pay(good.gateway_ref)
    assert isinstance(gateway.fetch(good.gateway_ref), Succeeded)
    bank.pay(bad.gateway_ref, outcome="fail")
    outcome = gateway.fetch(bad.gateway_ref)
    assert isinstance(outcome, Declined)
    assert outcome.code is DeclineCode.AUTHENTICATION_FAILED
    assert isinstance(gateway.charge(order(saved_reference=card, unattended=True)), ActionRequired)


def test_saved_card_that_fails_later(gateway: SandboxGateway, bank: RunningBank) -> None:
    card = saved(gateway, bank, "4000000000000341")
    assert isinstance(gateway.charge(order(saved_reference=card, unattended=True)), Declined)


def test_cancel_tells_the_true_state(gateway: SandboxGateway, bank: RunningBank) -> None:
    page = opened(gateway, order())
    assert gateway.cancel(page.gateway_ref) == Canceled(page.gateway_ref) == gateway.fetch(page.gateway_ref)
    paid = opened(gateway, order())
    bank.pay(paid.gateway_ref)
    assert isinstance(gateway.cancel(paid.gateway_ref), Succeeded)


def test_saved_charge_in_fair_weather(gateway: SandboxGateway, bank: RunningBank) -> None:
    charge = order(saved_reference=saved(gateway, bank))
    first = gateway.charge(charge)
    assert isinstance(first, Succeeded)
    assert gateway.charge(charge) == first
    assert bank.charges(charge.payment_id) == [11_500]


@pytest.mark.parametrize("behaviour", ["G5", "G6", "G7"])
def test_charged_but_unanswered_is_unknown_and_found_by_our_reference(
    gateway: SandboxGateway, bank: RunningBank, behaviour: str
) -> None:
    charge = order(saved_reference=saved(gateway, bank))
    bank.behaviour(next=behaviour)
    assert isinstance(gateway.charge(charge), Unknown)
    assert bank.charges(charge.payment_id) == [11_500]
    assert isinstance(gateway.find_by_reference(charge.payment_id), Succeeded)


def test_dropped_before_the_charge_is_unknown_too(gateway: SandboxGateway, bank: RunningBank) -> None:
    charge = order(saved_reference=saved(gateway, bank))
    bank.behaviour(next="G8")
    assert isinstance(gateway.charge(charge), Unknown)
    assert bank.charges(charge.payment_id) == []
    assert gateway.find_by_reference(charge.payment_id) == NotFound()
    assert isinstance(gateway.charge(charge), Succeeded)


def test_late_charge(gateway: SandboxGateway, bank: RunningBank) -> None:
    charge = order(saved_reference=saved(gateway, bank))
    bank.behaviour(next="G9")
    assert isinstance(gateway.charge(charge), Unknown)
    assert gateway.find_by_reference(charge.payment_id) == NotFound()
    assert gateway.charge(charge) == Pending(None)
    eventually(lambda: isinstance(gateway.find_by_reference(charge.payment_id), Succeeded))
    assert isinstance(gateway.charge(charge), Succeeded)
    assert bank.charges(charge.payment_id) == [11_500]


def test_processing_on_the_card_page_is_pending(gateway: SandboxGateway, bank: RunningBank) -> None:
    page = opened(gateway, order())
    bank.behaviour(next="G9")
    bank.pay(page.gateway_ref)
    assert gateway.fetch(page.gateway_ref) == Pending(page.gateway_ref) == gateway.cancel(page.gateway_ref)


@pytest.mark.parametrize(
    ("behaviour", "code", "retryable"),
    [("G3", DeclineCode.GENERIC, True), ("G4", DeclineCode.GENERIC, False)],
)
def test_forced_declines(
    gateway: SandboxGateway, bank: RunningBank, behaviour: str, code: DeclineCode, retryable: bool
) -> None:
    charge = order(saved_reference=saved(gateway, bank))
    bank.behaviour(next=behaviour)
    outcome = gateway.charge(charge)
    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.retryable) == (code, retryable)


def test_requests_that_the_bank_refuses_charge_nothing(gateway: SandboxGateway, bank: RunningBank) -> None:
    before = bank.book()
    for charge in (
        order(currency="XXX"),
        order(return_url="http://evil.test/"),
        order(saved_reference="card_of_nobody"),
        order(saved_reference="card_of_nobody", account_id=UUID(int=8)),
    ):
        assert isinstance(gateway.charge(charge), Refused)
    assert bank.book() == before


def test_wrong_key_is_refused_for_a_charge_and_says_nothing_of_an_old_one(bank: RunningBank) -> None:
    stranger = SandboxGateway(url=bank.url, secret_key="wrong", webhook_secrets=["w"], timeout_s=2)
    assert isinstance(stranger.charge(order()), Refused)
    assert isinstance(stranger.find_by_reference(uuid4()), Unknown)
    assert isinstance(stranger.fetch("pay_1"), Unknown)
    assert isinstance(stranger.cancel("pay_1"), Unknown)
    stranger.close()


@pytest.mark.parametrize("change", [{"amount_minor": 99}, {"idempotency_key": "another"}])
def test_a_key_or_reference_that_the_bank_holds_already_is_unknown_not_refused(
    gateway: SandboxGateway, bank: RunningBank, change: dict[str, object]
) -> None:
    charge = order(saved_reference=saved(gateway, bank))
    gateway.charge(charge)
    assert isinstance(gateway.charge(replace(charge, **change)), Unknown)  # type: ignore[arg-type]
    assert bank.charges(charge.payment_id) == [11_500]


def test_forgetting_a_card_twice(gateway: SandboxGateway, bank: RunningBank) -> None:
    card = saved(gateway, bank)
    gateway.forget_card(card)
    gateway.forget_card(card)
    assert isinstance(gateway.charge(order(saved_reference=card)), Refused)


@pytest.mark.parametrize("reference", ["", "..", "../book", "a/b?c#d", "ü\n"])
def test_references_cannot_lead_elsewhere(gateway: SandboxGateway, reference: str) -> None:
    assert isinstance(gateway.fetch(reference), NotFound | Unknown)


def test_the_list_is_walked(gateway: SandboxGateway, bank: RunningBank) -> None:
    charge, declined = order(), order()
    bank.pay(opened(gateway, charge).gateway_ref)
    bank.pay(opened(gateway, declined).gateway_ref, "4000000000000002")
    cursor, more, movements = "", True, []
    while more:
        page = gateway.list_since(cursor, 3)
        assert len(page.movements) <= 3
        movements += page.movements
        cursor, more = page.next_cursor, page.more
    assert [one.cursor for one in movements] == [entry["cursor"] for entry in bank.book()]
    last = {one.payment_id: one for one in movements}
    assert last[charge.payment_id].kind is MovementKind.CHARGE
    assert last[charge.payment_id].amount_minor == 11_500
    assert last[charge.payment_id].at.tzinfo is not None
    assert last[declined.payment_id].kind is MovementKind.DECLINE
    assert gateway.list_since(cursor, 3).movements == ()


def test_a_bank_that_is_down(tmp_path_factory: pytest.TempPathFactory) -> None:
    with RunningBank(tmp_path_factory.mktemp("down")) as gone:
        gateway = SandboxGateway(url=gone.url, secret_key=gone.secret, webhook_secrets=["w"], timeout_s=1)
        assert isinstance(gateway.charge(order()), ActionRequired)
        gone.kill()
        assert isinstance(gateway.charge(order()), Unknown)
        assert isinstance(gateway.fetch("pay_1"), Unknown)
        assert isinstance(gateway.find_by_reference(uuid4()), Unknown)
        with pytest.raises(GatewayUnavailable):
            gateway.list_since("", 10)
        with pytest.raises(GatewayUnavailable):
            gateway.forget_card("card_1")
        gone.start()
        assert isinstance(gateway.charge(order()), ActionRequired)
        gateway.close()


def test_registry_knows_the_configured_gateway_only() -> None:
    assert configured("sandbox").name == "sandbox"
    assert configured("sandbox") is configured("sandbox")
    with pytest.raises(UnknownGateway, match="stripe"):
        configured("stripe")


@pytest.mark.django_db
def test_no_call_leaves_inside_a_transaction(gateway: SandboxGateway, bank: RunningBank) -> None:
    charge = order()
    with transaction.atomic():
        for verb in (
            lambda: gateway.charge(charge),
            lambda: gateway.fetch("pay_1"),
            lambda: gateway.find_by_reference(charge.payment_id),
            lambda: gateway.cancel("pay_1"),
            lambda: gateway.forget_card("card_1"),
            lambda: gateway.list_since("", 1),
        ):
            with pytest.raises(RuntimeError, match="transaction"):
                verb()
    assert bank.client.get(f"{bank.url}/v1/payments?reference={charge.payment_id}").status_code == 404


def test_a_refund_is_asked_for_found_and_followed(gateway: SandboxGateway, bank: RunningBank) -> None:
    page = opened(gateway, order())
    bank.pay(page.gateway_ref)
    refund_id = uuid4()
    back = RefundOrder(refund_id, page.gateway_ref, 5_000, "USD", str(refund_id))
    assert gateway.find_refund(page.gateway_ref, refund_id) == NotFound()
    asked = gateway.refund(back)
    assert isinstance(asked, RefundPending)
    eventually(lambda: gateway.fetch_refund(asked.part_ref) == Refunded(asked.part_ref))
    assert gateway.find_refund(page.gateway_ref, refund_id) == Refunded(asked.part_ref)
    # The key's first answer is replayed; a second order for more than is left is refused, as is an unknown payment.
    assert gateway.refund(back) == asked
    assert isinstance(gateway.refund(replace(back, amount_minor=7_000, idempotency_key="k2")), Refused)
    assert isinstance(gateway.refund(replace(back, gateway_ref="pay_x", idempotency_key="k3")), Refused)
    # The same key with another body says nothing of the first order.
    assert isinstance(gateway.refund(replace(back, amount_minor=1)), Unknown)
    assert gateway.fetch_refund("re_nobody") == NotFound()


def test_a_refund_that_fails_and_one_that_hangs(gateway: SandboxGateway, bank: RunningBank) -> None:
    page = opened(gateway, order())
    bank.pay(page.gateway_ref)
    bank.behaviour(next="G16", stage="refund")
    first = gateway.refund(RefundOrder(uuid4(), page.gateway_ref, 100, "USD", str(uuid4())))
    assert isinstance(first, RefundPending)
    eventually(lambda: isinstance(gateway.fetch_refund(first.part_ref), RefundFailed))
    other = opened(gateway, order())
    bank.pay(other.gateway_ref)
    bank.behaviour(next="G5", stage="refund")
    refund_id = uuid4()
    hung = gateway.refund(RefundOrder(refund_id, other.gateway_ref, 100, "USD", str(refund_id)))
    assert isinstance(hung, Unknown)
    assert isinstance(gateway.find_refund(other.gateway_ref, refund_id), RefundPending | Refunded)


def test_disputes_of_a_payment(gateway: SandboxGateway, bank: RunningBank) -> None:
    page = opened(gateway, order())
    assert gateway.disputes_of(page.gateway_ref) == ()
    with pytest.raises(GatewayUnavailable):
        gateway.disputes_of("pay_nobody")


def setup(**changes: object) -> CardSetup:
    setup_id = uuid4()
    asked = CardSetup(
        setup_id=setup_id,
        account_id=ACCOUNT,
        currency="USD",
        idempotency_key=str(setup_id),
        return_url="http://localhost:8000/return",
        customer_language="ar",
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def test_a_card_is_kept_without_a_charge_and_can_be_charged_then(
    gateway: SandboxGateway, bank: RunningBank
) -> None:
    asked = setup()
    page = gateway.set_up_card(asked)
    assert isinstance(page, ActionRequired)
    assert gateway.set_up_card(asked) == page
    assert gateway.fetch_setup(page.gateway_ref) == page

    bank.keep(page.gateway_ref, "4000002500003155")

    kept = gateway.fetch_setup(page.gateway_ref)
    assert isinstance(kept, CardKept)
    assert kept.setup_id == asked.setup_id
    assert (kept.saved.card.last4, kept.saved.chargeable_unattended) == ("3155", True)
    paid = gateway.charge(order(saved_reference=kept.saved.reference, unattended=True))
    assert isinstance(paid, Succeeded)


def test_setups_that_keep_no_card(gateway: SandboxGateway, bank: RunningBank) -> None:
    declined, canceled = gateway.set_up_card(setup()), gateway.set_up_card(setup())
    assert isinstance(declined, ActionRequired)
    assert isinstance(canceled, ActionRequired)
    bank.keep(declined.gateway_ref, "4000000000000069")
    bank.keep(canceled.gateway_ref, outcome="cancel")

    told = gateway.fetch_setup(declined.gateway_ref)
    assert isinstance(told, Declined)
    assert (told.code, told.retryable) == (DeclineCode.EXPIRED_CARD, False)
    assert gateway.fetch_setup(canceled.gateway_ref) == Canceled(canceled.gateway_ref)
    assert gateway.fetch_setup("set_unknown") == NotFound()
    assert isinstance(gateway.set_up_card(setup(currency="XXX")), Refused)
