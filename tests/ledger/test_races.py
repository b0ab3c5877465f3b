"""Many hands on one account: nothing is lost, nothing is given away twice; each beside a control that fails."""

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from ledger_words import NOW, books_broken, entry, refund, topup, usage
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.errors import AlreadyReversed, InsufficientBalance, OperationKeyReused
from raseed.ledger.models import LedgerEntry
from raseed.ledger.post import NewEntry, Posted, Transfer, post
from raseed.ledger.read import balance
from raseed.ledger.reversal import reversal_of
from raseed.money import Money

MakeAccount = Callable[..., UUID]
THREADS = 8


def all_at_once(work: Callable[[int], Any], times: int = THREADS) -> list[Any]:
    """Run work(0 … times-1) in threads that start together; give results, or the error of each, in order."""
    barrier = threading.Barrier(times)
    results: list[Any] = [None] * times

    def one(number: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(30)
            results[number] = work(number)
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_hot_account_ends_at_the_exact_sum(real_db: Any, make_account: MakeAccount) -> None:
    account = make_account()

    def work(number: int) -> int:
        for turn in range(50):
            post(topup(account, f"payment:{number}:{turn}", 1_000 + number))
            post(usage(account, f"usage:{number}:{turn}", 7))
        return number

    assert all_at_once(work) == list(range(THREADS))
    row = balance(account, Kind.CUSTOMER, "USD")
    assert row.balance_micros == sum(50 * (1_000 + number - 7) for number in range(THREADS)) == 398_600
    assert row.version == 2 * 50 * THREADS
    assert books_broken() == []


def test_first_postings_at_once_make_one_balance_row(real_db: Any, make_account: MakeAccount) -> None:
    for _ in range(20):
        account = make_account()
        results = all_at_once(lambda number, to=account: post(topup(to, f"payment:{number}", 5)))
        assert all(isinstance(found, Posted) for found in results)
        assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 5 * THREADS
    assert books_broken() == []


def test_entries_that_cross_do_not_wait_for_each_other_in_a_ring(
    real_db: Any, make_account: MakeAccount
) -> None:
    account = make_account()
    kinds = [Kind.CUSTOMER, Kind.BANK, Kind.CASH, Kind.SUSPENSE]

    def work(number: int) -> int:
        order = kinds if number % 2 else kinds[::-1]
        for turn in range(30):
            lines = tuple(Transfer(a, b, Money(1, "USD")) for a, b in pairwise(order))
            post(NewEntry(account, EntryKind.ADJUSTMENT, f"cross:{number}:{turn}", lines, NOW))
        return number

    assert all_at_once(work) == list(range(THREADS))
    assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 0
    assert books_broken() == []


def test_one_key_from_many_hands_is_one_entry(real_db: Any, make_account: MakeAccount) -> None:
    for turn in range(20):
        account = make_account()
        results = all_at_once(lambda _, to=account: post(topup(to, "payment:1", 5)))
        assert len({found.entry_id for found in results}) == 1
        assert sorted(found.repeated for found in results) == [False] + [True] * (THREADS - 1)
        assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 5, turn
    assert books_broken() == []


def test_one_key_with_two_bodies_is_the_first_and_a_refusal(real_db: Any, make_account: MakeAccount) -> None:
    account = make_account()
    results = all_at_once(lambda number: post(topup(account, "payment:1", 5 + number % 2)))
    kept = LedgerEntry.objects.get(account_id=account)
    assert all(isinstance(found, OperationKeyReused) or found.entry_id == kept.id for found in results)
    assert sum(isinstance(found, OperationKeyReused) for found in results) == THREADS // 2
    assert balance(account, Kind.CUSTOMER, "USD").version == 1


def test_an_entry_is_reversed_once_whoever_is_first(real_db: Any, make_account: MakeAccount) -> None:
    for _ in range(20):
        account = make_account()
        first = post(topup(account, "payment:1", 5)).entry_id

        def work(number: int, to: UUID = account, entry_id: UUID = first) -> Posted:
            return post(reversal_of(to, entry_id, operation_key=f"reversal:{number % 4}", at=NOW, memo={}))

        results = all_at_once(work)
        done = [found for found in results if isinstance(found, Posted)]
        assert len({found.entry_id for found in done}) == 1
        assert sum(not found.repeated for found in done) == 1
        assert all(isinstance(found, Posted | AlreadyReversed) for found in results)
        assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 0


def test_refunds_that_race_stop_exactly_at_the_floor(real_db: Any, make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 1_050))

    def work(number: int) -> int:
        accepted = 0
        for turn in range(5):
            try:
                post(refund(account, f"refund:{number}:{turn}", 100))
            except InsufficientBalance:
                continue
            accepted += 1
        return accepted

    assert sum(all_at_once(work)) == 1_050 // 100
    row = balance(account, Kind.CUSTOMER, "USD")
    assert (row.balance_micros, row.version) == (50, 11)
    assert books_broken() == []


def test_without_the_floor_in_the_update_the_same_race_overspends(
    real_db: Any, make_account: MakeAccount
) -> None:
    """The negative control: look first, then write what no floor guards."""
    account = make_account()
    post(topup(account, "payment:1", 1_050))
    looked = threading.Barrier(THREADS)

    def work(number: int) -> int:
        accepted = 0
        for turn in range(5):
            enough = balance(account, Kind.CUSTOMER, "USD").balance_micros >= 100
            looked.wait(30)  # everybody has looked before anybody writes: the worst case, each time
            if enough:
                post(
                    entry(
                        account,
                        f"refund:{number}:{turn}",
                        100,
                        kind=EntryKind.ADJUSTMENT,
                        debit=Kind.CUSTOMER,
                        credit=Kind.GATEWAY_CLEARING,
                    )
                )
                accepted += 1
            looked.wait(30)
        return accepted

    assert sum(all_at_once(work)) == 16
    assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 1_050 - 1_600


def test_a_posting_cut_off_before_commit_leaves_nothing(real_db: Any, make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 5))
    with psycopg.connect(real_db.url) as open_connection:
        open_connection.execute(
            "SELECT ledger_post(%s, gen_random_uuid(), 'topup_card', 'payment:2', '\\x00', now(), now(), '{}', NULL,"
            " false, ARRAY[gen_random_uuid()], ARRAY['bank'], ARRAY['customer'], ARRAY[7::bigint], ARRAY['USD'])",
            [account],
        )
        open_connection.close()
    assert balance(account, Kind.CUSTOMER, "USD").balance_micros == 5
    assert post(topup(account, "payment:2", 8)).repeated is False
    assert books_broken() == []
