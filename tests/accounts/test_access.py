"""One table says who may do what: it is total, it is what the addresses ask, and it is read at every request."""

import re
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from addresses import routes
from factors import prove_now
from people import NOON, Company, make_company, make_operator, make_user, open_one, save_card
from raseed.accounts.access import ALLOWED, ROUTES, Action, ByKey, Public, Role, may
from raseed.accounts.models import Account, Membership, StaffRole, User

STAFF = {Role.SUPPORT, Role.FINANCE}
EVERYBODY = set(Role)
PEOPLE = {Role.ADMIN, Role.SUPERVISOR, Role.AGENT}

# The table as it is documented. The code must say the same, word for word.
DOCUMENTED = {
    Action.SEE_HOME: PEOPLE,
    Action.SEE_HELP: EVERYBODY,
    Action.SEE_SECURITY: EVERYBODY,
    Action.CHANGE_SECURITY: EVERYBODY,
    Action.CHANGE_EMAIL: EVERYBODY,
    Action.CONFIRM_IDENTITY: EVERYBODY,
    Action.SEE_BILLING: {Role.ADMIN},
    Action.PAY: {Role.ADMIN},
    Action.SEE_PAYMENTS: {Role.ADMIN},
    Action.DOWNLOAD_VOUCHER: {Role.ADMIN},
    Action.SEE_USERS: {Role.ADMIN},
    Action.MANAGE_USERS: {Role.ADMIN},
    Action.CHANGE_SETTINGS: {Role.ADMIN},
    Action.SEE_DETAILS: {Role.ADMIN},
    Action.CHANGE_DETAILS: {Role.ADMIN},
    Action.CHANGE_CARDS: {Role.ADMIN},
    Action.ORDER_CARDS: {Role.ADMIN},
    Action.CHANGE_OWN_PROFILE: EVERYBODY,
    Action.SEE_BACKOFFICE: STAFF,
    Action.SEE_ACCOUNTS: STAFF,
    Action.CREATE_ACCOUNT: STAFF,
    Action.INVITE_ADMIN: STAFF,
    Action.END_SESSIONS: STAFF,
    Action.RENAME_ACCOUNT: STAFF,
    Action.SUSPEND: STAFF,
    Action.SEE_WEBHOOKS: STAFF,
    Action.TRY_WEBHOOK_AGAIN: STAFF,
    Action.SEE_BREAKS: STAFF,
    Action.END_BREAK: {Role.FINANCE},
    Action.SEE_API_KEYS: {Role.ADMIN},
    Action.MAKE_API_KEY: {Role.ADMIN},
    Action.REVOKE_API_KEY: {Role.ADMIN},
    Action.SEE_ALL_API_KEYS: STAFF,
    Action.MAKE_OPERATOR_KEY: {Role.FINANCE},
    Action.MAKE_ACCOUNT_KEY: STAFF,
    Action.REVOKE_ANY_API_KEY: STAFF,
    Action.SEE_WEBHOOK_ENDPOINTS: STAFF,
    Action.MANAGE_WEBHOOK_ENDPOINTS: {Role.FINANCE},
    Action.SWITCH_WEBHOOK_ENDPOINT: STAFF,
    Action.REPLAY_WEBHOOK: STAFF,
    Action.SEE_REQUESTS: STAFF,
    Action.CHANGE_RECHARGE: {Role.ADMIN},
    Action.STOP_RECHARGE: {Role.ADMIN},
    Action.CHANGE_ALERTS: {Role.ADMIN},
    Action.ANSWER_REQUEST: STAFF,
}

SAMPLES = {
    "uidb64": "x",
    "token": "x",
    "reason": "staff",
    "gateway_name": "sandbox",
    "break_id": "999999",
    "rest": "nothing",
    "webhook_delivery_id": "999999",
    "way": "on",
}


def address(name: str) -> str:
    """An address of the route, with ids that nobody has."""
    pattern = dict(routes())[name]
    kwargs = {key: SAMPLES.get(key, str(uuid4())) for key in pattern.pattern.converters}
    return reverse(name, kwargs=kwargs)


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


def person(role: Role, company: Company) -> User:
    """Somebody in that role: of the company, or of the staff."""
    if role in STAFF:
        return make_user(f"{role}@operator.test", staff_role=StaffRole(role.value))
    if role is Role.ADMIN:
        return company.admin
    user = make_user(f"{role}@falcon.test", account=company.account)
    Membership.objects.create(account=company.account, user_id=user.id, role=role.value)
    return user


def test_the_table_is_total_and_as_documented() -> None:
    assert set(ALLOWED) == set(Action)
    assert {action: set(roles) for action, roles in ALLOWED.items()} == DOCUMENTED
    for role in Role:
        for action in Action:
            assert may(role, action) == (role in DOCUMENTED[action])


def test_every_address_is_in_the_table_and_its_view_asks_it() -> None:
    found = dict(routes())
    asked = {name: getattr(pattern.callback, "access", None) for name, pattern in found.items()}
    assert asked == ROUTES


