"""The pages: no way round the second step, staff without a factor see nothing, delicate acts need a fresh proof."""

from base64 import b32decode
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.test_access import address, routes
from factors import code_at, give_app, password_typed, prove_now
from people import NOON, PASSWORD, make_company, make_operator, make_user
from raseed.accounts import links, people
from raseed.accounts.access import NEEDS_FRESH_PROOF, ROUTES, WITHOUT_FACTOR, Action, Role, may
from raseed.accounts.factors import held
from raseed.accounts.factors.models import RecoveryCode
from raseed.accounts.models import StaffRole, User
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry

pytestmark = pytest.mark.usefixtures("cheap_hashes")

LOGIN, SECOND, CONFIRM, SECURITY = "/login", "/login/second", "/confirm", "/profile/security"
BALANCE = "/settings/billing/balance"


@pytest.fixture
def clock(db: None) -> Iterator[time_machine.Traveller]:
    make_operator()
    with time_machine.travel(NOON, tick=False) as moving:
        yield moving


@pytest.fixture
def admin(clock: time_machine.Traveller) -> User:
    return make_company().admin


@pytest.fixture
def support(clock: time_machine.Traveller, settings: Settings) -> User:
    settings.STAFF_SECOND_FACTOR_REQUIRED = True
    return make_user("support@operator.test", staff_role=StaffRole.SUPPORT)


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def goes(answer: HttpResponse) -> str:
    assert answer.status_code == 302, answer.content
    return answer.headers["Location"]


def signed_in(user: User) -> Client:
    client = password_typed(user)
    assert is_in(client)
    return client


def acts(user: User) -> list[tuple[str, object]]:
    kept = AuditEntry.objects.filter(account_id=user.account_id).order_by("id")
    return [(entry.action, entry.after.get("by")) for entry in kept]


# -- the second step


def test_the_password_alone_opens_nothing_and_the_code_opens_all(
    admin: User, clock: time_machine.Traveller
) -> None:
    secret, _ = give_app(admin, NOON)
    clock.shift(timedelta(minutes=1))
    client = Client()
    client.get(LOGIN)
    password_typed(admin, client, after="/settings/billing/invoices")
    half = client.session.session_key
    assert not is_in(client)
    for name, access in ROUTES.items():
        if isinstance(access, Action):
            assert goes(client.get(address(name))).startswith(LOGIN), name
    assert acts(admin)[1:] == []

    page = client.get(SECOND)
    assert b'name="code"' in page.content
    assert b'type="password"' not in page.content
    answer = client.post(SECOND, {"way": "app", "code": code_at(secret, timezone.now())})

    assert goes(answer) == "/settings/billing/invoices"
    assert is_in(client)
    assert client.session.session_key != half
    assert acts(admin)[1:] == [("signed_in", "authenticator_app")]
    thief = Client()
    thief.cookies["sessionid"] = half
    assert goes(thief.get(BALANCE)).startswith(LOGIN)
    assert goes(thief.get(SECOND)) == "/"


def test_the_password_is_no_second_step_and_neither_is_nothing(admin: User) -> None:
    give_app(admin, NOON)
    client = password_typed(admin)
    for typed in (
        {"way": "password", "password": PASSWORD},
        {"way": "passkey", "answer": "{}"},
        {"way": ""},
        {},
        {"way": "app", "code": ""},
        {"way": "app", "code": "000000", "password": PASSWORD},
        {"way": "recovery", "recovery_code": "AAAA-AAAA-AAAA"},
    ):
        answer = client.post(SECOND, typed)
        assert answer.status_code in {200, 400}, typed
        assert not is_in(client), typed
    assert acts(admin)[1:] == []


def test_nobody_comes_to_the_second_step_without_the_first(admin: User) -> None:
    secret, _ = give_app(admin, NOON)
    client = Client()
    assert goes(client.get(SECOND)) == "/"
    later = code_at(secret, NOON + timedelta(seconds=30))
    assert goes(client.post(SECOND, {"way": "app", "code": later})) == "/"
    assert not is_in(client)


def test_the_second_step_waits_ten_minutes_and_not_past_a_new_password(
    admin: User, clock: time_machine.Traveller
) -> None:
    secret, _ = give_app(admin, NOON)
    slow, robbed = password_typed(admin), password_typed(admin)
    people.set_password(User.objects.get(id=admin.id), "another long password", Who(None, "self"), NOON)
    clock.shift(timedelta(minutes=9))
    now = code_at(secret, timezone.now())
    assert goes(robbed.post(SECOND, {"way": "app", "code": now})) == "/"
    people.set_password(User.objects.get(id=admin.id), PASSWORD, Who(None, "self"), NOON)
    slow = password_typed(User.objects.get(id=admin.id))
    clock.shift(timedelta(minutes=10, seconds=1))
    assert goes(slow.post(SECOND, {"way": "app", "code": code_at(secret, timezone.now())})) == "/"
    assert not is_in(robbed)
    assert not is_in(slow)


