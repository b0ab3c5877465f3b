"""Whether a payment of the account is under way is found by an index of the open ones, however long its history is."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import RealDatabase
from people import NOON, make_company, make_operator, open_one
from raseed.accounts.models import Account
from raseed.money import Money
from raseed.payments import paynow
from raseed.payments.models import OPEN_STATES, Payment
from raseed.payments.paynow import PayNow
from raseed.payments.states import OPEN
from raseed.portal.reading import in_progress

HISTORY = 2_000


def plan_of(act: Callable[[], object]) -> str:
    with CaptureQueriesContext(connection) as caught:
        act()
    (sql,) = [one["sql"] for one in caught if "payments_payment" in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) {sql}".replace("%", "%%"))
        return "\n".join(line for (line,) in cursor.fetchall())


def test_open_payments_are_found_without_a_walk_over_the_history(real_db: RealDatabase) -> None:
    make_operator()
    company = make_company()
    first = open_one(company)
    row = {field.attname: getattr(first, field.attname) for field in Payment._meta.concrete_fields}
    Payment.objects.bulk_create(
        Payment(**row | {"id": uuid4(), "client_key": uuid4(), "state": "canceled", "created_at": NOON + timedelta(minutes=n)})
        for n in range(HISTORY)
    )  # fmt: skip
    Payment.objects.filter(account_id=company.account.id, id=first.id).update(state="canceled")
    with real_db.owner() as owner:
        owner.execute("ANALYZE payments_payment")
    account = Account.objects.get(id=company.account.id)
    asked = PayNow(
        account.id,
        uuid4(),
        Money(1_000_000, "USD"),
        None,
        save_method=False,
        actor_user_id=None,
        language="en",
    )
    for act in (lambda: in_progress(account, NOON), lambda: paynow._refuse_second(asked, NOON)):
        plan = plan_of(act)
        assert "payments_payment_open" in plan, plan
        assert "Seq Scan" not in plan, plan
        assert re.findall(r"actual rows=(\d+)", plan), plan
        assert "Rows Removed by Filter" not in plan, plan


def test_the_index_knows_all_open_states() -> None:
    assert set(OPEN_STATES) == set(OPEN)
