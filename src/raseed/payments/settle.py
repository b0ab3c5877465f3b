"""The one door by which a payment reaches its end, whoever brings the news: page, webhook or reconcile.

`settle` locks the payment, looks again, and only then moves it. It credits what the gateway says was captured,
once. It makes no call to the outside and believes no news about another customer's payment.
Lock order: payment, account, ledger accounts, number counter.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from raseed.accounts.models import Role
from raseed.audit.log import Who
from raseed.balance.suspension import restore_if_paid
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.events.models import EventKind
from raseed.failpoints import failpoint
from raseed.gateways.port import (
    ActionRequired,
    Busy,
    Canceled,
    Card,
    Declined,
    NotFound,
    Outcome,
    Pending,
    Refused,
    SavedReference,
    Succeeded,
    Unknown,
)
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import CURRENCIES, Money
from raseed.payments.breaks import BreakKind, report
from raseed.payments.cards.limits import note_end
from raseed.payments.cards.models import CardEnd
from raseed.payments.form_pages import form_url
from raseed.payments.methods import add
from raseed.payments.models import GatewayReference, Payment
from raseed.payments.recharge import after
from raseed.payments.states import FINAL, Cause, State, move
from raseed.payments.telling import tell_of

logger = logging.getLogger(__name__)

# Seconds to the next question, by how often we asked already; after the last, every minute.
BACKOFF_S = (1, 2, 4, 8, 15, 30, 60)
_UNDER_WAY = frozenset({State.SUBMITTED, State.ACTION_REQUIRED})
# What is written of a payment with the news: of a capture, of an end without one.
_CAPTURED = ("gateway_ref", "captured_minor", "captured_currency", "next_ask_at", "card_brand", "card_last4")
_ENDED = ("gateway_ref", "decline_code", "next_ask_at", "action_url", "card_brand", "card_last4")


@begun_again
def settle(account_id: UUID, payment_id: UUID, outcome: Outcome, cause: Cause, now: datetime) -> Payment:
    """Apply what the gateway says to the payment, once, and return it as it then is."""
    with atomic():
        payment = _locked(account_id, payment_id)
        before = payment.state
        match outcome:
            case Succeeded():
                _succeed(payment, outcome, cause, now)
            case Declined():
                if _is_about(payment, outcome.gateway_ref, cause, now):
                    _fail(payment, outcome.code.value, outcome.card, cause, now)
            case Refused():
                logger.error("gateway refused payment %s: %s", payment.id, outcome.reason)
                _fail(payment, "refused", None, cause, now)
            case Canceled():
                if _is_about(payment, outcome.gateway_ref, cause, now):
                    _cancel(payment, cause, now)
            case ActionRequired():
                _require_action(payment, outcome, cause, now)
            case Pending() | Unknown() | NotFound() | Busy():
                _ask_again(payment, outcome, now)
        if payment.state != before:
            after.moved(payment, outcome, now)
    return payment


def _locked(account_id: UUID, payment_id: UUID) -> Payment:
    """The payment, locked, with its account, which is not."""
    rows = Payment.objects.select_for_update(of=("self",)).select_related("account")
    return rows.get(account_id=account_id, id=payment_id)


def _succeed(payment: Payment, outcome: Succeeded, cause: Cause, now: datetime) -> None:
    if outcome.payment_id != payment.id or not _bind(payment, outcome.gateway_ref):
        # Another customer's reference, or one that already belongs to another payment: nothing moves.
        report(BreakKind.FOREIGN_REFERENCE, payment, outcome.gateway_ref, f"told by {cause}", now)
        _ask_again(payment, outcome, now)
        return
    if payment.state == State.SUCCEEDED or payment.captured_minor is not None:
        # Nothing is new but, perhaps, the gateway's own name of it: one that was tied to another's charge has none.
        payment.save(update_fields=["gateway_ref"])
        return
    payment.captured_minor = outcome.captured_minor
    payment.captured_currency = outcome.captured_currency
    payment.next_ask_at = None
    _remember_card(payment, outcome.card)
    _note_typed_card(payment, CardEnd.PASSED, outcome.card, now)
    if (outcome.captured_minor, outcome.captured_currency) != (payment.charge_minor, payment.currency):
        payment.save(update_fields=_CAPTURED)
        _suspend_capture(payment, cause, now)
        return
    move(payment, State.SUCCEEDED, cause, now, also=_CAPTURED)
    post(_top_up(payment, now))
    failpoint("KP05", payment.id)
    if cause is Cause.WEBHOOK:
        failpoint("KP11", payment.id)
    restore_if_paid(payment.account, now)
    if outcome.saved is not None and payment.save_method:
        _keep_method(payment, outcome.saved, now)
    tell_of(payment, EventKind.PAYMENT_SUCCEEDED, now)
    defer("documents.issue_receipt_voucher", account_id=payment.account_id, payment_id=payment.id)


def _top_up(payment: Payment, now: datetime) -> NewEntry:
    """Debit what the gateway owes us; credit the balance, the tax, and what rounding the charge up left."""
    currency = payment.currency
    charged = Money.from_minor(payment.charge_minor, currency)
    credit, tax = Money(payment.credit_micros, currency), Money(payment.tax_micros, currency)
    parts = (
        (Kind.CUSTOMER, credit),
        (Kind.TAX_PAYABLE, tax),
        (Kind.ROUNDING, charged - credit - tax),
    )
    return NewEntry(
        account_id=payment.account_id,
        kind=EntryKind.TOPUP_CARD,
        operation_key=f"payment:{payment.id}:captured",
        transfers=tuple(Transfer(Kind.GATEWAY_CLEARING, kind, amount) for kind, amount in parts if amount),
        at=now,
        memo={"payment_id": str(payment.id)},
    )


def _suspend_capture(payment: Payment, cause: Cause, now: datetime) -> None:
    """Another amount or currency was captured than asked for: keep it apart until a person decides."""
    if payment.captured_currency in CURRENCIES:
        _post_to_suspense(payment, now)
    if payment.state != State.REVIEW:
        move(payment, State.REVIEW, cause, now)
    # A currency that the books do not know cannot be posted: the break alone holds it until a person acts.
    report(
        BreakKind.UNEXPECTED_CAPTURE,
        payment,
        payment.gateway_ref,
        f"asked {payment.charge_minor} {payment.currency},"
        f" captured {payment.captured_minor} {payment.captured_currency}",
        now,
    )


def _post_to_suspense(payment: Payment, now: datetime) -> None:
    captured = Money.from_minor(payment.captured_minor or 0, payment.captured_currency)
    post(
        NewEntry(
            account_id=payment.account_id,
            kind=EntryKind.UNEXPECTED_CAPTURE,
            operation_key=f"payment:{payment.id}:captured",
            transfers=(Transfer(Kind.GATEWAY_CLEARING, Kind.SUSPENSE, captured),),
            at=now,
            memo={"payment_id": str(payment.id)},
        )
    )


def _is_about(payment: Payment, gateway_ref: str | None, cause: Cause, now: datetime) -> bool:
    """Whether a failure is that of this payment's own attempt. The failure of another says nothing about this one."""
    if payment.state not in _UNDER_WAY or gateway_ref is None or _bind(payment, gateway_ref):
        return True
    logger.warning(
        "payment %s is %s; a failure of %s is not its own", payment.id, payment.gateway_ref, gateway_ref
    )
    if not payment.gateway_ref:
        report(BreakKind.FOREIGN_REFERENCE, payment, gateway_ref, f"a failure, told by {cause}", now)
    _ask_again(payment, Unknown("told of another payment"), now)
    return False


