"""The pages of users, settings, profile and Home: who sees what, what is refused and with which words."""

from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, Company, make_company, make_user
from raseed.accounts.models import Account, Membership, Operator, User
from raseed.audit.models import AuditEntry
from raseed.balance import suspension
from raseed.balance.models import Reason
from raseed.portal import people_reading

NEW_USER = {"name": "Omar", "email": "Omar@Falcon.test", "role": "agent", "language": "ar"}


def add(company: Company, role: str, name: str = "Omar") -> User:
    user = make_user(f"{uuid4().hex[:8]}@falcon.test", name, account=company.account)
    Membership.objects.create(account=company.account, user_id=user.id, role=role)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def at(user: User, act: str) -> str:
    return reverse(f"portal:user{act}", args=[user.id])


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


def entries(company: Company) -> list[str]:
    rows = AuditEntry.objects.filter(account_id=company.account.id).order_by("id")
    return [f"{row.action} {row.ip}" for row in rows]


def test_an_admin_looks_after_a_user_from_the_invitation_to_the_end(company: Company, admin: Client) -> None:
    made = admin.post(reverse("portal:user_new"), NEW_USER | {"account_id": "x", "is_active": "0", "staff_role": "finance"})  # fmt: skip
    assert made.headers["Location"] == reverse("portal:users")
    user = User.objects.get(email="omar@falcon.test")
    assert (user.account_id, user.staff_role, user.is_active) == (company.account.id, "", True)
    listed = text(admin.get(reverse("portal:users")))
    assert "An invitation is on its way to omar@falcon.test." in listed
    assert [listed.count(word) for word in ("Invited", "Never", 'class="tag">You<')] == [1, 1, 1]

    shown = admin.get(at(user, ""))
    assert "On its way." in text(shown)
    steps = [
        (at(user, "_invite"), {}),
        (at(user, "_role"), {"role": "supervisor", "seen": "agent"}),
        (at(user, "_disable"), {}),
        (at(user, "_enable"), {}),
    ]
    for url, form in steps:
        assert admin.get(url).status_code == 405
        assert admin.post(url, form).headers["Location"] == at(user, "")
    assert entries(company) == [
        f"{act} 127.0.0.1"
        for act in ("user_added", "invited", "role_changed", "user_disabled", "user_enabled")
    ]
    assert Membership.objects.get(account_id=company.account.id, user_id=user.id).role == "supervisor"


@pytest.mark.parametrize(
    ("wrong", "field", "status"),
    [
        ({"email": "omar"}, "email", 422),
        ({"name": " "}, "name", 422),
        ({"role": "owner"}, "role", 422),
        ({"role": "finance"}, "role", 422),
        ({"role": ""}, "role", 422),
        ({"language": "xx"}, "language", 422),
        ({"email": "THEIRS"}, "email", 409),
        ({"email": "OURS"}, "email", 409),
    ],
)
def test_a_wrong_invitation_is_said_at_its_field(
    company: Company, admin: Client, wrong: dict[str, str], field: str, status: int
) -> None:
    taken = {"THEIRS": make_company("Hawk").admin.email, "OURS": company.admin.email}
    typed = {key: taken.get(value, value) for key, value in wrong.items()}
    before = User.objects.count()
    answer = admin.post(reverse("portal:user_new"), NEW_USER | typed)
    assert answer.status_code == status
    assert list(answer.context["form"].errors) == [field]
    assert 'aria-invalid="true"' in text(answer)
    assert (User.objects.count(), entries(company), ProcrastinateJob.objects.count()) == (before, [], 0)


def test_a_refusal_is_said_on_the_users_page_and_nothing_changes(company: Company, admin: Client) -> None:
    me, agent = company.admin, add(company, "agent")
    tries = [
        (at(me, "_role"), {"role": "agent", "seen": "admin"}, 409, "is the last Admin who can sign in"),
        (at(me, "_disable"), {}, 409, "You cannot disable yourself."),
        (at(agent, "_invite"), {}, 409, "needs no invitation"),
        (at(agent, "_role"), {"role": "admin", "seen": "supervisor"}, 409, "Somebody else changed this"),
        (at(agent, "_role"), {"role": "support", "seen": "agent"}, 422, "Select a valid choice"),
    ]
    for url, form, status, said in tries:
        answer = admin.post(url, form)
        assert (answer.status_code, said in text(answer)) == (status, True), (url, form)
    roles = Membership.objects.filter(account_id=company.account.id).values_list("role", flat=True)
    assert (sorted(roles), entries(company)) == (["admin", "agent"], [])


def test_an_admin_who_gives_up_the_role_goes_home_and_sees_users_no_more(
    company: Company, admin: Client
) -> None:
    other = client_of(add(company, "admin"))
    answer = admin.post(at(company.admin, "_role"), {"role": "agent", "seen": "admin"})
    assert answer.headers["Location"] == reverse("portal:home")
    assert admin.get(reverse("portal:home")).status_code == 200
    for act in ("", "_new"):
        url = reverse(f"portal:user{act or 's'}")
        assert (admin.get(url).status_code, other.get(url).status_code) == (403, 200)