def test_a_password_reset_does_not_go_round_it(admin: User) -> None:
    give_app(admin, NOON)
    url = links.make(admin, NOON).url.removeprefix("http://localhost:8000")
    client = Client()
    form = goes(client.get(url))
    new = "a wholly new password"
    assert goes(client.post(form, {"new_password1": new, "new_password2": new})) == "/password/done"
    answer = client.post(LOGIN, {"username": admin.email, "password": new})
    assert goes(answer) == SECOND
    assert not is_in(client)
    assert held.of(admin.id).count == 1


def test_a_recovery_code_signs_in(admin: User) -> None:
    _, shown = give_app(admin, NOON)
    client = password_typed(admin)
    assert goes(client.post(SECOND, {"way": "recovery", "recovery_code": shown[0]})) == BALANCE
    assert acts(admin)[1:] == [("signed_in", "recovery_code")]
    assert RecoveryCode.objects.filter(user_id=admin.id, used_at=NOON).count() == 1


def test_the_lock_is_told(admin: User) -> None:
    give_app(admin, NOON)
    client = password_typed(admin)
    answers = [client.post(SECOND, {"way": "app", "code": "000000"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [400] * 5 + [429]
    assert "Wait 15 min" in answers[-1].content.decode()


# -- staff


def test_staff_without_a_factor_set_one_up_and_do_nothing_else(
    support: User, clock: time_machine.Traveller
) -> None:
    client = Client()
    answer = client.post(LOGIN, {"username": support.email, "password": PASSWORD})
    assert goes(answer) == SECURITY
    for name, access in ROUTES.items():
        if not isinstance(access, Action):
            continue
        for answer in (client.get(address(name)), client.post(address(name), {})):
            if access not in WITHOUT_FACTOR:
                assert goes(answer) == SECURITY, name
    fragment = client.get(reverse("backoffice:accounts"), headers={"HX-Request": "true"})
    assert fragment.headers["HX-Redirect"] == SECURITY
    page = client.get(SECURITY).content.decode()
    assert "Staff sign in with a second factor" in page
    assert "/backoffice/" not in page

    secret, _ = give_app(support, NOON)
    clock.shift(timedelta(minutes=1))
    client = password_typed(support)
    assert goes(client.post(SECOND, {"way": "app", "code": code_at(secret, timezone.now())})) == reverse(
        "backoffice:accounts"
    )
    assert client.get(reverse("backoffice:accounts")).status_code == 200
    assert client.post(reverse("portal:app_remove"), follow=True).status_code == 200
    assert held.of(support.id).count == 1


def test_the_demos_staff_sign_in_with_the_password_alone(support: User, settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR_REQUIRED = False
    assert signed_in(support).get(reverse("backoffice:accounts")).status_code == 200


# -- fresh proof


def test_every_action_that_must_be_fresh_is_and_the_old_proof_moves_nothing(
    admin: User, clock: time_machine.Traveller
) -> None:
    finance = make_user("finance@operator.test", staff_role=StaffRole.FINANCE)
    clients = {Role.ADMIN: signed_in(admin), Role.FINANCE: signed_in(finance)}
    clock.shift(timedelta(minutes=6))
    before = acts(admin)
    marked = [name for name, access in ROUTES.items() if access in NEEDS_FRESH_PROOF]
    assert len(marked) >= 13
    for name in marked:
        url = address(name)
        access = ROUTES[name]
        assert isinstance(access, Action)
        client = next(one for role, one in clients.items() if may(role, access))
        assert goes(client.get(url)) == f"{CONFIRM}?next={url.replace('/', '%2F')}", name
        assert goes(client.post(url, {})) == CONFIRM, name
        from_page = client.post(url, {}, headers={"Referer": f"http://testserver{SECURITY}?a=1"})
        assert goes(from_page) == f"{CONFIRM}?next=%2Fprofile%2Fsecurity%3Fa%3D1", name
        from_away = client.post(url, {}, headers={"Referer": "https://evil.test/settings"})
        assert goes(from_away) == CONFIRM, name
    assert acts(admin) == before
    assert held.of(admin.id).count == 0


@pytest.mark.parametrize(("age", "is_fresh"), [(timedelta(minutes=4), True), (timedelta(minutes=6), False)])
def test_four_minutes_are_fresh_and_six_are_not(
    admin: User, clock: time_machine.Traveller, age: timedelta, is_fresh: bool
) -> None:
    client = signed_in(admin)
    clock.shift(age)
    answer = client.get(reverse("portal:app_add"))
    assert (answer.status_code == 200) == is_fresh
    assert is_fresh or goes(answer).startswith(CONFIRM)


def test_a_session_that_never_proved_anything_is_asked(admin: User) -> None:
    client = Client()
    client.force_login(admin)
    assert goes(client.get(reverse("portal:app_add"))).startswith(CONFIRM)
    prove_now(client, NOON)
    assert client.get(reverse("portal:app_add")).status_code == 200


def test_who_has_no_factor_confirms_by_password_under_a_new_session_id(
    admin: User, clock: time_machine.Traveller
) -> None:
    client = signed_in(admin)
    clock.shift(timedelta(minutes=6))
    old = client.session.session_key
    way_back = {"next": reverse("portal:app_add")}
    wrong = client.post(CONFIRM, {"way": "password", "password": "wrong", **way_back})
    assert wrong.status_code == 400
    assert client.session.session_key == old
    assert goes(client.get(way_back["next"])).startswith(CONFIRM)

    answer = client.post(CONFIRM, {"way": "password", "password": PASSWORD, **way_back})

    assert goes(answer) == way_back["next"]
    assert client.session.session_key != old
    assert client.get(way_back["next"]).status_code == 200
    thief = Client()
    thief.cookies["sessionid"] = old
    assert goes(thief.get(BALANCE)).startswith(LOGIN)
    assert acts(admin) == [("signed_in", "password"), ("identity_confirmed", "password")]


def test_who_has_a_factor_confirms_with_it_and_not_by_password(
    admin: User, clock: time_machine.Traveller
) -> None:
    secret, _ = give_app(admin, NOON)
    client = Client()
    client.force_login(admin)
    clock.shift(timedelta(minutes=6))
    refused = client.post(CONFIRM, {"way": "password", "password": PASSWORD, "next": SECURITY})
    assert refused.status_code == 200
    assert goes(client.get(reverse("portal:passkey_add"))).startswith(CONFIRM)
    done = client.post(CONFIRM, {"way": "app", "code": code_at(secret, timezone.now()), "next": SECURITY})
    assert goes(done) == SECURITY
    assert client.get(reverse("portal:passkey_add")).status_code == 200
    assert acts(admin)[1:] == [("identity_confirmed", "authenticator_app")]


def test_confirming_leads_nowhere_else(admin: User) -> None:
    client = signed_in(admin)
    for away in ("https://evil.test/", "//evil.test", "/\\evil.test"):
        shown = client.get(CONFIRM, {"next": away}).content.decode()
        assert "evil.test" not in shown
        answer = client.post(CONFIRM, {"way": "password", "password": PASSWORD, "next": away})
        assert goes(answer) == BALANCE


# -- the person's own page


def test_an_app_is_set_up_by_its_shown_secret_and_other_sessions_end(
    admin: User, clock: time_machine.Traveller
) -> None:
    other, client = signed_in(admin), signed_in(admin)
    clock.shift(timedelta(minutes=1))
    url = reverse("portal:app_add")
    page = client.get(url)
    sealed, secret = page.context["secret"], page.context["typed"]
    wrong = client.post(url, {"secret": sealed, "code": "000000"})
    assert (wrong.status_code, wrong.context["secret"]) == (400, sealed)
    assert held.of(admin.id).count == 0
    before = client.session.session_key

    raw = b32decode(secret.replace("-", ""))
    done = client.post(url, {"secret": sealed, "code": code_at(raw, timezone.now())})

    codes = done.context["codes"]
    assert len(codes) == 10
    assert all(code in done.content.decode() for code in codes)
    assert client.session.session_key != before
    shown = client.get(SECURITY).content.decode()
    assert "You have 10 unused codes." in shown
    assert not any(code in shown for code in codes)
    assert goes(other.get(BALANCE)).startswith(LOGIN)

    assert goes(client.post(reverse("portal:app_remove"))) == SECURITY
    assert held.of(admin.id).count == 0
    assert client.get(SECURITY).status_code == 200


def test_a_set_up_page_that_is_too_old_or_not_ours_gives_a_new_code(
    admin: User, clock: time_machine.Traveller
) -> None:
    client = signed_in(admin)
    url = reverse("portal:app_add")
    for sealed in ("", "nonsense", "gAAAAA" * 10):
        answer = client.post(url, {"secret": sealed, "code": "123456"})
        assert answer.status_code == 410
        assert answer.context["secret"] not in {"", sealed}
    assert held.of(admin.id).count == 0


def test_looking_changes_nothing(admin: User) -> None:
    client = signed_in(admin)
    session = dict(client.session)
    for name, route in routes():
        if name.startswith("portal:") and "security" in str(route.pattern):
            client.get(address(name))
    assert dict(client.session) == session
    assert held.of(admin.id).count == 0
