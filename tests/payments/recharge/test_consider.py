"""Automatic recharge on a real database and a real bank: when it charges and how much, and every reason why not."""

from datetime import timedelta

import pytest
from django.db import connection

from people import NOON, open_one
from raseed.accounts.models import Account, AmountPolicy
from raseed.balance import suspension
from raseed.balance.models import Line
from raseed.balance.models import Reason as Suspended
from raseed.db.transactions import atomic
from raseed.ledger.chart import EntryKind, Kind
from raseed.money import Money
from raseed.payments import paynow, reconcile
from raseed.payments.models import GatewayHealth, Payment, PaymentMethod
from raseed.payments.paynow import PaymentInProgress
from raseed.payments.recharge import change, guards, sweep
from raseed.payments.recharge.models import Consideration, Mode, RechargeSettings
from raseed.payments.recharge.reasons import Cause, Reason
from raseed.payments.states import Cause as News
from raseed.payments.states import State
from recharging import CONSENT, WANTED, Recharged, usd

LATER = NOON + timedelta(minutes=10)


def low(falcon: Recharged, card: str = "4242424242424242") -> None:
    """On, with a card, and just brought to the threshold."""
    falcon.card(card)
    falcon.has("40")
    falcon.on()
    falcon.use("15")


# -- the mission's example, and the line


def test_a_deduction_that_leaves_25_charges_475_once(falcon: Recharged) -> None:
    low(falcon)
    assert falcon.queued() == [{"account_id": str(falcon.account.id)}]
    assert falcon.work() == 1
    assert falcon.charges() == [47_500]
    assert falcon.available() == "500.0"
    assert falcon.reasons() == [Reason.CHARGE]
    # The same job again, as after a crash, neither charges nor says anything.
    assert falcon.consider(LATER) is None
    assert falcon.reasons() == [Reason.CHARGE]
    falcon.use("1")
    assert falcon.work(LATER) == 0
    assert falcon.charges() == [47_500]


@pytest.mark.parametrize(
    ("used_micros", "charged"),
    [(14_999_999, []), (15_000_000, [47_500]), (15_000_001, [47_501])],
    ids=["a millionth above", "exactly at", "a millionth below"],
)
def test_it_fires_at_or_below_the_threshold(falcon: Recharged, used_micros: int, charged: list[int]) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    falcon.use(Money(used_micros, "USD"))
    assert falcon.work() == len(charged)
    assert falcon.charges() == charged


