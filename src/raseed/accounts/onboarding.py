"""How the operator comes to be, and how accounts do: each in one transaction, with its people and its audit entries.

An account's currency is written here once; changing it after the first posting is nobody's right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import available_timezones

from babel import Locale
from django.utils.translation import gettext_lazy as _

from raseed.accounts import links, people
from raseed.accounts.models import (
    Account,
    AmountPolicy,
    BillingDetails,
    Language,
    Mode,
    Operator,
    Role,
    StaffRole,
    TaxMode,
    User,
)
from raseed.accounts.people import NewPerson
from raseed.audit import log
from raseed.audit.log import COMMAND_LINE, Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.money import MICROS_PER_UNIT, currency_of

# CLDR's own groupings and its codes for the unknown, which are no countries.
_NO_COUNTRIES: Final = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})
# The two-letter codes of ISO 3166-1, as CLDR knows them.
COUNTRIES: Final = frozenset(
    code
    for code in map(str, Locale("en").territories)
    if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES
)

# Minimum, maximum and buttons in whole units: about 5, 10,000, and 50 to 500 US dollars in each currency.
AMOUNTS: Final[dict[str, tuple[int, int, tuple[int, ...]]]] = {
    "USD": (5, 10_000, (50, 100, 250, 500)),
    "EUR": (5, 10_000, (50, 100, 250, 500)),
    "GBP": (5, 10_000, (50, 100, 250, 500)),
    "SAR": (20, 40_000, (200, 400, 1_000, 2_000)),
    "AED": (20, 40_000, (200, 400, 1_000, 2_000)),
    "QAR": (20, 40_000, (200, 400, 1_000, 2_000)),
    "EGP": (250, 500_000, (2_500, 5_000, 12_500, 25_000)),
    "JOD": (5, 7_500, (35, 75, 200, 350)),
    "KWD": (2, 3_000, (15, 30, 75, 150)),
    "BHD": (2, 4_000, (20, 40, 100, 200)),
    "OMR": (2, 4_000, (20, 40, 100, 200)),
}


class OperatorExists(RaseedError):
    """There is one operator an installation, and it has been made."""

    code = "operator_exists"
    status = 409
    message = _(
        "The operator %(name)s is already set up. Its staff sign in at /login; a lost password is reset there."
    )


class UnknownCountry(RaseedError):
    """Not a code of ISO 3166-1."""

    code = "country_unknown"
    field = "country"
    message = _("%(country)s is not a country code. Use the two letters of ISO 3166, for example SA.")


class UnknownTimeZone(RaseedError):
    """Not a name of the IANA time zone database."""

    code = "time_zone_unknown"
    field = "time_zone"
    message = _("%(time_zone)s is not a time zone. Use a name such as Asia/Riyadh.")


class NoBillingEmail(RaseedError):
    """Papers must have somewhere to go."""

    code = "billing_emails_missing"
    field = "billing_emails"
    message = _("Enter at least one address to which receipts are mailed, for example finance@example.com.")


@dataclass(frozen=True, slots=True)
class NewOperator:
    """The company that runs the installation, as its papers and mails name it. `tax_rate_ppm`: 150000 is 15 %."""

    name: str
    country: str
    time_zone: str
    email_from: str
    email_reply_to: str
    name_ar: str = ""
    address: str = ""
    address_ar: str = ""
    tax_number: str = ""
    registration_number: str = ""
    support_contact: str = ""
    tax_mode: TaxMode = TaxMode.ON_USAGE
    tax_rate_ppm: int = 0


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A company that is to buy from the operator, and whom its papers are made out to."""

    name: str
    mode: Mode
    currency: str
    time_zone: str
    language: Language
    billing_name: str
    address: str
    country: str
    billing_emails: Sequence[str]
    vat_id: str = ""
    registration_number: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """An account and its first Admin, who has been invited by mail."""

    account: Account
    admin: User


