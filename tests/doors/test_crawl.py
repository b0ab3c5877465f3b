"""Every address, as everybody, with everything of the other account in it: what is seen is what the table says.

The walk is read from the URL conf and the table of rights alone, so that a new page is walked through without a word
here. What it saw is written to var/crawl.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from addresses import routes
from doors.places import ASKS_BANK, CARD_RETURN, PAYMENT_RETURN, Address, addresses_of, methods, queries
from doors.reading import faults_of
from doors.rows import Copies, changed, rows_of
from doors.world import UnknownParameter, Visitor, World
from raseed.accounts import proof
from raseed.accounts.access import ROUTES, Action, ByKey, Public, may
from raseed.config.environment import PROJECT_DIR
from raseed.db.transactions import OpenTransaction

TABLE = PROJECT_DIR / "var" / "crawl.md"
# Sessions count the moments at which somebody was seen.
SESSIONS = "django_session"
# A passkey is its owner's alone: staff are shown nobody else's, and theirs stand in no account.
THEIR_OWN = {"portal:passkey_rename", "portal:passkey_remove"}
REFUSED = {403, 404, 405}
# An empty form is not what a page asks for, so that a right shows itself in being told what is missing.
LET_IN = {200, 204, 302, 400, 409, 410, 413, 415, 422, 429}
HTMX = {"HX-Request": "true"}


@dataclass
class Walk:
    """What was seen: how often, by whom, and what should not have been."""

    world: World
    takes: dict[str, frozenset[str]]
    seen: dict[tuple[str, str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    count: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    # (route, visitor): how often somebody with the right was shown something of their own.
    own: Counter[tuple[str, str]] = field(default_factory=Counter)

    def take(self, route: str, who: Visitor, how: str, at: Address, answer: HttpResponse) -> None:
        """Judge one answer."""
        self.count[how] += 1
        self.seen[route, how, who.name].add(answer.status_code)
        where = f"{how} {at.url} as {who.name}"
        if not self._fits(route, who, how, at, answer):
            self.wrong.append(f"{where}: {answer.status_code} {answer.headers.get('Location', '')}")
        self.wrong += [f"{where}: {fault}" for fault in faults_of(route, answer)]
        self.leaks += [f"{where}: {what}" for what in self._foreign(who, at, answer)]

    def _fits(self, route: str, who: Visitor, how: str, at: Address, answer: HttpResponse) -> bool:
        access, status, method = ROUTES[route], answer.status_code, how.split(maxsplit=1)[0]
        takes = self.takes[route]
        if isinstance(access, Public | ByKey):
            # A session is no key, whoever's it is.
            expected = LET_IN | {404} if isinstance(access, Public) else {401}
            return status == 405 if method not in takes else status in expected
        if who.role is None:
            target = answer.headers.get("Location") or answer.headers.get("HX-Redirect", "")
            return status in {200, 302} and urlsplit(target).path == reverse("portal:login")
        if not may(who.role, access):
            return status == 403
        if method not in takes:
            return status == 405
        foreign = bool(at.owners) and (
            len(at.owners) > 1 or (who.side is not None and self.world.sides.index(who.side) not in at.owners)
        )
        if foreign:
            return status == 404
        if not at.owners and method == "POST" and status == 404:
            # The empty form did not name the thing that it is about: to be told so is to be let in.
            status = 422
        if status in LET_IN:
            self.own[route, who.name] += 1
        # Something of one's own that is not there yet, such as the voucher of an open payment.
        return status in LET_IN or (status == 404 and bool(at.owners))

    def _foreign(self, who: Visitor, at: Address, answer: HttpResponse) -> Iterator[str]:
        """What of an account stands in an answer to somebody who is not of it; what they sent themselves is known to them."""
        if who.role is not None and who.side is None and answer.status_code not in REFUSED:
            return
        text = answer.content.decode("utf-8", "replace").lower()
        for side in self.world.sides:
            if side is not who.side:
                for what, secret in side.secrets.items():
                    if secret.lower() in text and secret not in at.given:
                        yield f"{what} of {side.company.account.name}"


@pytest.fixture
def walk(world: World) -> Walk:
    return Walk(world, methods(world))


def test_every_address_answers_everybody_as_the_table_says(
    walk: Walk,
    world: World,
    copies: Copies,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine the walk takes longer than a proof is fresh.
    monkeypatch.setattr(proof, "FRESH_FOR", timedelta(hours=1))
    found = dict(routes())
    assert set(found) == set(ROUTES), "every route stands in the table, and every line of it is a route"
    every = {name: addresses_of(name, pattern, world) for name, pattern in found.items()}
    clients = {who.name: who.client() for who in world.visitors()}
    before = rows_of(copies.database, SESSIONS)

    for name, addresses in every.items():
        for who in world.visitors():
            for at in addresses:
                if name in ASKS_BANK and _is_own(who, at, world) and who.may_open(name):
                    continue
                _look(walk, name, who, at, clients[who.name])
                _name_things_of_others(walk, name, who, at, clients[who.name])
    assert changed(before, rows_of(copies.database, SESSIONS)) == {}, "a GET changed something"

    for name, addresses in every.items():
        for who in world.visitors():
            for at in addresses:
                if not (who.may_open(name) and "POST" in walk.takes[name]):
                    walk.take(name, who, "POST", at, clients[who.name].post(at.url))
    assert changed(before, rows_of(copies.database, SESSIONS)) == {}, "a refused POST changed something"

    _post_as_allowed(walk, every, clients, copies)

    _write(walk)
    with capsys.disabled():
        visits = ", ".join(f"{how} {number}" for how, number in sorted(walk.count.items()))
        print(
            f"\ncrawl: {len(every)} routes, {sum(map(len, every.values()))} addresses, {len(clients)} visitors, "
            f"{walk.count.total()} visits ({visits}), leaks {len(walk.leaks)}; {TABLE.relative_to(PROJECT_DIR)}"
        )
    assert walk.leaks == []
    assert walk.wrong == []
    assert _never_shown(walk, every) == []


def _is_own(who: Visitor, at: Address, world: World) -> bool:
    return who.side is not None and at.owners <= {world.sides.index(who.side)}


def _look(walk: Walk, name: str, who: Visitor, at: Address, client: Client) -> None:
    """GET, HEAD where it is taken, and the fragment that HTMX would get."""
    walk.take(name, who, "GET", at, client.get(at.url))
    if who.may_open(name) and "HEAD" in walk.takes[name]:
        answer = client.head(at.url)
        assert answer.content == b"", f"HEAD {at.url} has a body"
        walk.take(name, who, "HEAD", at, answer)
    if isinstance(ROUTES[name], Action) and (who.role is None or who.may_open(name)):
        walk.take(name, who, "GET fragment", at, client.get(at.url, headers=HTMX))


def _name_things_of_others(walk: Walk, name: str, who: Visitor, at: Address, client: Client) -> None:
    """What can stand behind the question mark names things of the other account: nothing more is seen by it."""
    if not who.may_open(name) or not isinstance(ROUTES[name], Action) or "GET" not in walk.takes[name]:
        return
    others = [side for side in walk.world.sides if side is not who.side]
    for side in others:
        for parameter in ("payment_id", "account_id"):
            value = str(side.values(parameter)[0])
            asked = Address(at.url, at.owners, at.given | {value})
            walk.take(name, who, "GET query", asked, client.get(at.url, dict.fromkeys(queries(), value)))


def _post_as_allowed(
    walk: Walk, every: dict[str, list[Address]], clients: dict[str, Client], copies: Copies
) -> None:
    """An empty form to everything that takes one. Some need no more than that to act: each finds all as it was."""
    for name, addresses in every.items():
        for who in walk.world.visitors():
            if who.may_open(name) and "POST" in walk.takes[name]:
                for at in addresses:
                    walk.take(name, who, "POST", at, _undone(clients[who.name], at.url, copies))


def _undone(client: Client, url: str, copies: Copies) -> HttpResponse:
    """POST, and undo what it did."""
    cookies = deepcopy(client.cookies)
    try:
        with transaction.atomic():
            answer = client.post(url)
            transaction.set_rollback(True)
    except OpenTransaction:
        # It calls the gateway, which no transaction may wait for.
        answer = client.post(url)
        copies.fresh()
    client.cookies = cookies
    return answer


def _never_shown(walk: Walk, every: dict[str, list[Address]]) -> list[str]:
    """Rights that the table gives and of which nothing was seen: the walk would prove nothing there."""
    return [
        f"{who.name} may open {name} and was shown nothing"
        for name in every
        for who in walk.world.visitors()
        if isinstance(ROUTES[name], Action)
        and name not in {*ASKS_BANK, *THEIR_OWN}
        and who.may_open(name)
        and not walk.own[name, who.name]
    ]


def _write(walk: Walk) -> None:
    names = [who.name for who in walk.world.visitors()]
    lines = [
        "# What the crawler saw",
        "",
        f"{walk.count.total()} visits, leaks {len(walk.leaks)}. Each cell: the statuses that were seen, over all",
        "addresses of the route, own and of the other account.",
        "",
        f"| route | right | how | {' | '.join(names)} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for route, access in ROUTES.items():
        for how in sorted(walk.count):
            cells = [" ".join(map(str, sorted(walk.seen.get((route, how, name), ())))) for name in names]
            if any(cells):
                lines.append(f"| {route} | {access} | {how} | {' | '.join(cells)} |")
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize(
    ("route", "thing", "table"),
    [(PAYMENT_RETURN, "open", "payments_payment"), (CARD_RETURN, "card at the bank", "cards_cardsetup")],
)
def test_the_return_from_the_bank_asks_about_ones_own_and_moves_nothing_else(
    world: World, copies: Copies, route: str, thing: str, table: str
) -> None:
    admin = world.visitors()[1]
    client = admin.client()
    own, other = (
        next(
            at
            for at in addresses_of(route, dict(routes())[route], world)
            if at.owners == {n} and world.sides[n].secrets[thing] in at.given
        )
        for n in (0, 1)
    )
    before = rows_of(copies.database, SESSIONS)
    assert client.get(other.url).status_code == 404
    assert changed(before, rows_of(copies.database, SESSIONS)) == {}

    assert client.get(own.url).status_code == 302

    # The bank does not answer here: that it was asked and was silent, and when to ask again, is all that is written.
    difference = changed(before, rows_of(copies.database, SESSIONS))
    jobs = {"procrastinate_jobs", "procrastinate_events"}
    pace = {"gateways_gatewaypace"}
    assert set(difference) == {table, "payments_gatewayhealth"} | pace | jobs
    assert [row[:1] for row in difference[table]] == ["-", "+"]
    assert all(str(world.a.account_id) in row for row in difference[table])


def test_a_route_whose_parameter_is_unknown_fails_with_what_to_add(world: World) -> None:
    with pytest.raises(UnknownParameter, match=r"does not know what 'gadget_id' names.*add"):
        world.a.values("gadget_id")
    # A model's name is enough where each account has a row of it.
    assert [str(one) for one in world.a.values("payment_method_id")] == [world.a.secrets["card"]]


def test_the_walk_sees_a_leak_a_wrong_status_and_a_missing_header(walk: Walk, world: World) -> None:
    admin = world.visitors()[1]
    at = Address("/x", frozenset({1}), frozenset())
    walk.take("portal:payment", admin, "GET", at, HttpResponse(f"<p>{world.b.secrets['name']}</p>"))

    assert walk.leaks == ["GET /x as A admin: name of Hawk Trading"]
    assert walk.wrong[0] == "GET /x as A admin: 200 "
    assert any("Content-Security" in one or "policy" in one for one in walk.wrong)
    assert any("Cache-Control is None" in one for one in walk.wrong)
