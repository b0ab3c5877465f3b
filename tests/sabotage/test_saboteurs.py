"""Each guard that keeps money from being lost or doubled is missed when it is gone: no saboteur gets away."""

from collections.abc import Iterator

import pytest

from conftest import RealDatabase
from sabotage.range import Range, open_range
from sabotage.removal import Cut, GuardNotThere
from sabotage.saboteurs import SABOTEURS, Saboteur

pytestmark = pytest.mark.xdist_group("sabotage")


@pytest.fixture(scope="module")
def shooting_range(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    with open_range(tmp_path_factory.mktemp("range")) as opened:
        yield opened


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=lambda one: one.name)
def test_a_saboteur_is_caught(real_db: RealDatabase, shooting_range: Range, saboteur: Saboteur) -> None:
    with saboteur.at_work(real_db):
        found = saboteur.drill(shooting_range.on(real_db))
    assert found


DRILLS = {saboteur.drill.__name__: saboteur for saboteur in SABOTEURS}


@pytest.mark.parametrize("saboteur", DRILLS.values(), ids=DRILLS)
def test_the_same_scene_goes_well_with_the_guard(
    real_db: RealDatabase, shooting_range: Range, saboteur: Saboteur
) -> None:
    assert saboteur.drill(shooting_range.on(real_db)) == []


def test_a_guard_that_is_not_there_is_not_removed_in_silence(real_db: RealDatabase) -> None:
    gone = Cut("raseed.payments.settle:settle", "select_for_update(of='payment')")
    with pytest.raises(GuardNotThere), gone.out(real_db):
        pass
