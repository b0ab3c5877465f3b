"""Second factors for tests: an app that knows its secret, and the code it shows at a moment."""

from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.test import Client
from django.urls import reverse

from people import PASSWORD
from raseed.accounts.factors import change
from raseed.accounts.models import User
from raseed.accounts.proof import prove
from raseed.audit.log import Who


def code_at(secret: bytes, now: datetime) -> str:
    """What an authenticator app shows, by the library's own arithmetic."""
    return TOTP(secret, 6, SHA1(), 30).generate(int(now.timestamp())).decode()


def give_app(user: User, now: datetime) -> tuple[bytes, list[str]]:
    """Set up an authenticator app for the user at `now`; its secret and the recovery codes."""
    sealed = change.begin_app(user, now)
    secret = change.secret_of(user, sealed, now)
    return secret, change.add_app(user, sealed, code_at(secret, now), Who(user.id, "self"), now)


def password_typed(user: User, client: Client | None = None, after: str = "") -> Client:
    """A browser that has given the right password on the login page."""
    client = client or Client()
    form = {"username": user.email, "password": PASSWORD, "next": after}
    assert client.post(reverse("portal:login"), form).status_code == 302
    return client


def prove_now(client: Client, now: datetime) -> None:
    """Give a session that a test has made by force the proof that a sign-in would have given it."""
    session = client.session
    prove(session, now)
    session.save()
