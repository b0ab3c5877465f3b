"""Scheduled checks: what they find is in the log and in a row; old rows go, and a position is kept only when clean."""

import logging
from datetime import timedelta

import pytest

from conftest import RealDatabase
from people import NOON, make_company, spend
from raseed import jobs, verify
from raseed.audit.models import BooksCheck
from raseed.ledger.models import LedgerAccount


def test_a_scheduled_check_names_what_it_finds_in_the_log_and_keeps_it(
    real_db: RealDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    company = make_company()
    spend(company, "1.00")
    with caplog.at_level(logging.INFO, logger="raseed.verify"):
        jobs.check_all(0)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    clean = BooksCheck.objects.get()
    assert (clean.violations, clean.accounts, clean.found, clean.position is None) == (0, None, [], False)

    caplog.clear()
    with real_db.owner() as owner:
        owner.execute("UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE kind = 'customer'")
    jobs.check_changed(0)
    own = [record for record in caplog.records if record.name == "raseed.verify"]
    assert [record.levelname for record in own] == ["ERROR"] * 3
    assert own[0].getMessage().startswith("books broken: I3 account=")
    found = BooksCheck.objects.order_by("-at")[0]
    assert (found.violations, found.accounts, found.position) == (2, 1, None)
    assert [line.split()[0] for line in found.found] == ["I3", "I4"]
    # It read and repaired nothing.
    row = LedgerAccount.objects.get(account_id=company.account.id, kind="customer")
    assert row.balance_micros == -999_999


def test_old_runs_are_forgotten(db: None) -> None:
    for age in (verify.RUNS_KEPT_FOR, verify.RUNS_KEPT_FOR + timedelta(seconds=1)):
        BooksCheck.objects.create(at=NOON - age, milliseconds=1, violations=0)
    verify.forget_old(NOON)
    assert [run.at for run in BooksCheck.objects.all()] == [NOON - verify.RUNS_KEPT_FOR]


def test_too_many_changed_accounts_are_all_looked_at(
    real_db: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify.check_all(NOON)
    spend(make_company(), "1.00")
    assert verify.check_changed(NOON).accounts == 1
    spend(make_company("Other"), "1.00")
    monkeypatch.setattr(verify, "ACCOUNTS_MAX", 0)
    everything = verify.check_changed(NOON)
    assert (everything.since, everything.accounts) == (None, None)
