"""The staff's pages: found, made, suspended, lifted; each act by who may, written down, and nothing else moved."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, Company, make_company, make_operator, make_user, open_one, spend
from raseed.accounts.models import Account, BillingDetails, Membership, StaffRole, User
from raseed.audit.models import AuditEntry
from raseed.backoffice import pages
from raseed.balance import suspension
from raseed.balance.models import Reason, Suspension
from raseed.db.guard import across_accounts

FORM = {
    "name": "Hawk",
    "mode": "prepaid",
    "currency": "JOD",
    "time_zone": "Asia/Amman",
    "language": "ar",
    "billing_name": "Hawk LLC",
    "address": "3 Rainbow Street\nAmman",
    "country": "JO",
    "billing_emails": "Finance@Hawk.test, cfo@hawk.test\nfinance@hawk.test",
    "admin_name": "Omar",
    "admin_email": "Omar@Hawk.test",
}


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


@pytest.fixture(params=[StaffRole.SUPPORT, StaffRole.FINANCE])
def staff(request: pytest.FixtureRequest, db: None) -> Client:
    return signed_in(make_user("staff@operator.test", staff_role=request.param))


@pytest.fixture
def support(db: None) -> Client:
    return signed_in(make_user("staff@operator.test", staff_role=StaffRole.SUPPORT))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def accounts() -> list[Account]:
    with across_accounts("the test counts all accounts"):
        return list(Account.objects.order_by("id"))


def names(answer: HttpResponse) -> list[str]:
    return [row.name for row in answer.context["rows"]]  # type: ignore[attr-defined]


def at(company: Company, name: str, **more: object) -> str:
    return reverse(f"backoffice:{name}", kwargs={"account_id": company.account.id, **more})


def test_staff_begin_at_the_accounts(staff: Client) -> None:
    assert staff.get("/backoffice/").headers["Location"] == reverse("backoffice:accounts")


def test_accounts_are_found_by_name_billing_name_and_a_users_address(company: Company, staff: Client) -> None:
    other = make_company("Hawk % Sons")
    BillingDetails.objects.filter(account_id=other.account.id).update(billing_name="Zephyr Holding")
    page = reverse("backoffice:accounts")
    assert names(staff.get(page)) == ["Hawk % Sons", "Falcon Trading"]
    assert names(staff.get(page, {"q": "falcon"})) == ["Falcon Trading"]
    assert names(staff.get(page, {"q": "zephyr"})) == ["Hawk % Sons"]
    assert names(staff.get(page, {"q": other.admin.email[:20]})) == ["Hawk % Sons"]
    assert names(staff.get(page, {"q": "%"})) == ["Hawk % Sons"]
    assert names(staff.get(page, {"q": "nobody"})) == []
    for odd in ("\0", "'", '"', "\\", "_", "a" * 5000):
        assert staff.get(page, {"q": odd}).status_code == 200


def test_the_list_goes_on_where_it_ended(
    company: Company, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROWS_PER_PAGE", 2)
    for name in ("B", "C", "D"):
        make_company(name)
    page = reverse("backoffice:accounts")
    first = support.get(page, {"q": ""})
    assert names(first) == ["D", "C"]
    second = support.get(page + first.context["next_url"])
    assert names(second) == ["B", "Falcon Trading"]
    assert second.context["next_url"] == ""
    assert names(support.get(page, {"after": "nonsense"})) == ["D", "C"]


def test_the_list_shows_balance_and_suspension(company: Company, support: Client) -> None:
    spend(company, "12.34")
    suspension.suspend(company.account.id, Reason.BALANCE, NOON)
    (row,) = support.get(reverse("backoffice:accounts")).context["rows"]
    assert (row.available.micros, row.available.currency, row.suspended) == (-12_340_000, "USD", True)


def test_staff_make_an_account_and_its_admin_is_invited(company: Company, staff: Client) -> None:
    answer = staff.post(reverse("backoffice:account_new"), FORM)

    _, made = accounts()
    assert answer.headers["Location"] == reverse("backoffice:account", args=[made.id])
    assert (made.name, made.mode, made.currency, made.time_zone, made.language) == (
        "Hawk",
        "prepaid",
        "JOD",
        "Asia/Amman",
        "ar",
    )
    details = BillingDetails.objects.get(account_id=made.id)
    assert details.billing_emails == ["finance@hawk.test", "cfo@hawk.test"]
    admin = User.objects.get(email="omar@hawk.test")
    assert (admin.account_id, admin.staff_role) == (made.id, "")
    assert Membership.objects.get(account_id=made.id).role == "admin"
    assert ProcrastinateJob.objects.get().args == {"user_id": str(admin.id)}
    shown = staff.get(answer.headers["Location"]).content.decode()
    assert "An invitation is on its way to omar@hawk.test." in shown
    assert "/password/set/" not in shown
    actions = AuditEntry.objects.filter(account_id=made.id).order_by("id").values_list("action", "ip")
    assert list(actions) == [(action, "127.0.0.1") for action in ("account_created", "user_added", "invited")]


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("name", "", "Enter the company's name as its users know it."),
        ("currency", "", "Choose the currency in which the account is billed."),
        ("currency", "XXX", "Select a valid choice. XXX is not one of the available choices."),
        ("mode", "free", "Select a valid choice. free is not one of the available choices."),
        ("time_zone", "", "Choose the account's time zone, for example Asia/Riyadh."),
        ("billing_name", " ", "Enter the legal name that receipts and invoices are made out to."),
        ("address", "", "Enter the street, the city and the postal code."),
        ("country", "", "Choose the country of the billing address."),
        ("billing_emails", " , ", "Enter at least one address to which receipts are mailed, for example finance@example.com."),
        ("billing_emails", "a@b.test, c@", "c@ is not a whole e-mail address. Write it as finance@example.com."),
        ("billing_emails", " ".join(f"a{n}@b.test" for n in range(11)), "Enter at most 10 addresses."),
        ("admin_name", "", "Enter the name of the person who will be the account's Admin."),
        ("admin_email", "omar", "Enter a whole e-mail address, for example lina@example.com."),
        ("admin_email", "staff@operator.test", "Somebody already signs in with staff@operator.test. Use another e-mail address."),
    ],
)  # fmt: skip
def test_a_fault_is_said_at_its_field_and_nothing_is_made(
    company: Company, support: Client, field: str, typed: str, said: str
) -> None:
    answer = support.post(reverse("backoffice:account_new"), FORM | {field: typed})
    assert answer.status_code == 422
    assert answer.context["form"].errors == {field: [said]}
    assert [account.name for account in accounts()] == ["Falcon Trading"]
    assert User.objects.count() == 2
    assert not ProcrastinateJob.objects.exists()


def test_whatever_else_is_posted_with_a_new_account_is_not_read(company: Company, support: Client) -> None:
    more = {
        "id": str(company.account.id),
        "account_id": str(company.account.id),
        "role": "agent",
        "staff_role": "finance",
        "is_active": "",
        "closed_at": "2020-01-01",
        "created_at": "2020-01-01",
        "password": "x",
        "balance_micros": "999999999",
        "floor_micros": "-999999999",
    }
    assert support.post(reverse("backoffice:account_new"), FORM | more).status_code == 302
    _, made = accounts()
    admin = User.objects.get(email="omar@hawk.test")
    assert made.closed_at is None
    assert made.created_at.year != 2020
    assert (admin.account_id, admin.staff_role, admin.is_active, admin.has_usable_password()) == (
        made.id,
        "",
        True,
        False,
    )
    assert Membership.objects.get(account_id=made.id, user_id=admin.id).role == "admin"
    (row, _) = support.get(reverse("backoffice:accounts")).context["rows"]
    assert row.available.micros == 0


def test_the_page_of_an_account_shows_it_whole(company: Company, staff: Client) -> None:
    spend(company, "3.10")
    open_one(company)
    BillingDetails.objects.filter(account_id=company.account.id).update(
        billing_name="<script>alert(1)</script>"
    )
    other = make_company("Hawk")
    open_one(other)

    answer = staff.get(at(company, "account"))

    page = answer.context["page"]
    assert (page.available.micros, page.available.currency) == (-3_100_000, "USD")
    assert [line.email for line in page.people] == [company.admin.email]
    assert [(line.amount.micros, line.state) for line in page.payments] == [(100_000_000, "created")]
    text = answer.content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text


def test_an_account_that_is_not_there(staff: Client) -> None:
    ids = {"account_id": uuid4()}
    assert staff.get(reverse("backoffice:account", kwargs=ids)).status_code == 404
    for name, more in (("suspend", {}), ("lift", {"reason": "staff"}), ("invite", {"user_id": uuid4()})):
        url = reverse(f"backoffice:{name}", kwargs=ids | more)
        assert staff.post(url, {"reason": "why"}).status_code == 404
        assert staff.post(url, {}).status_code == 404


def test_suspending_and_lifting_are_written_down_with_who_and_why(company: Company, staff: Client) -> None:
    staff.post(at(company, "suspend"), {"reason": "Fraud report 7"})
    (line,) = suspension.open_suspensions(company.account.id)
    assert (line.reason, line.note) == ("staff", "Fraud report 7")

    # A second press changes nothing and leaves no second row.
    staff.post(at(company, "suspend"), {"reason": "again"})
    assert Suspension.objects.filter(account_id=company.account.id).count() == 1

    staff.post(at(company, "lift", reason="staff"), {"reason": "Cleared"})
    assert suspension.open_suspensions(company.account.id) == []
    staff.post(at(company, "lift", reason="staff"), {"reason": "again"})

    who = User.objects.get(email="staff@operator.test")
    entries = AuditEntry.objects.filter(account_id=company.account.id).order_by("id")
    assert [
        (e.action, e.actor_id, e.actor_role, e.ip, e.before, e.after, e.reason) for e in entries
    ] == [
        ("suspended", who.id, who.staff_role, "127.0.0.1", {"staff": False}, {"staff": True}, "Fraud report 7"),
        ("suspension_lifted", who.id, who.staff_role, "127.0.0.1", {"staff": True}, {"staff": False}, "Cleared"),
    ]  # fmt: skip


def test_a_reason_is_asked_for_and_without_one_nothing_happens(company: Company, support: Client) -> None:
    answer = support.post(at(company, "suspend"), {"reason": "  "})
    assert answer.status_code == 422
    assert answer.context["suspend_form"].errors == {"reason": ["Say why, in a few words."]}
    assert suspension.open_suspensions(company.account.id) == []

    suspension.suspend(company.account.id, Reason.STAFF, NOON)
    answer = support.post(at(company, "lift", reason="staff"), {})
    assert answer.status_code == 422
    ((_, form),) = answer.context["suspensions"]
    assert form.errors == {"reason": ["Say why, in a few words."]}
    assert len(suspension.open_suspensions(company.account.id)) == 1
    assert not AuditEntry.objects.filter(account_id=company.account.id).exists()


def test_a_dispute_can_be_lifted_and_the_balance_cannot(company: Company, support: Client) -> None:
    for number, reason in enumerate((Reason.BALANCE, Reason.DISPUTE)):
        suspension.suspend(company.account.id, reason, NOON + timedelta(minutes=number))
    assert support.post(at(company, "lift", reason="balance"), {"reason": "please"}).status_code == 404
    assert support.post(at(company, "lift", reason="nonsense"), {"reason": "please"}).status_code == 404
    assert support.post(at(company, "lift", reason="dispute"), {"reason": "won"}).status_code == 302
    assert [line.reason for line in suspension.open_suspensions(company.account.id)] == ["balance"]


def test_fields_of_two_forms_on_a_page_have_their_own_ids(company: Company, support: Client) -> None:
    suspension.suspend(company.account.id, Reason.DISPUTE, NOON)
    text = support.get(at(company, "account")).content.decode()
    assert text.count('id="id_dispute_reason"') == 1
    assert text.count('id="id_suspend_reason"') == 1


@pytest.mark.parametrize("role", ["admin", "supervisor", "agent"])
def test_an_accounts_people_move_nothing_here(company: Company, role: str) -> None:
    Membership.objects.filter(account_id=company.account.id).update(role=role)
    client = signed_in(company.admin)
    suspension.suspend(company.account.id, Reason.DISPUTE, NOON)
    tries = [
        client.post(reverse("backoffice:account_new"), FORM),
        client.post(at(company, "suspend"), {"reason": "x"}),
        client.post(at(company, "lift", reason="dispute"), {"reason": "x"}),
        client.post(at(company, "invite", user_id=company.admin.id)),
    ]
    assert {answer.status_code for answer in tries} == {403}
    assert len(accounts()) == 1
    assert [line.reason for line in suspension.open_suspensions(company.account.id)] == ["dispute"]
    assert not AuditEntry.objects.filter(account_id=company.account.id).exists()
    assert not ProcrastinateJob.objects.exists()


def test_an_invitation_is_mailed_again_to_who_waits_and_to_nobody_else(
    company: Company, staff: Client
) -> None:
    waiting = make_user("waiting@falcon.test", account=company.account)
    waiting.set_unusable_password()
    waiting.save()
    Membership.objects.create(account=company.account, user_id=waiting.id, role="agent")
    stranger = make_company("Hawk").admin

    staff.post(at(company, "invite", user_id=company.admin.id))
    assert staff.post(at(company, "invite", user_id=stranger.id)).status_code == 404
    assert not ProcrastinateJob.objects.exists()

    staff.post(at(company, "invite", user_id=waiting.id))
    assert ProcrastinateJob.objects.get().args == {"user_id": str(waiting.id)}
    assert AuditEntry.objects.get(account_id=company.account.id).action == "invited"


def test_a_form_without_the_token_of_the_page_is_refused(company: Company) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("staff@operator.test", staff_role=StaffRole.SUPPORT))
    assert client.post(at(company, "suspend"), {"reason": "x"}).status_code == 403
    assert suspension.open_suspensions(company.account.id) == []


def test_staff_invite_one_more_admin_of_an_account(company: Company, staff: Client) -> None:
    url = at(company, "admin_new")
    form = {"admin_name": "Omar", "admin_email": "Omar@Falcon.test", "language": "ar"}
    assert "Invite an Admin" in staff.get(at(company, "account")).content.decode()
    assert staff.get(url).status_code == 200
    assert staff.post(url, form | {"role": "agent"}).headers["Location"] == at(company, "account")

    user = User.objects.get(email="omar@falcon.test")
    assert (user.account_id, user.staff_role) == (company.account.id, "")
    assert Membership.objects.get(account_id=company.account.id, user_id=user.id).role == "admin"
    assert ProcrastinateJob.objects.get().args == {"user_id": str(user.id)}
    assert AuditEntry.objects.get(account_id=company.account.id).after["role"] == "admin"
    assert "On its way." in staff.get(at(company, "account")).content.decode()

    for taken, said in (
        ("omar@falcon.test", "is a user of this account already"),
        (make_company("Hawk").admin.email, "Somebody already signs in with"),
    ):
        answer = staff.post(url, form | {"admin_email": taken})
        assert answer.status_code == 409
        assert said in str(answer.context["form"].errors["admin_email"])
    assert staff.post(url, form | {"admin_email": "omar"}).status_code == 422
    assert Membership.objects.filter(account_id=company.account.id).count() == 2
    assert ProcrastinateJob.objects.count() == 1


def test_staff_rename_an_account_and_nothing_else(company: Company, support: Client) -> None:
    url = at(company, "rename")
    form = {"name": "Falcon & Sons", "seen": "Falcon Trading", "currency": "SAR"}
    assert support.get(url).status_code == 200
    assert support.post(url, form).headers["Location"] == at(company, "account")
    found = Account.objects.get(id=company.account.id)
    assert (found.name, found.currency) == ("Falcon & Sons", "USD")
    assert support.post(url, form | {"name": "Hawk"}).status_code == 409
    assert support.post(url, form | {"name": " "}).status_code == 422
    entry = AuditEntry.objects.get(account_id=company.account.id)
    assert (entry.action, entry.after) == ("account_renamed", {"name": "Falcon & Sons"})


def test_staff_end_the_sessions_of_a_user(company: Company, support: Client) -> None:
    theirs = signed_in(company.admin)
    assert theirs.get(reverse("portal:home")).status_code == 200
    url = at(company, "end_sessions", user_id=company.admin.id)
    assert support.post(url).headers["Location"] == at(company, "account")
    assert theirs.get(reverse("portal:home")).status_code == 302
    assert AuditEntry.objects.get(account_id=company.account.id).action == "sessions_ended"
    stranger = make_company("Hawk").admin
    assert support.post(at(company, "end_sessions", user_id=stranger.id)).status_code == 404
