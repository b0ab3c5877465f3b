"""Broken on purpose, each fault of automatic recharge is found and named."""

from datetime import timedelta
from uuid import uuid4

from conftest import RealDatabase
from people import NOON
from raseed.db.guard import across_accounts
from raseed.db.invariants import Scope, registered
from raseed.payments.recharge.models import Consideration
from recharging import Recharged


def faults(falcon: Recharged) -> list[str]:
    """What the rule says of this account."""
    scope = Scope(NOON + timedelta(hours=1), (falcon.account.id,))
    with across_accounts("the rule is looked at by itself"):
        return [str(one.detail) for rule in registered() if rule.rule == "I22" for one in rule.check(scope)]


def test_a_recharge_that_nobody_explains_is_found(shared_real_db: RealDatabase, falcon: Recharged) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    falcon.use("15")
    falcon.work()
    assert faults(falcon) == []
    row = Consideration.objects.get(account_id=falcon.account.id)
    with shared_real_db.owner() as owner:
        owner.execute("DELETE FROM recharge_consideration WHERE id = %s", [row.id])
        assert faults(falcon) == ["stands in the history 0 times"]
        row.save(force_insert=True)
        row.id = uuid4()
        row.save(force_insert=True)
    assert sorted(faults(falcon)) == [
        "stands in the history 2 times",
        f"try 1 charged card {row.method_id} 2 times",
    ]


def test_two_open_recharges_are_found(falcon: Recharged, shared_real_db: RealDatabase) -> None:
    falcon.card()
    falcon.has("40")
    falcon.on()
    for _ in range(2):
        falcon.use(falcon_all(falcon))
        falcon.work()
    with shared_real_db.owner() as owner:
        owner.execute("DROP INDEX payments_one_open_recharge")
        owner.execute(
            "UPDATE payments_payment SET state = 'submitted' WHERE account_id = %s", [falcon.account.id]
        )
        try:
            assert "2 recharges are open" in faults(falcon)
        finally:
            owner.execute(
                "UPDATE payments_payment SET state = 'succeeded' WHERE account_id = %s", [falcon.account.id]
            )
            owner.execute(
                "CREATE UNIQUE INDEX payments_one_open_recharge ON payments_payment (account_id)"
                " WHERE purpose = 'recharge' AND state IN ('created', 'submitted', 'action_required')"
            )


def falcon_all(falcon: Recharged) -> str:
    """What takes the balance to the threshold."""
    return str(round(float(falcon.available()) - 25))
