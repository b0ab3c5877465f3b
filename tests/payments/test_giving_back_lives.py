"""Random lives of payments: after any sequence of pay, spend, refund, fail, dispute, win and lose the sums hold.

The gateway's part is drawn, not played: its answers are handed in, and its list is written as it would write it.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from giving_back import STAFF
from people import NOON, Company, customer_balance, make_company, make_operator, open_one, spend
from raseed.db.invariants import Invariant, Scope, registered
from raseed.db.invariants import run as invariants
from raseed.gateways.port import Dispute, DisputeState, Refunded, RefundFailed, RefundPending, Succeeded
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.money import Money
from raseed.payments import refund
from raseed.payments.dispute import settle_dispute
from raseed.payments.models import GatewayMovement, ListCursor, Payment, Refund
from raseed.payments.refund import NotRefundable, RefundCommand, RefundTooLarge
from raseed.payments.refundable import max_refundable
from raseed.payments.settle import settle
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import Cause, State, move

LATER = NOON + timedelta(minutes=20)
LIVES, STEPS_MAX = 8, 10
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "spend", "refund", "refund", "give", "fail", "dispute", "win", "lose"]),
        st.integers(0, 5),
        st.integers(1, 10_000),
    ),
    min_size=3,
    max_size=STEPS_MAX,
)


@dataclass
class Life:
    """What the model knows: minor units, all of one account. `taxed` says that 15 % fall on each top-up."""

    company: Company
    balance: int = 0
    captured: int = 0
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    disputes: dict[str, Dispute] = field(default_factory=dict)

    def do(self, what: str, number: int, minor: int) -> None:
        match what:
            case "pay":
                self.pay(minor)
            case "spend":
                spend(self.company, f"{minor / 100:.2f}")
                self.balance -= minor
            case "refund" if self.payments:
                self.refund(self.payments[number % len(self.payments)], minor)
            case "give" | "fail" if self.refunds:
                self.finish(self.refunds[number % len(self.refunds)], fails=what == "fail")
            case "dispute" if self.payments:
                self.dispute(self.payments[number % len(self.payments)], minor)
            case "win" | "lose" if self.disputes:
                known = sorted(self.disputes)
                self.end(known[number % len(known)], DisputeState.WON if what == "win" else DisputeState.LOST)

    def pay(self, minor: int) -> None:
        payment = open_one(self.company, f"{max(minor, 500) / 100:.2f}", another=True)
        move(payment, State.SUBMITTED, Cause.PAGE, NOON)
        told = Succeeded(f"pay_{payment.id.hex}", payment.charge_minor, "USD", payment.id, None, None)
        payment = settle(payment.account_id, payment.id, told, Cause.PAGE, NOON)
        self.listed("charge", payment, payment.charge_minor)
        self.balance += max(minor, 500)
        self.captured += payment.charge_minor
        self.payments.append(payment)

    def refund(self, payment: Payment, minor: int) -> None:
        payment.refresh_from_db()
        most = max_refundable(payment).minor_exact()
        asked = RefundCommand(
            payment.account_id, uuid4(), payment.id, Money.from_minor(minor, "USD"), "drawn", STAFF
        )
        if minor > most:
            before = customer_balance(self.company)
            with pytest.raises((RefundTooLarge, NotRefundable)):
                refund.open_refund(asked, NOON)
            assert customer_balance(self.company) == before
            return
        opened = refund.open_refund(asked, NOON)
        with patch.object(refund, "send", lambda one: RefundPending(f"re_{one.id.hex}")):
            self.refunds.append(refund.submit(opened.account_id, opened.id, NOON))
        self.balance -= Money(opened.credit_micros, "USD").minor_exact()
        assert self.balance >= 0, "no refund takes the balance below zero"

    def finish(self, found: Refund, *, fails: bool) -> None:
        was = Refund.objects.get(account_id=found.account_id, id=found.id).state
        told = RefundFailed(found.part_ref, "drawn") if fails else Refunded(found.part_ref)
        if was == "failed" and not fails:
            return
        settle_refund(found.account_id, found.id, told, Cause.WEBHOOK, NOON)
        if fails and was != "failed":
            self.balance += Money(found.credit_micros, "USD").minor_exact()
        if (was == "pending") or (was == "succeeded" and fails):
            kind = "refund_failed" if fails else "refund"
            self.listed(kind, self.payment_of(found), found.amount_minor, found.part_ref)

    def dispute(self, payment: Payment, minor: int) -> None:
        payment.refresh_from_db()
        left = payment.charge_minor - payment.refunded_minor - payment.disputed_minor
        if left <= 0:
            return
        told = Dispute(f"dp_{uuid4().hex}", payment.gateway_ref, min(minor, left), "USD", DisputeState.OPEN)
        self.disputes[told.part_ref] = told
        settle_dispute(payment.account_id, payment.id, told, NOON)
        self.balance -= told.amount_minor
        self.listed("dispute", payment, told.amount_minor, told.part_ref)

    def end(self, part_ref: str, state: DisputeState) -> None:
        known = self.disputes[part_ref]
        if known.state in {DisputeState.WON, state}:
            return
        told = Dispute(part_ref, known.gateway_ref, known.amount_minor, "USD", state)
        self.disputes[part_ref] = told
        (payment,) = [one for one in self.payments if one.gateway_ref == known.gateway_ref]
        settle_dispute(payment.account_id, payment.id, told, NOON)
        if state == DisputeState.WON:
            self.balance += told.amount_minor
            self.listed("dispute_won", payment, told.amount_minor, part_ref)

    def payment_of(self, found: Refund) -> Payment:
        return next(one for one in self.payments if one.id == found.payment_id)

    def listed(self, kind: str, payment: Payment, minor: int, part_ref: str = "") -> None:
        GatewayMovement.objects.create(
            gateway="sandbox",
            cursor=uuid4().hex,
            kind=kind,
            gateway_ref=payment.gateway_ref,
            part_ref=part_ref,
            payment_id=payment.id,
            amount_minor=minor,
            currency="USD",
            at=NOON,
        )

    def holds(self) -> None:
        account = self.company.account.id
        given = sum(
            one.amount_minor for one in Refund.objects.filter(account_id=account).exclude(state="failed")
        )
        taken = sum(one.amount_minor for one in self.disputes.values() if one.state != DisputeState.WON)
        clearing = read.balance(account, Kind.GATEWAY_CLEARING, "USD").balance_micros
        assert customer_balance(self.company).minor_exact() == self.balance
        assert Money(-clearing, "USD").minor_exact() == self.captured - given - taken
        for one in Payment.objects.filter(account_id=account):
            left = (one.captured_minor or 0) - one.refunded_minor - one.disputed_minor
            assert 0 <= max_refundable(one).minor_exact() <= left


def money_checks() -> list[Invariant]:
    rooms = ("raseed.ledger.", "raseed.payments.verify")
    return [one for one in registered() if one.check.__module__.startswith(rooms)]


@pytest.mark.parametrize("tax_ppm", [0, 150_000])
@pytest.mark.django_db
@settings(max_examples=LIVES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_after_any_sequence_the_sums_hold(tax_ppm: int, steps: list[tuple[str, int, int]]) -> None:
    make_operator("on_topup" if tax_ppm else "on_usage", tax_ppm)
    ListCursor.objects.get_or_create(gateway="sandbox", defaults={"walked_at": LATER})
    life = Life(make_company(f"Life {uuid4().hex[:6]}"))
    for step in [("pay", 0, 10_000), *steps]:
        life.do(*step)
        life.holds()
    account = life.company.account.id
    found = invariants(LATER, checks=money_checks(), scope=lambda: Scope(LATER, (account,), 0))
    assert [str(one) for one in found if str(account) in str(one) or one.rule in {"I8", "I10", "I13"}] == []
