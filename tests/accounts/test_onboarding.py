"""The operator is made once, accounts as often as staff like; each whole or not at all, and written down."""

from dataclasses import replace
from datetime import timedelta

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, PASSWORD, make_operator, make_user
from raseed.accounts import links, people
from raseed.accounts.access import Role
from raseed.accounts.links import Purpose
from raseed.accounts.models import (
    Account,
    AmountPolicy,
    BillingDetails,
    Language,
    Membership,
    Mode,
    Operator,
    StaffRole,
    User,
)
from raseed.accounts.onboarding import (
    AMOUNTS,
    COUNTRIES,
    NewAccount,
    NewOperator,
    NoBillingEmail,
    OperatorExists,
    UnknownCountry,
    UnknownTimeZone,
    create_account,
    init_operator,
)
from raseed.accounts.people import EmailTaken, NewPerson, NotAnEmail
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry, OperatorAuditEntry
from raseed.errors import RaseedError
from raseed.money import CURRENCIES, Money, UnknownCurrency, check_chargeable

OPERATOR = NewOperator(
    name="Raseed Telecom",
    country="SA",
    time_zone="Asia/Riyadh",
    email_from="billing@operator.test",
    email_reply_to="support@operator.test",
)
FIRST = NewPerson("Sara", "Sara@Operator.test", Language.ARABIC)
FALCON = NewAccount(
    name="Falcon",
    mode=Mode.PREPAID,
    currency="SAR",
    time_zone="Asia/Riyadh",
    language=Language.ARABIC,
    billing_name="Falcon LLC",
    address="2 Queen Street",
    country="SA",
    billing_emails=("finance@falcon.test",),
)
LINA = NewPerson("Lina", "lina@falcon.test", Language.ENGLISH)
CLERK = Who(None, "support", "192.0.2.1")


def nothing_was_made() -> bool:
    """Whether no row of an account, a person, a job or the log is there."""
    tables = (User, OperatorAuditEntry, ProcrastinateJob)
    return not any(table.objects.exists() for table in tables)


def test_the_operator_and_the_first_of_the_staff(db: None) -> None:
    link = init_operator(OPERATOR, FIRST, StaffRole.FINANCE, NOON)

    operator = Operator.objects.get()
    assert (operator.name, operator.country, operator.tax_mode) == ("Raseed Telecom", "SA", "on_usage")
    user = User.objects.get()
    assert (user.email, user.staff_role, user.account_id, user.language) == (
        "sara@operator.test",
        "finance",
        None,
        "ar",
    )
    assert not user.has_usable_password()
    assert link.purpose is Purpose.INVITATION
    assert link.url.startswith("http://localhost:8000/password/set/")
    assert list(OperatorAuditEntry.objects.order_by("id").values_list("action", "actor_role")) == [
        ("operator_created", "command_line"),
        ("user_added", "command_line"),
    ]
    assert not ProcrastinateJob.objects.exists()


def test_the_link_can_be_had_again_until_it_is_used(db: None) -> None:
    init_operator(OPERATOR, FIRST, StaffRole.FINANCE, NOON)
    later = NOON + timedelta(days=4)
    again = init_operator(replace(OPERATOR, name="Another"), FIRST, StaffRole.SUPPORT, later)
    assert (Operator.objects.get().name, User.objects.get().staff_role) == ("Raseed Telecom", "finance")

    key, token = again.url.split("/")[-2:]
    people.use_link(key, token, PASSWORD, None, later)
    with pytest.raises(OperatorExists):
        init_operator(OPERATOR, FIRST, StaffRole.FINANCE, later)


def test_nobody_else_gets_in_by_a_second_init(db: None) -> None:
    init_operator(OPERATOR, FIRST, StaffRole.FINANCE, NOON)
    with pytest.raises(OperatorExists):
        init_operator(OPERATOR, NewPerson("Eve", "eve@evil.test", Language.ENGLISH), StaffRole.FINANCE, NOON)
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"country": "XX"}, UnknownCountry, "XX is not a country code. Use the two letters of ISO 3166, for example SA."),
        ({"time_zone": "Riyadh"}, UnknownTimeZone, "Riyadh is not a time zone. Use a name such as Asia/Riyadh."),
        ({"email_from": "billing"}, NotAnEmail, "billing is not a whole e-mail address. Write it as lina@example.com."),
    ],
)  # fmt: skip
def test_a_wrong_operator_is_not_made(
    db: None, wrong: dict[str, str], error: type[RaseedError], said: str
) -> None:
    with pytest.raises(error) as refused:
        init_operator(replace(OPERATOR, **wrong), FIRST, StaffRole.FINANCE, NOON)
    assert str(refused.value.message) == said
    assert refused.value.field in {*wrong, "email"}
    assert not Operator.objects.exists()
    assert nothing_was_made()


