"""A company that has paid at the real bank, and what staff, letters and the worker then do about giving money back."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connections
from django.utils import timezone

from bank import RunningBank, eventually
from conftest import RealDatabase
from people import Company, customer_balance, make_company, open_one
from raseed.audit.log import Who
from raseed.db.invariants import run as invariants
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways import registry
from raseed.gateways.port import Dispute, DisputeState, Refunded, RefundFailed, RefundOutcome, Succeeded
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.money import Money, parse_amount
from raseed.payments import follow_refund, inbox, paynow, reconcile, refund, walk
from raseed.payments.dispute import settle_dispute
from raseed.payments.models import ListCursor, Payment, PaymentDispute, ReconciliationBreak, Refund
from raseed.payments.refund import RefundCommand
from raseed.payments.settle import settle
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import Cause, State, move
from sabotage.range import signed

STAFF = Who(UUID(int=9), "finance", "192.0.2.1")
FRAUD, WON_CARD, LOST_CARD = "4000000000005126", "4000000000002685", "4000000000000259"
# Later than every age that a rule of `raseed verify` allows to work under way.
AT_REST = timedelta(minutes=20)


@dataclass
class Till:
    """One company at the bank. Times are seconds after it began."""

    bank: RunningBank
    currency: str = "USD"
    began: datetime = field(default_factory=timezone.now)
    company: Company = field(init=False)

    def __post_init__(self) -> None:
        self.company = make_company(f"Till {uuid4().hex[:6]}", currency=self.currency)

    def at(self, seconds: float) -> datetime:
        return self.began + timedelta(seconds=seconds)

    def paid(self, amount: str = "100", card: str = "4242424242424242") -> Payment:
        """A payment made on the bank's page, settled, with its voucher."""
        payment = self.at_the_bank(amount, card)
        payment = reconcile.follow(payment.account_id, payment.id, Cause.PAGE, self.at(5))
        assert payment.state == "succeeded"
        issue_receipt_voucher(payment.account_id, payment.id, self.at(5))
        return payment

    def captured(self, amount: str = "100") -> Payment:
        """A payment of which we were told that it was captured; the bank's own book has none of it."""
        payment = open_one(self.company, amount, now=self.began, another=True)
        move(payment, State.SUBMITTED, Cause.PAGE, self.began)
        told = Succeeded(
            f"pay_{payment.id.hex}", payment.charge_minor, payment.currency, payment.id, None, None
        )
        return settle(payment.account_id, payment.id, told, Cause.PAGE, self.began)

    def at_the_bank(self, amount: str = "100", card: str = "4242424242424242") -> Payment:
        """A payment made on the bank's page, of which we have not heard."""
        payment = open_one(self.company, amount, now=self.began, another=True)
        payment = paynow.submit(payment.account_id, payment.id, self.began)
        self.bank.pay(payment.gateway_ref, card)
        return payment

    # -- refunds

    def order(self, payment: Payment, amount: str, **changes: Any) -> RefundCommand:
        """What staff ask for."""
        asked = {"client_key": uuid4(), "reason": "asked for by mail", "actor": STAFF} | changes
        return RefundCommand(
            account_id=payment.account_id,
            payment_id=payment.id,
            amount=parse_amount(amount, self.currency),
            **asked,
        )

    def opened(self, payment: Payment, amount: str) -> Refund:
        return refund.open_refund(self.order(payment, amount), self.at(10))

    def refunded(self, payment: Payment, amount: str) -> Refund:
        """Opened and sent, once."""
        found = self.opened(payment, amount)
        return refund.submit(found.account_id, found.id, self.at(10))

    def follow(self, found: Refund, seconds: float) -> Refund:
        return follow_refund.follow_refund(found.account_id, found.id, Cause.RECONCILE, self.at(seconds))

    def told(self, found: Refund, outcome: RefundOutcome, seconds: float = 30) -> Refund:
        return settle_refund(found.account_id, found.id, outcome, Cause.WEBHOOK, self.at(seconds))

    def made(self, payment: Payment, amount: str) -> Refund:
        """A refund that the real bank has finished, and we have heard of."""
        found = self.refunded(payment, amount)
        eventually(lambda: self.bank_says(found) != "pending")
        return self.follow(found, 60)

    def bank_says(self, found: Refund) -> str:
        """The state of our refund at the bank; "" if it has none."""
        refunds = [one for one in self.bank.dump()["refunds"] if one["reference"] == str(found.id)]
        assert len(refunds) <= 1
        return str(refunds[0]["state"]) if refunds else ""

    # -- disputes

    def dispute(
        self, payment: Payment, state: DisputeState, amount_minor: int | None = None, ref: str = ""
    ) -> PaymentDispute | None:
        """The gateway says so of a dispute, without its own book: for orders that the bank does not play."""
        told = Dispute(
            ref or f"dp_{payment.id.hex}",
            payment.gateway_ref,
            amount_minor or payment.charge_minor,
            payment.currency,
            state,
        )
        return settle_dispute(payment.account_id, payment.id, told, self.at(40))

    # -- news

    def letters(self, payment: Payment, *kinds: str) -> list[dict[str, Any]]:
        """What the bank has written about a payment."""
        return [
            one["payload"]
            for one in self.bank.dump()["letters"]
            if one["payload"]["object"]["reference"] == str(payment.id) and one["payload"]["type"] in kinds
        ]

    def wait_for(self, payment: Payment, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """As `letters`, once there are so many."""
        eventually(lambda: len(self.letters(payment, kind)) >= count)
        return self.letters(payment, kind)

    def deliver(self, letters: list[dict[str, Any]], seconds: float = 50) -> int:
        """To our door, and to the worker; how many of them were applied."""
        for letter in letters:
            raw, headers = signed(letter, self.at(seconds))
            inbox.receive("sandbox", raw, headers, self.at(seconds))
        return inbox.apply_waiting(self.at(seconds))

    def walk(self, seconds: float = 120) -> None:
        walk.walk_list("sandbox", self.at(seconds))

    # -- what is so

    @property
    def balance(self) -> int:
        """The customer's balance, in minor units."""
        return customer_balance(self.company).minor_exact()

    @property
    def clearing(self) -> int:
        """What the gateway owes the operator for this company, in minor units."""
        row = read.balance(self.company.account.id, Kind.GATEWAY_CLEARING, self.currency)
        return Money(-row.balance_micros, self.currency).minor_exact()

    def broken(self) -> list[str]:
        """What `raseed verify` finds once nothing is under way any more."""
        self.walk()
        return [str(one) for one in invariants(self.began + AT_REST)]

    def breaks(self) -> list[str]:
        rows = ReconciliationBreak.objects.filter(account_id=self.company.account.id).order_by("id")
        return [f"{row.kind} {row.gateway_ref}" for row in rows]


def begin_list(bank: RunningBank) -> None:
    """Nothing that the bank did before counts."""
    book = bank.book()
    cursor = book[-1]["cursor"] if book else ""
    ListCursor.objects.create(gateway="sandbox", cursor=cursor, walked_at=timezone.now())


def forget(database: RealDatabase) -> None:
    """Leave the database as empty as it was: the next test verifies all of it."""
    registry.close_all()
    connections["default"].close()
    with database.owner() as owner:
        owner.execute(
            "TRUNCATE accounts_account, payments_gatewayreference, payments_gatewaymovement, payments_gatewayhealth,"
            " payments_reconciliationbreak, payments_inboxevent, payments_listcursor, documents_issuednumber,"
            " documents_numbercounter, procrastinate_jobs CASCADE"
        )


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(account_id=payment.account_id, id=payment.id)


def again(found: Refund) -> Refund:
    return Refund.objects.get(account_id=found.account_id, id=found.id)


def made(found: Refund) -> Refunded:
    return Refunded(found.part_ref or f"re_{found.id.hex}")


def failed(found: Refund) -> RefundFailed:
    return RefundFailed(found.part_ref or f"re_{found.id.hex}", "the card's account is closed")
