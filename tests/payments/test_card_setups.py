"""Cards that are kept without a charge: written down, asked for once, ended once, whoever brings the news."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pytest_django import Settings

from bank import Postbox, RunningBank
from conftest import RealDatabase
from line import Fate, Line
from people import NOON, Company, make_company, make_operator, open_one
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry
from raseed.db.transactions import atomic
from raseed.gateways import registry
from raseed.gateways.port import (
    Card,
    CardKept,
    DeclineCode,
    Declined,
    GatewayUnavailable,
    SavedReference,
)
from raseed.payments import inbox, methods, paynow
from raseed.payments.cards import forgetting, limits, setups
from raseed.payments.cards.models import CardEnd, CardSetup, TypedCard
from raseed.payments.cards.setups import AddCard, SetupReused
from raseed.payments.models import GatewayHealth, Payment, PaymentMethod
from raseed.payments.paynow import AccountClosed
from raseed.payments.states import Cause

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, shared_real_db: RealDatabase) -> Iterator[Line]:
    """The bank behind a line that can be struck, and its letters in a box."""
    with (
        Postbox() as box,
        RunningBank(tmp_path_factory.mktemp("bank"), box.url) as bank,
        Line(lambda: bank.port) as over,
    ):
        make_operator()
        over.bank, over.box = bank, box  # type: ignore[attr-defined]
        yield over
        registry.close_all()


@pytest.fixture
def bank(line: Line, settings: Settings) -> RunningBank:
    settings.SANDBOX_URL, settings.GATEWAY_TIMEOUT_S = line.url, 0.8
    GatewayHealth.objects.all().delete()
    return line.bank  # type: ignore[attr-defined, no-any-return]


def falcon() -> Company:
    return make_company(f"Falcon {uuid4().hex[:6]}")


def order(company: Company, **fields: object) -> AddCard:
    asked: dict[str, object] = {
        "account_id": company.account.id,
        "client_key": uuid4(),
        "by": Who(company.admin.id, "admin", "203.0.113.7"),
        "language": "en",
    }
    return AddCard(**(asked | fields))  # type: ignore[arg-type]


def at_bank(company: Company) -> CardSetup:
    opened = setups.open_setup(order(company), NOON)
    setup = setups.submit(company.account.id, opened.id, NOON)
    assert (setup.state, bool(setup.action_url)) == ("action_required", True)
    return setup


def again(setup: CardSetup) -> CardSetup:
    return CardSetup.objects.get(account_id=setup.account_id, id=setup.id)


def cards(setup: CardSetup) -> list[PaymentMethod]:
    return methods.saved_methods(setup.account_id)


def test_a_card_is_kept_once_told_once_and_nothing_is_charged(bank: RunningBank) -> None:
    company = falcon()
    setup = at_bank(company)
    bank.keep(setup.gateway_ref, "4000002500003155")

    kept = setups.follow(company.account.id, setup.id, Cause.PAGE, NOON + 2 * SECOND)

    assert (kept.state, kept.decline_code, kept.action_url) == ("kept", "", "")
    [card] = cards(setup)
    assert (card.id, card.last4, card.is_default, card.chargeable_unattended) == (
        kept.method_id,
        "3155",
        True,
        True,
    )
    for cause in (Cause.PAGE, Cause.WEBHOOK, Cause.RECONCILE):
        setups.follow(company.account.id, setup.id, cause, NOON + 5 * SECOND)
    added = AuditEntry.objects.filter(account_id=company.account.id, action="card_added")
    assert [(one.actor_id, one.ip) for one in added] == [(company.admin.id, "203.0.113.7")]
    assert len(cards(setup)) == 1
    assert not Payment.objects.filter(account_id=company.account.id).exists()
    typed = TypedCard.objects.get(id=setup.id)
    assert (typed.end, typed.fingerprint) == (CardEnd.PASSED, card.fingerprint)


@pytest.mark.parametrize(
    ("card", "outcome", "state", "code", "end"),
    [
        ("4000000000000069", "complete", "failed", "expired_card", CardEnd.FAILED),
        ("4000000000009979", "complete", "failed", "generic", CardEnd.FAILED),
        ("4000002760003184", "fail", "failed", "authentication_failed", CardEnd.FAILED),
        ("4242424242424242", "cancel", "canceled", "", CardEnd.LEFT),
    ],
)
def test_a_card_that_is_not_kept(
    bank: RunningBank, card: str, outcome: str, state: str, code: str, end: CardEnd
) -> None:
    setup = at_bank(falcon())
    bank.keep(setup.gateway_ref, card, outcome)
    ended = setups.follow(setup.account_id, setup.id, Cause.PAGE, NOON + 2 * SECOND)
    assert (ended.state, ended.decline_code, cards(setup)) == (state, code, [])
    assert TypedCard.objects.get(id=setup.id).end == end


def test_the_letter_alone_ends_it(bank: RunningBank, line: Line) -> None:
    setup = at_bank(falcon())
    seen = len(line.box.letters)  # type: ignore[attr-defined]
    bank.keep(setup.gateway_ref)
    headers, raw = line.box.wait_for(seen + 1)[-1]  # type: ignore[attr-defined]
    now = _signed_at(headers)
    assert inbox.receive("sandbox", raw, headers, now)
    assert not inbox.receive("sandbox", raw, headers, now), "a repeat is the same letter"
    assert inbox.apply_waiting(now) == 1
    assert (again(setup).state, len(cards(setup))) == ("kept", 1)


def _signed_at(headers: dict[str, str]) -> datetime:
    return datetime.fromtimestamp(int(headers["sandbox-signature"][2:].split(",")[0]), UTC)


def test_an_answer_that_was_lost_is_asked_for_with_the_same_key_and_is_one_setup(
    bank: RunningBank, line: Line
) -> None:
    company = falcon()
    opened = setups.open_setup(order(company), NOON)
    line.strike(opened.id, Fate.RESET)
    silent = setups.submit(company.account.id, opened.id, NOON)
    assert (silent.state, silent.gateway_ref, silent.next_ask_at) == ("submitted", "", NOON + SECOND)

    assert setups.ask_silent(NOON + SECOND) >= 1

    found = again(opened)
    assert found.state == "action_required"
    assert [one["id"] for one in bank.dump()["setups"] if one["reference"] == str(opened.id)] == [
        found.gateway_ref
    ]
    assert len(line.sent(opened.id)) == 2


def test_a_process_that_died_before_it_asked_is_followed(bank: RunningBank) -> None:
    opened = setups.open_setup(order(falcon()), NOON)
    followed = setups.follow(opened.account_id, opened.id, Cause.RECONCILE, NOON + 4 * SECOND)
    assert followed.state == "action_required"


def test_nobody_comes_back_and_the_card_is_kept_late_all_the_same(bank: RunningBank) -> None:
    setup = at_bank(falcon())
    late = NOON + timedelta(minutes=31)
    assert setups.follow(setup.account_id, setup.id, Cause.RECONCILE, late).state == "canceled"
    assert TypedCard.objects.get(id=setup.id).end == CardEnd.LEFT
    bank.keep(setup.gateway_ref)
    came_back = setups.follow(setup.account_id, setup.id, Cause.PAGE, late + 2 * SECOND)
    assert (came_back.state, len(cards(setup))) == ("kept", 1)


def test_one_form_is_one_setup_and_nobody_elses(bank: RunningBank) -> None:
    company = falcon()
    command = order(company)
    first = setups.open_setup(command, NOON)
    assert setups.open_setup(command, NOON + SECOND).id == first.id
    assert CardSetup.objects.filter(account_id=company.account.id).count() == 1
    with pytest.raises(SetupReused):
        setups.open_setup(order(company, client_key=command.client_key, by=Who(uuid4(), "admin")), NOON)


def test_the_card_of_another_setup_is_never_kept(bank: RunningBank) -> None:
    ours, other = at_bank(falcon()), at_bank(falcon())
    bank.keep(other.gateway_ref)
    told = registry.gateway("sandbox").fetch_setup(other.gateway_ref)
    assert isinstance(told, CardKept)
    assert setups.conclude(ours.account_id, ours.id, told, NOON + SECOND).state == "action_required"
    assert cards(ours) == []


def test_a_late_decline_does_not_take_a_kept_card_away(bank: RunningBank) -> None:
    setup = at_bank(falcon())
    bank.keep(setup.gateway_ref)
    setups.follow(setup.account_id, setup.id, Cause.PAGE, NOON + 2 * SECOND)
    no = Declined(setup.gateway_ref, DeclineCode.GENERIC, retryable=False)
    assert setups.conclude(setup.account_id, setup.id, no, NOON + 3 * SECOND).state == "kept"
    assert len(cards(setup)) == 1


def test_a_closed_account_adds_no_card(bank: RunningBank) -> None:
    company = falcon()
    type(company.account).objects.filter(id=company.account.id).update(closed_at=NOON)
    with pytest.raises(AccountClosed):
        setups.open_setup(order(company), NOON)
    assert not CardSetup.objects.filter(account_id=company.account.id).exists()


def test_the_bank_is_never_asked_inside_a_transaction(bank: RunningBank) -> None:
    opened = setups.open_setup(order(falcon()), NOON)
    with pytest.raises(RuntimeError, match="transaction"), atomic():
        setups.send(opened)


# -- removed


def kept(bank: RunningBank, company: Company, number: str = "4242424242424242") -> PaymentMethod:
    setup = at_bank(company)
    bank.keep(setup.gateway_ref, number)
    ended = setups.follow(company.account.id, setup.id, Cause.PAGE, NOON + 2 * SECOND)
    return PaymentMethod.objects.get(account_id=company.account.id, id=ended.method_id)


def admin(company: Company) -> Who:
    return Who(company.admin.id, "admin")


def test_a_removed_card_is_forgotten_at_the_bank_by_the_job(bank: RunningBank) -> None:
    company = falcon()
    card = kept(bank, company)
    methods.remove(company.account.id, card.id, admin(company), NOON)
    assert bank.create(saved_reference=card.reference, customer=str(company.account.id)).status_code == 200
    assert forgetting.forget(company.account.id, card.id, NOON + SECOND)
    assert bank.create(saved_reference=card.reference, customer=str(company.account.id)).status_code == 404
    assert not forgetting.forget(company.account.id, card.id, NOON + SECOND), "once"


def test_a_bank_that_is_down_is_asked_again_later(bank: RunningBank, line: Line) -> None:
    company = falcon()
    card = kept(bank, company)
    methods.remove(company.account.id, card.id, admin(company), NOON)
    with line.down(), pytest.raises(GatewayUnavailable):
        forgetting.forget(company.account.id, card.id, NOON)
    assert forgetting.forget_overdue(NOON) == 0, "its own job has an hour"
    assert forgetting.forget_overdue(NOON + timedelta(hours=2)) >= 1
    assert forgetting.forget(company.account.id, card.id, NOON)


def test_a_card_that_is_being_charged_is_not_forgotten_yet(bank: RunningBank) -> None:
    company = falcon()
    card = kept(bank, company)
    payment = open_one(company, method_id=card.id)
    methods.remove(company.account.id, card.id, admin(company), NOON)
    assert not forgetting.forget(company.account.id, card.id, NOON)
    assert paynow.submit(company.account.id, payment.id, NOON).state == "succeeded"
    assert forgetting.forget(company.account.id, card.id, NOON)


def test_the_same_card_added_twice_is_one_and_the_newer_reference_is_charged(bank: RunningBank) -> None:
    company = falcon()
    first, other = kept(bank, company), kept(bank, company, "5555555555554444")
    second = kept(bank, company)
    assert second.reference != first.reference
    assert [(one.id, one.is_default) for one in methods.saved_methods(company.account.id)] == [
        (second.id, True),
        (other.id, False),
    ]
    assert forgetting.forget(company.account.id, first.id, NOON)
    payment = open_one(company, method_id=second.id)
    assert paynow.submit(company.account.id, payment.id, NOON).state == "succeeded"


def test_a_card_in_three_other_accounts_is_not_kept_and_the_bank_forgets_it(
    bank: RunningBank, settings: Settings
) -> None:
    settings.CARD_LIMITS = settings.CARD_LIMITS | {"accounts": 3}
    for _ in range(3):
        company = falcon()
        setup = at_bank(company)
        TypedCard.objects.filter(id=setup.id).update(end=CardEnd.PASSED, ended_at=NOON, fingerprint="shared")
    assert not limits.is_in_too_many_accounts("shared", company.account.id), "it is one of the three itself"
    fourth = falcon()
    setup = at_bank(fourth)
    saved = SavedReference(
        "card_shared", Card("visa", "8210", 12, 2030, "shared"), chargeable_unattended=True
    )
    told = CardKept(setup.gateway_ref, setup.id, saved)

    ended = setups.conclude(fourth.account.id, setup.id, told, NOON)

    assert (ended.state, ended.decline_code) == ("failed", "card_in_other_accounts")
    assert methods.saved_methods(fourth.account.id) == []
    [refused] = PaymentMethod.objects.filter(account_id=fourth.account.id)
    assert refused.removed_at == NOON
    assert forgetting.forget(fourth.account.id, refused.id, NOON)
