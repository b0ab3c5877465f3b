"""Two accounts and staff, made once; each test gets a database of its own with them in it, with real commits."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connections

from conftest import TEMPLATE, _attached, _point_django_at
from doors.rows import Copies
from doors.world import World, make_world


@pytest.fixture(scope="session")
def made_world(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[tuple[str, World]]:
    """The name of the database that holds the world, and the world. Nobody stays connected to it."""
    name = f"raseed_{uuid4().hex[:12]}"
    before = str(connections["default"].settings_dict["NAME"])
    _attached().clone(TEMPLATE, name)
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _point_django_at(name)
        try:
            world = make_world()
        finally:
            _point_django_at(before)
    yield name, world
    _attached().drop(name)


@pytest.fixture
def copies(made_world: tuple[str, World], django_db_blocker: pytest.FixtureRequest) -> Iterator[Copies]:
    """A copy of the world for this test, and more if it asks."""
    before = str(connections["default"].settings_dict["NAME"])
    made = Copies(made_world[0])
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        made.fresh()
        try:
            yield made
        finally:
            made.drop()
            _point_django_at(before)


@pytest.fixture
def world(made_world: tuple[str, World], copies: Copies) -> World:
    return made_world[1]