def test_it_is_armed_again_above_the_threshold_only(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    line = Line.objects.get(account_id=falcon.account.id)
    assert line.crossed_at is None
    falcon.use("15")
    for amount in ("1", "2"):
        falcon.use(amount)
    line.refresh_from_db()
    assert (line.crossed_at, len(falcon.queued())) == (NOON, 1)
    falcon.work()
    line.refresh_from_db()
    assert line.crossed_at is None


def test_a_threshold_raised_above_the_balance_charges(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    assert falcon.work() == 0
    falcon.on(threshold=usd("50"))
    assert falcon.work() == 1
    assert falcon.charges() == [46_000]


def test_an_account_without_a_posting_is_recharged_when_it_is_switched_on(falcon: Recharged) -> None:
    falcon.card()
    falcon.on()
    assert falcon.work() == 1
    assert falcon.charges() == [50_000]


def test_a_balance_below_zero_is_made_good(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    with atomic():
        suspension.suspend(falcon.account.id, Suspended.BALANCE, NOON)
    falcon.use("43.10")
    falcon.work()
    assert falcon.charges() == [50_310]
    assert suspension.open_suspensions(falcon.account.id) == []


# -- how much


def test_fixed_amounts_close_the_gap(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on(mode=Mode.FIXED, fixed=usd("30"))
    falcon.use("100")
    falcon.work()
    # From -60: three times 30 is 30 above; two would be 0, which is at or below 25.
    assert falcon.charges() == [9_000]
    assert falcon.available() == "30.0"


def test_a_shortfall_above_the_maximum_charges_the_maximum_and_goes_on(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on(month_charge_max=usd("20000"))
    falcon.use("6000")
    falcon.work()
    # -5,960 + 5,000 is still low, so the rest follows at once.
    assert falcon.charges() == [500_000, 146_000]
    assert falcon.available() == "500.0"
    assert list(
        Consideration.objects.filter(account_id=falcon.account.id)
        .order_by("at", "id")
        .values_list("bound", flat=True)
    ) == ["maximum", ""]


def test_the_minimum_is_charged_where_less_is_missing(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on(target=usd("30"))
    AmountPolicy.objects.filter(currency="USD").update(minimum_micros=20_000_000)
    try:
        falcon.use("15")
        falcon.work()
    finally:
        AmountPolicy.objects.filter(currency="USD").update(minimum_micros=5_000_000)
    assert falcon.charges() == [2_000]
    assert (falcon.last().reason, falcon.last().bound) == (Reason.CHARGE, "minimum")


# -- every no


def refused(falcon: Recharged, reason: Reason) -> None:
    """The next consideration says that, and nothing moved."""
    before = falcon.charges()
    assert falcon.consider(LATER) is None
    assert falcon.last().reason == reason
    assert falcon.charges() == before


def test_switched_off_while_the_job_waits(falcon: Recharged) -> None:
    low(falcon)
    change.switch_off(falcon.account, 1, falcon.admin, NOON)
    refused(falcon, Reason.SWITCHED_OFF)
    falcon.use("1")
    assert Line.objects.filter(account_id=falcon.account.id).count() == 0


def test_no_consent(falcon: Recharged) -> None:
    low(falcon)
    RechargeSettings.objects.filter(account_id=falcon.account.id).update(consent_at=None)
    refused(falcon, Reason.NO_CONSENT)


def test_closed(falcon: Recharged) -> None:
    low(falcon)
    Account.objects.filter(id=falcon.account.id).update(closed_at=NOON)
    refused(falcon, Reason.CLOSED)


@pytest.mark.parametrize("why", [Suspended.STAFF, Suspended.DISPUTE])
def test_suspended(falcon: Recharged, why: Suspended) -> None:
    low(falcon)
    with atomic():
        suspension.suspend(falcon.account.id, why, NOON)
    refused(falcon, Reason.SUSPENDED)


def test_above_the_threshold_again(falcon: Recharged) -> None:
    low(falcon)
    falcon.has("25.01")
    refused(falcon, Reason.ABOVE_THRESHOLD)


def test_a_payment_under_way_counts_as_balance(falcon: Recharged) -> None:
    low(falcon)
    payment = open_one(falcon.company, "100")
    refused(falcon, Reason.PENDING)
    # It fails: now the recharge is needed after all, and is asked for.
    payment = paynow.submit(payment.account_id, payment.id, NOON)
    falcon.bank.pay(payment.gateway_ref, card="4000000000000002")
    falcon.work()
    reconcile.follow(payment.account_id, payment.id, News.PAGE, LATER)
    assert falcon.queued()[-1]["cause"] == Cause.PAYMENT
    falcon.work(LATER)
    assert falcon.charges() == [47_500]


def test_a_small_payment_under_way_makes_the_charge_smaller(falcon: Recharged) -> None:
    falcon.card()
    falcon.on()
    open_one(falcon.company, "20")
    falcon.work()
    assert falcon.charges() == [48_000]


@pytest.mark.parametrize("why", ["none", "attended", "expired", "removed"])
def test_no_card(falcon: Recharged, why: str) -> None:
    low(falcon)
    cards = PaymentMethod.objects.filter(account_id=falcon.account.id)
    if why == "attended":
        cards.update(chargeable_unattended=False)
    elif why == "expired":
        cards.update(exp_year=2026, exp_month=10)
    else:
        cards.update(removed_at=NOON)
    refused(falcon, Reason.NO_CARD)
    assert falcon.notices() == 1


def test_the_days_cap(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    for number in range(5):
        falcon.use("480", NOON + timedelta(minutes=number))
        falcon.work(NOON + timedelta(minutes=number))
    assert len(falcon.charges()) == 3
    last = falcon.last()
    assert (last.reason, last.cap) == (Reason.DAY_CAP, 3)
    assert last.next_at == guards.day_after(falcon.account, NOON)
    # The next day of the account's time zone (Riyadh) it goes on by itself.
    sweep.sweep(last.next_at)
    falcon.work(last.next_at)
    assert len(falcon.charges()) == 4


def test_the_months_cap(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on(month_charge_max=usd("900"))
    falcon.use("15")
    falcon.work()
    falcon.use("475")
    falcon.work()
    assert falcon.charges() == [47_500]
    last = falcon.last()
    assert (last.reason, last.cap) == (Reason.MONTH_CAP, 900_000_000)
    assert str(last.next_at) == "2026-11-30 21:00:00+00:00"
    assert falcon.notices() == 1


def test_gateway_down(falcon: Recharged) -> None:
    low(falcon)
    GatewayHealth.objects.update_or_create(
        gateway="sandbox", defaults={"failures": 5, "opened_at": LATER, "probe_at": LATER}
    )
    try:
        refused(falcon, Reason.GATEWAY_DOWN)
    finally:
        GatewayHealth.objects.all().delete()
    assert falcon.series().look_at == LATER + guards.DOWN_AGAIN_AFTER


def test_not_offered(falcon: Recharged) -> None:
    low(falcon)
    AmountPolicy.objects.filter(currency="USD").update(currency="XXX")
    try:
        refused(falcon, Reason.NOT_OFFERED)
    finally:
        AmountPolicy.objects.filter(currency="XXX").update(currency="USD")


def test_the_same_no_is_written_once_a_day(falcon: Recharged) -> None:
    falcon.has("40")
    falcon.card()
    falcon.on()
    PaymentMethod.objects.filter(account_id=falcon.account.id).update(removed_at=NOON)
    falcon.use("15")
    for hours in (0, 1, 2, 24, 25):
        falcon.consider(NOON + timedelta(hours=hours))
    assert falcon.reasons() == [Reason.NO_CARD, Reason.NO_CARD]


def test_never_set_up_is_no_history(falcon: Recharged) -> None:
    assert falcon.consider() is None
    assert falcon.reasons() == []


# -- under way


def test_switched_off_while_charging_is_honoured_once(falcon: Recharged) -> None:
    low(falcon)
    falcon.bank.behaviour(next="G6")
    payment = falcon.consider()
    assert payment is not None
    assert payment.state == State.SUBMITTED
    change.switch_off(falcon.account, 1, falcon.admin, NOON)
    reconcile.follow(payment.account_id, payment.id, News.RECONCILE, LATER)
    assert falcon.available() == "500.0"
    falcon.use("490")
    assert falcon.work(LATER) == 1  # what waited in the queue from before
    assert falcon.charges() == [47_500]


def test_an_edit_while_charging_leaves_the_charge_as_it_is(falcon: Recharged) -> None:
    low(falcon)
    falcon.bank.behaviour(next="G6")
    payment = falcon.consider()
    assert payment is not None
    falcon.on(target=usd("900"))
    refused(falcon, Reason.IN_FLIGHT)
    reconcile.follow(payment.account_id, payment.id, News.RECONCILE, LATER)
    assert falcon.charges() == [47_500]


def test_a_card_removed_between_the_decision_and_the_charge_is_not_charged(
    falcon: Recharged, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = falcon.card()
    second = falcon.card("5555555555554444")
    falcon.has("40")
    falcon.on()
    falcon.use("15")
    submit = paynow.submit

    def remove_first(*given: object) -> Payment:
        PaymentMethod.objects.filter(account_id=falcon.account.id, id=first.id).update(removed_at=NOON)
        return submit(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(paynow, "submit", remove_first)
    falcon.work()
    states = list(falcon.recharges().values_list("method_id", "state"))
    assert states == [(first.id, State.CANCELED), (second.id, State.SUCCEEDED)]
    assert falcon.charges() == [47_500]


def test_pay_now_is_told_that_a_recharge_is_under_way(falcon: Recharged) -> None:
    low(falcon)
    falcon.bank.behaviour(next="G6")
    falcon.work()
    with pytest.raises(PaymentInProgress):
        open_one(falcon.company, "50", now=NOON + timedelta(seconds=1))


# -- settings


def test_a_stale_version_is_refused(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    falcon.on(target=usd("600"))
    with pytest.raises(change.StaleSettings):
        change.switch_on(falcon.account, 1, WANTED, CONSENT, falcon.admin, NOON)
    with pytest.raises(change.StaleSettings):
        change.switch_off(falcon.account, 1, falcon.admin, NOON)
    row = change.settings_of(falcon.account.id)
    assert row is not None
    assert (row.version, row.target_micros, row.is_on) == (2, 600_000_000, True)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"threshold": usd("500")}, change.TargetNotAboveThreshold),
        ({"target": usd("29.99")}, change.RechargeBelowMinimum),
        ({"target": usd("5025.01")}, change.RechargeAboveMaximum),
        ({"month_charge_max": usd("474.99")}, change.CapBelowCharge),
        ({"charges_per_day_max": 0}, change.ChargesOutOfRange),
        ({"mode": Mode.FIXED, "fixed": usd("4.99")}, change.RechargeBelowMinimum),
    ],
)
def test_settings_that_cannot_be(
    falcon: Recharged, fields: dict[str, object], error: type[Exception]
) -> None:
    falcon.card()
    with pytest.raises(error):
        falcon.on(**fields)
    assert change.settings_of(falcon.account.id) is None
    assert Line.objects.filter(account_id=falcon.account.id).count() == 0


def test_nothing_is_switched_on_without_a_card_or_consent(falcon: Recharged) -> None:
    with pytest.raises(change.NoCardToRecharge):
        falcon.on()
    falcon.card()
    with pytest.raises(change.ConsentMissing):
        change.switch_on(falcon.account, 0, WANTED, None, falcon.admin, NOON)
    assert change.settings_of(falcon.account.id) is None


def test_each_change_is_in_the_audit_log_with_the_consent(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    falcon.on(target=usd("600"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT before, after FROM audit_auditentry WHERE account_id = %s"
            " AND action = 'recharge_settings_changed' ORDER BY at, id",
            [falcon.account.id],
        )
        rows = cursor.fetchall()
    assert len(rows) == 2
    assert '"consent_text": "I agree."' in rows[0][1]
    assert '"target_micros": 600000000' in rows[1][1]
    assert '"target_micros": 500000000' in rows[1][0]


# -- what an event missed


def test_the_sweep_finds_a_deduction_that_came_past(falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    falcon.book(EntryKind.USAGE, Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, usd("15"))
    assert falcon.queued() == []
    sweep.sweep(NOON)
    falcon.work()
    assert falcon.charges() == [47_500]


def test_the_sweep_finds_a_lost_job(falcon: Recharged) -> None:
    low(falcon)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    sweep.sweep(NOON + timedelta(seconds=30))
    assert falcon.queued() == []
    sweep.sweep(NOON + timedelta(seconds=61))
    assert falcon.work(LATER) == 1
    assert falcon.charges() == [47_500]
    sweep.sweep(LATER + timedelta(seconds=61))
    assert falcon.queued() == []


def test_a_credit_that_forgot_the_line_arms_it_at_the_next_sweep(falcon: Recharged) -> None:
    low(falcon)
    falcon.has("40")
    sweep.sweep(LATER)
    assert Line.objects.get(account_id=falcon.account.id).crossed_at is None
