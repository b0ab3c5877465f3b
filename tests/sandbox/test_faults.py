"""The draw of behaviours: repeatable, weighted, and refusing what it cannot read."""

from collections import Counter

import pytest

from raseed.sandbox.faults import AT_STAGE, Behaviour, Stage, drawn, parse_mix


def test_same_seed_and_reference_draw_the_same() -> None:
    mix = {Behaviour.G1: 1, Behaviour.G5: 1, Behaviour.G9: 1}
    first = [drawn(7, Stage.CHARGE, str(n), mix) for n in range(200)]
    assert first == [drawn(7, Stage.CHARGE, str(n), dict(reversed(mix.items()))) for n in range(200)]
    assert first != [drawn(8, Stage.CHARGE, str(n), mix) for n in range(200)]
    assert first != [drawn(7, Stage.OPEN, str(n), mix) for n in range(200)]


def test_weights_are_kept() -> None:
    counts = Counter(
        drawn(1, Stage.CHARGE, str(n), {Behaviour.G1: 70, Behaviour.G6: 30}) for n in range(10_000)
    )
    assert set(counts) == {Behaviour.G1, Behaviour.G6}
    assert 2_800 < counts[Behaviour.G6] < 3_200


def test_weight_zero_is_never_drawn_and_no_mix_is_fair_weather() -> None:
    assert {drawn(1, Stage.CHARGE, str(n), {Behaviour.G1: 0, Behaviour.G8: 1}) for n in range(100)} == {
        Behaviour.G8
    }
    assert drawn(1, Stage.CHARGE, "any", {}) is Behaviour.G1


def test_mix_is_parsed() -> None:
    assert parse_mix("G1=70, G5=10") == {Behaviour.G1: 70, Behaviour.G5: 10}
    assert parse_mix("") == {}


@pytest.mark.parametrize("text", ["G19=1", "G1", "G1=-1", "G1=x", "G1=1.5", "=1"])
def test_unreadable_mix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not like G1=70"):
        parse_mix(text)


def test_each_behaviour_has_a_stage_and_none_a_wrong_one() -> None:
    assert set().union(*AT_STAGE.values()) == set(Behaviour)
    assert set(AT_STAGE) == set(Stage)
    assert AT_STAGE[Stage.WEBHOOK] & AT_STAGE[Stage.CHARGE] == {Behaviour.G1}
    assert AT_STAGE[Stage.OPEN] == {Behaviour(f"G{number}") for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)}
