"""Limits on guessing: no crowd slips past one, none locks a person out for good, and strangers lock nobody out."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.db import connections

from people import NOON, PASSWORD, make_company, make_operator
from raseed.accounts import attempts, links, people
from raseed.accounts.attempts import PASSWORD_CHANGE, SIGN_IN, SIGN_IN_ADDRESS, Limit
from raseed.accounts.models import AttemptCount, User
from raseed.accounts.people import SignInRefused, TooManyTries, WrongPassword
from raseed.errors import RaseedError

NEW = "a brand new long password"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.9"
CROWD = 8


@pytest.fixture
def admin(db: None) -> User:
    make_operator()
    return make_company().admin


@pytest.fixture
def real_admin(real_db: object) -> User:
    make_operator()
    return make_company().admin


def outcome(user: User, password: str, ip: str = HOME, now: datetime = NOON) -> str:
    """What signing in comes to."""
    try:
        people.sign_in(user.email, password, ip, now)
    except RaseedError as refusal:
        return refusal.code
    return "in"


def crowd_changes_password(user: User) -> list[str]:
    """What each of a crowd gets that tries to change the password at the same moment, with a wrong one."""
    together = Barrier(CROWD)

    def once(number: int) -> str:
        try:
            together.wait(30)
            people.change_password(user.id, f"guess number {number}", NEW, HOME, NOON)
        except RaseedError as refusal:
            return refusal.code
        else:
            return "changed"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(CROWD) as pool:
        return sorted(pool.map(once, range(CROWD)))


def test_a_crowd_gets_as_many_guesses_as_one(real_admin: User) -> None:
    looked_at = PASSWORD_CHANGE.tries_max
    assert crowd_changes_password(real_admin) == ["password_wrong"] * looked_at + ["too_many_tries"] * (
        CROWD - looked_at
    )
    assert User.objects.get(id=real_admin.id).check_password(PASSWORD)


def test_a_count_that_is_read_before_it_is_written_lets_the_crowd_through(
    real_admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test above."""
    all_have_read = Barrier(CROWD)

    def careless(limit: Limit, subject: str, now: datetime) -> timedelta | None:
        there = AttemptCount.objects.filter(purpose=limit.purpose, subject=subject).first()
        tries = there.tries if there else 0
        all_have_read.wait(30)
        AttemptCount.objects.update_or_create(
            purpose=limit.purpose, subject=subject, defaults={"began_at": now, "tries": tries + 1}
        )
        return limit.window if tries >= limit.tries_max else None

    monkeypatch.setattr(attempts, "take", careless)
    assert crowd_changes_password(real_admin) == ["password_wrong"] * CROWD


def test_the_right_password_does_not_help_while_the_door_is_shut_and_it_opens_again(admin: User) -> None:
    for _ in range(PASSWORD_CHANGE.tries_max):
        with pytest.raises(WrongPassword):
            people.change_password(admin.id, "wrong", NEW, HOME, NOON)
    with pytest.raises(TooManyTries) as refused:
        people.change_password(admin.id, PASSWORD, NEW, HOME, NOON + timedelta(minutes=5))
    assert str(refused.value.message).startswith("Too many tries. Wait 10 min and try again")
    assert User.objects.get(id=admin.id).check_password(PASSWORD)

    people.change_password(admin.id, PASSWORD, NEW, HOME, NOON + PASSWORD_CHANGE.window)
    assert User.objects.get(id=admin.id).check_password(NEW)


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are not hashed: these tests try hundreds, and are about the counts alone."""

    def authenticate(_request: object, username: str, password: str) -> User | None:
        return User.objects.filter(email=username).first() if password == PASSWORD else None

    monkeypatch.setattr(people, "authenticate", authenticate)


def test_a_reset_by_mail_opens_the_door_at_once(admin: User, swift: None) -> None:
    for _ in range(SIGN_IN.tries_max):
        assert outcome(admin, "wrong") == "sign_in_refused"
    assert outcome(admin, PASSWORD) == "too_many_tries"

    key, token = links.make(admin, NOON).url.split("/")[-2:]
    people.use_link(key, token, PASSWORD, HOME, NOON)
    assert outcome(admin, PASSWORD) == "in"


def test_strangers_from_many_places_lock_nobody_out_at_home(admin: User, swift: None) -> None:
    assert outcome(admin, PASSWORD) == "in"
    for number in range(SIGN_IN_ADDRESS.tries_max - 1):
        assert outcome(admin, "wrong", f"203.0.113.{number}") == "sign_in_refused"
    assert outcome(admin, "wrong", ELSEWHERE) == "too_many_tries"
    assert outcome(admin, PASSWORD, ELSEWHERE) == "too_many_tries"
    assert outcome(admin, PASSWORD) == "in"
    # Nor for good anywhere else.
    assert outcome(admin, PASSWORD, ELSEWHERE, NOON + SIGN_IN_ADDRESS.window) == "in"


def test_one_place_alone_cannot_use_up_what_all_have(admin: User, swift: None) -> None:
    for _ in range(SIGN_IN_ADDRESS.tries_max):
        outcome(admin, "wrong", ELSEWHERE)
    used = AttemptCount.objects.get(purpose=SIGN_IN_ADDRESS.purpose).tries
    assert used == SIGN_IN.tries_max
    assert outcome(admin, PASSWORD) == "in"


def test_one_household_of_ipv6_is_one_place(admin: User, swift: None) -> None:
    for number in range(SIGN_IN.tries_max):
        assert outcome(admin, "wrong", f"2001:db8:1:2::{number + 1:x}") == "sign_in_refused"
    assert outcome(admin, PASSWORD, "2001:db8:1:2:ffff::1") == "too_many_tries"
    assert outcome(admin, PASSWORD, "2001:db8:1:3::1") == "in"


def test_a_place_is_known_for_thirty_days(admin: User, swift: None) -> None:
    outcome(admin, PASSWORD)
    subject = f"{admin.email} {HOME}"
    last = NOON + timedelta(days=30)
    assert attempts.is_familiar(subject, last - timedelta(seconds=1))
    assert not attempts.is_familiar(subject, last)
    assert HOME not in AttemptCount.objects.get(purpose="familiar").subject
    attempts.forget_old(last - timedelta(seconds=1))
    assert [row.purpose for row in AttemptCount.objects.all()] == ["familiar"]
    assert attempts.forget_old(last) == 1


def test_every_limit_ends_within_the_day_after_which_counts_are_forgotten() -> None:
    limits = [limit for limit in vars(attempts).values() if isinstance(limit, Limit)]
    assert len({limit.purpose for limit in limits}) == len(limits) >= 8
    assert max(limit.window for limit in limits) == attempts.WINDOW_MAX


def test_signing_in_counts_a_refusal_even_of_a_stranger(real_db: object) -> None:
    with pytest.raises(SignInRefused):
        people.sign_in("nobody@falcon.test", "wrong", HOME, NOON)
    assert set(AttemptCount.objects.values_list("purpose", flat=True)) == {
        "sign_in",
        "sign_in_place",
        "sign_in_address",
    }