def test_only_webhooks_reports_of_browsers_and_the_api_need_no_token() -> None:
    exempt = {name for name, route in routes() if getattr(route.callback, "csrf_exempt", False)}
    # No cookie opens the API, so that no other site can make a browser use it.
    of_the_api = {name for name in ROUTES if name.startswith("api:v1:")}
    assert of_the_api >= {name for name, access in ROUTES.items() if access is ByKey.API_KEY}
    assert exempt == {"api:webhook", "api:csp_report"} | of_the_api


@pytest.mark.parametrize("role", Role)
def test_each_role_opens_what_it_may_and_nothing_else(company: Company, role: Role) -> None:
    user = person(role, company)
    for name, access in ROUTES.items():
        client = Client()
        client.force_login(user)
        answer = client.get(address(name))
        if isinstance(access, ByKey):
            # Whoever is signed in: a session is no key.
            assert answer.status_code in {401, 405}, name
        elif isinstance(access, Public) or role in DOCUMENTED[access]:
            assert answer.status_code != 403, name
            assert not answer.headers.get("Location", "").startswith(reverse("portal:login")), name
        else:
            assert answer.status_code == 403, name
            assert client.post(address(name)).status_code == 403, name


def test_strangers_are_sent_to_sign_in_and_come_back(db: None) -> None:
    login = reverse("portal:login")
    for name in (name for name, access in ROUTES.items() if isinstance(access, Action)):
        url = address(name)
        shown, posted = Client().get(url), Client().post(url)
        assert (shown.status_code, posted.status_code) == (302, 302), name
        assert shown.headers["Location"] == f"{login}?{urlencode({'next': url})}"
        assert posted.headers["Location"] == login


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.AGENT])
def test_without_the_right_no_link_leads_to_settings(company: Company, role: Role) -> None:
    client = Client()
    client.force_login(person(role, company))
    for name in ("portal:home", "portal:help_pay_now", "portal:profile", "portal:balance", "portal:users"):
        page = client.get(address(name)).content.decode()
        assert not re.search(r'(href|action|hx-\w+)="[^"]*/settings/', page), name


def test_another_accounts_rows_are_not_there(company: Company) -> None:
    theirs = {
        "payment_id": open_one(company).id,
        "user_id": company.admin.id,
        "payment_method_id": save_card(company, "card_1").id,
    }
    stranger = Client()
    stranger.force_login(make_company("Hawk").admin)
    prove_now(stranger, timezone.now())
    # What each form needs to be whole, so that it is the row that is refused.
    form = {"role": "agent", "seen": "admin"}
    tried = []
    for name, pattern in routes():
        names = set(pattern.pattern.converters)
        if name.startswith("portal:") and names and names <= set(theirs):
            url = reverse(name, kwargs={one: theirs[one] for one in names})
            assert stranger.get(url).status_code in {404, 405}, name
            assert stranger.post(url, form).status_code in {404, 405}, name
            tried.append(name)
    assert len(tried) >= 11
    assert Membership.objects.get(account_id=company.account.id).role == "admin"
    assert User.objects.get(id=company.admin.id).is_active


def test_a_role_that_is_taken_away_is_gone_at_the_next_request(company: Company) -> None:
    client = Client()
    client.force_login(company.admin)
    assert client.get(reverse("portal:balance")).status_code == 200

    row = Membership.objects.get(account_id=company.account.id, user_id=company.admin.id)
    row.role = Role.AGENT
    row.save()
    assert client.get(reverse("portal:balance")).status_code == 403

    row.role, row.is_active = Role.ADMIN, False
    row.save()
    assert client.get(reverse("portal:balance")).status_code == 403


def test_a_membership_elsewhere_gives_nothing_here(company: Company) -> None:
    guest = make_user("guest@falcon.test", account=company.account)
    other = make_company("Hawk")
    Membership.objects.create(account=other.account, user_id=guest.id, role="admin")
    client = Client()
    client.force_login(guest)
    assert client.get(reverse("portal:balance")).status_code == 403


def test_a_closed_account_has_no_pages(company: Company) -> None:
    client = Client()
    client.force_login(company.admin)
    Account.objects.filter(id=company.account.id).update(closed_at=NOON)
    assert client.get(reverse("portal:balance")).status_code == 403
    assert client.get(reverse("portal:login")).status_code == 200


def test_a_fragment_sends_the_whole_page_to_sign_in(db: None) -> None:
    page = reverse("portal:balance")
    answer = Client().get(
        reverse("portal:pay"),
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}?a=1"},
    )
    assert (
        answer.headers["HX-Redirect"] == f"{reverse('portal:login')}?next={page.replace('/', '%2F')}%3Fa%3D1"
    )
    away = Client().get(
        reverse("portal:pay"),
        headers={"HX-Request": "true", "HX-Current-URL": "https://evil.test//evil.test"},
    )
    assert away.headers["HX-Redirect"] == reverse("portal:login")
