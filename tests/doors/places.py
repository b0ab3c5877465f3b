"""Addresses with everything of both accounts in them, and the methods that each route takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from urllib.parse import urlsplit

from django.urls import URLPattern, reverse
from django.utils import timezone

from addresses import routes
from doors.world import SHARED, Visitor, World
from raseed.accounts import links
from raseed.accounts.models import User
from raseed.config.environment import PROJECT_DIR

SOURCE = PROJECT_DIR / "src" / "raseed"
# The GETs that ask the bank (docs/adr/0009).
PAYMENT_RETURN = "portal:payment_return"
CARD_RETURN = "portal:card_return"
ASKS_BANK = frozenset({PAYMENT_RETURN, CARD_RETURN})


@dataclass(frozen=True)
class Address:
    """An address with the sides whose things stand in it."""

    url: str
    owners: frozenset[int]
    given: frozenset[str]


def addresses_of(name: str, pattern: URLPattern, world: World) -> list[Address]:
    """Every address of a route: everything of A, everything of B, and the two mixed."""
    parameters = list(pattern.pattern.converters)
    choices: list[list[tuple[str, object, int | None]]] = []
    for parameter in parameters:
        if parameter in SHARED:
            choices.append([(parameter, value, None) for value in SHARED[parameter]])
        else:
            choices.append(
                [
                    (parameter, value, n)
                    for n, side in enumerate(world.sides)
                    for value in side.values(parameter)
                ]
            )
    found = []
    for chosen in product(*choices):
        url = reverse(name, kwargs={parameter: value for parameter, value, _ in chosen})
        owners = frozenset(owner for _, _, owner in chosen if owner is not None)
        found.append(Address(url, owners, frozenset(str(value) for _, value, _ in chosen)))
    return found


def methods(world: World) -> dict[str, frozenset[str]]:
    """The methods that each route takes, as it says itself to somebody who may open it and asks for one that nobody takes."""
    clients = {who.name: who.client() for who in world.visitors()}
    found = {}
    for name, pattern in routes():
        # What only a key opens says so to anybody.
        openers = [who for who in world.visitors() if who.may_open(name)] or world.visitors()
        client = clients[openers[0].name]
        answer = client.generic("PROPFIND", addresses_of(name, pattern, world)[0].url)
        allow = answer.headers.get("Allow", "") if answer.status_code == 405 else "GET, HEAD, POST"
        found[name] = frozenset(re.findall(r"[A-Z]+", allow))
    return found


def pages_of(who: Visitor, world: World) -> Iterator[str]:
    """The addresses that this visitor may open, with their own things in them."""
    sides = [who.side] if who.side else world.sides
    for name, pattern in routes():
        if not who.may_open(name) or name in ASKS_BANK:
            continue
        parameters = list(pattern.pattern.converters)
        for side in sides:
            lists = [SHARED.get(one) or side.values(one) for one in parameters]
            for values in zip(*lists, strict=False) if lists else [()]:
                yield reverse(name, kwargs=dict(zip(parameters, values, strict=True)))
    if who.user is None:
        yield urlsplit(links.make(world.a.waiting, timezone.now()).url).path
    else:
        user = User.objects.get(pk=who.user.pk)
        yield urlsplit(links.make_email_change(user, f"new-{user.email}", timezone.now()).url).path


@cache
def queries() -> tuple[str, ...]:
    """The names under which any page reads something from its address, as the source has them."""
    names = set()
    for file in SOURCE.rglob("*.py"):
        names |= set(re.findall(r'GET(?:\.get\(|\.getlist\(|\[)"(\w+)"', file.read_text("utf-8")))
    return tuple(sorted(names))
