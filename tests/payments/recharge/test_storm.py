"""A storm: a busy account goes on using what it has while its card declines, and everything asks for a recharge each time.

Four and a half hours of it and then three days, on a clock that the test moves; what counts is what the bank was asked.
Beside it the same without the guard that waits, and without the bar on a card that was declined for good.
"""

from datetime import timedelta

import pytest

from people import NOON
from raseed.payments.models import PaymentMethod
from raseed.payments.recharge import consider, series, sweep
from raseed.payments.recharge.guards import GUARDS, not_backing_off
from raseed.payments.recharge.reasons import Reason
from recharging import DAY, Recharged

FAILS_WHEN_SAVED = "4000000000000341"
MASTERCARD = "5555555555554444"
STORM = [NOON + timedelta(minutes=6) * look for look in range(45)]


def low_with(falcon: Recharged, card: str) -> PaymentMethod:
    method = falcon.card(card)
    falcon.has("40")
    falcon.on()
    falcon.use("15")
    return method


def asked(falcon: Recharged, method: PaymentMethod) -> int:
    """How often the bank was asked to charge this card, by the bank's own list."""
    at_the_bank = {one["reference"] for one in falcon.bank.dump()["payments"]}
    return len(
        [one for one in falcon.recharges() if one.method_id == method.id and str(one.id) in at_the_bank]
    )


def rage(falcon: Recharged, looks: int = len(STORM)) -> None:
    """Usage, the sweep, and a consideration by the deduction each time, whatever the line says."""
    for now in STORM[:looks]:
        falcon.use("0.01", now)
        sweep.sweep(now)
        falcon.consider(now)
        falcon.work(now)


def test_a_soft_decline_reaches_the_bank_once_a_day_and_three_times_in_all(falcon: Recharged) -> None:
    card = low_with(falcon, FAILS_WHEN_SAVED)
    rage(falcon)
    assert asked(falcon, card) == 1
    for hours in range(5, 4 * 24, 6):
        now = NOON + timedelta(hours=hours)
        falcon.use("0.01", now)
        sweep.sweep(now)
        falcon.consider(now)
        falcon.work(now)
        assert asked(falcon, card) <= 1 + (now - NOON) // DAY
    assert asked(falcon, card) == 3
    assert falcon.notices() == 3
    assert falcon.charges() == []

    # Another card is tried at once, whatever failed before; the one that failed is not asked again.
    other, now = falcon.card(MASTERCARD), NOON + 4 * DAY
    PaymentMethod.objects.filter(account_id=falcon.account.id, id=card.id).update(removed_at=now)
    series.card_changed(falcon.account.id, now)
    falcon.work(now)
    assert (asked(falcon, card), asked(falcon, other)) == (3, 1)
    assert len(falcon.charges()) == 1
    assert falcon.available() == "500.0"


def test_a_hard_decline_reaches_the_bank_once_until_there_is_another_card(falcon: Recharged) -> None:
    card = low_with(falcon, "4242424242424242")
    falcon.bank.behaviour(mix={"G4": 1})
    rage(falcon)
    falcon.bank.behaviour(clear=True)
    for days in range(1, 8):
        now = NOON + days * DAY
        falcon.use("0.01", now)
        sweep.sweep(now)
        falcon.work(now)
    assert asked(falcon, card) == 1
    assert (falcon.charges(), falcon.notices()) == ([], 2)
    assert falcon.reasons()[:3] == [Reason.CHARGE, Reason.GAVE_UP, Reason.NO_CARD]
    other, now = falcon.card(MASTERCARD), NOON + 8 * DAY
    series.card_changed(falcon.account.id, now)
    falcon.work(now)
    assert (asked(falcon, card), asked(falcon, other)) == (1, 1)
    assert falcon.available() == "500.0"


@pytest.mark.parametrize("declined_for_good", [False, True])
def test_without_the_guards_every_look_of_the_storm_reaches_the_bank(
    falcon: Recharged, monkeypatch: pytest.MonkeyPatch, declined_for_good: bool
) -> None:
    monkeypatch.setattr(consider, "GUARDS", tuple(one for one in GUARDS if one is not not_backing_off))
    monkeypatch.setattr(series, "BARS", frozenset())
    card = low_with(falcon, "4242424242424242" if declined_for_good else FAILS_WHEN_SAVED)
    if declined_for_good:
        falcon.bank.behaviour(mix={"G4": 1})
    rage(falcon, looks=12)
    falcon.bank.behaviour(clear=True)
    assert asked(falcon, card) >= 12
    assert falcon.charges() == []
