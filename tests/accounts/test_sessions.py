"""Sessions end: by idling, by age, by a new password, by being disabled. And pages are kept by nobody."""

from datetime import timedelta

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, PASSWORD, make_company, make_operator, make_user
from raseed.accounts import links, members, people
from raseed.accounts.models import Membership, StaffRole, User
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry, OperatorAuditEntry

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
        clock.shift(timedelta(minutes=9, seconds=59))
        assert is_in(client, page)
        clock.shift(timedelta(seconds=1))
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


NEW = "another long password"


def change_password(client: Client, current: str = PASSWORD, new: str = NEW) -> HttpResponse:
    """Post the form of the profile."""
    typed = {"current_password": current, "new_password1": new, "new_password2": new}
    return client.post(reverse("portal:profile_password"), typed)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["admin", "support"])
def test_who_changes_the_password_stays_in_with_a_new_id_and_all_others_are_out(
    request: pytest.FixtureRequest, kind: str
) -> None:
    user: User = request.getfixturevalue(kind)
    with time_machine.travel(NOON, tick=False) as clock:
        here, there = signed_in(user), signed_in(user)
        old_id = Client()
        old_id.cookies["sessionid"] = here.cookies["sessionid"].value
        clock.shift(timedelta(minutes=1))

        assert change_password(here).headers["Location"] == reverse("portal:profile")

        assert here.cookies["sessionid"].value != old_id.cookies["sessionid"].value
        assert [is_in(one, "portal:profile") for one in (here, there, old_id)] == [True, False, False]
        assert is_in(signed_in(user, NEW), "portal:profile")
    entries = AuditEntry.objects.filter(account_id=user.account_id) if user.account_id else None
    rows = OperatorAuditEntry.objects.all() if entries is None else entries
    assert rows.filter(action="password_set").count() == 1
    job = ProcrastinateJob.objects.get(task_name="notifications.mail_notice")
    assert (job.args["kind"], job.args["address"]) == ("password_changed", user.email)
    assert job.args["facts"] == {"at": "2026-11-23T12:01:00+00:00", "ip": "127.0.0.1"}


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [("wrong", NEW, "current_password"), (PASSWORD, "short", "new_password1"), ("", NEW, "current_password")],
)
def test_a_refused_change_of_password_changes_nothing(
    admin: User, current: str, new: str, field: str
) -> None:
    here, there = signed_in(admin), signed_in(admin)
    answer = change_password(here, current, new)
    assert answer.status_code == 422
    assert field in answer.context["password"].errors  # type: ignore[attr-defined]
    assert is_in(here, "portal:balance")
    assert is_in(there, "portal:balance")
    assert User.objects.get(id=admin.id).check_password(PASSWORD)
    assert not ProcrastinateJob.objects.filter(task_name="notifications.mail_notice").exists()


def test_a_reset_by_mail_ends_every_session_and_is_told(admin: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        first, second = signed_in(admin), signed_in(admin)
        clock.shift(timedelta(minutes=1))
        key, token = links.make(User.objects.get(id=admin.id), timezone.now()).url.split("/")[-2:]
        people.use_link(key, token, NEW, None, timezone.now())
        assert not is_in(first, "portal:balance")
        assert not is_in(second, "portal:balance")
    job = ProcrastinateJob.objects.get(task_name="notifications.mail_notice")
    assert (job.args["kind"], job.args["address"]) == ("password_changed", admin.email)


def test_signing_out_everywhere_is_everywhere(admin: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        here, there = signed_in(admin), signed_in(admin)
        clock.shift(timedelta(seconds=1))
        answer = here.post(reverse("portal:profile_sessions"), follow=True)
        assert "You are signed out everywhere." in answer.content.decode()
        assert not is_in(here, "portal:balance")
        assert not is_in(there, "portal:balance")
        assert is_in(signed_in(admin), "portal:balance")
    entries = AuditEntry.objects.filter(account_id=admin.account_id, action="sessions_ended")
    assert entries.get().ip == "127.0.0.1"


def test_a_session_does_not_come_back_with_the_access(admin: User) -> None:
    """It asks for nothing while the person is disabled, and would be alive if only the person were looked at."""
    other = make_user("omar@falcon.test", staff_role="")
    User.objects.filter(id=other.id).update(account_id=admin.account_id)
    Membership.objects.create(account_id=admin.account_id, user_id=other.id, role="agent")
    assert admin.account_id
    with time_machine.travel(NOON, tick=False) as clock:
        client = signed_in(other)
        for act in (members.disable, members.enable):
            clock.shift(timedelta(seconds=1))
            act(admin.account_id, other.id, Who(admin.id, "admin"), timezone.now())
        assert not is_in(client, "portal:home")
        assert is_in(signed_in(other), "portal:home")


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
