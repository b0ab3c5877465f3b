"""Reads what the pages show out of the rooms below, always for one account. Nothing here writes or decides."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from raseed.accounts.models import Account, BillingDetails, Operator
from raseed.balance.equation import available, equation
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import open_suspensions, smallest_sufficient
from raseed.documents.issue import voucher_numbers, voucher_of
from raseed.money import MINUS, Money
from raseed.notifications.bounces import payments_not_reached
from raseed.payments.amounts import PaymentsNotOffered, policy_of
from raseed.payments.models import OfflinePayment, OfflineState, Payment, Purpose
from raseed.payments.reconcile import ABANDONED_AFTER
from raseed.payments.states import OPEN, State
from raseed.payments.wording import decline_reason
from raseed.portal.pages import BalancePage, InProgress, PaymentRow, PaymentStatus, SuspensionLine, Term
from raseed.portal.terms import EQUATION, TermShown
from raseed.portal.wording import SAME_CARD, case_number, method_name

OPEN_SHOWN_MAX: Final = 5
RECENT_SHOWN: Final = 5
# How long after its end a page waits for a payment's voucher before it stops looking.
VOUCHER_PATIENCE: Final = timedelta(minutes=2)
# Seconds between two looks, by the payment's age.
LOOKS: Final = ((timedelta(seconds=30), 1), (timedelta(minutes=5), 3), (timedelta.max, 10))
LOOK_AT_BANK_S: Final = 2
LOOK_AT_REVIEW_S: Final = 30


def balance_page(
    account: Account, now: datetime, *, may_pay: bool, follow: Payment | None = None
) -> BalancePage:
    """Everything of Balance Details. `follow` is a payment to show even when it is final: the one just made."""
    parts = equation(account)
    suspensions = open_suspensions(account.id)
    return BalancePage(
        available=parts.available,
        terms=tuple(_term(shown, getattr(parts, shown.name)) for shown in EQUATION if _counts(shown, parts)),
        as_of=now,
        suspensions=tuple(SuspensionLine(one.reason, one.since) for one in suspensions),
        smallest_payment=smallest_payment(account, suspensions),
        support_contact=Operator.objects.get().support_contact,
        may_pay=may_pay,
        payments_open=_followed(account, follow, now),
        recent=rows(
            account, Payment.objects.filter(account_id=account.id).order_by("-created_at")[:RECENT_SHOWN]
        ),
    )


def _counts(shown: TermShown, parts: object) -> bool:
    return shown.always or bool(getattr(parts, shown.name))


def _term(shown: TermShown, amount: Money) -> Term:
    """A contribution as sign and size; one of nothing keeps the sign that it would usually have."""
    negative = amount.micros < 0 or (amount.micros == 0 and shown.usually_taken)
    return Term(shown.label, MINUS if negative else "+", -amount if amount.micros < 0 else amount)


def smallest_payment(account: Account, suspensions: Iterable[Suspension]) -> Money | None:
    """The smallest payment that restores a service stopped for the balance; None where paying restores nothing."""
    if {one.reason for one in suspensions} != {Reason.BALANCE}:
        return None
    try:
        return smallest_sufficient(account, policy_of(account).minimum)
    except PaymentsNotOffered:
        return None


def _followed(account: Account, follow: Payment | None, now: datetime) -> tuple[PaymentStatus, ...]:
    running = list(
        Payment.objects.filter(account_id=account.id, state__in=OPEN).order_by("-created_at")[:OPEN_SHOWN_MAX]
    )
    if follow is not None:
        running = [follow, *(one for one in running if one.id != follow.id)]
    return tuple(payment_status(account, one, now) for one in running)


def payment_status(account: Account, payment: Payment, now: datetime) -> PaymentStatus:
    """One payment as the person who waits for it sees it, with the balance as it is now."""
    voucher = voucher_of(account.id, payment.id) if payment.state == State.SUCCEEDED else None
    number = voucher.display_number if voucher else ""
    poll_s = _pause(payment, number, now)
    busy = payment.state == State.SUBMITTED and payment.busy_until is not None
    return PaymentStatus(
        id=payment.id,
        state=payment.state,
        credit=Money(payment.credit_micros, payment.currency),
        charged=charged(payment),
        method=method_name(payment),
        created_at=payment.created_at,
        balance=available(account),
        tax=Money(payment.tax_micros, payment.currency) if payment.tax_micros else None,
        reason=decline_reason(payment.decline_code),
        retry_other_card=bool(payment.decline_code) and payment.decline_code not in SAME_CARD,
        action_url=payment.action_url,
        frame_url=frame_url(payment),
        card_form=payment.card_form,
        case=case_number(payment.id),
        mailed_to=_billing_emails(account.id) if payment.state == State.SUCCEEDED else (),
        voucher_number=number,
        service_restored=_restored(payment),
        poll_s=poll_s,
        busy=busy,
        abandoned=_abandoned(payment),
        seen=f"{payment.state}{'.busy' if busy else ''}.{poll_s}.{number}",
    )


def frame_url(payment: Payment) -> str:
    """The bank's page as it is to be shown inside ours; empty where people go to the bank instead."""
    if settings.CARD_PAGE != "iframe" or not payment.action_url:
        return ""
    joint = "&" if "?" in payment.action_url else "?"
    return f"{payment.action_url}{joint}embed=1"


