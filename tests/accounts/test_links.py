"""One-time links work once, in time, for one person; and asking for one tells nobody who exists."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connections
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, PASSWORD, make_company, make_operator, make_user
from raseed.accounts import links, people
from raseed.accounts.links import Purpose
from raseed.accounts.models import StaffRole, User
from raseed.accounts.people import LinkOver
from raseed.audit.models import AuditEntry, OperatorAuditEntry

NEW = "a brand new long password"
PLACE = "192.0.2.1"


def parts(link: links.OneTimeLink) -> tuple[str, str]:
    """Key and token of a link."""
    key, token = urlsplit(link.url).path.split("/")[-2:]
    return key, token


def invited(email: str = "new@operator.test") -> User:
    """Somebody of the staff who has no password yet."""
    user = make_user(email, staff_role=StaffRole.SUPPORT)
    user.set_unusable_password()
    user.save()
    return user


def holds(user: User, link: links.OneTimeLink, after: timedelta) -> bool:
    """Whether the link works for the user so long after it was made."""
    return links.purpose_of(User.objects.get(id=user.id), parts(link)[1], NOON + after) is not None


def test_an_invitation_holds_72_hours_and_a_reset_one(db: None) -> None:
    second = timedelta(seconds=1)
    for user, purpose, hours in (
        (invited(), Purpose.INVITATION, 72),
        (make_user("b@x.test"), Purpose.RESET, 1),
    ):
        link = links.make(user, NOON)
        assert (link.purpose, link.until) == (purpose, NOON + timedelta(hours=hours))
        assert holds(user, link, timedelta(0))
        assert holds(user, link, timedelta(hours=hours))
        assert not holds(user, link, timedelta(hours=hours) + second)
        assert not holds(user, link, -second)


def test_a_link_is_one_persons_and_cannot_be_made_up(db: None) -> None:
    lina, omar = make_user("lina@x.test"), make_user("omar@x.test")
    key, token = parts(links.make(lina, NOON))
    stamp, _, signature = token.partition("-")
    made_up = [
        (parts(links.make(omar, NOON))[0], token),
        (key, f"{stamp}-{'0' * len(signature)}"),
        (key, f"{stamp[:-1]}0-{signature}" if stamp[-1] != "0" else f"{stamp[:-1]}1-{signature}"),
        (key, token.upper()),
        (key, signature),
        (key, stamp),
        (key, ""),
        (key, "-"),
        ("", token),
        ("%%%", token),
        ("////", token),
        ("w6k", token),
    ]
    for other_key, other_token in made_up:
        with pytest.raises(LinkOver):
            people.link_holder(other_key, other_token, NOON)
    assert people.link_holder(key, token, NOON) == (lina, Purpose.RESET)


def test_a_disabled_user_has_no_link(db: None) -> None:
    user = make_user("lina@x.test", is_active=False)
    with pytest.raises(LinkOver):
        people.link_holder(*parts(links.make(user, NOON)), NOON)


def test_signing_in_ends_a_reset_link(db: None) -> None:
    user = make_user("lina@x.test")
    link = links.make(user, NOON)
    Client().post(reverse("portal:login"), {"username": user.email, "password": PASSWORD})
    assert not holds(user, link, timedelta(0))


def test_a_link_works_once(db: None) -> None:
    admin = make_company().admin
    key, token = parts(links.make(admin, NOON))

    people.use_link(key, token, NEW, PLACE, NOON)

    with pytest.raises(LinkOver):
        people.use_link(key, token, "yet another long password", PLACE, NOON)
    fresh = User.objects.get(id=admin.id)
    assert fresh.check_password(NEW)
    assert fresh.sessions_valid_from == NOON
    entry = AuditEntry.objects.get(account_id=admin.account_id)
    assert (entry.action, entry.actor_id, entry.ip, entry.after) == ("password_set", admin.id, PLACE, {})


def test_two_who_press_at_the_same_moment_set_one_password(real_db: object) -> None:
    user = make_user("lina@x.test")
    key, token = parts(links.make(user, NOON))

    def press(number: int) -> str:
        try:
            people.use_link(key, token, f"{NEW} {number}", PLACE, NOON)
        except LinkOver:
            return ""
        else:
            return f"{NEW} {number}"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        used = [password for password in pool.map(press, range(6)) if password]
    assert len(used) == 1
    assert User.objects.get(id=user.id).check_password(used[0])
    assert OperatorAuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    "weak", ["short", "password1234", "elevenchars", "1234567890123", "lina.falcon@x.test", ""]
)
def test_a_weak_password_is_refused_and_nothing_changes(db: None, weak: str) -> None:
    user = make_user("lina.falcon@x.test")
    key, token = parts(links.make(user, NOON))
    with pytest.raises(ValidationError):
        people.use_link(key, token, weak, PLACE, NOON)
    assert User.objects.get(id=user.id).check_password(PASSWORD)
    assert people.link_holder(key, token, NOON)[0] == user


def test_the_page_takes_the_link_out_of_the_address_and_sets_the_password(db: None) -> None:
    user = invited()
    with time_machine.travel(NOON, tick=False):
        url = urlsplit(links.make(user, NOON).url).path
        client = Client()
        moved = client.get(url)
        assert moved.status_code == 302
        form_at = moved.headers["Location"]
        assert url.rsplit("/", 1)[-1] not in form_at

        shown = client.get(form_at)
        assert shown.status_code == 200
        assert shown.context["first_time"] is True
        differ = client.post(form_at, {"new_password1": NEW, "new_password2": NEW + "!"})
        assert differ.context["form"].errors == {
            "new_password2": ["The two passwords differ. Type the same one twice."]
        }
        weak = client.post(form_at, {"new_password1": "short", "new_password2": "short"})
        assert list(weak.context["form"].errors) == ["new_password1"]
        assert not User.objects.get(id=user.id).has_usable_password()

        more = {"staff_role": "finance", "account_id": "x", "email": "evil@x.test", "is_active": "0"}
        done = client.post(form_at, {"new_password1": NEW, "new_password2": NEW, **more})
        assert done.headers["Location"] == reverse("portal:password_set_done")
        assert client.get(done.headers["Location"]).status_code == 200
        assert "_auth_user_id" not in client.session

        fresh = User.objects.get(id=user.id)
        assert fresh.check_password(NEW)
        assert (fresh.staff_role, fresh.account_id, fresh.email) == ("support", None, user.email)
        for again in (client.get(url), client.get(form_at), Client().get(form_at)):
            assert again.status_code == 410


def test_asking_for_a_reset_says_the_same_to_all_and_queues_the_same(db: None) -> None:
    make_operator()
    known = make_user("lina@x.test")
    answers = [
        Client().post(reverse("portal:password_reset"), {"email": email})
        for email in ("Lina@X.test", "nobody@x.test")
    ]
    assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {
        (302, reverse("portal:password_reset_sent"))
    }
    jobs = ProcrastinateJob.objects.order_by("id")
    assert [job.task_name for job in jobs] == ["notifications.mail_password_reset"] * 2
    assert jobs[0].args == {"user_id": str(known.id)}
    assert set(jobs[1].args) == {"user_id"}
    assert not User.objects.filter(id=jobs[1].args["user_id"]).exists()


def test_a_reset_is_asked_three_times_an_hour_and_says_the_same_after(db: None) -> None:
    user = make_user("lina@x.test")
    with time_machine.travel(NOON, tick=False) as clock:
        ask = lambda: Client().post(reverse("portal:password_reset"), {"email": user.email})  # noqa: E731
        answers = [ask() for _ in range(5)]
        assert {answer.headers["Location"] for answer in answers} == {reverse("portal:password_reset_sent")}
        assert ProcrastinateJob.objects.count() == 3
        clock.shift(timedelta(hours=1))
        ask()
        assert ProcrastinateJob.objects.count() == 4


def test_a_bad_address_says_what_would_be_right(db: None) -> None:
    for typed, said in (
        ("", "Enter your e-mail address, for example lina@example.com."),
        ("lina@", "Enter a whole e-mail address, for example lina@example.com."),
    ):
        answer = Client().post(reverse("portal:password_reset"), {"email": typed})
        assert answer.context["form"].errors == {"email": [said]}
    assert not ProcrastinateJob.objects.exists()
