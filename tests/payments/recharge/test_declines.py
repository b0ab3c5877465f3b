"""Declines by class, three tries 24 hours apart, fall-back cards, confirming at the bank, and what sets a series back."""

from datetime import timedelta

import pytest

from people import NOON
from raseed.gateways.port import DeclineCode, Declined
from raseed.payments import reconcile
from raseed.payments.models import PaymentMethod
from raseed.payments.recharge import series, sweep
from raseed.payments.recharge.models import BarredCard
from raseed.payments.recharge.reasons import Reason, Remedy, remedy_of
from raseed.payments.settle import settle
from raseed.payments.states import Cause as News
from raseed.payments.states import State
from recharging import DAY, Recharged

FAILS_WHEN_SAVED = "4000000000000341"
MASTERCARD = "5555555555554444"
ALWAYS_ASKS = "4000002760003184"


def low(falcon: Recharged) -> None:
    falcon.has("40")
    falcon.on()
    falcon.use("15")


def attempts(falcon: Recharged) -> list[float]:
    """When each recharge was made, in hours from noon."""
    return [(one.created_at - NOON) / timedelta(hours=1) for one in falcon.recharges()]


def test_a_card_that_declines_for_ever_is_tried_three_times_a_day_apart(falcon: Recharged) -> None:
    falcon.card(FAILS_WHEN_SAVED)
    low(falcon)
    falcon.work()
    notices = [falcon.notices()]
    # Seven days, a look every three hours, and usage that never ends.
    for looks in range(1, 7 * 8):
        now = NOON + timedelta(hours=3) * looks
        falcon.use("0.10", now)
        sweep.sweep(now)
        falcon.work(now)
        if looks % 8 == 0:
            notices.append(falcon.notices())
    assert attempts(falcon) == [0, 24, 48]
    assert falcon.charges() == []
    assert notices == [1, 2, 3, 3, 3, 3, 3]
    assert falcon.reasons().count(Reason.DECLINED) == 2
    assert falcon.reasons().count(Reason.GAVE_UP) == 1
    tries = falcon.series()
    assert (tries.failures, tries.paused_at, tries.next_try_at) == (3, NOON + 2 * DAY, None)


def test_a_storm_of_considerations_tries_once(falcon: Recharged) -> None:
    falcon.card(FAILS_WHEN_SAVED)
    low(falcon)
    for second in range(25):
        falcon.consider(NOON + timedelta(seconds=second))
    assert len(attempts(falcon)) == 1
    assert falcon.reasons() == [Reason.CHARGE, Reason.DECLINED, Reason.BACKING_OFF]


def test_a_success_ends_the_series_and_the_receipt_is_asked_for(falcon: Recharged) -> None:
    card = falcon.card(FAILS_WHEN_SAVED)
    low(falcon)
    falcon.work()
    good = falcon.bank.save_card(customer=str(falcon.account.id))
    PaymentMethod.objects.filter(account_id=falcon.account.id, id=card.id).update(reference=good)
    sweep.sweep(NOON + DAY)
    falcon.work(NOON + DAY)
    assert falcon.charges() == [47_500]
    tries = falcon.series()
    assert (tries.failures, tries.next_try_at, tries.paused_at) == (0, None, None)


def test_the_cards_of_one_try_follow_each_other_in_order(falcon: Recharged) -> None:
    first, second, third = (
        falcon.card(FAILS_WHEN_SAVED),
        falcon.card("4000000000000341"),
        falcon.card(MASTERCARD),
    )
    for age, card in enumerate((third, second)):
        # The default first, then the newest.
        PaymentMethod.objects.filter(account_id=falcon.account.id, id=card.id).update(
            created_at=NOON + timedelta(hours=age)
        )
    low(falcon)
    falcon.work()
    assert list(falcon.recharges().values_list("method_id", "state")) == [
        (first.id, State.FAILED),
        (second.id, State.FAILED),
        (third.id, State.SUCCEEDED),
    ]
    assert falcon.charges() == [47_500]
    # Each card's decline is in the history, and nobody was bothered: the try succeeded.
    assert falcon.reasons() == [
        Reason.CHARGE,
        Reason.DECLINED,
        Reason.CHARGE,
        Reason.DECLINED,
        Reason.CHARGE,
    ]
    assert falcon.notices() == 0


def test_a_try_whose_cards_are_all_declined_is_one_failure(falcon: Recharged) -> None:
    falcon.card(FAILS_WHEN_SAVED)
    falcon.card(FAILS_WHEN_SAVED)
    low(falcon)
    falcon.work()
    assert len(attempts(falcon)) == 2
    assert (falcon.series().failures, falcon.notices()) == (1, 1)
    falcon.work(NOON + timedelta(hours=23, minutes=59))
    assert len(attempts(falcon)) == 2
    sweep.sweep(NOON + DAY)
    falcon.work(NOON + DAY)
    assert len(attempts(falcon)) == 4


def test_a_hard_decline_never_tries_that_card_again(falcon: Recharged) -> None:
    card = falcon.card()
    low(falcon)
    falcon.bank.behaviour(next="G4")
    falcon.work()
    assert BarredCard.objects.get(account_id=falcon.account.id).method_id == card.id
    # No other card: paused at once, for waiting would not help.
    assert falcon.reasons() == [Reason.CHARGE, Reason.GAVE_UP]
    assert falcon.series().paused_why == Remedy.NEVER
    for days in range(1, 8):
        sweep.sweep(NOON + days * DAY)
        falcon.work(NOON + days * DAY)
    series.card_changed(falcon.account.id, NOON + 8 * DAY)
    falcon.work(NOON + 8 * DAY)
    assert len(attempts(falcon)) == 1
    assert falcon.last().reason == Reason.NO_CARD


