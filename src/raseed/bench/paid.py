"""`python -m raseed.bench.paid N`: an account whose Admin has paid N times at the bank, of which we have heard nothing yet.

Run inside a Site. Prints one line of JSON: the payments with their references at the bank, and a session of the Admin.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import django
import httpx

os.environ["DJANGO_SETTINGS_MODULE"] = "raseed.config.settings"
django.setup()

from django.conf import settings  # noqa: E402 - Django is set up before rooms are imported
from django.contrib.auth import login  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.utils import timezone  # noqa: E402

from raseed.accounts import onboarding, people  # noqa: E402
from raseed.accounts.models import Account, Language, Mode, StaffRole, User  # noqa: E402
from raseed.audit.log import COMMAND_LINE  # noqa: E402
from raseed.money import Money  # noqa: E402
from raseed.payments import paynow, reconcile  # noqa: E402
from raseed.payments.states import Cause  # noqa: E402

AT_ONCE = 4
TRIES_MAX = 5


def main(count: int) -> None:
    """Make everybody and everything, and print what the measurement needs."""
    account, admin = _people()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        payments = list(pool.map(lambda _: _pay(account, admin), range(count)))
    print(json.dumps({"payments": payments, "cookie": f"{settings.SESSION_COOKIE_NAME}={_session(admin)}"}))


def _people() -> tuple[Account, User]:
    """An operator, and an account with its Admin."""
    now = timezone.now()
    operator = onboarding.NewOperator(
        name="Sada Cloud Telephony",
        country="AE",
        time_zone="Asia/Dubai",
        email_from="billing@operator.test",
        email_reply_to="support@operator.test",
    )
    staff = people.NewPerson("Sami Haddad", "support@operator.test", Language.ENGLISH)
    onboarding.init_operator(operator, staff, StaffRole.SUPPORT, now)
    account = onboarding.NewAccount(
        name="Falcon Trading",
        mode=Mode.PREPAID,
        currency="USD",
        time_zone="Asia/Dubai",
        language=Language.ENGLISH,
        billing_name="Falcon Trading LLC",
        address="Office 304, Business Bay, Dubai",
        country="AE",
        billing_emails=["finance@falcon.test"],
    )
    admin = people.NewPerson("Lina Farouk", "admin@falcon.test", Language.ENGLISH)
    made = onboarding.create_account(account, admin, COMMAND_LINE, now)
    return made.account, made.admin


def _pay(account: Account, admin: User) -> tuple[str, str]:
    asked = paynow.PayNow(
        account_id=account.id,
        client_key=uuid4(),
        credit=Money(50_000_000, account.currency),
        method_id=None,
        save_method=False,
        actor_user_id=admin.id,
        language="en",
        another=True,
    )
    payment = paynow.open_payment(asked, timezone.now())
    payment = paynow.submit(account.id, payment.id, timezone.now())
    for seconds in range(2, 2 * TRIES_MAX, 2):
        # On a machine that is busy otherwise the bank may have been too slow: ask, as the worker would.
        if not payment.gateway_ref:
            later = timezone.now() + timedelta(seconds=seconds)
            payment = reconcile.follow(account.id, payment.id, Cause.PAGE, later)
    connection.close()
    answer = httpx.post(
        f"{settings.SANDBOX_URL}/admin/pay/{payment.gateway_ref}",
        headers={"Authorization": f"Bearer {settings.SANDBOX_SECRET_KEY}"},
        json={"card": "4242424242424242", "outcome": "complete"},
        timeout=30,
        trust_env=False,
    )
    answer.raise_for_status()
    return str(payment.id), payment.gateway_ref


def _session(user: User) -> str:
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return str(request.session.session_key)


if __name__ == "__main__":
    main(int(sys.argv[1]))
