"""Two accounts with something of everything, and staff: what the crawler walks through and what must not leak.

`Side.values` says which values a parameter of an address can have on one account's side. A parameter that it does not
know fails the suite with a sentence: whoever adds the route adds the row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from authenticator import SoftPasskey
from factors import prove_now
from people import Company, make_company, make_operator, make_user, open_one, save_card, spend
from raseed.accounts import api_keys, details
from raseed.accounts.access import ROUTES, Action, Public, Role, may
from raseed.accounts.api_keys import NewKey
from raseed.accounts.factors.models import Passkey
from raseed.accounts.models import BillingDetails, KeyAccess, Membership, StaffRole, User
from raseed.audit.log import COMMAND_LINE, Who, record
from raseed.balance import alerts, suspension
from raseed.balance.alert_settings import change as change_alerts
from raseed.balance.alerts import Watched
from raseed.balance.models import Reason
from raseed.db.models import Owned
from raseed.db.transactions import atomic
from raseed.documents.issue import issue_receipt_voucher, render_document
from raseed.documents.models import Document
from raseed.events.models import EventKind
from raseed.events.tell import tell
from raseed.gateways.port import Card, Succeeded
from raseed.money import Money
from raseed.notifications.mails import mail_invitation, mail_receipt
from raseed.notifications.models import Mail
from raseed.notifications.webhooks import endpoints
from raseed.notifications.webhooks.endpoints import NewEndpoint
from raseed.payments import breaks, states
from raseed.payments.breaks import BreakKind
from raseed.payments.cards import setups
from raseed.payments.cards.models import CardSetup
from raseed.payments.cards.setups import AddCard
from raseed.payments.models import Payment, ReconciliationBreak
from raseed.payments.recharge import change, history
from raseed.payments.recharge.reasons import Cause as RechargeCause
from raseed.payments.recharge.reasons import Reason as RechargeReason
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State
from recharging import WANTED

ACCOUNT_ROLES: Final = (Role.ADMIN, Role.SUPERVISOR, Role.AGENT)
STAFF_ROLES: Final = (Role.SUPPORT, Role.FINANCE)

# Parameters that name nothing of an account: the same on both sides.
SHARED: Final[dict[str, tuple[object, ...]]] = {
    "gateway_name": ("sandbox",),
    "reason": ("staff",),
    "token": ("choose", "x-0"),
    "index": ("0",),
    "rest": ("nothing",),
    "way": ("on", "off"),
}


class UnknownParameter(AssertionError):
    """An address has a parameter of which the crawler does not know what it names."""


@dataclass
class Side:
    """One account with its people by role, and what of it may stand in an address or must not be seen elsewhere."""

    company: Company
    people: dict[Role, User]
    waiting: User
    disabled: User
    # A key of the account's to the API, as a program would send it.
    key: str = ""
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def account_id(self) -> UUID:
        return self.company.account.id

    def values(self, parameter: str) -> list[object]:
        """What `parameter` can be on this side. Raises UnknownParameter."""
        if parameter in PARAMETERS:
            return PARAMETERS[parameter](self)
        model = _model_of(parameter)
        found = [row.pk for row in _rows_of(model, self)] if model else []
        if not found:
            raise UnknownParameter(
                f"The crawler does not know what {parameter!r} names. In tests/doors/world.py, add it to SHARED if"
                " it names nothing of an account; else name it like its model (passkey_id for Passkey) and make a"
                " row of that model for each account in make_side, or add a line to PARAMETERS."
            )
        return found


PARAMETERS: Final[dict[str, Callable[[Side], list[object]]]] = {
    "account_id": lambda side: [side.account_id],
    "user_id": lambda side: [side.people[Role.AGENT].id, side.waiting.id, side.disabled.id],
    "payment_id": lambda side: list(
        Payment.objects.filter(account_id=side.account_id).order_by("id").values_list("id", flat=True)
    ),
    "break_id": lambda side: list(
        ReconciliationBreak.objects.filter(account_id=side.account_id).values_list("id", flat=True)
    ),
    "uidb64": lambda side: [urlsafe_base64_encode(force_bytes(str(side.people[Role.ADMIN].id)))],
    "key": lambda side: [
        str(one) for one in Mail.objects.filter(account_id=side.account_id).values_list("id", flat=True)
    ],
}


def _model_of(parameter: str) -> type[Model] | None:
    stem = parameter.removesuffix("_id").replace("_", "")
    named = [one for one in apps.get_models() if one._meta.model_name == stem]
    return named[0] if stem != parameter and len(named) == 1 else None


def _rows_of(model: type[Model], side: Side) -> list[Any]:
    """The rows of a model that belong to the account, or to one of its people."""
    names = {one.name for one in model._meta.get_fields()} | {
        getattr(one, "attname", "") for one in model._meta.get_fields()
    }
    if issubclass(model, Owned) or "account_id" in names:
        return list(model._default_manager.filter(account_id=side.account_id))
    if "user_id" in names:
        users = [one.id for one in (*side.people.values(), side.waiting, side.disabled)]
        return list(model._default_manager.filter(user_id__in=users))
    return []


@dataclass(frozen=True)
class Visitor:
    """Somebody at the door: a name for the table, a role and a side, or neither."""

    name: str
    role: Role | None
    side: Side | None
    user: AbstractBaseUser | None

    def client(self) -> Client:
        client = Client()
        if self.user is not None:
            client.force_login(self.user)
            # Acts that want a fresh proof are in the table too: who is asked for one again has tests of its own.
            prove_now(client, timezone.now())
        return client

    def may_open(self, route: str) -> bool:
        """What the table says."""
        access = ROUTES[route]
        if isinstance(access, Action):
            return self.role is not None and may(self.role, access)
        return isinstance(access, Public)


@dataclass
class World:
    """The two sides and all who may come."""

    a: Side
    b: Side
    staff: dict[Role, User]
    # A key of the whole operator's to the API.
    key: str

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.a, self.b

    def visitors(self) -> list[Visitor]:
        """Nobody, every role of both accounts, and every role of staff."""
        return [
            Visitor("anonymous", None, None, None),
            *(Visitor(f"A {role}", role, self.a, self.a.people[role]) for role in ACCOUNT_ROLES),
            *(Visitor(f"B {role}", role, self.b, self.b.people[role]) for role in ACCOUNT_ROLES),
            *(Visitor(str(role), role, None, self.staff[role]) for role in STAFF_ROLES),
        ]


def make_world() -> World:
    """Make it in the database of now, with real commits."""
    make_operator()
    # Staff see one form where they have suspended an account, and another where they have not.
    a, b = make_side("Falcon", Reason.STAFF), make_side("Hawk", Reason.DISPUTE)
    assert set(ACCOUNT_ROLES) | set(STAFF_ROLES) == set(Role), "a new role: give it a visitor"
    staff = {
        role: make_user(f"{role}@operator.test", f"Staff {role}", staff_role=StaffRole(role.value))
        for role in STAFF_ROLES
    }
    asked = NewKey("Telephone exchange", KeyAccess.FULL, None)
    key = api_keys.make(None, asked, Who(staff[Role.FINANCE].id, "finance"), timezone.now())
    return World(a, b, staff, key.secret)


def make_side(name: str, suspended: Reason) -> Side:
    """An account whose every text and number is its own, so that any of them is known wherever it turns up."""
    now = timezone.now()
    company = make_company(f"{name} Trading")
    account = company.account
    people = {Role.ADMIN: company.admin}
    for role in (Role.SUPERVISOR, Role.AGENT):
        people[role] = make_user(f"{role}@{name.lower()}.test", account=account)
        Membership.objects.create(account=account, user_id=people[role].id, role=role.value)
    waiting = make_user(f"waiting@{name.lower()}.test", account=account)
    waiting.set_unusable_password()
    waiting.save()
    disabled = make_user(f"disabled@{name.lower()}.test", account=account, is_active=False)
    for user in (waiting, disabled):
        Membership.objects.create(account=account, user_id=user.id, role="agent", is_active=user.is_active)
    for user in people.values():
        Passkey.objects.create(
            user_id=user.id,
            name=f"{name} key",
            credential_id=user.id.bytes,
            credential=SoftPasskey(id=user.id.bytes).attested,
            signature_count=0,
            created_at=now,
        )
    for role, user in [*people.items(), ("waiting", waiting), ("disabled", disabled)]:
        User.objects.filter(id=user.id).update(name=f"{name} {role} Haddad")
    BillingDetails.objects.filter(account=account).update(
        address=f"7 {name} Street", vat_id=f"3000{name}", billing_emails=[f"money@{name.lower()}.test"]
    )
    side = Side(company, people, waiting, disabled)
    card = save_card(company, f"card_{name}")
    spend(company, "3.50")
    paid = _paid(side, name)
    waits = open_one(company, "60", now=now - timedelta(minutes=2))
    _at_bank(waits, f"pay_open_{name}")
    document = _papers(side, paid)
    _recharge(side, name)
    _alerts(side, name)
    setup = _card_at_bank(side, f"set_open_{name}")
    change_request = details.ask(
        account.id,
        replace(details.kept(details.details_of(account.id)), billing_name=f"{name} Renamed LLC"),
        f"{name} was renamed",
        Who(company.admin.id, "admin"),
        now,
    )
    with atomic():
        suspension.suspend(account.id, suspended, now, note=f"{name} asked for it")
        record(
            COMMAND_LINE,
            "suspended",
            account_id=account.id,
            object_kind="account",
            object_id=account.id,
            at=now,
            reason=f"{name} asked for it",
        )
    breaks.report(BreakKind.UNRESOLVED, waits, f"pay_open_{name}", f"{name} waits", now)
    mail_invitation(waiting.id, now)
    asked = NewKey(f"{name} telephones", KeyAccess.FULL, None)
    made = api_keys.make(account.id, asked, Who(company.admin.id, "admin"), now)
    side.key = made.secret
    wanted = NewEndpoint(
        f"https://{name.lower()}.example.com/hooks", tuple(EventKind), account.id, f"{name} service"
    )
    endpoint = endpoints.create(wanted, COMMAND_LINE, now).endpoint
    with atomic():
        tell(account.id, EventKind.BALANCE_LOW, {"currency": "USD"}, now)
    side.secrets = {
        "account": str(account.id),
        "name": f"{name} Trading",
        "street": f"7 {name} Street",
        "tax number": f"3000{name}",
        "billing e-mail": f"money@{name.lower()}.test",
        "note": f"{name} asked for it",
        "card": str(card.id),
        "card's reference": f"card_{name}",
        "paid": str(paid.id),
        "open": str(waits.id),
        "bank's reference": f"pay_open_{name}",
        "paper": str(document.id),
        "key": made.secret,
        "id of the key": str(made.key.id),
        "endpoint": str(endpoint.id),
        "endpoint's address": endpoint.url,
        "name of the key": f"{name} telephones",
        "paper's number": document.display_number,
        **{f"id of {one.email}": str(one.id) for one in (*people.values(), waiting, disabled)},
        **{f"e-mail of {one.email}": one.email for one in (*people.values(), waiting, disabled)},
        "people": f"{name} admin Haddad",
        "card at the bank": str(setup.id),
        "request": str(change_request.id),
        "wanted name": f"{name} Renamed LLC",
        "why": f"{name} was renamed",
    }
    return side


def _paid(side: Side, name: str) -> Payment:
    now = timezone.now()
    payment = open_one(side.company, now=now - timedelta(minutes=5), another=True)
    states.move(payment, State.SUBMITTED, Cause.PAGE, now)
    captured = Succeeded(
        gateway_ref=f"pay_done_{name}",
        captured_minor=payment.charge_minor,
        captured_currency=payment.currency,
        payment_id=payment.id,
        card=Card("visa", "4242", 12, 2030),
        saved=None,
    )
    return settle(side.account_id, payment.id, captured, Cause.PAGE, now)


def _recharge(side: Side, name: str) -> None:
    """Automatic recharge is on, and was considered once."""
    now = timezone.now()
    by = Who(side.people[Role.ADMIN].id, "admin")
    change.switch_on(side.company.account, 0, WANTED, change.Consent(f"{name}1", f"{name} agrees."), by, now)
    history.refused(
        side.company.account,
        RechargeCause.CROSSED,
        RechargeReason.DAY_CAP,
        history.Seen(0),
        now,
        next_at=now,
        cap=3,
    )


def _alerts(side: Side, name: str) -> None:
    """The account wants to be warned, and is."""
    now = timezone.now()
    by = Who(side.people[Role.ADMIN].id, "admin")
    wanted = Watched(addresses=(f"cfo@{name.lower()}.test",), low_balance=Money(10**15, "USD"))
    change_alerts(side.company.account, 0, wanted, by, now)
    alerts.look(side.account_id, now)


def _at_bank(payment: Payment, reference: str) -> None:
    """As it stands while the customer is on the bank's page."""
    now = timezone.now()
    Payment.objects.filter(account_id=payment.account_id, id=payment.id).update(
        gateway_ref=reference, action_url="http://127.0.0.1:1/pay/x", submitted_at=now
    )
    states.move(payment, State.SUBMITTED, Cause.PAGE, now)
    states.move(payment, State.ACTION_REQUIRED, Cause.PAGE, now)


def _card_at_bank(side: Side, reference: str) -> CardSetup:
    """A card that is being added, as it stands while the Admin is on the bank's page."""
    admin = Who(side.people[Role.ADMIN].id, "admin")
    now = timezone.now()
    setup = setups.open_setup(AddCard(side.account_id, uuid4(), admin, "en"), now)
    CardSetup.objects.filter(account_id=side.account_id, id=setup.id).update(
        state="action_required",
        gateway_ref=reference,
        action_url="http://127.0.0.1:1/keep/x",
        submitted_at=now,
    )
    return setup


def _papers(side: Side, paid: Payment) -> Document:
    now = timezone.now()
    document = issue_receipt_voucher(side.account_id, paid.id, now)
    render_document(side.account_id, document.id, now)
    mail_receipt(side.account_id, document.id, now)
    return document