def test_every_currency_has_amounts_that_can_be_charged(db: None) -> None:
    init_operator(OPERATOR, FIRST, StaffRole.FINANCE, NOON)
    assert set(AMOUNTS) == set(CURRENCIES)
    assert set(AmountPolicy.objects.values_list("currency", flat=True)) == set(CURRENCIES)
    for policy in AmountPolicy.objects.all():
        presets = policy.presets_micros
        assert len(presets) == 4
        assert presets == sorted(set(presets))
        assert policy.minimum_micros <= presets[0]
        assert presets[-1] <= policy.maximum_micros
        for micros in (policy.minimum_micros, policy.maximum_micros, *presets):
            check_chargeable(Money(micros, policy.currency))


def test_an_account_comes_with_its_details_its_admin_and_an_invitation(db: None) -> None:
    made = create_account(FALCON, LINA, CLERK, NOON)

    account = Account.objects.get(id=made.account.id)
    assert (account.name, account.mode, account.currency, account.language, account.created_at) == (
        "Falcon",
        "prepaid",
        "SAR",
        "ar",
        NOON,
    )
    details = BillingDetails.objects.get(account_id=account.id)
    assert (details.billing_name, details.country, details.billing_emails) == (
        "Falcon LLC",
        "SA",
        ["finance@falcon.test"],
    )
    admin = User.objects.get()
    assert (admin.email, admin.account_id, admin.staff_role) == ("lina@falcon.test", account.id, "")
    assert not admin.has_usable_password()
    assert Membership.objects.get(account_id=account.id).role == Role.ADMIN
    job = ProcrastinateJob.objects.get()
    # The job makes the link when it mails it: no secret waits in the queue.
    assert (job.task_name, job.args) == ("notifications.mail_invitation", {"user_id": str(admin.id)})
    entries = AuditEntry.objects.filter(account_id=account.id).order_by("id")
    assert list(entries.values_list("action", "actor_role", "ip")) == [
        ("account_created", "support", "192.0.2.1"),
        ("user_added", "support", "192.0.2.1"),
        ("invited", "support", "192.0.2.1"),
    ]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"currency": "XXX"}, UnknownCurrency),
        ({"country": "ZZ"}, UnknownCountry),
        ({"time_zone": "Mars/Olympus"}, UnknownTimeZone),
        ({"billing_emails": ()}, NoBillingEmail),
        ({"billing_emails": ("finance",)}, NotAnEmail),
    ],
)
def test_a_wrong_account_is_not_made(db: None, wrong: dict[str, object], error: type[RaseedError]) -> None:
    with pytest.raises(error) as refused:
        create_account(replace(FALCON, **wrong), LINA, CLERK, NOON)  # type: ignore[arg-type]
    assert refused.value.field in {*wrong, "email"}
    assert nothing_was_made()


def test_an_address_is_one_person_and_then_nothing_is_made(real_db: object) -> None:
    taken = make_user("lina@falcon.test")
    with pytest.raises(EmailTaken) as refused:
        create_account(FALCON, replace(LINA, email="LINA@falcon.test"), CLERK, NOON)
    assert str(refused.value.message) == (
        "Somebody already signs in with lina@falcon.test. Use another e-mail address."
    )
    assert list(User.objects.all()) == [taken]
    assert not ProcrastinateJob.objects.exists()
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        for table in (
            "accounts_account",
            "accounts_billingdetails",
            "accounts_membership",
            "audit_auditentry",
        ):
            assert owner.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize(
    "email", ["", "lina", "lina@", "lina@falcon.test\nBcc: eve@evil.test", "a" * 250 + "@b.test"]
)
def test_nobody_is_added_without_an_address(db: None, email: str) -> None:
    with pytest.raises(NotAnEmail):
        create_account(FALCON, replace(LINA, email=email), CLERK, NOON)
    assert nothing_was_made()


def test_countries_are_those_of_iso_3166() -> None:
    assert {"SA", "AE", "JO", "EG", "KW", "QA", "BH", "OM", "US", "DE"} <= COUNTRIES
    assert not {"EU", "UN", "ZZ"} & COUNTRIES
    assert 240 < len(COUNTRIES) < 270


def test_an_invitation_ends_with_the_first_password(db: None) -> None:
    make_operator()
    admin = create_account(FALCON, LINA, CLERK, NOON).admin
    invitation = links.make(admin, NOON)
    key, token = invitation.url.split("/")[-2:]
    people.use_link(key, token, PASSWORD, None, NOON)
    fresh = User.objects.get(id=admin.id)
    assert links.purpose_of(fresh, token, NOON) is None
    assert links.make(fresh, NOON).purpose is Purpose.RESET
