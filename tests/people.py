"""An operator, accounts and their people, made as rows: what most tests begin with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from uuid import UUID, uuid4

from django.contrib.auth.hashers import get_hasher, make_password

from raseed.accounts.models import Account, AmountPolicy, BillingDetails, Membership, Operator, TaxMode, User
from raseed.gateways.port import Card, SavedReference
from raseed.ledger import read
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money, parse_amount
from raseed.payments.methods import keep
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.paynow import PayNow, open_payment

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Company:
    """An account and its Admin."""

    account: Account
    admin: User


def make_operator(tax_mode: str = TaxMode.ON_USAGE, tax_rate_ppm: int = 0) -> Operator:
    """The operator's row, and amounts from 5 to 5,000 with four presets in every tested currency."""
    for currency in ("USD", "SAR", "JOD", "EUR", "KWD"):
        AmountPolicy.objects.update_or_create(
            currency=currency,
            defaults={
                "minimum_micros": 5_000_000,
                "maximum_micros": 5_000_000_000,
                "presets_micros": [50_000_000, 100_000_000, 250_000_000, 500_000_000],
            },
        )
    return Operator.objects.update_or_create(
        id=1,
        defaults={
            "name": "Raseed Telecom",
            "name_ar": "رصيد للاتصالات",
            "address": "1 King Street, Riyadh",
            "address_ar": "١ شارع الملك، الرياض",
            "country": "SA",
            "tax_number": "300000000000003",
            "registration_number": "1010000000",
            "time_zone": "Asia/Riyadh",
            "email_from": "billing@operator.test",
            "email_reply_to": "support@operator.test",
            "support_contact": "support@operator.test",
            "tax_mode": tax_mode,
            "tax_rate_ppm": tax_rate_ppm,
        },
    )[0]


@cache
def _hashed(hasher: str) -> str:
    """PASSWORD as `hasher` keeps it. Hashing is slow on purpose, and one hash does for all people of the tests."""
    return make_password(PASSWORD, hasher=hasher)


def make_user(email: str, name: str = "Lina", account: Account | None = None, **fields: object) -> User:
    """A person who can sign in with PASSWORD."""
    user = User(
        email=email,
        name=name,
        account_id=account.id if account else None,
        created_at=NOON,
        sessions_valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        password=_hashed(get_hasher().algorithm),
        **fields,
    )
    user.save()
    return user


def make_company(name: str = "Falcon Trading", currency: str = "USD", **fields: object) -> Company:
    """An account with billing details and an Admin."""
    account = Account.objects.create(
        name=name,
        currency=currency,
        time_zone="Asia/Riyadh",
        created_at=NOON,
        **fields,
    )
    BillingDetails.objects.create(
        account=account,
        billing_name=f"{name} LLC",
        address="2 Queen Street, Jeddah",
        country="SA",
        billing_emails=[f"finance@{account.id.hex[-8:]}.test"],
    )
    admin = make_user(f"admin@{account.id.hex[-8:]}.test", account=account)
    Membership.objects.create(account=account, user_id=admin.id, role="admin")
    return Company(account, admin)


def save_card(company: Company, reference: str, *, last4: str = "4242") -> PaymentMethod:
    """Keep a card of the bank's as a payment method of the account."""
    saved = SavedReference(reference, Card("visa", last4, 12, 2030), chargeable_unattended=True)
    return keep(company.account.id, "sandbox", saved, NOON)


def spend(company: Company, amount: str, key: str | None = None) -> None:
    """Book usage: a fact, even below zero."""
    money = parse_amount(amount, company.account.currency)
    post(
        NewEntry(
            account_id=company.account.id,
            kind=EntryKind.USAGE,
            operation_key=key or f"usage:{uuid4()}",
            transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, money),),
            at=NOON,
        )
    )


def command(company: Company, amount: str = "100", **fields: object) -> PayNow:
    """What the Admin asks for: `amount` of the account's currency on a card typed once, unless told otherwise."""
    asked: dict[str, object] = {
        "account_id": company.account.id,
        "client_key": uuid4(),
        "credit": parse_amount(amount, company.account.currency),
        "method_id": None,
        "save_method": False,
        "actor_user_id": company.admin.id,
        "language": "en",
    }
    return PayNow(**(asked | fields))  # type: ignore[arg-type]


def open_one(
    company: Company,
    amount: str = "100",
    method_id: UUID | None = None,
    now: datetime = NOON,
    **fields: object,
) -> Payment:
    """An intent, committed and not yet sent."""
    return open_payment(command(company, amount, method_id=method_id, **fields), now)


def customer_balance(company: Company) -> Money:
    """The ledger balance of the account."""
    row = read.balance(company.account.id, Kind.CUSTOMER, company.account.currency)
    return Money(row.balance_micros, company.account.currency)
