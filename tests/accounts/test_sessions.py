"""Sessions end: by idling, by age, by a new password, by being disabled. And pages are kept by nobody."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from people import NOON, PASSWORD, make_company, make_operator, make_user
from raseed.accounts import people
from raseed.accounts.models import StaffRole, User
from raseed.audit.log import Who

LOGIN = "/login"


def signed_in(user: User, password: str = PASSWORD) -> Client:
    """A browser that has signed in through the page."""
    client = Client()
    answer = client.post(reverse("portal:login"), {"username": user.email, "password": password})
    assert answer.status_code == 302, answer.content
    return client


def is_in(client: Client, page: str) -> bool:
    """Whether the session still opens the page."""
    answer = client.get(reverse(page))
    assert answer.status_code in {200, 302}
    return not answer.headers.get("Location", "").startswith(LOGIN)


@pytest.fixture
def admin(db: None) -> User:
    make_operator()
    return make_company().admin


@pytest.fixture
def support(db: None) -> User:
    return make_user("support@operator.test", staff_role=StaffRole.SUPPORT)


def test_a_users_session_idles_out_after_half_an_hour(admin: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client = signed_in(admin)
        for _ in range(3):
            clock.shift(timedelta(minutes=29, seconds=59))
            assert is_in(client, "portal:balance")
        clock.shift(timedelta(minutes=30))
        assert not is_in(client, "portal:balance")
        assert not is_in(client, "portal:balance")


def test_a_staff_session_idles_out_after_a_quarter(support: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client = signed_in(support)
        clock.shift(timedelta(minutes=14, seconds=59))
        assert is_in(client, "backoffice:accounts")
        clock.shift(timedelta(minutes=15))
        assert not is_in(client, "backoffice:accounts")


@pytest.mark.parametrize(("kind", "hours"), [("admin", 12), ("support", 8)])
def test_a_session_that_is_used_all_the_time_still_ends(
    request: pytest.FixtureRequest, kind: str, hours: int
) -> None:
    user: User = request.getfixturevalue(kind)
    page = "portal:balance" if kind == "admin" else "backoffice:accounts"
    with time_machine.travel(NOON, tick=False) as clock:
        client = signed_in(user)
        for _ in range(hours * 6 - 1):
            clock.shift(timedelta(minutes=10))
            assert is_in(client, page)
        clock.shift(timedelta(minutes=10))
        assert not is_in(client, page)


def test_a_new_password_ends_every_session(admin: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        first, second = signed_in(admin), signed_in(admin)
        clock.shift(timedelta(seconds=1))
        people.set_password(admin, "another long password", Who(admin.id, "self"), timezone.now())
        assert not is_in(first, "portal:balance")
        assert not is_in(second, "portal:balance")
        assert is_in(signed_in(admin, "another long password"), "portal:balance")


def test_sessions_are_ended_without_a_new_password_too(admin: User) -> None:
    """The row's moment alone does it: what a forced sign-out sets."""
    with time_machine.travel(NOON, tick=False) as clock:
        client = signed_in(admin)
        clock.shift(timedelta(seconds=1))
        User.objects.filter(id=admin.id).update(sessions_valid_from=timezone.now())
        assert not is_in(client, "portal:balance")


def test_a_disabled_user_is_out_at_the_next_request(admin: User) -> None:
    client = signed_in(admin)
    User.objects.filter(id=admin.id).update(is_active=False)
    assert not is_in(client, "portal:balance")


def test_the_session_gets_a_new_id_at_sign_in_and_the_old_one_is_dead(admin: User) -> None:
    client = Client()
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = planted

    client.post(reverse("portal:login"), {"username": admin.email, "password": PASSWORD})

    assert client.cookies["sessionid"].value != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert not is_in(thief, "portal:balance")


def test_signing_out_ends_the_session_and_takes_a_post(admin: User) -> None:
    client = signed_in(admin)
    copy = Client()
    copy.cookies["sessionid"] = client.cookies["sessionid"].value
    assert client.get(reverse("portal:logout")).status_code == 405
    assert is_in(copy, "portal:balance")
    assert client.post(reverse("portal:logout")).status_code == 302
    assert not is_in(copy, "portal:balance")


@pytest.mark.parametrize("page", ["portal:login", "portal:balance", "portal:password_reset"])
def test_no_page_is_kept_by_a_cache(admin: User, page: str) -> None:
    answer = signed_in(admin).get(reverse(page))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_pages_come_in_the_users_language_unless_this_browser_was_told_another(admin: User) -> None:
    User.objects.filter(id=admin.id).update(language="ar")
    client = signed_in(admin)
    assert client.get(reverse("portal:balance")).headers["Content-Language"] == "ar"
    client.cookies["language"] = "en"
    assert client.get(reverse("portal:balance")).headers["Content-Language"] == "en"
    client.cookies["language"] = "xx"
    assert client.get(reverse("portal:balance")).headers["Content-Language"] == "ar"
    assert Client().get(reverse("portal:login")).headers["Content-Language"] == "en"