def init_operator(
    operator: NewOperator, first: NewPerson, role: StaffRole, now: datetime
) -> links.OneTimeLink:
    """Make the operator, what may be paid in each currency, and the first staff member; their one-time link.

    While that first person has not chosen a password, a second call with the same address gives a new link and changes
    nothing else. Raises OperatorExists, UnknownCountry, UnknownTimeZone or NotAnEmail; then nothing was made.
    """
    _check_place(operator.country, operator.time_zone)
    with atomic():
        there = Operator.objects.first()
        if there is not None:
            return links.make(_waiting_staff(there, first), now)
        made = Operator.objects.create(
            name=operator.name,
            name_ar=operator.name_ar,
            address=operator.address,
            address_ar=operator.address_ar,
            country=operator.country,
            tax_number=operator.tax_number,
            registration_number=operator.registration_number,
            time_zone=operator.time_zone,
            email_from=people.read_email(operator.email_from),
            email_reply_to=people.read_email(operator.email_reply_to),
            support_contact=operator.support_contact,
            tax_mode=operator.tax_mode,
            tax_rate_ppm=operator.tax_rate_ppm,
        )
        AmountPolicy.objects.bulk_create(_policy(code) for code in AMOUNTS)
        log.record(
            COMMAND_LINE,
            "operator_created",
            account_id=None,
            object_kind="operator",
            object_id=made.id,
            at=now,
            after={"name": made.name, "country": made.country, "tax_mode": str(made.tax_mode)},
        )
        user = people.add_staff(first, role, COMMAND_LINE, now)
    return links.make(user, now)


def create_account(new: NewAccount, admin: NewPerson, by: Who, now: datetime) -> Created:
    """Make an account, its billing details and its first Admin, and have the invitation mailed.

    Raises UnknownCurrency, UnknownCountry, UnknownTimeZone, NoBillingEmail, NotAnEmail or EmailTaken; then
    nothing was made.
    """
    _check_place(new.country, new.time_zone)
    currency = currency_of(new.currency).code
    if not new.billing_emails:
        raise NoBillingEmail
    with atomic():
        account = Account.objects.create(
            name=new.name,
            mode=new.mode,
            currency=currency,
            time_zone=new.time_zone,
            language=new.language,
            created_at=now,
        )
        BillingDetails.objects.create(
            account_id=account.id,
            billing_name=new.billing_name,
            address=new.address,
            country=new.country,
            vat_id=new.vat_id,
            registration_number=new.registration_number,
            billing_emails=[people.read_email(address) for address in new.billing_emails],
        )
        log.record(
            by,
            "account_created",
            account_id=account.id,
            object_kind="account",
            object_id=account.id,
            at=now,
            after={"name": account.name, "mode": str(account.mode), "currency": currency},
        )
        user = people.add_member(account.id, admin, Role.ADMIN, by, now)
        people.invite(user, by, now)
    return Created(account, user)


def _waiting_staff(operator: Operator, first: NewPerson) -> User:
    """The first staff member, if it is `first` and no password has been chosen. Raises OperatorExists."""
    address = first.email.strip().lower()
    user = User.objects.filter(email=address).exclude(staff_role=StaffRole.NONE).first()
    if user is None or not user.is_active or user.has_usable_password():
        raise OperatorExists(name=operator.name)
    return user


def _policy(code: str) -> AmountPolicy:
    minimum, maximum, presets = AMOUNTS[code]
    return AmountPolicy(
        currency=code,
        minimum_micros=minimum * MICROS_PER_UNIT,
        maximum_micros=maximum * MICROS_PER_UNIT,
        presets_micros=[preset * MICROS_PER_UNIT for preset in presets],
    )


def _check_place(country: str, time_zone: str) -> None:
    if country not in COUNTRIES:
        raise UnknownCountry(country=country)
    if time_zone not in available_timezones():
        raise UnknownTimeZone(time_zone=time_zone)
