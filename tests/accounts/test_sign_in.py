"""Signing in: one answer whether the address or the password is wrong, a limit on guessing, and no way off this site."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from people import NOON, PASSWORD, make_company, make_operator, make_user
from raseed.accounts import attempts, people
from raseed.accounts.attempts import SIGN_IN
from raseed.accounts.models import AttemptCount, Membership, StaffRole, User
from raseed.accounts.people import SignInRefused, TooManyTries
from raseed.audit.models import AuditEntry

WRONG = "wrong horse battery staple"


@pytest.fixture
def admin(db: None) -> User:
    make_operator()
    return make_company().admin


def try_in(email: str, password: str, after: str = "", **more: str) -> HttpResponse:
    """What a new browser gets for the form."""
    form = {"username": email, "password": password, "next": after, **more}
    return Client().post(reverse("portal:login"), form)  # type: ignore[return-value]


def errors_of(answer: HttpResponse) -> list[str]:
    """What the page says about the whole form."""
    return list(answer.context["form"].non_field_errors())  # type: ignore[attr-defined]


def test_each_person_begins_where_their_work_is(admin: User) -> None:
    agent = make_user("agent@falcon.test")
    User.objects.filter(id=agent.id).update(account_id=admin.account_id)
    Membership.objects.create(account_id=admin.account_id, user_id=agent.id, role="agent")
    support = make_user("support@operator.test", staff_role=StaffRole.SUPPORT)
    places = {
        person.email: try_in(person.email, PASSWORD).headers["Location"] for person in (admin, agent, support)
    }
    assert places == {
        admin.email: reverse("portal:balance"),
        agent.email: reverse("portal:home"),
        support.email: reverse("backoffice:accounts"),
    }


def test_the_address_is_read_whatever_its_case(admin: User) -> None:
    assert try_in(f" {admin.email.upper()} ", PASSWORD).status_code == 302


def test_unknown_wrong_and_disabled_get_the_same_answer(admin: User) -> None:
    waiting = make_user("waiting@falcon.test")
    waiting.set_unusable_password()
    waiting.save()
    disabled = make_user("disabled@falcon.test", is_active=False)

    answers = [
        try_in(admin.email, WRONG),
        try_in("nobody@falcon.test", PASSWORD),
        try_in(waiting.email, PASSWORD),
        try_in(disabled.email, PASSWORD),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {tuple(errors_of(answer)) for answer in answers} == {
        ("This e-mail address and password do not fit together. Check both, or reset your password.",)
    }
    assert all("_auth_user_id" not in answer.client.session for answer in answers)  # type: ignore[attr-defined]


def test_an_unknown_address_costs_as_much_work_as_a_known_one(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    real = Argon2PasswordHasher.encode

    def counted(self: Argon2PasswordHasher, password: str, salt: str) -> str:
        hashed.append("encode")
        return str(real(self, password, salt))

    def verified(self: Argon2PasswordHasher, password: str, encoded: str) -> bool:
        hashed.append("verify")
        return False

    monkeypatch.setattr(Argon2PasswordHasher, "encode", counted)
    monkeypatch.setattr(Argon2PasswordHasher, "verify", verified)
    for email in (admin.email, "nobody@falcon.test"):
        with pytest.raises(SignInRefused):
            people.sign_in(email, WRONG, "192.0.2.1", NOON)
    assert hashed == ["verify", "encode"]


def test_passwords_are_kept_with_argon2id(admin: User) -> None:
    assert admin.password.startswith("argon2$argon2id$")


def test_ten_tries_then_a_wait_and_then_again(admin: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(10):
            assert try_in(admin.email, WRONG).status_code == 401
        locked = try_in(admin.email, PASSWORD)
        assert locked.status_code == 429
        assert errors_of(locked) == ["Too many tries. Wait 15 min and try again, or reset your password."]
        assert try_in("nobody@falcon.test", WRONG).status_code == 401

        clock.shift(timedelta(minutes=14, seconds=59))
        assert try_in(admin.email, PASSWORD).status_code == 429
        clock.shift(timedelta(seconds=1))
        assert try_in(admin.email, PASSWORD).status_code == 302


def test_the_lock_is_the_same_for_an_address_that_nobody_has(db: None) -> None:
    with time_machine.travel(NOON, tick=False):
        answers = [try_in("nobody@falcon.test", WRONG).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


def test_another_place_is_not_locked_by_it(admin: User) -> None:
    for _ in range(11):
        with pytest.raises((SignInRefused, TooManyTries)):
            people.sign_in(admin.email, WRONG, "192.0.2.1", NOON)
    assert people.sign_in(admin.email, PASSWORD, "192.0.2.2", NOON) == admin


def test_one_place_cannot_walk_through_a_list_of_addresses(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "authenticate", lambda *_, **__: None)
    for number in range(100):
        with pytest.raises(SignInRefused):
            people.sign_in(f"user{number}@falcon.test", WRONG, "192.0.2.1", NOON)
    with pytest.raises(TooManyTries):
        people.sign_in("user100@falcon.test", WRONG, "192.0.2.1", NOON)


def test_the_right_password_begins_the_count_anew(admin: User) -> None:
    for _ in range(9):
        with pytest.raises(SignInRefused):
            people.sign_in(admin.email, WRONG, "192.0.2.1", NOON)
    people.sign_in(admin.email, PASSWORD, "192.0.2.1", NOON)
    with pytest.raises(SignInRefused):
        people.sign_in(admin.email, WRONG, "192.0.2.1", NOON)
    assert sorted(AttemptCount.objects.values_list("purpose", "tries")) == [
        ("familiar", 0),
        ("sign_in", 1),
        # The last try came from a place that is known by then.
        ("sign_in_address", 10),
        ("sign_in_place", 11),
    ]


def test_parallel_tries_do_not_slip_past_the_limit(real_db: object) -> None:
    def once(_: int) -> bool:
        try:
            return attempts.take(SIGN_IN, "lina@falcon.test 192.0.2.1", NOON) is None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(once, range(40)))
    assert sum(allowed) == SIGN_IN.tries_max


def test_what_was_tried_is_not_readable_and_is_forgotten(db: None) -> None:
    attempts.take(SIGN_IN, "lina@falcon.test 192.0.2.1", NOON)
    row = AttemptCount.objects.get()
    assert "lina" not in row.subject
    assert attempts.forget_old(NOON + timedelta(hours=23, minutes=59)) == 0
    assert attempts.forget_old(NOON + timedelta(days=1)) == 1


def test_a_spoofed_forwarding_header_does_not_change_who_is_counted(admin: User) -> None:
    answers = [
        Client()
        .post(
            reverse("portal:login"),
            {"username": admin.email, "password": WRONG},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )
        .status_code
        for number in range(11)
    ]
    assert answers == [401] * 10 + [429]


def test_a_sign_in_is_in_the_audit_log(admin: User) -> None:
    try_in(admin.email, PASSWORD)
    entry = AuditEntry.objects.get(account_id=admin.account_id)
    assert (entry.action, entry.actor_id, entry.ip) == ("signed_in", admin.id, "127.0.0.1")


def test_whatever_else_is_posted_is_not_read(admin: User) -> None:
    before = User.objects.values().get(id=admin.id)
    more = {"role": "finance", "staff_role": "finance", "account_id": "", "is_active": "0", "id": "1"}
    assert try_in(admin.email, PASSWORD, **more).status_code == 302
    after = User.objects.values().get(id=admin.id)
    assert before | {"last_login": None} == after | {"last_login": None}


AWAY = [
    "https://evil.test/",
    "http://evil.test",
    "//evil.test",
    "///evil.test",
    "////evil.test/a",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "/%09//evil.test@evil.test:80//",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,hi",
    "https:evil.test",
    "https:/evil.test",
    "http:///evil.test",
    "evil.test",
    "@evil.test",
    "/@evil.test",
    "//evil.test\\@testserver",
    "http://testserver@evil.test",
    "https://testserver.evil.test/",
    "//testserver:80@evil.test/",
    "\x00//evil.test",
    "/\x00/evil.test",
    "\u3000//evil.test",
    "/．．//evil.test",
    "/%2f%2fevil.test",
    "/login?next=//evil.test",
]


@pytest.mark.parametrize("after", AWAY)
def test_nothing_leads_away_from_here_after_signing_in(
    admin: User, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setattr(people, "sign_in", lambda *_: admin)
    answer = try_in(admin.email, PASSWORD, after)
    if answer.status_code == 200:  # refused as a value before anybody signed in
        return
    # A browser drops tabs and line ends, and reads a backslash as a slash (WHATWG URL).
    where = (
        answer.headers["Location"].replace("\t", "").replace("\n", "").replace("\r", "").replace("\\", "/")
    )
    assert where.startswith("/")
    assert not where.startswith("//")
    assert urlsplit(where).netloc == ""
    again = Client()
    again.force_login(admin)
    shown = again.get(reverse("portal:login"), {"next": after}).headers["Location"]
    assert shown == answer.headers["Location"]


def test_the_way_back_is_taken(admin: User) -> None:
    page = reverse("portal:help_pay_now") + "?a=1&b=2"
    assert try_in(admin.email, PASSWORD, page).headers["Location"] == page
