"""One whole product for the folder, a browser for each module, and a visitor for each test."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.db import connections
from playwright.sync_api import Browser
from pytest_django import Settings

from browser.visitor import Visitor
from browser.watch import DESKTOP, PHONE, SHOTS, Look
from chromium import launched
from conftest import TEMPLATE, RealDatabase, _attached, _point_django_at
from people import make_operator
from raseed.db.embedded import OWNER_ROLE
from raseed.gateways import registry
from whole import Whole

# High, but for the puzzle, which comes as it does for everybody.
LIMITS = (
    "failures=1000000,new_cards=1000000,payments=1000000,place_failures=1000000,accounts=1000000,"
    "puzzle_after=3,alarm_attempts=1000000"
)
LOOKS = (Look("en", DESKTOP, "light"), Look("ar", PHONE, "dark"))


@pytest.fixture(scope="session")
def whole(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Whole]:
    """Bank, mail server, portal and worker on a database of their own; staff need a second factor, as at an operator's."""
    cluster, name = _attached(), f"raseed_{uuid4().hex[:12]}"
    cluster.clone(TEMPLATE, name)
    database = RealDatabase(name, cluster.url(database=name), cluster.url(OWNER_ROLE, name))
    try:
        with Whole(
            database,
            tmp_path_factory.mktemp("whole"),
            staff_second_factor="required",
            card_limits=LIMITS,
        ) as running:
            yield running
    finally:
        cluster.drop(name)


@pytest.fixture(autouse=True)
def here(
    whole: Whole,
    django_db_blocker: pytest.FixtureRequest,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """The test itself looks at the product's database, and speaks to its bank."""
    # Playwright's event loop runs in this thread between two steps, and Django would take that for a mistake.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    settings.PUBLIC_URL = whole.portal
    settings.SANDBOX_URL = whole.bank.url
    before = str(connections["default"].settings_dict["NAME"])
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _point_django_at(whole.database.name)
        try:
            make_operator()
            yield
        finally:
            whole.bank.behaviour(clear=True)
            registry.close_all()
            _point_django_at(before)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with launched() as chromium:
        yield chromium


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look.language}-{look.size[0]}")
def look(request: pytest.FixtureRequest) -> Look:
    """English at a desk in the light; Arabic on a phone in the dark."""
    return request.param


@pytest.fixture
def visitor(browser: Browser, whole: Whole) -> Iterator[Callable[[Look], Visitor]]:
    """Makes an Admin of a new company, signed in; what was watched is judged at the end."""
    made: list[Visitor] = []

    def make(look: Look, **how: object) -> Visitor:
        made.append(Visitor(browser, whole, look, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.leave()
    for one in made:
        one.watch.verdict()


@pytest.fixture
def admin(visitor: Callable[[Look], Visitor], look: Look) -> Visitor:
    return visitor(look)
