"""Seconds of `raseed verify` on books of a million entries: all of it, and what changed since."""

from datetime import UTC, datetime
from random import Random
from typing import Final
from uuid import UUID

from raseed import verify
from raseed.accounts.models import Account
from raseed.bench.registry import given
from raseed.bench.volume import fill
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money

ACCOUNTS: Final = 1_000
# What is written between the two runs: ten minutes of a middling day.
POSTS: Final = 1_000
ACCOUNTS_TOUCHED: Final = 100


def run() -> dict[str, object]:
    """full_s, incremental_s, entries; and what either found, which must be nothing."""
    about = given()
    now = datetime.now(UTC)
    accounts = [
        account.id
        for account in Account.objects.bulk_create(
            [
                Account(name=f"Account {number}", currency="USD", time_zone="UTC", created_at=now)
                for number in range(min(ACCOUNTS, about.entries // 100))
            ]
        )
    ]
    about.say(f"books of {about.entries:,} entries")
    entries = fill(about.house.owner_url, accounts, about.entries // len(accounts), now)
    about.say("raseed verify")
    full = verify.check_all(now)
    about.say(f"{POSTS:,} postings")
    _post(accounts[:ACCOUNTS_TOUCHED], now)
    about.say("raseed verify --incremental")
    incremental = verify.check_changed(datetime.now(UTC))
    if incremental.since is None:
        raise RuntimeError("the full run was not clean: " + "; ".join(map(str, full.violations[:5])))
    return {
        "full_s": round(full.seconds, 2),
        "incremental_s": round(incremental.seconds, 2),
        "entries": entries,
        "accounts": len(accounts),
        "accounts_changed": incremental.accounts,
        "violations": len(full.violations) + len(incremental.violations),
    }


def _post(accounts: list[UUID], now: datetime) -> None:
    chance = Random(1)  # noqa: S311 - amounts of a bench
    for number in range(POSTS):
        amount = Money(chance.randrange(1_000, 2_000_000), "USD")
        post(
            NewEntry(
                account_id=accounts[number % len(accounts)],
                kind=EntryKind.USAGE,
                operation_key=f"later:{number}",
                transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount),),
                at=now,
            )
        )