def _fail(payment: Payment, code: str, card: Card | None, cause: Cause, now: datetime) -> None:
    if payment.state not in _UNDER_WAY:
        return
    payment.decline_code = code
    payment.next_ask_at = None
    payment.action_url = ""
    _remember_card(payment, card)
    # What the gateway refused of itself says nothing of a card.
    _note_typed_card(payment, CardEnd.LEFT if code == "refused" else CardEnd.FAILED, card, now)
    move(payment, State.FAILED, cause, now, also=_ENDED)
    tell_of(payment, EventKind.PAYMENT_FAILED, now)


def _cancel(payment: Payment, cause: Cause, now: datetime) -> None:
    if payment.state not in _UNDER_WAY:
        return
    payment.next_ask_at = None
    payment.action_url = ""
    _note_typed_card(payment, CardEnd.LEFT, None, now)
    if payment.state == State.SUBMITTED:
        move(payment, State.ACTION_REQUIRED, cause, now)
    move(payment, State.CANCELED, cause, now, also=_ENDED)


def _require_action(payment: Payment, outcome: ActionRequired, cause: Cause, now: datetime) -> None:
    if payment.state not in _UNDER_WAY:
        return
    if not _bind(payment, outcome.gateway_ref):
        report(BreakKind.FOREIGN_REFERENCE, payment, outcome.gateway_ref, f"told by {cause}", now)
        return
    payment.action_url = outcome.url or form_url(f"payments/{payment.id}")
    if payment.state == State.SUBMITTED:
        move(payment, State.ACTION_REQUIRED, cause, now)
    _ask_again(payment, outcome, now, also=("action_url",))


