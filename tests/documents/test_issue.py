"""Issue receipt vouchers: one a payment, numbered without a gap, their bytes stored once."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, Company, make_company, open_one
from raseed.accounts.models import BillingDetails, Operator
from raseed.documents import issue
from raseed.documents.issue import (
    PaymentNotFinal,
    file_of,
    issue_receipt_voucher,
    render_document,
    voucher_of,
)
from raseed.documents.models import Document, DocumentFile, IssuedNumber, NumberCounter, PaperKind
from raseed.documents.numbering import NoTransaction, moment_on, take
from raseed.payments.models import Payment

Pay = Callable[..., Payment]
RIYADH = ZoneInfo("Asia/Riyadh")
T = TypeVar("T")


def jobs(name: str) -> list[dict[str, str]]:
    return list(ProcrastinateJob.objects.filter(task_name=name).order_by("id").values_list("args", flat=True))


def all_at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in as many threads at the same moment, each on a connection of its own."""
    together = Barrier(count)

    def run(index: int) -> T:
        try:
            together.wait(30)
            return work(index)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_a_voucher_is_a_frozen_copy_of_the_payment(company: Company, paid: Pay) -> None:
    payment = paid(company, "1,284.50")
    voucher = issue_receipt_voucher(company.account.id, payment.id, NOON)

    assert (voucher.series, voucher.number, voucher.display_number) == ("RV-2026", 1, "RV-2026-000001")
    assert (voucher.issued_at, voucher.issued_on) == (NOON, NOON.astimezone(RIYADH).date())
    assert voucher.copy["amount_minor"] == 128_450
    assert voucher.copy["currency"] == "USD"
    assert voucher.copy["number"] == "RV-2026-000001"
    assert voucher.copy["operator"]["name_ar"] == "رصيد للاتصالات"
    assert voucher.copy["operator"]["country"] == "Saudi Arabia"
    assert voucher.copy["operator"]["country_ar"] == "المملكة العربية السعودية"
    assert voucher.copy["received_from"]["name"] == "Falcon Trading LLC"
    assert (voucher.copy["card_brand"], voucher.copy["card_last4"]) == ("visa", "4242")
    assert voucher.copy["payment_reference"] == str(payment.id)
    assert voucher.copy["gateway_reference"] == payment.gateway_ref
    assert voucher.copy["purpose"] == "prepaid_balance"
    assert jobs("documents.render") == [
        {"account_id": str(company.account.id), "document_id": str(voucher.id)}
    ]

    BillingDetails.objects.filter(account_id=company.account.id).update(billing_name="Renamed")
    Operator.objects.update(name="Moved", country="AE")
    again = voucher_of(company.account.id, payment.id)
    assert again is not None
    assert again.copy == voucher.copy


def test_settling_queues_the_voucher_in_its_own_transaction(company: Company, paid: Pay) -> None:
    payment = paid(company)
    assert jobs("documents.issue_receipt_voucher") == [
        {"account_id": str(company.account.id), "payment_id": str(payment.id)}
    ]


def test_a_payment_that_has_not_succeeded_gets_no_voucher_and_no_number(company: Company) -> None:
    payment = open_one(company)
    with pytest.raises(PaymentNotFinal):
        issue_receipt_voucher(company.account.id, payment.id, NOON)
    assert Document.objects.filter(account_id=company.account.id).count() == 0
    assert NumberCounter.objects.count() == 0
    assert jobs("documents.render") == []


def test_another_account_cannot_have_the_voucher_issued(company: Company, paid: Pay) -> None:
    payment = paid(company)
    other = make_company("Other")
    with pytest.raises(Payment.DoesNotExist):
        issue_receipt_voucher(other.account.id, payment.id, NOON)
    assert voucher_of(other.account.id, payment.id) is None
    assert NumberCounter.objects.count() == 0


def test_twenty_issuers_of_one_payment_issue_one_voucher(company: Company, paid: Pay) -> None:
    payment = paid(company)
    found = all_at_once(20, lambda _: issue_receipt_voucher(company.account.id, payment.id, NOON).id)
    assert len(set(found)) == 1
    assert Document.objects.filter(account_id=company.account.id).count() == 1
    assert NumberCounter.objects.get().last == 1
    assert len(jobs("documents.render")) == 1


