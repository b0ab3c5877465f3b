"""The one door by which a refund reaches its end, whoever brings the news: the answer, webhook, list or worker.

`settle_refund` locks the payment, looks again, and only then moves the refund. What failed is put back into the balance
by the mirror of its entry, once. It makes no call to the outside. Lock order: payment, refund, account, ledger accounts.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from raseed.accounts.models import Account
from raseed.balance.suspension import restore_if_paid
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.gateways.port import (
    Busy,
    NotFound,
    Pending,
    Refunded,
    RefundFailed,
    RefundOutcome,
    RefundPending,
    Refused,
    Unknown,
)
from raseed.ledger.post import post
from raseed.ledger.read import entry_by_key
from raseed.ledger.reversal import reversal_of
from raseed.payments.breaks import BreakKind, report
from raseed.payments.disputed import recount
from raseed.payments.models import Payment, Refund
from raseed.payments.refund_states import MOVES, OPEN, RefundState, move
from raseed.payments.settle import BACKOFF_S
from raseed.payments.states import Cause

logger = logging.getLogger(__name__)

# A bank takes days over a refund that it has taken on: often at first, then every hour.
PENDING_ASKS_OFTEN = 10
PENDING_ASK_EVERY = timedelta(hours=1)
# An order that the gateway does not find and refuses anew is not still on its way after this long.
REFUSAL_HOLDS_AFTER = timedelta(minutes=15)


@begun_again
def settle_refund(
    account_id: UUID, refund_id: UUID, outcome: RefundOutcome, cause: Cause, now: datetime
) -> Refund:
    """Apply what the gateway says to the refund, once, and return it as it then is."""
    with atomic():
        known = Refund.objects.get(account_id=account_id, id=refund_id)
        payment = Payment.objects.select_for_update().get(account_id=account_id, id=known.payment_id)
        refund = Refund.objects.select_for_update().get(account_id=account_id, id=refund_id)
        match outcome:
            case Refunded():
                if _is_ours(refund, payment, outcome.part_ref, cause, now):
                    _succeed(refund, payment, cause, now)
            case RefundPending():
                if _is_ours(refund, payment, outcome.part_ref, cause, now):
                    _wait(refund, outcome, cause, now)
            case RefundFailed():
                if _is_ours(refund, payment, outcome.part_ref, cause, now):
                    _fail(refund, payment, outcome.reason, cause, now)
            case Refused():
                _refuse(refund, payment, outcome, cause, now)
            case Pending() | Unknown() | NotFound() | Busy():
                ask_again(refund, outcome, now)
    return refund


def _succeed(refund: Refund, payment: Payment, cause: Cause, now: datetime) -> None:
    if refund.state == RefundState.FAILED:
        # The money is in the balance again and went to the card as well: a person has to get one of them back.
        report(
            BreakKind.UNBOOKED_MOVEMENT,
            payment,
            f"{refund.part_ref} refund",
            "given back after it failed",
            now,
        )
        return
    if refund.state == RefundState.SUCCEEDED:
        return
    _ask_no_more(refund)
    move(refund, RefundState.SUCCEEDED, cause, now)
    _tell(refund)


def _wait(refund: Refund, outcome: RefundOutcome, cause: Cause, now: datetime) -> None:
    if refund.state == RefundState.SUBMITTED:
        refund.asks = 0
        move(refund, RefundState.PENDING, cause, now)
    ask_again(refund, outcome, now)


def _fail(refund: Refund, payment: Payment, reason: str, cause: Cause, now: datetime) -> None:
    if RefundState.FAILED not in MOVES[RefundState(refund.state)]:
        return
    logger.warning("refund %s failed: %s", refund.id, reason)
    _ask_no_more(refund)
    move(refund, RefundState.FAILED, cause, now)
    taken = entry_by_key(refund.account_id, f"refund:{refund.id}:taken")
    if taken is None:
        raise LookupError(f"refund {refund.id} took no money")
    post(
        reversal_of(
            refund.account_id,
            taken.id,
            operation_key=f"refund:{refund.id}:returned",
            at=now,
            memo={"refund_id": str(refund.id), "payment_id": str(refund.payment_id)},
        )
    )
    Payment.objects.filter(account_id=payment.account_id, id=payment.id).update(
        refunded_minor=F("refunded_minor") - refund.amount_minor
    )
    recount(payment)
    restore_if_paid(Account.objects.get(id=refund.account_id), now)
    _tell(refund)


def _refuse(refund: Refund, payment: Payment, outcome: Refused, cause: Cause, now: datetime) -> None:
    """Nothing was done with this request. One that was sent again says so of the first only once that cannot arrive late."""
    age = now - (refund.submitted_at or refund.created_at)
    holds = not refund.asks or age >= REFUSAL_HOLDS_AFTER
    if refund.state == RefundState.SUBMITTED and not refund.part_ref and holds:
        _fail(refund, payment, f"refused: {outcome.reason}", cause, now)
    else:
        ask_again(refund, outcome, now)


def ask_again(refund: Refund, outcome: RefundOutcome, now: datetime) -> None:
    """Set the time of the next question and queue it. The outcome stays open."""
    if RefundState(refund.state) not in OPEN:
        return
    wait = timedelta(seconds=BACKOFF_S[min(refund.asks, len(BACKOFF_S) - 1)])
    if refund.state == RefundState.PENDING and refund.asks >= PENDING_ASKS_OFTEN:
        wait = PENDING_ASK_EVERY
    if isinstance(outcome, Busy):
        wait = max(wait, timedelta(seconds=outcome.retry_after_s))
    refund.asks += 1
    refund.next_ask_at = now + wait
    refund.save(update_fields=["asks", "next_ask_at"])
    defer(
        "payments.follow_refund",
        run_at=refund.next_ask_at,
        account_id=refund.account_id,
        refund_id=refund.id,
    )


def _ask_no_more(refund: Refund) -> None:
    refund.next_ask_at = None
    refund.save(update_fields=["next_ask_at"])


def _tell(refund: Refund) -> None:
    defer(
        "notifications.mail_refund",
        account_id=refund.account_id,
        refund_id=refund.id,
        state=str(refund.state),
    )


def _is_ours(refund: Refund, payment: Payment, part_ref: str, cause: Cause, now: datetime) -> bool:
    """Tie the gateway's id to this refund for ever; where it is another's, nothing moves and a person is told."""
    bound = refund.part_ref == part_ref if refund.part_ref else _bind(refund, part_ref)
    if not bound:
        report(BreakKind.FOREIGN_REFERENCE, payment, part_ref, f"as refund {refund.id}, told by {cause}", now)
        ask_again(refund, Unknown("told of another refund"), now)
    return bound


def _bind(refund: Refund, part_ref: str) -> bool:
    try:
        with transaction.atomic():
            Refund.objects.filter(account_id=refund.account_id, id=refund.id).update(part_ref=part_ref)
    except IntegrityError:
        return False
    refund.part_ref = part_ref
    return True
