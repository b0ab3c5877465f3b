"""Mass assignment: whatever else is posted to a form, it does what it is for and nothing more.

Every form is found by looking at every page as everybody who may open it, filled in as a person would, and sent twice
from the same state: as it is, and with every field of every model beside its own. Both must leave the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pytest
import time_machine
from django.apps import apps
from django.db import connection, models, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from addresses import routes
from doors.places import addresses_of, methods, pages_of
from doors.reading import Form, Page, is_html
from doors.rows import Copies, changed, read_rows, rows_of
from doors.world import Visitor, World
from people import PASSWORD
from raseed.accounts.access import ROUTES, ByKey, Role
from raseed.accounts.models import User
from raseed.db.transactions import OpenTransaction

# Machines post here, and no page has a form for it.
MACHINES = frozenset(
    {"api:webhook", "api:csp_report"} | {name for name, access in ROUTES.items() if isinstance(access, ByKey)}
)
# What is different each time that something is done, whatever was posted.
BY_CHANCE = (
    (re.compile(r"[0-9a-f]{32,}"), "<digest>"),
    (re.compile(r"gAAAAA[\w=-]+"), "<sealed>"),
    (re.compile(r"rsd_…[\w-]{4}"), "<hint of a key>"),
    # A number that the database counts up, which no rollback takes back.
    (re.compile(r"^([+-]\()\d+,"), r"\1<number>,"),
    (re.compile(r"argon2\$[^\"]+|![A-Za-z0-9]{20,}"), "<password>"),
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Rows of the machinery: sessions hold tokens, and numbers of jobs count up.
# The last: when the gateway may be spoken to again, a moment of the real clock.
MACHINERY = ("django_session", "procrastinate_events", "gateways_gatewaypace")
ALWAYS = {
    "is_staff": "1",
    "is_superuser": "1",
    "is_active": "0",
    "role": "finance",
    "staff_role": "finance",
    "account": "",
    "account_id": "",
    "user": "",
    "user_id": "",
    "id": "",
    "pk": "",
    "balance_micros": "999000000",
    "credit_micros": "999000000",
    "floor": "-999000000",
    "floor_micros": "-999000000",
    "state": "succeeded",
    "currency": "KWD",
    "captured_minor": "99900",
}


# What no form in the world is for: sent to doors of which no page here shows the form.
NEVER = ALWAYS.keys() - {"role", "state", "currency", "is_active"}


@dataclass(frozen=True)
class Found:
    """A form on a page, and who sees it."""

    route: str
    who: Visitor
    form: Form
    # The page on which it stands: a browser has been there before it sends the form.
    page: str

    @property
    def name(self) -> str:
        return f"{self.route} as {self.who.name}"

    def client(self) -> Client:
        client = self.who.client()
        client.get(self.page, follow=True)
        return client


def everything(world: World) -> dict[str, str]:
    """A value for every field of every model: the other account's things where it names something."""
    other = world.b
    values = {}
    for model in apps.get_models():
        for one in model._meta.get_fields():
            if isinstance(one, models.Field) and (one.choices or one.name not in values):
                values[one.name] = values[one.attname] = _value(one, str(other.account_id))
    values |= ALWAYS
    for name in ("account", "account_id"):
        values[name] = str(other.account_id)
    for name in ("user", "user_id", "id", "pk"):
        values[name] = str(other.people[Role.ADMIN].id)
    return values


def _value(one: models.Field[object, object], foreign: str) -> str:
    if one.choices:
        return str(one.choices[-1][0])
    if isinstance(one, models.UUIDField | models.ForeignKey | models.ForeignObject):
        return foreign
    if isinstance(one, models.BooleanField):
        return "1"
    if isinstance(one, models.DateTimeField):
        return "2020-01-01T00:00:00Z"
    if isinstance(one, models.IntegerField):
        return "7"
    return "mallory@evil.test" if "mail" in one.name else "mallory"


def forms_of(world: World) -> list[Found]:
    """Every form that posts, as the first who sees it: nobody, one account's people, staff."""
    found: dict[tuple[str, tuple[str, ...]], Found] = {}
    for who in (one for one in world.visitors() if one.side is not world.b):
        client = who.client()
        for url in pages_of(who, world):
            answer = client.get(url, follow=True)
            if not is_html(answer):
                continue
            for form in Page(answer.content.decode()).forms:
                if form.method == "post":
                    form.action = form.action or answer.request["PATH_INFO"]
                    route = resolve(form.action.partition("?")[0]).view_name
                    found.setdefault((route, tuple(sorted(form.fields))), Found(route, who, form, url))
    return list(found.values())


def doors_without_a_form(world: World, known: set[str] | frozenset[str]) -> list[Found]:
    """The routes that take a POST and of which no page showed a form, as the first of account A or staff who may."""
    found = []
    taken, patterns = methods(world), dict(routes())
    for name in taken.keys() - known:
        who = next(one for one in world.visitors() if one.may_open(name) and one.side is not world.b)
        if "POST" in taken[name]:
            url = addresses_of(name, patterns[name], world)[0].url
            found.append(Found(name, who, Form(url, "post"), "/"))
    return found


