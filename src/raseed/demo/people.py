"""Who is in the demo: the operator, its staff, two accounts and their users."""

from dataclasses import dataclass
from datetime import datetime

from raseed.accounts import onboarding, people
from raseed.accounts.models import Account, Language, Mode, Role, StaffRole, User
from raseed.audit.log import COMMAND_LINE
from raseed.db.transactions import atomic
from raseed.demo.logins import LOGINS

OPERATOR = onboarding.NewOperator(
    name="Sada Cloud Telephony",
    name_ar="صدى للاتصالات السحابية",
    address="Office 1202, Sheikh Zayed Road, Dubai",
    address_ar="مكتب ١٢٠٢، شارع الشيخ زايد، دبي",
    country="AE",
    time_zone="Asia/Dubai",
    tax_number="100000000000003",
    registration_number="CN-1234567",
    email_from="billing@operator.test",
    email_reply_to="support@operator.test",
    support_contact="support@operator.test",
)


@dataclass(frozen=True)
class DemoAccounts:
    """The two accounts: one that is well, one whose balance ran out."""

    falcon: Account
    palm: Account


def people_the_demo(password: str, now: datetime) -> DemoAccounts:
    """Make the operator, the staff, the accounts and their users, all with `password`."""
    support = people.NewPerson("Sami Haddad", "support@operator.test", Language.ENGLISH)
    onboarding.init_operator(OPERATOR, support, StaffRole.SUPPORT, now)
    finance = people.NewPerson("Huda Nasser", "finance@operator.test", Language.ARABIC)
    falcon = _account("Falcon Trading", "Lina Farouk", "admin@demo.test", Language.ENGLISH, "Asia/Dubai", now)
    palm = _account(
        "Palm Logistics", "نور الخطيب", "admin@suspended.test", Language.ARABIC, "Asia/Riyadh", now
    )
    with atomic():
        people.add_staff(finance, StaffRole.FINANCE, COMMAND_LINE, now)
        for email, name, role in (
            ("supervisor@demo.test", "Omar Saleh", Role.SUPERVISOR),
            ("agent@demo.test", "Maya Khoury", Role.AGENT),
        ):
            person = people.NewPerson(name, email, Language.ENGLISH)
            people.add_member(falcon.id, person, role, COMMAND_LINE, now)
    set_passwords(password, now)
    return DemoAccounts(falcon, palm)


def is_peopled() -> bool:
    """Whether the demo's people are there already."""
    return User.objects.filter(email__in=LOGINS).exists()


def set_passwords(password: str, now: datetime) -> None:
    """Give every demo login this password; those that have it keep their sessions."""
    for user in User.objects.filter(email__in=LOGINS):
        if not user.check_password(password):
            with atomic():
                people.set_password(user, password, COMMAND_LINE, now)


def _account(name: str, admin: str, email: str, language: Language, time_zone: str, now: datetime) -> Account:
    made = onboarding.create_account(
        onboarding.NewAccount(
            name=name,
            mode=Mode.PREPAID,
            currency="USD",
            time_zone=time_zone,
            language=language,
            billing_name=f"{name} LLC",
            address="Office 304, Business Bay, Dubai",
            country="AE",
            billing_emails=[f"finance@{email.split('@')[1]}"],
            vat_id="100123456700003",
        ),
        people.NewPerson(admin, email, language),
        COMMAND_LINE,
        now,
    )
    return made.account
