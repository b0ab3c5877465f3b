"""Owned rows: saving, refreshing, deleting and creating many, each within the account."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from raseed.accounts.models import Account, Membership
from raseed.db.uuids import new_id

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def make_account() -> UUID:
    return Account.objects.create(name="Test", currency="USD", time_zone="UTC", created_at=NOW).id


@pytest.fixture
def membership(db: None) -> Membership:
    return Membership.objects.create(account_id=make_account(), user_id=uuid4(), role="agent")


def test_new_ids_are_version_7_and_ascend() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert {value.version for value in ids} == {7}
    assert ids == sorted(ids)
    assert len(set(ids)) == 1_000


def test_saving_updates_the_row_of_this_account_only(membership: Membership) -> None:
    membership.role = "admin"
    with CaptureQueriesContext(connection) as captured:
        membership.save(update_fields=["role"])
    (statement,) = [query["sql"] for query in captured if query["sql"].startswith("UPDATE")]
    assert f"\"account_id\" = '{membership.account_id.hex}'" in statement
    stranger = Membership(id=membership.id, account_id=make_account(), user_id=uuid4(), role="admin")
    stranger._state.adding = False
    with pytest.raises(DatabaseError, match="did not affect any rows"), transaction.atomic():
        stranger.save(update_fields=["role"])


def test_the_same_id_may_stand_in_two_accounts(membership: Membership) -> None:
    Membership.objects.create(id=membership.id, account_id=make_account(), user_id=uuid4(), role="agent")


def test_the_key_is_account_and_id(membership: Membership) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(
            id=membership.id, account_id=membership.account_id, user_id=uuid4(), role="agent"
        )


def test_an_account_that_does_not_exist_is_refused_at_once(membership: Membership) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(account_id=uuid4(), user_id=uuid4(), role="agent")


def test_refreshing_reads_the_row_of_this_account_only(membership: Membership) -> None:
    Membership.objects.filter(account_id=membership.account_id, id=membership.id).update(role="admin")
    membership.refresh_from_db()
    assert membership.role == "admin"
    membership.account_id = uuid4()
    with pytest.raises(Membership.DoesNotExist):
        membership.refresh_from_db()


def test_deferred_fields_load_within_the_account(membership: Membership) -> None:
    rows = Membership.objects.filter(account_id=membership.account_id)
    assert rows.defer("role").get().role == "agent"


def test_deleting_deletes_the_row_of_this_account_only(membership: Membership) -> None:
    stranger = Membership(id=membership.id, account_id=uuid4(), user_id=uuid4(), role="admin")
    assert stranger.delete()[0] == 0
    assert membership.delete() == (1, {"accounts.Membership": 1})
    assert not Membership.objects.filter(account_id=membership.account_id).exists()


def test_many_rows_are_created_with_plain_values(membership: Membership) -> None:
    rows = [
        Membership(account_id=membership.account_id, user_id=uuid4(), role="agent", is_active=True)
        for _ in range(3)
    ]
    with CaptureQueriesContext(connection) as captured:
        Membership.objects.bulk_create(rows)
    (statement,) = [query["sql"] for query in captured if query["sql"].startswith("INSERT")]
    assert "UNNEST" not in statement
    assert " VALUES " in statement
    assert Membership.objects.filter(account_id=membership.account_id).count() == 4


def test_grouping_by_a_row_lists_all_its_columns(membership: Membership) -> None:
    # With Django's own backend: 'column must appear in the GROUP BY clause', for the key is not `id` alone.
    rows = Membership.objects.filter(account_id=membership.account_id).annotate(n=Count("account__name"))
    assert [row.n for row in rows] == [1]
