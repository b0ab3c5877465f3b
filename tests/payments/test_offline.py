"""Transfers and cash that staff record: credited once, with a voucher, in four eyes above a limit, and taken back by mirror."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connections
from django.test import Client

from conftest import RealDatabase
from giving_back import forget
from people import NOON, Company, customer_balance, make_company, make_operator, make_user, spend
from raseed.accounts.models import AmountPolicy, User
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry
from raseed.balance.models import Reason
from raseed.balance.suspension import open_suspensions, suspend
from raseed.db.invariants import Invariant, registered
from raseed.db.invariants import run as invariants
from raseed.documents.issue import issue_receipt_voucher
from raseed.documents.models import Document
from raseed.documents.render import voucher_view
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerEntry
from raseed.money import AmountNotPositive, InexactMinor, Money, parse_amount
from raseed.payments import offline
from raseed.payments.models import OfflineMethod, OfflinePayment, OfflineState, Payment
from raseed.payments.offline import OfflineRecord
from raseed.payments.refund import NotRefundable, RefundCommand, open_refund
from raseed.payments.refundable import max_refundable
from raseed.payments.transfer_reference import ReferenceNotRight, account_of_reference, reference_of

TRANSFER, CASH = OfflineMethod.TRANSFER, OfflineMethod.CASH
LATER = NOON + timedelta(minutes=20)


@dataclass
class Desk:
    """Two of the staff and one company; above 500 it takes both."""

    company: Company
    first: User
    second: User

    def asked(self, amount: str = "100", company: Company | None = None, **changes: Any) -> OfflineRecord:
        account = (company or self.company).account
        wanted = {"method": TRANSFER, "reference": f"ft {uuid4().hex[:8]}"} | changes
        return OfflineRecord(
            account_id=account.id,
            client_key=uuid4(),
            received=parse_amount(amount, account.currency),
            reason="seen on the bank's statement",
            user_id=self.first.id,
            actor=who(self.first),
            **wanted,
        )

    def recorded(self, amount: str = "100", **changes: Any) -> OfflinePayment:
        return offline.record_payment(self.asked(amount, **changes), NOON)

    def approve(self, row: OfflinePayment, by: User | None = None) -> OfflinePayment:
        user = by or self.second
        return offline.approve(row.account_id, row.id, user.id, who(user), NOON)

    def reverse(self, row: OfflinePayment) -> OfflinePayment:
        return offline.reverse(
            row.account_id, row.id, self.second.id, "wrong account", who(self.second), NOON
        )

    def stands(self, balance: str, payments: int) -> None:
        """What is credited, in how many payments, and that all books are clean."""
        account = self.company.account
        assert customer_balance(self.company) == parse_amount(balance, account.currency)
        found = Payment.objects.filter(account_id=account.id)
        assert [one.state for one in found] == ["succeeded"] * payments
        for one in found:
            issue_receipt_voucher(account.id, one.id, NOON)
        assert [str(one) for one in invariants(LATER, checks=money_checks())] == []


def money_checks() -> list[Invariant]:
    """The rules of books, payments and papers."""
    rooms = ("raseed.ledger.", "raseed.payments.verify", "raseed.documents.")
    return [one for one in registered() if one.check.__module__.startswith(rooms)]


def who(user: User) -> Who:
    return Who(user.id, user.staff_role, "192.0.2.1")


@pytest.fixture
def desk(shared_real_db: RealDatabase) -> Iterator[Desk]:
    make_operator()
    AmountPolicy.objects.update(second_person_micros=500_000_000)
    staff = [
        make_user(f"{uuid4().hex[:8]}@operator.test", name, staff_role="finance") for name in ("Huda", "Omar")
    ]
    yield Desk(make_company(), *staff)
    forget(shared_real_db)


def test_a_transfer_is_credited_at_once_with_its_voucher_and_restores(desk: Desk) -> None:
    account = desk.company.account
    spend(desk.company, "10")
    suspend(account.id, Reason.BALANCE, NOON)
    row = desk.recorded(reference="ft 2611-77 a")
    assert (row.state, row.reference, row.needs_second) == ("recorded", "FT2611-77A", False)
    assert open_suspensions(account.id) == []
    desk.stands("90", 1)
    assert read.balance(account.id, Kind.BANK, "USD").balance_micros == -100_000_000
    paper = Document.objects.get(account_id=account.id).copy
    assert (paper["method"], paper["gateway_reference"], paper["received_by"]) == (
        "transfer",
        "FT2611-77A",
        "Huda",
    )
    shown = str(voucher_view(paper, "ar"))
    assert "تحويل مصرفي" in shown
    act = AuditEntry.objects.get(account_id=account.id, action="offline_payment_recorded")
    assert (act.actor_id, act.reason, act.after["amount_minor"]) == (
        desk.first.id,
        "seen on the bank's statement",
        10_000,
    )


def test_cash_with_tax_in_it_is_taken_apart(desk: Desk) -> None:
    make_operator("on_topup", 150_000)
    desk.recorded("115", method=CASH, reference="")
    desk.stands("100", 1)
    account = desk.company.account.id
    assert read.balance(account, Kind.TAX_PAYABLE, "USD").balance_micros == 15_000_000
    assert read.balance(account, Kind.CASH, "USD").balance_micros == -115_000_000
    # 0.01 of tax is a half: rounded up, and both parts add up to what came.
    desk.recorded("0.10", method=CASH)
    assert read.balance(account, Kind.TAX_PAYABLE, "USD").balance_micros == 15_010_000
    desk.stands("100.09", 2)


def test_a_form_counts_once_and_a_transfer_too_on_whatever_account(desk: Desk) -> None:
    asked = desk.asked(reference="FT 1")
    first = offline.record_payment(asked, NOON)
    assert offline.record_payment(asked, NOON).id == first.id
    with pytest.raises(offline.RecordKeyReused):
        offline.record_payment(replace(asked, reason="another"), NOON)
    for company in (desk.company, make_company("Other")):
        with pytest.raises(offline.TransferRecordedBefore):
            offline.record_payment(desk.asked(company=company, reference="f t1"), NOON)
    desk.stands("100", 1)
    desk.recorded(method=CASH, reference="FT 1")
    desk.stands("200", 2)


def test_what_is_not_complete_is_refused_and_moves_nothing(desk: Desk) -> None:
    for changes, error in (
        ({"reference": " "}, offline.ReferenceMissing),
        ({"received": Money.zero("USD")}, AmountNotPositive),
        ({"received": Money(1, "USD")}, InexactMinor),
        ({"reason": " "}, offline.ReasonMissing),
    ):
        with pytest.raises(error):
            offline.record_payment(replace(desk.asked(), **changes), NOON)
    desk.stands("0", 0)
    assert not OfflinePayment.objects.filter(account_id=desk.company.account.id).exists()


# -- F70: four eyes


def test_above_the_limit_it_waits_for_somebody_else(desk: Desk) -> None:
    row = desk.recorded("500.01")
    assert (row.state, row.payment_id) == (OfflineState.WAITING, None)
    desk.stands("0", 0)
    with pytest.raises(offline.SecondPersonNeeded):
        desk.approve(row, desk.first)
    desk.stands("0", 0)
    assert desk.approve(row).state == OfflineState.RECORDED
    assert desk.approve(row).payment_id == Payment.objects.get(account_id=row.account_id).id
    desk.stands("500.01", 1)
    assert desk.recorded("499.99").state == OfflineState.RECORDED


def test_the_database_refuses_one_person_as_two(desk: Desk) -> None:
    row = desk.recorded("600")
    mine = OfflinePayment.objects.filter(account_id=row.account_id, id=row.id)
    with pytest.raises(IntegrityError):
        mine.update(approved_by=desk.first.id)
    with pytest.raises(IntegrityError):
        mine.update(state="recorded", payment_id=uuid4())
    with pytest.raises(offline.ReasonMissing):
        offline.decline(row.account_id, row.id, desk.first.id, "", who(desk.first), NOON)
    ended = offline.decline(row.account_id, row.id, desk.first.id, "typed wrong", who(desk.first), NOON)
    assert (ended.state, ended.ended_reason) == ("declined", "typed wrong")
    with pytest.raises(offline.RecordNotOpen):
        desk.approve(row)
    desk.stands("0", 0)


def test_without_a_limit_the_largest_payment_is_the_limit_and_without_any_all_need_two(desk: Desk) -> None:
    account = desk.company.account
    AmountPolicy.objects.update(second_person_micros=None)
    assert offline.limit_of(account) == Money(5_000_000_000, "USD")
    AmountPolicy.objects.filter(currency="USD").delete()
    assert offline.limit_of(account) == Money.zero("USD")
    assert desk.recorded("0.01").state == OfflineState.WAITING


def test_approvals_at_once_and_a_decline_between_them_end_once(desk: Desk) -> None:
    third = make_user(f"{uuid4().hex[:8]}@operator.test", "Sami", staff_role="finance")
    for round_number in range(5):
        row = desk.recorded("600")
        start = threading.Barrier(3)

        def act(number: int, row: OfflinePayment = row, start: threading.Barrier = start) -> str:
            start.wait(30)
            try:
                if number == 2:
                    return offline.decline(row.account_id, row.id, third.id, "no", who(third), NOON).state
                return desk.approve(row, (desk.second, third)[number]).state
            except offline.RecordNotOpen:
                return "late"
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as pool:
            told = sorted(pool.map(act, range(3)))
        assert told in (["late", "late", "recorded"], ["declined", "late", "late"]), round_number
    credited = OfflinePayment.objects.filter(account_id=desk.company.account.id, state="recorded").count()
    desk.stands(f"{600 * credited}", credited)


# -- a mistake


def test_a_mistaken_record_is_taken_back_and_can_be_recorded_where_it_belongs(desk: Desk) -> None:
    row = desk.recorded(reference="FT 9")
    spend(desk.company, "30")
    assert desk.reverse(row).state == OfflineState.REVERSED
    with pytest.raises(offline.RecordNotOpen):
        desk.reverse(row)
    kinds = LedgerEntry.objects.filter(account_id=row.account_id).values_list("kind", flat=True)
    assert sorted(kinds) == ["reversal", "topup_transfer", "usage"]
    assert customer_balance(desk.company) == Money(-30_000_000, "USD")
    other = make_company("Where it belongs")
    assert offline.record_payment(desk.asked(company=other, reference="FT 9"), NOON).state == "recorded"
    assert customer_balance(other) == Money(100_000_000, "USD")
    issue_receipt_voucher(other.account.id, Payment.objects.get(account_id=other.account.id).id, NOON)
    issue_receipt_voucher(row.account_id, Payment.objects.get(account_id=row.account_id).id, NOON)
    assert [str(one) for one in invariants(LATER)] == []


def test_no_card_is_there_to_give_it_back_to(desk: Desk) -> None:
    desk.recorded()
    payment = Payment.objects.get(account_id=desk.company.account.id)
    assert max_refundable(payment) == Money.zero("USD")
    asked = RefundCommand(
        payment.account_id, uuid4(), payment.id, Money.from_minor(100, "USD"), "x", who(desk.first)
    )
    with pytest.raises(NotRefundable):
        open_refund(asked, NOON)


def test_verify_names_what_is_broken_of_a_record(desk: Desk, shared_real_db: RealDatabase) -> None:
    row = desk.approve(desk.recorded("600"))
    desk.stands("600", 1)
    with shared_real_db.owner() as owner:
        for broken, healed, detail in (
            ("state = 'reversed'", "state = 'recorded'", "and still credited"),
            ("amount_minor = 1", "amount_minor = 60000", "recorded as 1 USD, credited as 60000"),
        ):
            owner.execute(f"UPDATE payments_offlinepayment SET {broken}")
            assert any(detail in str(one) for one in invariants(LATER))
            owner.execute(f"UPDATE payments_offlinepayment SET {healed}")
        owner.execute("UPDATE payments_payment SET gateway = 'cash'")
        assert any(one.rule == "I8" for one in invariants(LATER))
        owner.execute("UPDATE payments_payment SET gateway = 'transfer'")
        owner.execute("DELETE FROM payments_offlinepayment WHERE id = %s", [row.id])
        assert any("nobody recorded it" in str(one) for one in invariants(LATER))


def test_the_payments_tab_says_how_it_came_and_that_it_was_taken_back(desk: Desk) -> None:
    desk.reverse(desk.recorded())
    desk.recorded("20", method=CASH)
    admin = Client()
    admin.force_login(desk.company.admin)
    english = admin.get("/settings/billing/invoices?tab=payments").content.decode()
    assert ("Bank transfer" in english, "In cash" in english) == (True, True)
    assert english.count("Taken back: it was recorded by mistake") == 1
    assert "20.00" in english[english.index("<tfoot>") :]
    assert "120.00" not in english
    User.objects.filter(id=desk.company.admin.id).update(language="ar")
    arabic = admin.get("/settings/billing/invoices?tab=payments").content.decode()
    assert ("تحويل مصرفي" in arabic, "نقدًا" in arabic) == (True, True)


# -- the reference on a transfer


def test_an_accounts_reference_stays_and_is_read_as_people_write_it(desk: Desk) -> None:
    account = desk.company.account.id
    reference = reference_of(account)
    assert reference == reference_of(account)
    assert len(reference.replace(" ", "")) == 14
    arabic = reference.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for written in (reference, reference.replace(" ", "").lower(), f" {arabic}\n"):
        assert account_of_reference(written) == account
    assert reference_of(make_company("Other").account.id) != reference


def test_a_mistyped_reference_is_nobodys(desk: Desk) -> None:
    right = reference_of(desk.company.account.id).replace(" ", "")
    for place in range(2, len(right)):
        for digit in "0123456789":
            wrong = right[:place] + digit + right[place + 1 :]
            if wrong != right:
                with pytest.raises(ReferenceNotRight):
                    account_of_reference(wrong)
    for text in ("", "RF", "RF18", "5390 0754 7034", "RF18²³", str(UUID(int=1))):
        with pytest.raises(ReferenceNotRight):
            account_of_reference(text)