def test_without_the_lock_on_the_payment_issuers_collide(
    company: Company, paid: Pay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the same race, each issuer believing that no voucher is there."""
    payment = paid(company)
    monkeypatch.setattr(issue, "voucher_of", lambda *_: None)

    def attempt(_: int) -> str:
        try:
            issue_receipt_voucher(company.account.id, payment.id, NOON)
        except Exception as error:
            return type(error).__name__
        return "issued"

    outcomes = all_at_once(8, attempt)
    # The unique key still lets only one through, and every refused one gives its number back.
    assert sorted(outcomes) == ["IntegrityError"] * 7 + ["issued"]
    assert NumberCounter.objects.get().last == 1


def test_fifty_concurrent_issues_are_numbered_one_to_fifty(company: Company, paid: Pay) -> None:
    companies = [company, *(make_company(f"Company {n}") for n in range(4))]
    payments = [paid(companies[n % 5], str(10 + n)) for n in range(50)]
    numbers = all_at_once(
        50, lambda n: issue_receipt_voucher(payments[n].account_id, payments[n].id, NOON).number
    )
    assert sorted(numbers) == list(range(1, 51))
    assert NumberCounter.objects.get().last == 50
    register = IssuedNumber.objects.order_by("number").values_list("number", flat=True)
    assert list(register) == list(range(1, 51))


def rolled_back_every_third(count: int, give: Callable[[], int]) -> list[int]:
    """Numbers that stay when every third transaction is rolled back after it took one."""
    kept = []
    for index in range(count):
        with transaction.atomic():
            number = give()
            if index % 3 == 2:
                transaction.set_rollback(True)
            else:
                kept.append(number)
    return kept


def test_a_rollback_gives_its_number_back(company: Company) -> None:
    numbers = rolled_back_every_third(30, lambda: take(PaperKind.RECEIPT_VOUCHER, RIYADH, NOON).number)
    assert numbers == list(range(1, 21))


def test_a_database_sequence_would_leave_gaps(real_db: object, company: Company) -> None:
    """The negative control: what numbering must not be built on."""
    with real_db.owner() as owner:  # type: ignore[attr-defined]
        owner.execute("CREATE SEQUENCE papers; GRANT USAGE ON SEQUENCE papers TO PUBLIC")

    def next_value() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('papers')")
            return int(cursor.fetchone()[0])

    numbers = rolled_back_every_third(30, next_value)
    assert len(numbers) == 20
    assert set(range(1, max(numbers) + 1)) - set(numbers) == {3, 6, 9, 12, 15, 18, 21, 24, 27}


def test_a_number_is_taken_in_a_transaction_only(company: Company) -> None:
    with pytest.raises(NoTransaction):
        take(PaperKind.RECEIPT_VOUCHER, RIYADH, NOON)
    assert NumberCounter.objects.count() == 0


def test_a_series_begins_with_the_year_of_the_operators_zone(company: Company, paid: Pay) -> None:
    last_moment = datetime(2026, 12, 31, 20, 59, 59, tzinfo=UTC)  # 23:59:59 in Riyadh
    first_moment = last_moment + timedelta(seconds=1)
    old = issue_receipt_voucher(company.account.id, paid(company, "10").id, last_moment)
    new = issue_receipt_voucher(company.account.id, paid(company, "11").id, first_moment)
    assert (old.display_number, str(old.issued_on)) == ("RV-2026-000001", "2026-12-31")
    assert (new.display_number, str(new.issued_on)) == ("RV-2027-000001", "2027-01-01")


def test_a_clock_that_goes_back_dates_no_paper_before_the_last(company: Company, paid: Pay) -> None:
    first = issue_receipt_voucher(company.account.id, paid(company, "10").id, NOON)
    second = issue_receipt_voucher(company.account.id, paid(company, "11").id, NOON - timedelta(days=2))
    assert (second.issued_at, second.issued_on) == (first.issued_at, first.issued_on)
    assert second.copy["issued_at"] == NOON.isoformat()


def test_an_operator_who_moves_west_still_prints_the_day_that_counts(company: Company, paid: Pay) -> None:
    late = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)  # the 24th in Riyadh, the 23rd in London
    first = issue_receipt_voucher(company.account.id, paid(company, "10").id, late)
    Operator.objects.update(time_zone="Europe/London")
    second = issue_receipt_voucher(company.account.id, paid(company, "11").id, late + timedelta(minutes=5))
    assert str(first.issued_on) == str(second.issued_on) == "2026-11-24"
    assert second.issued_at == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)


def test_the_moment_of_a_paper_is_of_its_day() -> None:
    day = NOON.date()
    earlier, later = NOON - timedelta(days=1), NOON + timedelta(days=1)
    assert moment_on(day, NOON, later, RIYADH) == NOON
    assert moment_on(day, later, NOON, RIYADH) == NOON
    assert moment_on(day, later, earlier, RIYADH) == datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


def test_the_file_is_stored_once_and_always_the_same(company: Company, paid: Pay) -> None:
    payment = paid(company)
    voucher = issue_receipt_voucher(company.account.id, payment.id, NOON)
    made = render_document(company.account.id, voucher.id, NOON)
    assert made.content.startswith(b"%PDF-")
    assert made.sha256 == hashlib.sha256(made.content).hexdigest()
    assert made.filename == "RV-2026-000001.pdf"
    assert file_of(company.account.id, voucher.id, NOON + timedelta(days=400)) == made
    assert DocumentFile.objects.get(account_id=company.account.id).rendered_at == NOON
    assert jobs("notifications.mail_receipt") == [
        {"account_id": str(company.account.id), "document_id": str(voucher.id)}
    ]


def test_renderers_at_the_same_time_store_one_file_and_queue_one_mail(
    company: Company, paid: Pay, monkeypatch: pytest.MonkeyPatch
) -> None:
    voucher = issue_receipt_voucher(company.account.id, paid(company).id, NOON)
    # Other bytes for each, as another version of the fonts would give: all must get what was stored first.
    order = iter(range(100))
    monkeypatch.setattr(issue, "render_receipt_voucher", lambda *_: b"%%PDF-%d" % next(order))
    files = all_at_once(8, lambda _: render_document(company.account.id, voucher.id, NOON))
    assert len(set(files)) == 1
    assert DocumentFile.objects.filter(account_id=company.account.id).count() == 1
    assert len(jobs("notifications.mail_receipt")) == 1


def test_a_voucher_is_in_the_accounts_language(real_db: object, company: Company, paid: Pay) -> None:
    arabic = make_company("شركة الصقر", language="ar")
    voucher = issue_receipt_voucher(arabic.account.id, paid(arabic).id, NOON)
    assert voucher.language == "ar"
    assert render_document(arabic.account.id, voucher.id, NOON).content.startswith(b"%PDF-")
    assert DocumentFile.objects.get(account_id=arabic.account.id).language == "ar"


def test_the_application_may_not_change_or_remove_a_paper(company: Company, paid: Pay) -> None:
    voucher = issue_receipt_voucher(company.account.id, paid(company).id, NOON)
    render_document(company.account.id, voucher.id, NOON)
    for table in ("documents_document", "documents_documentfile", "documents_issuednumber"):
        for verb in (
            f"UPDATE {table} SET account_id = %s WHERE account_id = %s",
            f"DELETE FROM {table} WHERE account_id IN (%s, %s)",
        ):
            with pytest.raises(Exception, match="permission denied"), connection.cursor() as cursor:
                cursor.execute(verb, [company.account.id, company.account.id])
    with pytest.raises(Exception, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM documents_numbercounter")


def test_the_sweep_issues_what_lost_its_job(company: Company, paid: Pay) -> None:
    payment = paid(company)
    other = paid(make_company("Other"), "20")
    assert issue.issue_missing(NOON + timedelta(seconds=5)) == 0
    assert issue.issue_missing(NOON + timedelta(seconds=20)) == 2
    for swept in (payment, other):
        assert voucher_of(swept.account_id, swept.id) is not None
    assert issue.issue_missing(NOON + timedelta(seconds=30)) == 0
    # Their files are still not made a while later: those jobs were lost as well.
    before = len(jobs("documents.render"))
    assert issue.issue_missing(NOON + timedelta(seconds=50)) == 2
    assert len(jobs("documents.render")) == before + 2


def test_one_that_cannot_be_issued_does_not_stop_the_sweep(
    company: Company, paid: Pay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = paid(company, "10"), paid(company, "11")
    issue_one = issue.issue_receipt_voucher

    def refuse(account_id: UUID, payment_id: UUID, now: datetime) -> Document:
        if payment_id == broken.id:
            raise PaymentNotFinal("for the test")
        return issue_one(account_id, payment_id, now)

    monkeypatch.setattr(issue, "issue_receipt_voucher", refuse)
    assert issue.issue_missing(NOON + timedelta(minutes=1)) == 1
    assert voucher_of(company.account.id, whole.id) is not None
    assert str(broken.id) in caplog.text


def test_an_issuer_killed_after_taking_the_number_leaves_no_gap(
    company: Company, paid: Pay, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(_name: str, _key: object) -> None:
        raise Killed

    payment = paid(company)
    with monkeypatch.context() as armed:
        armed.setattr(issue, "failpoint", die)
        with pytest.raises(Killed):
            issue_receipt_voucher(company.account.id, payment.id, NOON)
    assert jobs("documents.render") == []
    assert issue_receipt_voucher(company.account.id, payment.id, NOON).number == 1
