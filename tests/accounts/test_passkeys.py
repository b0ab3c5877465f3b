"""Passkeys: one signs in alone; whatever is not exactly right proves nothing and opens nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from authenticator import PRESENT, SoftPasskey, b64
from factors import password_typed, prove_now
from people import NOON, make_company, make_operator, make_user
from raseed.accounts import attempts
from raseed.accounts.factors.models import Passkey
from raseed.accounts.models import StaffRole, User
from raseed.audit.models import AuditEntry

pytestmark = pytest.mark.usefixtures("cheap_hashes")

ADD, QUESTION, SIGN_IN = "portal:passkey_add", "portal:passkey_question", "portal:passkey_sign_in"


@pytest.fixture
def clock(db: None) -> Iterator[time_machine.Traveller]:
    make_operator()
    with time_machine.travel(NOON, tick=False) as moving:
        yield moving


@pytest.fixture
def admin(clock: time_machine.Traveller) -> User:
    return make_company().admin


@pytest.fixture
def passkey(admin: User) -> SoftPasskey:
    """A passkey that the Admin has added."""
    return added(admin)


def just_in(user: User) -> Client:
    """A browser in which the user has just proved who they are."""
    client = Client()
    client.force_login(user)
    prove_now(client, NOON)
    return client


def question(client: Client, name: str = QUESTION) -> dict[str, Any]:
    answer = client.post(reverse(name))
    assert answer.status_code == 200
    return answer.json()


def add(client: Client, key: SoftPasskey, **form: str) -> int:
    said = key.make(question(client, "portal:passkey_make"))
    return client.post(reverse(ADD), {"name": "my phone", "answer": said, **form}).status_code


def added(user: User, key: SoftPasskey | None = None) -> SoftPasskey:
    key = key or SoftPasskey()
    assert add(just_in(user), key) == 200  # the page with the first recovery codes
    return key


def sign_in(client: Client, answer: str, after: str = "") -> tuple[int, bool]:
    """The status of the answer, and whether somebody is in."""
    got = client.post(reverse(SIGN_IN), {"answer": answer, "next": after})
    return got.status_code, "_auth_user_id" in client.session


def test_a_passkey_signs_in_alone(admin: User, passkey: SoftPasskey) -> None:
    client = Client()
    asked = question(client)
    assert asked["userVerification"] == "required"
    assert asked["rpId"] == "localhost"
    assert not asked.get("allowCredentials")
    old = client.session.session_key

    got = client.post(reverse(SIGN_IN), {"answer": passkey.prove(asked), "next": "/home"})

    assert (got.status_code, got.headers["Location"]) == (302, "/home")
    assert client.session.session_key != old
    assert client.get(reverse("portal:balance")).status_code == 200
    assert client.get(reverse("portal:app_add")).status_code == 200  # a sign-in is a fresh proof
    row = Passkey.objects.get(user_id=admin.id)
    assert (row.signature_count, row.last_used_at, row.name) == (1, NOON, "my phone")
    entry = AuditEntry.objects.filter(account_id=admin.account_id).last()
    assert entry is not None
    assert (entry.action, entry.after) == ("signed_in", {"by": "passkey"})


def test_a_passkey_is_a_second_step_too_and_a_proof(
    admin: User, passkey: SoftPasskey, clock: time_machine.Traveller
) -> None:
    client = password_typed(admin)
    asked = question(client)
    assert [one["id"] for one in asked["allowCredentials"]] == [b64(passkey.id)]
    answer = {"way": "passkey", "answer": passkey.prove(asked)}
    assert client.post(reverse("portal:second_factor"), answer).status_code == 302
    clock.shift(timedelta(minutes=6))
    confirm = reverse("portal:confirm")
    assert client.get(reverse(ADD)).headers["Location"].startswith(confirm)
    answer = {"way": "passkey", "answer": passkey.prove(question(client, "portal:confirm_question"))}
    assert client.post(confirm, {**answer, "next": reverse(ADD)}).headers["Location"] == reverse(ADD)
    assert client.get(reverse(ADD)).status_code == 200


def test_what_is_not_right_opens_nothing(
    admin: User, passkey: SoftPasskey, clock: time_machine.Traveller
) -> None:
    right = {"origin": passkey.origin, "rp_id": passkey.rp_id, "flags": passkey.flags, "id": passkey.id}
    wrong: dict[str, object] = {
        "origin": "http://localhost:8001",
        "rp_id": "evil.test",
        "flags": PRESENT,  # not verified
        "id": b"somebody else's.",
    }
    for name, value in wrong.items():
        setattr(passkey, name, value)
        client = Client()
        assert sign_in(client, passkey.prove(question(client))) == (400, False), name
        setattr(passkey, name, right[name])

    other = make_user("other@falcon.test")
    client = Client()
    stolen = passkey.prove(question(client), userHandle=b64(other.id.bytes))
    assert sign_in(client, stolen) == (400, False)
    assert sign_in(client, passkey.prove(question(client), signature=b64(b"0" * 70))) == (400, False)

    asked = question(client)
    assert sign_in(Client(), passkey.prove(asked)) == (400, False), "another browser's challenge"
    late = passkey.prove(asked)
    clock.shift(timedelta(minutes=5, seconds=1))
    assert sign_in(client, late) == (400, False), "too late"

    answer = passkey.prove(question(client))
    assert sign_in(client, "{}") == (400, False)
    assert sign_in(client, answer) == (400, False), "its challenge was answered"
    assert Passkey.objects.get(user_id=admin.id).signature_count == 0


def test_a_challenge_for_making_proves_nothing(admin: User, passkey: SoftPasskey) -> None:
    client = password_typed(admin)
    answer = {"way": "passkey", "answer": passkey.prove(question(client))}
    client.post(reverse("portal:second_factor"), answer)
    client_of_making = passkey.prove(question(client, "portal:passkey_make"))
    got = client.post(reverse("portal:confirm"), {"way": "passkey", "answer": client_of_making})
    assert got.status_code == 400


def test_an_answer_works_once_and_a_count_that_goes_back_is_refused(
    admin: User, passkey: SoftPasskey
) -> None:
    passkey.count = 6
    client = Client()
    answer = passkey.prove(question(client))
    assert sign_in(client, answer) == (302, True)
    client.logout()
    assert sign_in(client, answer) == (400, False)
    for count in (6, 2):  # the same again, and less
        passkey.count = count
        assert sign_in(client, passkey.prove(question(client))) == (400, False)
    assert Passkey.objects.get(user_id=admin.id).signature_count == 7


def test_a_passkey_that_never_counts_is_taken(admin: User) -> None:
    passkey = added(admin)
    for _ in range(2):
        passkey.count = -1
        client = Client()
        assert sign_in(client, passkey.prove(question(client))) == (302, True)


def test_a_disabled_person_and_a_removed_passkey_open_nothing(admin: User, passkey: SoftPasskey) -> None:
    User.objects.filter(id=admin.id).update(is_active=False)
    client = Client()
    assert sign_in(client, passkey.prove(question(client))) == (400, False)
    User.objects.filter(id=admin.id).update(is_active=True)
    Passkey.objects.all().delete()
    assert sign_in(client, passkey.prove(question(client))) == (400, False)


def test_another_persons_passkey_confirms_nothing(admin: User, passkey: SoftPasskey) -> None:
    other = make_company("Hawk").admin
    theirs = added(other)
    client = password_typed(admin)
    answer = {"way": "passkey", "answer": theirs.prove(question(client))}
    assert client.post(reverse("portal:second_factor"), answer).status_code == 400
    assert "_auth_user_id" not in client.session


JUNK = [
    "", "null", "[]", "1", '"x"', "{", "{}", '{"id":1}', '{"id":"a","rawId":"b","response":{}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"AA","authenticatorData":"AA","signature":"AA"}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}',
    "[" * 5000, "x" * 30_000, '{"id":"é","rawId":"é","response":{"clientDataJSON":null}}',
]  # fmt: skip


def test_junk_is_refused(admin: User) -> None:
    stranger, client = Client(), just_in(admin)
    for junk in JUNK:
        question(stranger)
        assert sign_in(stranger, junk) == (400, False), junk[:80]
        question(client, "portal:passkey_make")
        assert client.post(reverse(ADD), {"name": "x", "answer": junk}).status_code == 400, junk[:80]
    assert not Passkey.objects.exists()


def test_a_passkey_of_another_site_or_without_the_person_is_not_kept(admin: User) -> None:
    client = just_in(admin)
    for wrong in (
        SoftPasskey(origin="https://evil.test"),
        SoftPasskey(rp_id="evil.test"),
        SoftPasskey(flags=PRESENT),
    ):
        assert add(client, wrong) == 400, wrong
    assert not Passkey.objects.exists()


def test_one_passkey_is_one_persons_and_is_there_once(admin: User, passkey: SoftPasskey) -> None:
    other = make_company("Hawk").admin
    assert add(just_in(other), passkey) == 409
    assert list(Passkey.objects.values_list("user_id", flat=True)) == [admin.id]


def test_the_name_is_asked_for(admin: User) -> None:
    client = just_in(admin)
    assert add(client, SoftPasskey(), name=" ") == 400
    assert add(client, SoftPasskey(), name="x" * 61) == 400
    assert not Passkey.objects.exists()


def test_a_passkey_is_renamed_and_removed(admin: User, passkey: SoftPasskey) -> None:
    client = Client()
    sign_in(client, passkey.prove(question(client)))
    row = Passkey.objects.get(user_id=admin.id)
    hostile = "<b>مفتاح</b>"
    client.post(reverse("portal:passkey_rename", args=[row.id]), {"name": hostile})
    page = client.get(reverse("portal:security")).content.decode()
    assert "&lt;b&gt;مفتاح&lt;/b&gt;" in page
    assert hostile not in page
    client.post(reverse("portal:passkey_rename", args=[row.id]), {"name": ""})
    row.refresh_from_db()
    assert row.name == hostile
    assert client.post(reverse("portal:passkey_remove", args=[row.id])).status_code == 302
    assert not Passkey.objects.exists()
    acts = [one.action for one in AuditEntry.objects.filter(account_id=admin.account_id).order_by("id")]
    assert acts == ["passkey_added", "signed_in", "passkey_renamed", "passkey_removed"]


def test_a_stranger_changes_nothing_of_it(admin: User, passkey: SoftPasskey) -> None:
    row = Passkey.objects.get(user_id=admin.id)
    client = just_in(make_company("Hawk").admin)
    for name in ("portal:passkey_rename", "portal:passkey_remove"):
        assert client.post(reverse(name, args=[row.id]), {"name": "mine"}).status_code == 404
    row.refresh_from_db()
    assert row.name == "my phone"


def test_staff_are_in_with_a_passkey_alone(clock: time_machine.Traveller, settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR_REQUIRED = True
    support = make_user("support@operator.test", staff_role=StaffRole.SUPPORT)
    passkey = added(support)
    client = Client()
    assert sign_in(client, passkey.prove(question(client))) == (302, True)
    assert client.get(reverse("backoffice:accounts")).status_code == 200


def test_strangers_cannot_make_us_keep_sessions_without_end(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "PASSKEY_PLACE", replace(attempts.PASSKEY_PLACE, tries_max=3))
    answers = [Client().post(reverse(QUESTION)).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    before = Session.objects.count()
    assert Client().post(reverse(SIGN_IN), {"answer": "{}"}).status_code == 400
    assert Session.objects.count() == before


def test_the_origin_is_that_of_the_portal_without_the_usual_port(settings: Settings, admin: User) -> None:
    settings.PUBLIC_URL = "https://billing.example.com:443"
    key = SoftPasskey(origin="https://billing.example.com", rp_id="billing.example.com")
    assert add(just_in(admin), key) == 200
