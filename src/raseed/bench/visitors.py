"""Admins with browsers that cost next to nothing: signed in, on one kept connection, sending what a form sends."""

import http.client
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from raseed.accounts import onboarding, people
from raseed.accounts.middleware import begin_session
from raseed.accounts.models import Account, AmountPolicy, Language, Mode, Operator, StaffRole, User
from raseed.audit.log import COMMAND_LINE

_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
CSRF_TOKEN_CHARACTERS: Final = 32


def make_operator(now: datetime) -> None:
    """The operator, with amounts from 5 to 5,000 USD, unless there is one."""
    if Operator.objects.exists():
        return
    staff = people.NewPerson("Sami Haddad", "support@operator.test", Language.ENGLISH)
    new = onboarding.NewOperator(
        name="Sada Cloud Telephony",
        country="AE",
        time_zone="Asia/Dubai",
        email_from="billing@operator.test",
        email_reply_to="support@operator.test",
    )
    onboarding.init_operator(new, staff, StaffRole.SUPPORT, now)
    AmountPolicy.objects.get_or_create(
        currency="USD",
        defaults={
            "minimum_micros": 5_000_000,
            "maximum_micros": 5_000_000_000,
            "presets_micros": [50_000_000, 100_000_000],
        },
    )


def make_account(number: int, now: datetime) -> tuple[Account, User]:
    """An account in USD and its Admin."""
    made = onboarding.create_account(
        onboarding.NewAccount(
            name=f"Falcon Trading {number}",
            mode=Mode.PREPAID,
            currency="USD",
            time_zone="Asia/Dubai",
            language=Language.ENGLISH,
            billing_name=f"Falcon Trading {number} LLC",
            address="Office 304, Business Bay, Dubai",
            country="AE",
            billing_emails=[f"finance{number}@falcon.test"],
        ),
        people.NewPerson("Lina Farouk", f"admin{number}@falcon.test", Language.ENGLISH),
        COMMAND_LINE,
        now,
    )
    return made.account, made.admin


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, the Location header, the body."""

    status: int
    location: str
    body: bytes


class Visitor:
    """One Admin's browser. For one thread."""

    def __init__(self, user: User) -> None:
        self._connection = http.client.HTTPConnection(str(urlsplit(settings.PUBLIC_URL).netloc), timeout=60)
        self._token = secrets.token_hex(CSRF_TOKEN_CHARACTERS // 2)
        cookies = {
            settings.SESSION_COOKIE_NAME: _session(user),
            settings.CSRF_COOKIE_NAME: self._token,
        }
        self._cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())

    def get(self, path: str) -> Answer:
        """A page."""
        return self._send("GET", path, None, {})

    def pay(self, amount: str, method_id: object) -> Answer:
        """Press Pay Now, on a saved card, once."""
        form = {
            "csrfmiddlewaretoken": self._token,
            "client_key": str(uuid4()),
            "amount": amount,
            "method": str(method_id),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Referer": settings.PUBLIC_URL}
        return self._send("POST", "/settings/billing/balance/pay", urlencode(form), headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, verb: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        self._connection.request(verb, path, body, {**headers, "Cookie": self._cookie})
        response = self._connection.getresponse()
        return Answer(response.status, response.headers.get("Location", ""), response.read())


def _session(user: User) -> str:
    """The key of a session as signing in makes it."""
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend=_BACKEND)
    begin_session(request.session, datetime.now(UTC))
    request.session.save()
    return str(request.session.session_key)
