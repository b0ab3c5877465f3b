"""The order of saved cards: the default, the fall-backs after it, what is removed, and what is about to expire."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, Company, make_company, make_operator, make_user, open_one, save_card
from raseed.accounts.models import Membership
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry
from raseed.gateways.port import Card, SavedReference
from raseed.payments import methods
from raseed.payments.cards import expiry
from raseed.payments.methods import Direction, MethodElsewhere, MethodGone
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.paynow import MethodNotUsable
from raseed.payments.recharge import cards


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


def by(company: Company) -> Who:
    return Who(company.admin.id, "admin", "203.0.113.7")


def three(company: Company) -> list[UUID]:
    return [save_card(company, f"card_{n}", last4=f"000{n}").id for n in (1, 2, 3)]


def order(company: Company) -> list[tuple[str, bool]]:
    return [(one.last4, one.is_default) for one in methods.saved_methods(company.account.id)]


def told(company: Company, kind: str) -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name="notifications.mail_notice", args__kind=kind)
    return sorted(job.args["address"] for job in jobs)


def queued(name: str) -> int:
    return ProcrastinateJob.objects.filter(task_name=name).count()


def acts(company: Company) -> list[str]:
    return list(
        AuditEntry.objects.filter(account_id=company.account.id)
        .order_by("at", "id")
        .values_list("action", flat=True)
    )


def test_the_first_card_is_the_default_and_the_others_follow_in_turn(company: Company) -> None:
    three(company)
    assert order(company) == [("0001", True), ("0002", False), ("0003", False)]


def test_the_default_goes_first_and_the_others_keep_their_order(company: Company) -> None:
    _first, _second, third = three(company)
    assert methods.make_default(company.account.id, third, by(company), NOON)
    assert order(company) == [("0003", True), ("0001", False), ("0002", False)]
    assert not methods.make_default(company.account.id, third, by(company), NOON), "it is already"
    [entry] = AuditEntry.objects.filter(account_id=company.account.id)
    assert (entry.action, entry.ip) == ("card_made_default", "203.0.113.7")
    assert "0001" in entry.before["default"]
    assert "0003" in entry.after["default"]
    assert told(company, "card_made_default") == [company.admin.email]
    assert queued("payments.card_changed") == 1


@pytest.mark.parametrize(
    ("which", "direction", "moved", "after"),
    [
        (1, Direction.DOWN, True, ["0001", "0003", "0002"]),
        (2, Direction.UP, True, ["0001", "0003", "0002"]),
        (1, Direction.UP, False, ["0001", "0002", "0003"]),
        (2, Direction.DOWN, False, ["0001", "0002", "0003"]),
        (0, Direction.DOWN, False, ["0001", "0002", "0003"]),
    ],
)
def test_cards_move_among_the_fall_backs_and_never_past_the_default(
    company: Company, which: int, direction: Direction, moved: bool, after: list[str]
) -> None:
    ids = three(company)
    assert methods.move(company.account.id, ids[which], direction, by(company), NOON) is moved
    assert [last4 for last4, _default in order(company)] == after
    assert order(company)[0] == ("0001", True)
    assert acts(company) == (["card_moved"] if moved else [])


def test_a_removed_default_gives_way_to_the_next_and_all_admins_are_told(company: Company) -> None:
    first, *_others = three(company)
    second_admin = make_user("second@falcon.test", account=company.account)
    Membership.objects.create(account=company.account, user_id=second_admin.id, role="admin")
    gone = make_user("gone@falcon.test", account=company.account)
    Membership.objects.create(account=company.account, user_id=gone.id, role="admin", is_active=False)

    methods.remove(company.account.id, first, by(company), NOON)

    assert order(company) == [("0002", True), ("0003", False)]
    assert told(company, "card_removed") == sorted([company.admin.email, second_admin.email])
    [job] = ProcrastinateJob.objects.filter(task_name="payments.forget_card")
    assert job.args == {"account_id": str(company.account.id), "method_id": str(first)}
    with pytest.raises(MethodGone):
        methods.remove(company.account.id, first, by(company), NOON)
    assert acts(company) == ["card_removed"]


def test_the_last_card_may_go_and_the_next_one_is_the_default_again(company: Company) -> None:
    only = save_card(company, "card_1")
    methods.remove(company.account.id, only.id, by(company), NOON)
    assert order(company) == []
    save_card(company, "card_2", last4="0002")
    assert order(company) == [("0002", True)]


def test_another_accounts_card_is_not_there(company: Company) -> None:
    other = make_company("Hawk")
    theirs = save_card(other, "card_hawk").id
    for act in (methods.remove, methods.make_default):
        with pytest.raises(MethodGone):
            act(company.account.id, theirs, by(company), NOON)
    with pytest.raises(MethodGone):
        methods.move(company.account.id, uuid4(), Direction.UP, by(company), NOON)
    assert order(other) == [("4242", True)]


def expires(company: Company, month: int, year: int) -> PaymentMethod:
    card = save_card(company, f"card_{month}_{year}")
    PaymentMethod.objects.filter(account_id=company.account.id, id=card.id).update(
        exp_month=month, exp_year=year
    )
    return card


def test_a_card_is_told_of_30_and_7_days_ahead_once_each(company: Company) -> None:
    expires(company, 12, 2026)
    expires(company, 6, 2030)
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    days = [noon + timedelta(days=day) for day in range(40)]
    told_on = [at.date().isoformat() for at in days for _twice in range(2) if expiry.tell_of_expiry(at)]
    # The card works to the end of 31 December.
    assert told_on == ["2026-12-01", "2026-12-24"]
    assert told(company, "card_expires") == [company.admin.email] * 2


def test_a_card_that_comes_late_is_told_of_once_and_a_removed_one_never(company: Company) -> None:
    card = expires(company, 12, 2026)
    late = datetime(2026, 12, 29, 12, tzinfo=UTC)
    assert expiry.tell_of_expiry(late) == 1
    assert expiry.tell_of_expiry(late + timedelta(days=1)) == 0
    other = expires(company, 1, 2027)
    methods.remove(company.account.id, other.id, by(company), NOON)
    assert expiry.tell_of_expiry(datetime(2027, 1, 28, 12, tzinfo=UTC)) == 0
    assert card.id != other.id


@pytest.mark.parametrize(
    ("month", "year", "left"), [(11, 2026, 7), (12, 2026, 38), (10, 2026, -23), (2, 2028, 463)]
)
def test_a_card_works_to_the_end_of_its_month(month: int, year: int, left: int) -> None:
    card = PaymentMethod(exp_month=month, exp_year=year)
    assert expiry.days_left(card, datetime(2026, 11, 23, tzinfo=UTC).date()) == left


def test_a_page_that_shows_a_card_from_before_it_was_saved_anew_pays_with_the_one_that_took_its_place(
    company: Company,
) -> None:
    card = Card("visa", "4242", 12, 2034, "the same")
    before, after = (
        methods.keep(
            company.account.id, "sandbox", SavedReference(ref, card, chargeable_unattended=True), NOON
        )
        for ref in ("old", "new")
    )
    assert methods.usable(company.account.id, before.id) == after
    assert methods.usable(company.account.id, after.id) == after
    methods.remove(company.account.id, after.id, by(company), NOON)
    assert methods.usable(company.account.id, before.id) is None
    assert methods.usable(company.account.id, uuid4()) is None


def of_the_gateway_before(company: Company) -> PaymentMethod:
    """The account's card of a gateway that takes no new payments here; the first card, so the default."""
    card = Card("visa", "1881", 12, 2034, "its own")
    return methods.keep(company.account.id, "stripe", SavedReference("pm_1", card, True), NOON)


