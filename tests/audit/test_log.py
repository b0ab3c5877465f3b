"""The audit log takes rows, in the transaction of the act, and gives none away again."""

from uuid import uuid4

import pytest
from django.db import ProgrammingError, connection, transaction
from psycopg.errors import InsufficientPrivilege

from people import NOON, make_company
from raseed.audit import log
from raseed.audit.log import NoTransaction, Who
from raseed.audit.models import AuditEntry, OperatorAuditEntry


def test_an_act_on_an_account_lies_with_the_account(db: None) -> None:
    company = make_company()
    who = Who(company.admin.id, "admin", "192.0.2.7")

    log.record(
        who,
        "renamed",
        account_id=company.account.id,
        object_kind="account",
        object_id=company.account.id,
        before={"name": "Falcon"},
        after={"name": "Hawk"},
        reason="they asked",
        at=NOON,
    )

    entry = AuditEntry.objects.get(account_id=company.account.id)
    assert (entry.actor_id, entry.actor_role, entry.ip) == (company.admin.id, "admin", "192.0.2.7")
    assert (entry.action, entry.object_kind, entry.object_id) == (
        "renamed",
        "account",
        str(company.account.id),
    )
    assert (entry.before, entry.after, entry.reason) == ({"name": "Falcon"}, {"name": "Hawk"}, "they asked")
    assert entry.at == NOON
    assert not OperatorAuditEntry.objects.exists()


def test_an_act_of_the_operators_house_has_no_account(db: None) -> None:
    log.record(
        log.COMMAND_LINE, "operator_created", account_id=None, object_kind="operator", object_id=1, at=NOON
    )

    entry = OperatorAuditEntry.objects.get()
    assert (entry.actor_id, entry.actor_role, entry.ip) == (None, "command_line", None)


def test_an_act_is_written_down_in_its_own_transaction_or_not_at_all(real_db: object) -> None:
    company = make_company()

    def act() -> None:
        log.record(
            log.COMMAND_LINE,
            "renamed",
            account_id=company.account.id,
            object_kind="account",
            object_id="1",
            at=NOON,
        )

    with pytest.raises(NoTransaction):
        act()
    with transaction.atomic():
        act()
        transaction.set_rollback(True)
    assert not AuditEntry.objects.filter(account_id=company.account.id).exists()


@pytest.mark.parametrize("table", ["audit_auditentry", "audit_operatorauditentry"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET action = 'nothing' WHERE {where}",
        "DELETE FROM {table} WHERE {where}",
        "TRUNCATE {table}",
    ],
)
def test_the_application_cannot_change_or_remove_a_row(db: None, table: str, statement: str) -> None:
    where = "id = %s" if table == "audit_operatorauditentry" else "account_id = %s"
    text = statement.format(table=table, where=where)
    with pytest.raises(ProgrammingError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(text, [uuid4()] if "%s" in text else None)
    assert isinstance(refused.value.__cause__, InsufficientPrivilege)