def filled(form: Form, world: World, who: Visitor) -> dict[str, str]:
    """The form as a person would fill it in: what it holds, and something fitting where it is empty."""
    user = world.staff[Role.SUPPORT] if who.user is None else who.user
    words = {
        "amount": "100",
        "username": getattr(user, "email", ""),
        "password": PASSWORD,
        "country": "SA",
        "next": "",
        "time_zone": "Asia/Riyadh",
        "currency": "USD",
    }
    kinds = {
        "email": "new.person@x.test",
        "password": "a new horse battery staple",
        "text": "Some words",
        "textarea": "new.line@x.test",
        "number": "3",
        "date": "2026-11-24",
    }
    fields = dict(form.fields)
    if "client_key" in fields:
        # A yes to paying beside the payment that waits at the bank.
        fields["beside"] = world.a.secrets["open"]
    return {
        name: value.strip() or words.get(name, kinds.get(form.types.get(name, ""), ""))
        for name, value in fields.items()
    }


@contextmanager
def frozen() -> Iterator[datetime]:
    """One moment for both tries, so that what is written at it is the same."""
    with time_machine.travel(timezone.now(), tick=False):
        yield timezone.now()


def effect(one: Found, data: dict[str, str], copies: Copies) -> tuple[int, dict[str, list[str]]]:
    """Status and changed rows of a POST, what is different by chance made equal; undone afterwards."""
    client = one.client()
    before = rows_of(copies.database, *MACHINERY)
    try:
        with transaction.atomic():
            answer = client.post(one.form.action, data)
            after = read_rows(connection.connection, *MACHINERY)
            transaction.set_rollback(True)
    except OpenTransaction:
        # It calls the gateway, which no transaction may wait for.
        answer = client.post(one.form.action, data)
        after = rows_of(copies.database, *MACHINERY)
        copies.fresh()
    difference = changed(before, after)
    known = set(_UUID.findall(str(before)))
    return answer.status_code, {
        table: sorted(_plain(row, known) for row in rows) for table, rows in difference.items()
    }


def _plain(row: str, known: set[str]) -> str:
    """A row with only the ids that were there before: to whom something belongs must not be lost."""
    row = _UUID.sub(lambda found: found[0] if found[0] in known else "<new id>", row)
    for pattern, word in BY_CHANCE:
        row = pattern.sub(word, row)
    return row


def test_no_form_takes_more_than_what_it_is_for(
    world: World, copies: Copies, capsys: pytest.CaptureFixture[str]
) -> None:
    every, forms = everything(world), forms_of(world)
    hidden = doors_without_a_form(world, {one.route for one in forms} | MACHINES)
    # Looking for them has signed people in.
    copies.fresh()
    wrong, acted = [], set()
    with frozen():
        for one in (*forms, *hidden):
            own = filled(one.form, world, one.who)
            names = NEVER if one in hidden else every.keys() - one.form.types.keys()
            more = {name: every[name] for name in names} | own
            plain, loaded = effect(one, own, copies), effect(one, more, copies)
            if plain != loaded:
                tables = plain[1].keys() | loaded[1].keys()
                became = {
                    name: (plain[1].get(name), loaded[1].get(name))
                    for name in tables
                    if plain[1].get(name) != loaded[1].get(name)
                }
                wrong.append(f"{one.name}: {plain[0]} became {loaded[0]}, {became}")
            if plain[0] in {200, 204, 302} and plain[1]:
                acted.add(one.route)
    with capsys.disabled():
        print(
            f"\nforms: {len(forms)}, {len(every)} foreign fields each; acted: {', '.join(sorted(acted))};"
            f" without a form here: {', '.join(sorted(one.route for one in hidden)) or 'none'}"
        )
    assert "\n".join(wrong) == ""
    # Filled in well enough to do what they are for: else being unchanged would prove nothing.
    assert {"backoffice:account_new", "backoffice:suspend", "backoffice:invite", "portal:pay"} <= acted


def _careless(request: HttpRequest) -> HttpResponse:
    """What must never be written: a view that takes whatever is posted."""
    user = User.objects.get(id=request.user.pk)
    if request.method == "GET":
        return HttpResponse('<form method="post" action="/home"><input name="name" value="Lina"></form>')
    for name, value in request.POST.items():
        # But for what the database itself would refuse.
        if name in {"name", "email", "language", "account_id", "is_active"}:
            setattr(user, name, value == "1" if name == "is_active" else value)
    user.save()
    return HttpResponse()


def test_a_form_that_takes_whatever_is_posted_is_seen(
    world: World, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dict(routes())["portal:home"], "callback", _careless)
    admin = world.visitors()[1]
    form = Form("/home", "post", {"name": "Lina"}, {"name": "text"})
    one = Found("portal:home", admin, form, "/home")
    with frozen():
        plain = effect(one, {"name": "Lina"}, copies)
        loaded = effect(one, everything(world) | {"name": "Lina"}, copies)
    assert set(plain[1]) == {"accounts_user"}
    assert loaded != plain
    assert str(world.b.account_id) in str(loaded[1])
    assert "mallory@evil.test" in str(loaded[1])
