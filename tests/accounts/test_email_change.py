"""Another address to sign in with: by a link in the new mailbox and the person's own session, once, and told to nobody else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from factors import password_typed
from people import NOON, PASSWORD, make_company, make_operator, make_user
from raseed.accounts import email_change, links, people
from raseed.accounts.attempts import EMAIL_CHANGE, EMAIL_CHANGE_ADDRESS
from raseed.accounts.models import Membership, User
from raseed.accounts.people import LinkOver
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry
from raseed.errors import RaseedError

pytestmark = pytest.mark.usefixtures("cheap_hashes")

ASK, PROFILE, LOGIN = "/profile/email", "/profile", "/login"
NEW, PLACE = "lina@new.test", "192.0.2.1"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(db: None) -> Iterator[time_machine.Traveller]:
    make_operator()
    with time_machine.travel(NOON, tick=False) as moving:
        yield moving


@pytest.fixture
def lina(clock: time_machine.Traveller) -> User:
    return make_company().admin


def who(user: User) -> Who:
    return Who(user.id, "admin", PLACE)


def now_of(user: User) -> User:
    return User.objects.get(id=user.id)


def token_of(user: User, address: str = NEW) -> str:
    """The token of a link made now."""
    return urlsplit(links.make_email_change(now_of(user), address, timezone.now()).url).path.split("/")[-1]


def at(token: str) -> str:
    return reverse("portal:email_confirm", args=[token])


def queued() -> list[tuple[str, dict[str, object]]]:
    rows = ProcrastinateJob.objects.order_by("id")
    return [(row.task_name.removeprefix("notifications."), row.args) for row in rows]


def told() -> list[tuple[str, str]]:
    """Which notices were queued, and to which address."""
    return [(str(args["kind"]), str(args["address"])) for name, args in queued() if name == "mail_notice"]


def acts(user: User) -> list[tuple[str, object, object, str | None]]:
    rows = AuditEntry.objects.filter(account_id=user.account_id, action__startswith="email").order_by("id")
    return [(row.action, row.before, row.after, row.ip) for row in rows]


def said(answer: HttpResponse) -> list[str]:
    return [str(one) for one in get_messages(answer.wsgi_request)]


def test_the_whole_way(lina: User, clock: time_machine.Traveller) -> None:
    old = lina.email
    client, other = password_typed(lina), password_typed(lina)
    clock.shift(MINUTE)
    answer = client.post(ASK, {"email": f" {NEW.upper()} ", "user_id": "x", "account_id": "x"})
    assert answer.headers["Location"] == PROFILE
    assert NEW in said(answer)[0]
    # Nothing but the asking has happened: the old address is told at once, the link goes to the new one.
    assert now_of(lina) == lina
    assert now_of(lina).email == old
    assert told() == [("email_change_asked", old)]
    [(_, mail)] = [one for one in queued() if one[0] == "mail_email_change"]
    assert (mail["user_id"], mail["address"]) == (str(lina.id), NEW)

    before, link = client.session.session_key, at(token_of(lina))
    page = client.get(link)
    assert page.status_code == 200
    assert old in page.content.decode()
    assert NEW in page.content.decode()
    assert now_of(lina).email == old

    done = client.post(link)

    assert done.headers["Location"] == PROFILE
    assert now_of(lina).email == NEW
    assert told() == [("email_change_asked", old), ("email_changed", old)]
    place = "127.0.0.1"
    assert acts(lina) == [
        ("email_change_asked", {"email": old}, {"email": NEW}, place),
        ("email_changed", {"email": old}, {"email": NEW}, place),
    ]
    # This session goes on under a new id, all others are over.
    assert client.session.session_key != before
    assert NEW in client.get(PROFILE).content.decode()
    assert other.get(PROFILE).headers["Location"].startswith(LOGIN)
    assert client.post(link).status_code == 410
    assert Client().post(LOGIN, {"username": old, "password": PASSWORD}).status_code == 401
    assert Client().post(LOGIN, {"username": NEW, "password": PASSWORD}).status_code == 302


def test_the_form_tells_nobody_who_has_an_address(lina: User, clock: time_machine.Traveller) -> None:
    client, omar = password_typed(lina), make_company("Hawk").admin
    answers = []
    for address in (omar.email.upper(), "free@new.test"):
        ProcrastinateJob.objects.all().delete()
        answer = client.post(ASK, {"email": address})
        words = said(answer)[-1].replace(address.lower(), "it")
        answers.append((answer.status_code, answer.headers["Location"], words, len(queued())))
        if address == "free@new.test":
            assert [name for name, _ in queued()] == ["mail_notice", "mail_email_change"]
        else:
            # Whoever has it reads it in the own mailbox; no link is made.
            assert told() == [("email_change_asked", lina.email), ("email_wanted", omar.email)]
    assert answers[0] == answers[1]
    assert (now_of(omar).email, now_of(lina).email) == (omar.email, lina.email)


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ("", 422, "Enter a whole e-mail address"),
        ("lina@", 422, "Enter a whole e-mail address"),
        ("a@x.test\r\nBcc: b@x.test", 422, "Enter a whole e-mail address"),
        (f"{'x' * 250}@x.test", 422, "Ensure this value has at most 254 characters"),
        ("OWN", 409, "You sign in with this address already."),
    ],
)
def test_what_is_no_new_address_is_refused_and_nothing_is_sent(
    lina: User, typed: str, status: int, words: str
) -> None:
    client = password_typed(lina)
    answer = client.post(ASK, {"email": lina.email.upper() if typed == "OWN" else typed})
    assert answer.status_code == status
    assert words in answer.context["form"].errors["email"][0]
    assert (queued(), acts(lina)) == ([], [])


def test_it_is_asked_for_five_times_an_hour_by_a_person_and_for_an_address(
    lina: User, clock: time_machine.Traveller
) -> None:
    client = password_typed(lina)
    answers = [
        client.post(ASK, {"email": f"{number}@new.test"}) for number in range(EMAIL_CHANGE.tries_max + 1)
    ]
    assert [one.status_code for one in answers] == [302] * 5 + [429]
    assert "Wait 60 min" in answers[-1].context["form"].errors["email"][0]
    assert len(queued()) == 10

    for number in range(EMAIL_CHANGE_ADDRESS.tries_max):
        email_change.ask(make_company(f"C{number}").admin, NEW, who(lina), NOON)
    omar = make_company("Hawk").admin
    with pytest.raises(email_change.TooManyChanges):
        email_change.ask(omar, NEW, who(omar), NOON)
    email_change.ask(omar, NEW, who(omar), NOON + EMAIL_CHANGE_ADDRESS.window)


def test_a_link_holds_an_hour_for_its_person_and_cannot_be_made_up(
    lina: User, clock: time_machine.Traveller
) -> None:
    token = token_of(lina)
    assert email_change.asked(lina, token, NOON + timedelta(hours=1)) == NEW
    stamp, named, signature = token.split(".")
    other = token_of(lina, "evil@x.test").split(".")[1]
    omar = make_company("Hawk").admin
    made_up = [
        (lina, token, NOON + timedelta(hours=1, seconds=1)),
        (lina, token, NOON - timedelta(seconds=1)),
        (omar, token, NOON),
        (lina, f"{stamp}.{other}.{signature}", NOON),
        (lina, f"{stamp[:-1]}{'1' if stamp[-1] == '0' else '0'}.{named}.{signature}", NOON),
        (lina, f"{stamp}.{named}.{'0' * len(signature)}", NOON),
        (lina, f"{stamp}.{named}", NOON),
        (lina, "..", NOON),
        (lina, "", NOON),
        (lina, "%%%.w6k.x", NOON),
        (lina, f"{stamp}._w.{signature}", NOON),
        (lina, links.make(lina, NOON).url.split("/")[-1], NOON),
    ]
    for person, text, moment in made_up:
        with pytest.raises(LinkOver):
            email_change.confirm(person.id, text, who(person), moment)
    assert (now_of(lina).email, now_of(omar).email) == (lina.email, omar.email)
    assert (acts(lina), told()) == ([], [])


def test_a_stranger_with_the_link_gets_nothing(lina: User, clock: time_machine.Traveller) -> None:
    """An address was mistyped: whoever reads that mailbox has no session of the person who asked."""
    link, omar = at(token_of(lina)), make_company("Hawk").admin
    for client in (Client(), password_typed(omar)):
        for answer in (client.get(link), client.post(link)):
            assert answer.status_code in {302, 410}
            assert answer.headers.get("Location", LOGIN).startswith(LOGIN)
    assert (now_of(lina).email, now_of(omar).email) == (lina.email, omar.email)
    assert acts(lina) == []


def test_any_other_change_to_the_sign_in_ends_the_link(lina: User, clock: time_machine.Traveller) -> None:
    by = who(lina)
    changes = [
        lambda: people.set_password(now_of(lina), "another long password", by, timezone.now()),
        lambda: people.end_sessions(now_of(lina), by, timezone.now()),
        # There and back again: the link of before stays used.
        lambda: email_change.confirm(lina.id, token_of(lina, "b@new.test"), by, timezone.now()),
    ]
    for change in changes:
        token = token_of(lina)
        clock.shift(MINUTE)
        change()
        with pytest.raises(LinkOver):
            email_change.confirm(lina.id, token, by, timezone.now())
    token = token_of(lina)
    clock.shift(MINUTE)
    for address in ("c@new.test", "b@new.test"):
        email_change.confirm(lina.id, token_of(lina, address), by, timezone.now())
    assert now_of(lina).email == "b@new.test"
    with pytest.raises(LinkOver):
        email_change.confirm(lina.id, token, by, timezone.now())


def test_an_address_that_somebody_took_meanwhile_is_said_and_nothing_changes(
    lina: User, clock: time_machine.Traveller
) -> None:
    client, link = password_typed(lina), at(token_of(lina))
    make_user(NEW, "Omar")
    clock.shift(MINUTE)
    answer = client.post(link)
    assert answer.status_code == 409
    assert f"Somebody already signs in with {NEW}." in answer.content.decode()
    assert now_of(lina).email == lina.email
    assert now_of(lina).sessions_valid_from == lina.sessions_valid_from
    assert (acts(lina), told()) == ([], [])
    assert client.get(PROFILE).status_code == 200


@pytest.mark.parametrize("persons", [1, 2], ids=["one-person-twice", "two-persons-one-address"])
def test_of_those_who_press_at_the_same_moment_one_changes(real_db: object, persons: int) -> None:
    make_operator()
    company = make_company()
    users = [company.admin]
    if persons == 2:
        users.append(make_user("omar@falcon.test", account=company.account))
        Membership.objects.create(account=company.account, user_id=users[1].id, role="agent")
    tokens = {user.id: links.make_email_change(user, NEW, NOON).url.split("/")[-1] for user in users}

    def press(number: int) -> str:
        user = users[number % persons]
        try:
            email_change.confirm(user.id, tokens[user.id], who(user), NOON)
        except RaseedError as refusal:
            return refusal.code
        else:
            return "changed"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(press, range(6)))
    assert ends.count("changed") == 1
    assert set(ends) == {"changed", "link_over", "email_taken"} - ({"email_taken"} if persons == 1 else set())
    assert User.objects.filter(email=NEW).count() == 1
    assert [act for act, *_ in acts(company.admin)] == ["email_changed"]
    assert len(told()) == 1
