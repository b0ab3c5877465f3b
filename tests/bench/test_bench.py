"""A tiny run of each bench gives its figures: on a database of the tests, with the processes that it measures."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings
from rich.console import Console
from typer.testing import CliRunner

from conftest import RealDatabase, _attached
from raseed.bench import cardtesting, registry
from raseed.bench.figures import percentile, rate
from raseed.bench.house import House, free_port
from raseed.bench.registry import Given
from raseed.cli import app
from raseed.config.environment import PROJECT_DIR
from raseed.db.embedded import OWNER_ROLE, SUPERUSER
from raseed.gateways import registry as gateways

KEYS = {
    "cardtesting": {
        "plain_reached_bank",
        "clever_reached_bank",
        "plain_alarm_after_s",
        "plain_honest_hindered",
    },
    "ledger": {"posts_per_second", "hot_account_posts_per_second", "share_of_pgbench"},
    "page": {"p99_small_ms", "p99_large_ms", "ratio"},
    "paynow": {"per_second", "overhead_p50_ms", "overhead_p99_ms", "pdf_backlog", "mail_backlog"},
    "verify": {"full_s", "incremental_s"},
}


class Borrowed(House):
    """A house on a database that is there already: not durable, so its figures mean nothing."""

    def __init__(self, database: RealDatabase, directory: Path) -> None:
        self.database, self.directory, self.cluster = database, directory, _attached()
        self.children = []

    @property
    def owner_url(self) -> str:
        return self.cluster.url(OWNER_ROLE, self.database.name)

    @property
    def superuser_url(self) -> str:
        return self.cluster.url(SUPERUSER, self.database.name)


@pytest.fixture
def given(
    real_db: RealDatabase, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Given:
    (tmp_path / "static").symlink_to(PROJECT_DIR / "build" / "static")
    house = Borrowed(real_db, tmp_path)
    for name, value in (house._environment() | real_db.environment() | {"RASEED_ENV": "demo"}).items():
        if name != "DJANGO_SETTINGS_MODULE" or os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "raseed.config.settings")
    settings.PUBLIC_URL, settings.SANDBOX_URL = os.environ["PUBLIC_URL"], os.environ["SANDBOX_URL"]
    settings.EMAIL_PORT = urlsplit(os.environ["SMTP_URL"]).port or free_port()
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    # One of them sets its own.
    settings.CARD_LIMITS = dict(settings.CARD_LIMITS)
    token = registry._GIVEN.set(Given(house, Console(quiet=True), seconds=0.3, entries=1_000))
    yield registry.given()
    registry._GIVEN.reset(token)
    house.stop_children()
    gateways.close_all()


@pytest.mark.parametrize(
    "names", [("ledger",), ("cardtesting",), ("verify",), ("page", "paynow")], ids="+".join
)
def test_a_bench_gives_its_figures(
    given: Given, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need the portal share one: starting it is what costs here."""
    monkeypatch.setattr("raseed.bench.ledger.ACCOUNTS", 50)
    monkeypatch.setattr("raseed.bench.ledger.SCALE", 1)
    monkeypatch.setattr("raseed.bench.paynow.CLIENTS", 2)
    monkeypatch.setattr("raseed.bench.paynow.WARM_UP", 1)
    fewer = {"ATTEMPTS": 50, "PLACES": 10, "ACCOUNTS": 5, "HONEST": 4}
    for name, value in fewer.items():
        monkeypatch.setattr(f"raseed.bench.cardtesting.{name}", value)
    monkeypatch.setitem(cardtesting.CARD_LIMITS, "alarm_attempts", 8)
    for name in names:
        figures = registry._figures(registry.BENCHES[name])
        assert KEYS[name] <= set(figures)
        assert all(isinstance(value, int | float) for value in figures.values()), figures
        assert figures.get("violations", 0) == 0
        if name == "cardtesting":
            _is_held_back(figures)


def _is_held_back(figures: dict[str, object]) -> None:
    """Three cards an account at most, fewer once the alarm asks for puzzles; nobody honest is hindered."""
    assert figures["clever_reached_bank"] == 3 * 5
    # Those that came before the alarm, which looks every ten seconds.
    assert 8 <= int(str(figures["plain_reached_bank"])) < 3 * 5
    for kind in ("plain", "clever"):
        assert figures[f"{kind}_honest_hindered"] == 0
        assert 0 < float(str(figures[f"{kind}_alarm_after_s"])) <= 50


def test_every_bench_is_tried_here_or_starts_all_by_itself() -> None:
    """That of webhooks is tried where the flood is."""
    assert set(KEYS) == {name for name, one in registry.BENCHES.items() if one.housed}


def test_an_unknown_name_is_refused_before_anything_starts() -> None:
    result = CliRunner().invoke(app, ["bench", "everything"])
    assert (result.exit_code, "must be one of" in result.output) == (2, True)


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert percentile([7.0], 99) == 7


def test_a_thread_that_fails_ends_the_measurement() -> None:
    def work(thread: int, number: int) -> None:
        raise ValueError("no")

    ended: list[int] = []
    with pytest.raises(ValueError, match="no"):
        rate(work, 2, 0.05, lambda: ended.append(1))
    assert ended == [1, 1]
