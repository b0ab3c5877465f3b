"""One table says who may do what: it is total, it is what the addresses ask, and it is read at every request."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from people import NOON, Company, make_company, make_operator, make_user, open_one
from raseed.accounts.access import ALLOWED, ROUTES, Action, Public, Role, may
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
    Action.CONFIRM_IDENTITY: EVERYBODY,
    Action.SEE_BILLING: {Role.ADMIN},
    Action.PAY: {Role.ADMIN},
    Action.SEE_PAYMENTS: {Role.ADMIN},
    Action.DOWNLOAD_VOUCHER: {Role.ADMIN},
    Action.SEE_BACKOFFICE: STAFF,
    Action.SEE_ACCOUNTS: STAFF,
    Action.CREATE_ACCOUNT: STAFF,
    Action.INVITE_ADMIN: STAFF,
    Action.SUSPEND: STAFF,
}

SAMPLES = {
    "uidb64": "x",
    "token": "x",
    "reason": "staff",
    "gateway_name": "sandbox",
}


def routes() -> Iterator[tuple[str, URLPattern]]:
    """Every address of the product by its full name."""

    def walk(patterns: list[URLPattern | URLResolver], space: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
                yield from walk(pattern.url_patterns, inner)
            else:
                yield f"{space}{pattern.name}", pattern

    yield from walk(get_resolver().url_patterns, "")


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


def test_only_the_webhook_takes_posts_from_elsewhere() -> None:
    exempt = {name for name, route in routes() if getattr(route.callback, "csrf_exempt", False)}
    assert exempt <= {"api:webhook"}


@pytest.mark.parametrize("role", Role)
def test_each_role_opens_what_it_may_and_nothing_else(company: Company, role: Role) -> None:
    user = person(role, company)
    for name, access in ROUTES.items():
        client = Client()
        client.force_login(user)
        answer = client.get(address(name))
        if isinstance(access, Public) or role in DOCUMENTED[access]:
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
def test_without_the_right_there_is_no_link_to_billing(company: Company, role: Role) -> None:
    client = Client()
    client.force_login(person(role, company))
    for name in ("portal:home", "portal:help_pay_now", "portal:balance"):
        page = client.get(address(name)).content.decode()
        assert not re.search(r'(href|action|hx-\w+)="[^"]*/settings/billing', page), name


def test_another_accounts_rows_are_not_there(company: Company) -> None:
    theirs = {"payment_id": open_one(company).id}
    stranger = Client()
    stranger.force_login(make_company("Hawk").admin)
    tried = 0
    for name, pattern in routes():
        if name.startswith("portal:") and set(pattern.pattern.converters) == set(theirs):
            assert stranger.get(reverse(name, kwargs=theirs)).status_code in {404, 405}, name
            assert stranger.post(reverse(name, kwargs=theirs)).status_code in {404, 405}, name
            tried += 1
    assert tried >= 2


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
