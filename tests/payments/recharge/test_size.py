"""The size of a charge: properties, for any balance, settings and limits."""

from hypothesis import assume, given
from hypothesis import strategies as st

from raseed.money import Money, check_chargeable, currency_of
from raseed.payments.amounts import Policy
from raseed.payments.recharge.models import Mode, RechargeSettings
from raseed.payments.recharge.size import size

CODES = st.sampled_from(["USD", "KWD", "JOD", "SAR"])
MICROS = st.integers(0, 10**12)


@st.composite
def situations(
    draw: st.DrawFn, modes: tuple[Mode, ...] = tuple(Mode)
) -> tuple[RechargeSettings, Money, Policy]:
    code = draw(CODES)
    step = currency_of(code).step_micros
    threshold = draw(MICROS)
    wanted = RechargeSettings(
        mode=draw(st.sampled_from(modes)),
        threshold_micros=threshold,
        target_micros=threshold + draw(st.integers(1, 10**11)),
        fixed_micros=draw(st.integers(1, 10**6)) * step,
    )
    have = Money(threshold - draw(st.integers(0, 10**11)), code)
    smallest = draw(st.integers(1, 10**5)) * step
    policy = Policy(Money(smallest, code), Money(smallest + draw(st.integers(0, 10**9)) * step, code), ())
    return wanted, have, policy


@given(situations())
def test_what_is_charged_is_whole_steps_within_the_limits(
    made: tuple[RechargeSettings, Money, Policy],
) -> None:
    wanted, have, policy = made
    sized = size(wanted, have, policy)
    check_chargeable(sized.credit)
    assert sized.credit <= policy.maximum
    # A fixed amount that has no multiple within the limits keeps to the larger one.
    if wanted.mode == Mode.TARGET:
        assert policy.minimum <= sized.credit


@given(situations((Mode.TARGET,)))
def test_the_target_is_reached_and_passed_by_less_than_a_step(
    made: tuple[RechargeSettings, Money, Policy],
) -> None:
    wanted, have, policy = made
    sized = size(wanted, have, policy)
    assume(not sized.bound)
    over = (have + sized.credit).micros - wanted.target_micros
    assert 0 <= over < currency_of(have.currency).step_micros


@given(situations((Mode.FIXED,)))
def test_fixed_amounts_are_whole_and_the_fewest_that_lift_the_balance_above_the_threshold(
    made: tuple[RechargeSettings, Money, Policy],
) -> None:
    wanted, have, policy = made
    sized = size(wanted, have, policy)
    assume(not sized.bound)
    assert sized.credit.micros % wanted.fixed_micros == 0
    after = have.micros + sized.credit.micros
    assert after > wanted.threshold_micros
    assert (
        after - wanted.fixed_micros <= wanted.threshold_micros or sized.credit.micros == wanted.fixed_micros
    )


@given(situations())
def test_a_bound_says_which_limit_decided(made: tuple[RechargeSettings, Money, Policy]) -> None:
    wanted, have, policy = made
    sized = size(wanted, have, policy)
    reached = (have + sized.credit).micros
    goal = wanted.target_micros if wanted.mode == Mode.TARGET else wanted.threshold_micros + 1
    if sized.bound == "maximum":
        assert reached < goal or sized.credit.micros < wanted.fixed_micros
    else:
        assert reached >= goal