def test_a_changed_card_is_tried_at_once(falcon: Recharged) -> None:
    falcon.card(FAILS_WHEN_SAVED)
    low(falcon)
    falcon.work()
    good = falcon.card(MASTERCARD)
    PaymentMethod.objects.filter(account_id=falcon.account.id).exclude(id=good.id).update(removed_at=NOON)
    now = NOON + timedelta(hours=1)
    series.card_changed(falcon.account.id, now)
    falcon.work(now)
    assert attempts(falcon) == [0, 1]
    assert falcon.charges() == [47_500]


def test_a_changed_card_starts_nothing_where_recharge_is_off(falcon: Recharged) -> None:
    falcon.card()
    series.card_changed(falcon.account.id, NOON)
    assert falcon.queued() == []


def test_a_bank_that_wants_the_holder_is_never_asked_again_blindly(falcon: Recharged) -> None:
    falcon.card(ALWAYS_ASKS)
    low(falcon)
    falcon.work()
    (payment,) = falcon.recharges()
    assert payment.state == State.ACTION_REQUIRED
    assert payment.action_url
    last = falcon.last()
    assert (last.reason, last.next_at) == (Reason.AUTHENTICATION, NOON + DAY)
    assert falcon.notices() == 1
    for hours in range(1, 24):
        now = NOON + timedelta(hours=hours)
        falcon.use("1", now)
        falcon.consider(now)
        reconcile.follow(payment.account_id, payment.id, News.RECONCILE, now)
    assert len(attempts(falcon)) == 1
    # The Admin follows the link and confirms.
    falcon.bank.pay(payment.gateway_ref)
    reconcile.follow(payment.account_id, payment.id, News.PAGE, NOON + timedelta(hours=23, minutes=30))
    assert falcon.charges() == [47_500]


def test_what_nobody_confirmed_within_24_hours_is_canceled_at_the_bank_and_paused(falcon: Recharged) -> None:
    falcon.card(ALWAYS_ASKS)
    low(falcon)
    falcon.work()
    (payment,) = falcon.recharges()
    now = NOON + DAY + timedelta(minutes=1)
    reconcile.follow(payment.account_id, payment.id, News.RECONCILE, now)
    payment.refresh_from_db()
    assert payment.state == State.CANCELED
    assert falcon.series().paused_why == Remedy.AUTHENTICATE
    assert falcon.reasons() == [Reason.CHARGE, Reason.AUTHENTICATION, Reason.GAVE_UP]
    sweep.sweep(now + DAY)
    falcon.work(now + DAY)
    falcon.consider(now + DAY)
    assert len(attempts(falcon)) == 1


def test_a_decline_that_wants_the_holder_bars_no_card_and_goes_on_to_the_next(falcon: Recharged) -> None:
    first, second = falcon.card(), falcon.card(MASTERCARD)
    low(falcon)
    # The bank did nothing with the request, so that the answer can be told here.
    falcon.bank.behaviour(next="G8")
    falcon.work()
    (payment,) = falcon.recharges()
    wants = Declined("pay_of_another_bank", DeclineCode.AUTHENTICATION_REQUIRED, retryable=False)
    settle(payment.account_id, payment.id, wants, News.RECONCILE, NOON)
    falcon.work()
    assert list(falcon.recharges().values_list("method_id", "state")) == [
        (first.id, State.FAILED),
        (second.id, State.SUCCEEDED),
    ]
    assert falcon.charges() == [47_500]
    assert not BarredCard.objects.filter(account_id=falcon.account.id).exists()


def test_a_decline_that_wants_the_holder_pauses_where_no_card_is_left(falcon: Recharged) -> None:
    falcon.card()
    low(falcon)
    falcon.bank.behaviour(next="G8")
    falcon.work()
    (payment,) = falcon.recharges()
    wants = Declined("pay_of_another_bank_2", DeclineCode.AUTHENTICATION_REQUIRED, retryable=False)
    settle(payment.account_id, payment.id, wants, News.RECONCILE, NOON)
    assert (falcon.series().paused_why, falcon.last().reason) == (Remedy.AUTHENTICATE, Reason.GAVE_UP)
    sweep.sweep(NOON + DAY)
    falcon.work(NOON + DAY)
    assert (len(attempts(falcon)), falcon.charges(), falcon.notices()) == (1, [], 1)


@pytest.mark.parametrize(
    ("code", "retryable", "remedy"),
    [
        ("insufficient_funds", True, Remedy.TRY_LATER),
        ("limit_exceeded", True, Remedy.TRY_LATER),
        ("generic", True, Remedy.TRY_LATER),
        ("generic", False, Remedy.NEVER),
        ("expired_card", False, Remedy.NEW_CARD),
        ("incorrect_details", False, Remedy.NEW_CARD),
        ("authentication_required", False, Remedy.AUTHENTICATE),
        ("authentication_failed", False, Remedy.AUTHENTICATE),
        ("refused", True, Remedy.TRY_LATER),
    ],
)
def test_declines_are_read_by_class(code: str, retryable: bool, remedy: Remedy) -> None:
    assert remedy_of(code, retryable=retryable) is remedy