def _pause(payment: Payment, voucher_number: str, now: datetime) -> int:
    """Seconds before the page looks again; 0 when nothing more will change."""
    match State(payment.state):
        case State.FAILED | State.CANCELED:
            return 0
        case State.SUCCEEDED:
            waiting = not voucher_number and now - (payment.final_at or now) < VOUCHER_PATIENCE
            return 1 if waiting else 0
        case State.REVIEW:
            return LOOK_AT_REVIEW_S
        case State.ACTION_REQUIRED:
            return LOOK_AT_BANK_S
    age = now - payment.created_at
    return next(pause for limit, pause in LOOKS if age < limit)


def _billing_emails(account_id: UUID) -> tuple[str, ...]:
    details = BillingDetails.objects.filter(account_id=account_id).first()
    return tuple(details.billing_emails) if details else ()


def _restored(payment: Payment) -> bool:
    """Whether this payment brought the service back: both are written in one transaction, at one moment."""
    if payment.state != State.SUCCEEDED:
        return False
    return Suspension.objects.filter(
        account_id=payment.account_id, reason=Reason.BALANCE, lifted_at=payment.final_at
    ).exists()


def _abandoned(payment: Payment) -> bool:
    """Whether it was canceled because its customer never came to an end at the bank."""
    if payment.state != State.CANCELED or payment.submitted_at is None or payment.final_at is None:
        return False
    return payment.final_at - payment.submitted_at > ABANDONED_AFTER


def charged(payment: Payment) -> Money:
    """What the card is, or was, charged."""
    return Money.from_minor(payment.charge_minor, payment.currency)


def in_progress(account: Account, now: datetime) -> InProgress | None:
    """The newest payment of the account that is not final."""
    payment = Payment.objects.filter(account_id=account.id, state__in=OPEN).order_by("-created_at").first()
    if payment is None:
        return None
    age_s = max(0, int((now - payment.created_at).total_seconds()))
    return InProgress(payment.id, Money(payment.credit_micros, payment.currency), age_s)


def taken_back(account_id: UUID) -> QuerySet[OfflinePayment]:
    """The account's payments that staff had recorded by mistake."""
    return OfflinePayment.objects.filter(account_id=account_id, state=OfflineState.REVERSED)


def rows(account: Account, payments: Iterable[Payment]) -> tuple[PaymentRow, ...]:
    """Payments as lines of a list, with their vouchers and what became of the mail."""
    found = list(payments)
    ids = [one.id for one in found]
    numbers = voucher_numbers(account.id, ids)
    bounced = payments_not_reached(account.id, ids)
    gone = taken_back(account.id).filter(payment_id__in=ids).values_list("payment_id", flat=True)
    mistaken = set(gone) if any(one.purpose == Purpose.OFFLINE for one in found) else set()
    return tuple(
        PaymentRow(
            id=one.id,
            at=one.created_at,
            method=method_name(one),
            amount=charged(one),
            state=one.state,
            voucher_number=numbers.get(one.id, ""),
            mail_bounced=one.id in bounced,
            taken_back=one.id in mistaken,
        )
        for one in found
    )
