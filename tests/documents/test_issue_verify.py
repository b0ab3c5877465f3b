"""Each rule about papers, beside data that was broken under it by the owner: verify must name the rule."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from people import NOON, Company, make_company
from raseed.db import invariants
from raseed.documents.issue import issue_receipt_voucher, render_document
from raseed.documents.models import Document
from raseed.payments.models import Payment

LATER = NOON + timedelta(seconds=90)


def broken(now: datetime = LATER) -> set[tuple[str, str]]:
    """(rule, detail) of every violation that the rooms' own rules about papers find."""
    return {(v.rule, v.detail) for v in invariants.run(now) if v.rule in {"I15", "I16", "PAPER-SHA256"}}


def rules(now: datetime = LATER) -> set[str]:
    return {rule for rule, _ in broken(now)}


@pytest.fixture
def vouchers(company: Company, paid: Callable[..., Payment]) -> list[Document]:
    """Four vouchers of two accounts, with their files."""
    other = make_company("Other")
    issued = []
    for index, owner in enumerate((company, other, company, other)):
        payment = paid(owner, str(10 + index))
        voucher = issue_receipt_voucher(owner.account.id, payment.id, NOON)
        render_document(owner.account.id, voucher.id, NOON)
        issued.append(voucher)
    assert broken() == set()
    return issued


def test_a_number_removed_is_a_gap(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("DELETE FROM documents_issuednumber WHERE number = 2")
    assert ("I15", "numbers 2 to 2 are missing before it") in broken()
    assert ("I15", "RV-2026-000002 is not in the register") in broken()


def test_a_paper_removed_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("DELETE FROM documents_documentfile WHERE document_id = %s", [vouchers[2].id])
        owner.execute("DELETE FROM documents_document WHERE id = %s", [vouchers[2].id])
    assert ("I15", "number 3 of RV-2026 has no paper") in broken()
    assert "I16" in rules()


def test_a_counter_ahead_of_its_papers_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("UPDATE documents_numbercounter SET last = 7")
    assert broken() == {
        (
            "I15",
            "4 papers numbered 1 to 4, the counter stands at 7: there is a gap or a stray number",
        )
    }


def test_a_counter_that_was_lost_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("DELETE FROM documents_numbercounter")
    assert rules() == {"I15"}


def test_two_papers_with_one_number_are_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("UPDATE documents_document SET number = 1 WHERE id = %s", [vouchers[1].id])
    assert ("I15", "2 papers bear this number") in broken()


def test_a_paper_that_says_another_number_than_the_register_is_seen(
    real_db: object, vouchers: list[Document]
) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute(
            "UPDATE documents_document SET copy = jsonb_set(copy, '{number}', '\"RV-2026-000009\"') WHERE id = %s",
            [vouchers[0].id],
        )
    assert rules() == {"I15"}


def test_a_date_that_goes_back_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        for table in ("documents_issuednumber", "documents_document"):
            owner.execute(f"UPDATE {table} SET issued_on = '2026-11-20' WHERE number = 3")
    assert ("I15", "dated 2026-11-20, and the paper before it 2026-11-23") in broken()
    assert [detail for _, detail in broken() if "another day in" in detail] == [
        "dated 2026-11-20, issued at 2026-11-23 12:00:00+00: another day in Asia/Riyadh"
    ]


def test_a_payment_without_a_voucher_is_seen_after_a_minute(
    company: Company, paid: Callable[..., Payment]
) -> None:
    paid(company)
    assert rules(NOON + timedelta(seconds=59)) == set()
    assert rules(NOON + timedelta(seconds=61)) == {"I16"}


def test_a_second_voucher_of_a_payment_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("ALTER TABLE documents_document DROP CONSTRAINT documents_document_one_a_payment")
        owner.execute(
            "UPDATE documents_document SET payment_id = %s WHERE id = %s",
            [vouchers[0].payment_id, vouchers[2].id],
        )
    found = {detail for rule, detail in broken() if rule == "I16"}
    assert "2 receipt vouchers" in found


def test_a_voucher_over_another_amount_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute(
            "UPDATE documents_document SET copy = jsonb_set(copy, '{amount_minor}', '1001') WHERE id = %s",
            [vouchers[0].id],
        )
    assert broken() == {("I16", "the voucher says 1001 USD; the payment is succeeded with 1000 USD captured")}


def test_a_file_that_was_changed_is_seen(real_db: object, vouchers: list[Document]) -> None:
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute(
            "UPDATE documents_documentfile SET content = content || '\\x00' WHERE document_id = %s",
            [vouchers[3].id],
        )
    assert rules() == {"PAPER-SHA256"}
