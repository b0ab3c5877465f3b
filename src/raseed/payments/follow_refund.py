"""Ask about every refund whose outcome is open, until it is known.

"Not found" is not "not given back": the order is sent again with the same key, which gives back once or tells what
happened. After the key horizon only the gateway's own list decides, and a person is told.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from raseed.db.guard import across_accounts
from raseed.gateways.port import NotFound, RefundOutcome, Refused, Unknown
from raseed.gateways.registry import gateway
from raseed.payments import breaker, refund
from raseed.payments.asking import (
    ASK_AGAIN_AFTER_FAULT,
    ASK_AT_MOST_EVERY,
    KEY_HORIZON,
    SWEEP_LIMIT,
    UNRESOLVED_AFTER,
)
from raseed.payments.breaks import BreakKind, report
from raseed.payments.models import Payment, Refund
from raseed.payments.refund_states import OPEN, RefundState
from raseed.payments.settle_refund import REFUSAL_HOLDS_AFTER, settle_refund
from raseed.payments.states import Cause

logger = logging.getLogger(__name__)

# A bank that is still at it after this long has forgotten it.
PENDING_TOO_LONG = timedelta(days=14)


def follow_refund(account_id: UUID, refund_id: UUID, cause: Cause, now: datetime) -> Refund:
    """Ask the gateway about one open refund, unless somebody asked within the last second or it must not be asked now."""
    found = Refund.objects.get(account_id=account_id, id=refund_id)
    if RefundState(found.state) not in OPEN:
        return found
    if not breaker.may_ask(found.gateway, now):
        Refund.objects.filter(account_id=account_id, id=refund_id, next_ask_at__isnull=False).update(
            next_ask_at=now + breaker.PROBE_EVERY
        )
        return _escalate(found, Unknown("the circuit is open"), now)
    if found.state == RefundState.CREATED:
        return refund.submit(account_id, refund_id, now, cause)
    if not _claim(found, now):
        return found
    outcome = _ask(found, now)
    breaker.record(found.gateway, outcome, now)
    return _escalate(settle_refund(account_id, refund_id, outcome, cause, now), outcome, now)


def ask_silent(now: datetime) -> int:
    """Ask about every refund that is due, at most 200; for those whose own job was lost. Returns how many."""
    with across_accounts("the sweep looks for due refunds of all accounts"):
        due = list(
            Refund.objects.filter(next_ask_at__lte=now, state__in=OPEN)
            .order_by("next_ask_at")
            .values_list("account_id", "id")[:SWEEP_LIMIT]
        )
    for account_id, refund_id in due:
        try:
            follow_refund(account_id, refund_id, Cause.RECONCILE, now)
        except Exception:
            logger.exception("refund %s cannot be asked about", refund_id)
            Refund.objects.filter(account_id=account_id, id=refund_id).update(
                next_ask_at=now + ASK_AGAIN_AFTER_FAULT
            )
    return len(due)


def _claim(found: Refund, now: datetime) -> bool:
    """Take the question, so that nobody else asks it within the same second."""
    row = Refund.objects.filter(
        Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASK_AT_MOST_EVERY),
        account_id=found.account_id,
        id=found.id,
    )
    return bool(row.update(asked_at=now))


def _ask(found: Refund, now: datetime) -> RefundOutcome:
    bank = gateway(found.gateway)
    if found.part_ref:
        return bank.fetch_refund(found.part_ref)
    payment = Payment.objects.get(account_id=found.account_id, id=found.payment_id)
    outcome = bank.find_refund(payment.gateway_ref, found.id)
    if isinstance(outcome, NotFound) and now - (found.submitted_at or found.created_at) < KEY_HORIZON:
        outcome = refund.send(found)
        age = now - (found.submitted_at or found.created_at)
        if isinstance(outcome, Refused) and age < REFUSAL_HOLDS_AFTER:
            # It refuses this request; about the first one, which may still arrive, it says nothing.
            return Unknown(f"re-send refused: {outcome.reason}")
    return outcome


def _escalate(found: Refund, outcome: RefundOutcome, now: datetime) -> Refund:
    """A refund that stays open too long becomes a row that a person sees."""
    age = now - (found.submitted_at or found.created_at)
    limit = PENDING_TOO_LONG if found.state == RefundState.PENDING else UNRESOLVED_AFTER
    if RefundState(found.state) in OPEN and age > limit:
        payment = Payment.objects.get(account_id=found.account_id, id=found.payment_id)
        report(
            BreakKind.UNRESOLVED,
            payment,
            found.part_ref or str(found.id),
            f"refund {found.id} is {found.state}: {type(outcome).__name__}",
            now,
        )
    return found
