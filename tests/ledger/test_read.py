"""Reading the books: as of a moment, page by page, kind by kind."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from ledger_words import NOW, entry, refund, topup, usage
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.ledger.read import balance_as_of, history, totals, transfers_of
from raseed.ledger.reversal import reversal_of
from raseed.money import Money

pytestmark = pytest.mark.django_db

MakeAccount = Callable[..., UUID]
DAY = timedelta(days=1)


def test_as_of_counts_what_came_before_and_not_that_very_moment(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 100, at=NOW))
    post(usage(account, "usage:1", 30, at=NOW + DAY))
    # Written last and counting first: a late fact moves the past's balance.
    post(usage(account, "usage:2", 1, at=NOW - DAY))
    expected = {-1: 0, 0: -1, 1: 99, 2: 69}
    assert {
        days: balance_as_of(account, Kind.CUSTOMER, "USD", NOW + days * DAY).micros for days in expected
    } == expected
    assert balance_as_of(account, Kind.GATEWAY_CLEARING, "USD", NOW + 2 * DAY) == Money(-100, "USD")
    assert balance_as_of(account, Kind.CUSTOMER, "EUR", NOW + 2 * DAY) == Money(0, "EUR")
    assert balance_as_of(make_account(), Kind.CUSTOMER, "USD", NOW + 2 * DAY) == Money(0, "USD")


def test_history_is_newest_first_with_signed_amounts(make_account: MakeAccount) -> None:
    account, other = make_account(), make_account()
    first = post(topup(account, "payment:1", 100, at=NOW)).entry_id
    post(usage(account, "usage:1", 30, at=NOW + DAY))
    post(reversal_of(account, first, operation_key="reversal:1", at=NOW + 2 * DAY, memo={"reason": "typo"}))
    post(entry(account, "payout:1", 5, kind=EntryKind.PAYOUT, credit=Kind.BANK, at=NOW + 3 * DAY))
    post(topup(other, "payment:1", 7))
    rows = history(account, "USD")
    assert [(row.kind, row.amount.micros, row.operation_key) for row in rows] == [
        (EntryKind.REVERSAL, -100, "reversal:1"),
        (EntryKind.USAGE, -30, "usage:1"),
        (EntryKind.TOPUP_CARD, 100, "payment:1"),
    ]
    assert (rows[0].reverses, rows[0].memo, rows[0].at) == (first, {"reason": "typo"}, NOW + 2 * DAY)
    assert [row.amount.micros for row in history(account, "USD", kind=Kind.BANK)] == [5]
    assert history(account, "EUR") == []


def test_an_entry_of_several_lines_is_one_row(make_account: MakeAccount) -> None:
    account = make_account()
    lines = (
        Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, Money(100, "USD")),
        Transfer(Kind.CUSTOMER, Kind.TAX_ACCRUED, Money(15, "USD")),
    )
    posted = post(NewEntry(account, EntryKind.USAGE, "usage:1", lines, NOW))
    assert [row.amount.micros for row in history(account, "USD")] == [-115]
    assert transfers_of(account, posted.entry_id) == lines


def test_pages_meet_without_gap_or_repeat_even_at_one_moment(make_account: MakeAccount) -> None:
    account = make_account()
    for number in range(7):
        post(usage(account, f"usage:{number}", number + 1, at=NOW + DAY * (number // 3)))
    whole = [row.entry_id for row in history(account, "USD")]
    paged: list[UUID] = []
    page = history(account, "USD", limit=2)
    while page:
        paged += [row.entry_id for row in page]
        # Something new on top does not move the pages that follow.
        post(usage(account, f"late:{len(paged)}", 1, at=NOW + 9 * DAY))
        page = history(account, "USD", before=page[-1].cursor, limit=2)
    assert paged == whole
    assert len(set(paged)) == 7


def test_history_is_cut_by_period_and_kind(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 100, at=NOW))
    post(usage(account, "usage:1", 30, at=NOW + DAY))
    post(usage(account, "usage:2", 31, at=NOW + 2 * DAY))
    found = history(account, "USD", since=NOW + DAY, until=NOW + 2 * DAY)
    assert [row.operation_key for row in found] == ["usage:1"]
    found = history(account, "USD", entry_kinds=frozenset({EntryKind.TOPUP_CARD}))
    assert [row.operation_key for row in found] == ["payment:1"]


@pytest.mark.parametrize("limit", [0, 501])
def test_pages_have_a_limit(make_account: MakeAccount, limit: int) -> None:
    with pytest.raises(ValueError, match="limit must be 1 to 500"):
        history(make_account(), "USD", limit=limit)


def test_totals_by_kind_add_up_to_the_balance(make_account: MakeAccount) -> None:
    account = make_account()
    post(topup(account, "payment:1", 100))
    post(topup(account, "payment:2", 50))
    post(usage(account, "usage:1", 30))
    post(refund(account, "refund:1", 20))
    post(entry(account, "payout:1", 9, kind=EntryKind.PAYOUT, credit=Kind.BANK))
    found = totals(account, "USD")
    assert {kind: (total.net.micros, total.entries) for kind, total in found.items()} == {
        EntryKind.TOPUP_CARD: (150, 2),
        EntryKind.USAGE: (-30, 1),
        EntryKind.REFUND: (-20, 1),
    }
    assert totals(make_account(), "USD") == {}
