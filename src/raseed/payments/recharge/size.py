"""How much an automatic recharge adds: pure arithmetic on micros. Nothing here reads anything.

`have` is the available balance with payments under way counted as if they had arrived; a recharge happens at or below the
threshold, so it is never above it here.
"""

from dataclasses import dataclass

from raseed.money import Money, currency_of
from raseed.payments.amounts import Policy
from raseed.payments.recharge.models import Mode, RechargeSettings


@dataclass(frozen=True, slots=True)
class Sized:
    """What is added, and which of the operator's limits decided it: "maximum", "minimum" or "" for none."""

    credit: Money
    bound: str = ""


def size(wanted: RechargeSettings, have: Money, policy: Policy) -> Sized:
    """What brings `have` to the target, rounded up to the gateway's step; or as many whole fixed amounts as lift it above the threshold.

    Within the operator's limits. Above the maximum it is the maximum, or as many whole fixed amounts as it holds.
    """
    if wanted.mode == Mode.FIXED:
        return _fixed(wanted, have, policy)
    return bounded(Money(wanted.target_micros, have.currency) - have, policy)


def bounded(missing: Money, policy: Policy) -> Sized:
    """What is missing as an amount that may be paid: whole steps, not below the minimum, not above the maximum."""
    credit = Money(_up(missing.micros, currency_of(missing.currency).step_micros), missing.currency)
    if policy.maximum < credit:
        return Sized(_largest(policy), "maximum")
    if credit < policy.minimum:
        return Sized(_smallest(policy), "minimum")
    return Sized(credit)


def _fixed(wanted: RechargeSettings, have: Money, policy: Policy) -> Sized:
    """Whole fixed amounts, the fewest that lift the balance above the threshold."""
    fixed, currency = wanted.fixed_micros, have.currency
    times = (wanted.threshold_micros - have.micros) // fixed + 1
    fewest = -(-policy.minimum.micros // fixed)
    most = policy.maximum.micros // fixed
    if not most:
        return Sized(_largest(policy), "maximum")
    if times > most:
        return Sized(Money(most * fixed, currency), "maximum")
    if times < fewest <= most:
        return Sized(Money(fewest * fixed, currency), "minimum")
    return Sized(Money(times * fixed, currency))


def _smallest(policy: Policy) -> Money:
    step = currency_of(policy.minimum.currency).step_micros
    return Money(_up(policy.minimum.micros, step), policy.minimum.currency)


def _largest(policy: Policy) -> Money:
    step = currency_of(policy.maximum.currency).step_micros
    return Money(policy.maximum.micros // step * step, policy.maximum.currency)


def _up(micros: int, step: int) -> int:
    return -(-micros // step) * step