def test_a_card_of_another_gateway_is_neither_offered_nor_charged(company: Company) -> None:
    before = of_the_gateway_before(company)
    assert methods.offered_methods(company.account.id) == []
    assert methods.usable(company.account.id, before.id) is None
    assert cards.usable(company.account.id, NOON) == []
    with pytest.raises(MethodNotUsable):
        open_one(company, method_id=before.id)
    assert not Payment.objects.filter(account_id=company.account.id).exists()

    # The first card that can be charged takes its place as the default; the other one can only be removed.
    here = save_card(company, "card_1")
    assert order(company) == [("4242", True), ("1881", False)]
    assert methods.offered_methods(company.account.id) == [here] == cards.usable(company.account.id, NOON)
    with pytest.raises(MethodElsewhere):
        methods.make_default(company.account.id, before.id, by(company), NOON)
    assert order(company) == [("4242", True), ("1881", False)]
    assert open_one(company, method_id=here.id).method_id == here.id
    methods.remove(company.account.id, before.id, by(company), NOON)
    assert order(company) == [("4242", True)]


def test_a_card_that_stood_for_the_same_card_at_another_gateway_is_not_taken_for_it(company: Company) -> None:
    gone = of_the_gateway_before(company)
    methods.remove(company.account.id, gone.id, by(company), NOON)
    PaymentMethod.objects.filter(account_id=company.account.id, id=gone.id).update(gateway="sandbox")
    of_the_gateway_before_again = SavedReference("pm_2", Card("visa", "1881", 12, 2034, "its own"), True)
    methods.keep(company.account.id, "stripe", of_the_gateway_before_again, NOON)
    assert methods.usable(company.account.id, gone.id) is None


def test_of_a_card_of_another_gateway_nobody_is_told_that_it_expires(company: Company) -> None:
    of_the_gateway_before(company)
    PaymentMethod.objects.filter(account_id=company.account.id).update(exp_month=12, exp_year=2026)
    assert expiry.tell_of_expiry(datetime(2026, 12, 20, 12, tzinfo=UTC)) == 0
    assert told(company, "card_expires") == []


def test_when_the_default_goes_the_first_card_that_can_be_charged_follows(company: Company) -> None:
    first = save_card(company, "card_1", last4="0001")
    of_the_gateway_before(company)
    save_card(company, "card_2", last4="0002")
    methods.remove(company.account.id, first.id, by(company), NOON)
    assert order(company) == [("0002", True), ("1881", False)]
