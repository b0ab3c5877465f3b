"""Postings per second through `raseed.ledger.post`, and their share of what the same server does for pgbench.

Eight threads post usage to 5,000 accounts, then all of it to one. The yardstick is pgbench's own tpcb-like transaction
with eight clients, before and after, so that a machine that is busy for a while flatters neither side.
"""

import os
import re
import subprocess
from datetime import UTC, datetime
from random import Random
from typing import Final
from uuid import UUID

from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from raseed.accounts.models import Account
from raseed.bench.figures import rate
from raseed.bench.registry import given
from raseed.db.invariants import run as violations
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money

THREADS: Final = 8
ACCOUNTS: Final = 5_000
# Rows of pgbench's branches: as many as clients at least, or it measures its own locks.
SCALE: Final = 10
_BOOKS: Final = frozenset({"I1", "I2", "I3", "I4", "I5", "I6", "I7"})
_TPS: Final = re.compile(r"tps = ([\d.]+) \(without")


def run() -> dict[str, object]:
    """posts_per_second, hot_account_posts_per_second, share_of_pgbench; and the yardstick itself."""
    about = given()
    about.say("pgbench, tpcb-like, 8 clients")
    _pgbench("--initialize", "--quiet", f"--scale={SCALE}")
    before = _tpcb_like(about.seconds)
    accounts = _accounts()
    about.say("8 threads post to 5,000 accounts")
    posts = _posts(accounts, about.seconds)
    about.say("8 threads post to one account")
    hot = _posts(accounts[:1], about.seconds)
    about.say("pgbench again")
    after = _tpcb_like(about.seconds)
    yardstick = (before + after) / 2
    return {
        "posts_per_second": round(posts, 1),
        "hot_account_posts_per_second": round(hot, 1),
        "share_of_pgbench": round(posts / yardstick, 3),
        "pgbench_per_second": round(yardstick, 1),
        "violations": sum(1 for found in violations(datetime.now(UTC)) if found.rule in _BOOKS),
    }


def _accounts() -> list[UUID]:
    now = datetime.now(UTC)
    made = Account.objects.bulk_create(
        [
            Account(name=f"Account {number}", currency="USD", time_zone="UTC", created_at=now)
            for number in range(ACCOUNTS)
        ]
    )
    return [account.id for account in made]


def _posts(accounts: list[UUID], seconds: float) -> float:
    chances = [Random(seed) for seed in range(THREADS)]  # noqa: S311 - which account, not a secret

    def work(thread: int, number: int) -> None:
        chance = chances[thread]
        account_id = accounts[chance.randrange(len(accounts))]
        amount = Money(chance.randrange(1_000, 2_000_000), "USD")
        post(
            NewEntry(
                account_id=account_id,
                kind=EntryKind.USAGE,
                operation_key=f"usage:{len(accounts)}:{thread}:{number}",
                transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount),),
                at=datetime.now(UTC),
                memo={"service": "calls_out"},
            )
        )

    return rate(work, THREADS, seconds, connections.close_all)


def _tpcb_like(seconds: float) -> float:
    said = _pgbench(
        "--no-vacuum",
        f"--client={THREADS}",
        "--jobs=2",
        f"--time={max(1, round(seconds))}",
        "--protocol=simple",
    )
    found = _TPS.search(said)
    if found is None:
        raise RuntimeError(f"pgbench said no figure:\n{said}")
    return float(found[1])


def _pgbench(*options: str) -> str:
    house = given().house
    parts = conninfo_to_dict(house.superuser_url)
    done = subprocess.run(
        [str(house.cluster.bin_dir / "pgbench"), *options, str(parts["dbname"])],
        env=os.environ
        | {"PGHOST": str(parts["host"]), "PGUSER": str(parts["user"]), "PGPASSWORD": str(parts["password"])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"pgbench failed:\n{done.stderr}")
    return done.stdout