def _ask_again(payment: Payment, outcome: Outcome, now: datetime, also: Iterable[str] = ()) -> None:
    """Set the time of the next question and queue it. The outcome stays open. `also` names fields to write with it."""
    if State(payment.state) in FINAL or payment.state == State.REVIEW:
        return
    if isinstance(outcome, Pending) and outcome.gateway_ref and not _bind(payment, outcome.gateway_ref):
        report(BreakKind.FOREIGN_REFERENCE, payment, outcome.gateway_ref, "told as pending", now)
    wait_s = BACKOFF_S[min(payment.asks, len(BACKOFF_S) - 1)]
    payment.busy_until = None
    if isinstance(outcome, Busy):
        wait_s = max(wait_s, outcome.retry_after_s)
        payment.busy_until = now + timedelta(seconds=outcome.retry_after_s)
    payment.asks += 1
    payment.next_ask_at = now + timedelta(seconds=wait_s)
    payment.save(update_fields=["gateway_ref", "asks", "next_ask_at", "busy_until", *also])
    defer(
        "payments.follow",
        run_at=payment.next_ask_at,
        account_id=payment.account_id,
        payment_id=payment.id,
    )


def _bind(payment: Payment, gateway_ref: str) -> bool:
    """Tie the gateway's id to this payment for ever; False if it, or the payment, is tied to another.

    The caller writes `gateway_ref` with whatever else the news changes.
    """
    if payment.gateway_ref:
        return payment.gateway_ref == gateway_ref
    try:
        with transaction.atomic():
            GatewayReference.objects.filter(payment_id=payment.id, gateway_ref__isnull=True).update(
                gateway_ref=gateway_ref
            )
    except IntegrityError:
        return False
    payment.gateway_ref = gateway_ref
    return True


def _remember_card(payment: Payment, card: Card | None) -> None:
    if card is not None:
        payment.card_brand, payment.card_last4 = card.brand, card.last4


def _note_typed_card(payment: Payment, end: CardEnd, card: Card | None, now: datetime) -> None:
    """For the limits on trying cards: what became of one that was typed. A saved card was accepted before."""
    if payment.method_id is None:
        note_end(payment.id, end, card.fingerprint if card else "", now)


def _keep_method(payment: Payment, saved: SavedReference, now: datetime) -> None:
    method = add(payment.account_id, payment.gateway, saved, Who(payment.actor_user_id, Role.ADMIN), now)
    if method is not None:
        payment.method_id = method.id
        payment.save(update_fields=["method_id"])