def test_the_list_goes_on_where_it_ended(
    company: Company, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_reading, "ROWS_PER_PAGE", 2)
    for name in ("Aya", "Omar", "Omar", "Zayd"):
        add(company, "agent", name)
    make_company("Hawk")
    seen, url = [], reverse("portal:users")
    while url:
        page = admin.get(url).context["page"]
        seen += [row.name for row in page.rows]
        url = f"{reverse('portal:users')}{page.next_url}" if page.next_url else ""
    assert seen == ["Aya", "Lina", "Omar", "Omar", "Zayd"]
    for odd in ("x", str(uuid4()), "", "\0"):
        assert len(admin.get(reverse("portal:users"), {"after": odd}).context["page"].rows) == 2


def test_names_are_never_markup(company: Company, admin: Client) -> None:
    user = add(company, "agent", "<script>alert(1)</script>")
    for url in (reverse("portal:users"), at(user, ""), reverse("portal:home")):
        assert "<script>alert" not in text(admin.get(url))


def general(client: Client, **typed: str) -> HttpResponse:
    form = {"language": "en", "time_zone": "Asia/Riyadh", "seen_language": "en", "seen_time_zone": "Asia/Riyadh"}  # fmt: skip
    return client.post(reverse("portal:general"), form | typed)  # type: ignore[return-value]


def test_general_settings_change_what_is_the_admins_and_nothing_else(company: Company, admin: Client) -> None:
    more = {"name": "Evil", "currency": "SAR", "mode": "postpaid", "closed_at": "2026-01-01", "id": "x"}
    assert general(admin, language="ar", time_zone="Asia/Amman", **more).status_code == 302
    account = Account.objects.get(id=company.account.id)
    assert (account.language, account.time_zone) == ("ar", "Asia/Amman")
    assert (account.name, account.currency, account.mode, account.closed_at) == (
        "Falcon Trading",
        "USD",
        "prepaid",
        None,
    )
    assert entries(company) == ["settings_changed 127.0.0.1"]

    stale = general(admin, language="en", time_zone="Asia/Dubai")
    assert stale.status_code == 409
    assert "Somebody else changed this meanwhile." in text(stale)
    # The page shows what is there now, and a second press decides about that.
    assert 'name="seen_time_zone" value="Asia/Amman"' in text(stale)
    assert general(admin, time_zone="Mars/Olympus").status_code == 422
    assert Account.objects.get(id=company.account.id).time_zone == "Asia/Amman"
    assert len(entries(company)) == 1


def test_what_support_keeps_is_shown_with_whom_to_ask(company: Company, admin: Client) -> None:
    for contact, shown in (("+966 11 000 0000", "+966 11 000 0000"), ("", "support@operator.test")):
        Operator.objects.update(support_contact=contact)
        page = text(admin.get(reverse("portal:general")))
        assert "Falcon Trading" in page
        assert f"ask <bdi>{shown}</bdi>." in page
        assert 'href="mailto:support@operator.test"' in page


def test_the_own_profile_changes_name_and_language_and_nothing_else(company: Company, admin: Client) -> None:
    before = User.objects.values().get(id=company.admin.id)
    more = {"email": "evil@x.test", "role": "admin", "staff_role": "finance", "account_id": ""}
    answer = admin.post(
        reverse("portal:profile"), {"name": " Lina F. ", "language": "ar", **more}, follow=True
    )
    assert 'lang="ar" dir="rtl"' in text(answer)
    assert "حُفظ ملفك الشخصي." in text(answer)
    after = User.objects.values().get(id=company.admin.id)
    assert after == before | {"name": "Lina F.", "language": "ar"}
    assert admin.post(reverse("portal:profile"), {"name": "", "language": "ar"}).status_code == 422
    admin.post(reverse("portal:profile"), {"name": "Lina F.", "language": "ar"})
    assert entries(company) == ["profile_changed 127.0.0.1"]


def test_home_of_an_admin_shows_the_balance_and_the_ways_on(company: Company, admin: Client) -> None:
    page = text(admin.get(reverse("portal:home")))
    assert "\u20660.00 USD\u2069" in page
    assert "Service is running" in page
    for route in ("balance", "invoices", "users", "general", "profile", "pay"):
        assert f'href="{reverse(f"portal:{route}")}"' in page
    suspension.suspend(company.account.id, Reason.BALANCE, NOON)
    page = text(admin.get(reverse("portal:home")))
    assert "Service is suspended" in page
    assert "(the smallest payment) to restore it at once." in page


@pytest.mark.parametrize("role", ["supervisor", "agent"])
def test_home_of_others_is_calm_and_says_whom_to_ask(company: Company, role: str) -> None:
    add(company, "admin", "Disabled Admin")
    User.objects.filter(name="Disabled Admin").update(is_active=False)
    page = text(client_of(add(company, role)).get(reverse("portal:home")))
    assert "<bdi>Lina</bdi>" in page
    assert "Disabled Admin" not in page
    assert "USD" not in page
    assert 'class="way" href="/help' not in page
    assert "/settings/" not in page
