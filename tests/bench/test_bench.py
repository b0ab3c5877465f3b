"""A tiny run of each bench gives its figures: on a database of the tests, with the processes that it measures."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings
from rich.console import Console
from typer.testing import CliRunner

from bank import Postbox
from conftest import RealDatabase, _attached
from raseed.bench import cardtesting, registry, webhooks
from raseed.bench.figures import percentile, rate
from raseed.bench.house import House, free_port
from raseed.bench.registry import Given
from raseed.bench.site import Site
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
    "recharge": {
        "low_to_charge_p50_s",
        "low_to_charge_p99_s",
        "paid_to_restored_p50_s",
        "paid_to_restored_p99_s",
        "paid_to_told_p50_s",
        "paid_to_told_p99_s",
    },
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
    "names", [("ledger",), ("cardtesting",), ("verify",), ("page", "paynow", "recharge")], ids="+".join
)
def test_a_bench_gives_its_figures(
    given: Given, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need the portal or the worker share one: starting it is what costs here."""
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
    """That of webhooks is tried where the flood is, that of rating with the deck."""
    assert set(KEYS) == {name for name, one in registry.BENCHES.items() if one.housed}


def test_a_steady_flood_keeps_its_pace_and_comes_again_when_told() -> None:
    with Postbox(503, 400) as postbox:
        site = SimpleNamespace(portal=postbox.url.removesuffix("/webhooks/sandbox"), webhook_secret="ours")
        flood = webhooks.Flood(cast("Site", site), [("a payment", "its reference")], 40, rate=100)
        asyncio.run(flood.run())
        letters = postbox.wait_for(41)
    figures = flood.figures()
    # The first is put off, the second refused; the others do not wait for them.
    assert (figures["share_503"], figures["forged"], figures["forged_refused"]) == (0.024, 2, 1)
    assert (figures["odd_answers"], figures["unanswered"], len(flood.taken_ms)) == (0, 0, 39)
    assert figures["acknowledged_latest_ms"] >= 1_000
    assert flood.seconds >= 39 / 100
    assert len({body for _, body in letters}) == 40


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
