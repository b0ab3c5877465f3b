"""A person takes a reconciliation break and ends it; one that is not over opens again.

Ending a break says that a person has dealt with it outside of these books. It moves no money and no payment, but for one
act: a refund that the gateway never made, on its written word, is put back into the balance. All acts are in the audit
log, in the transaction of the act.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from raseed.audit.log import Who, record
from raseed.db.guard import across_accounts
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.gateways.port import MovementKind, Refused
from raseed.ledger.chart import Kind
from raseed.ledger.models import LedgerAccount
from raseed.payments import refund_states
from raseed.payments.asking import KEY_HORIZON
from raseed.payments.breaks import BreakKind, reopen_one
from raseed.payments.models import GatewayMovement, GatewayReference, Payment, ReconciliationBreak, Refund
from raseed.payments.refund_states import RefundState
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import OPEN, Cause, State

logger = logging.getLogger(__name__)

# A break has an owner within this, and an end; longer is itself a violation (I12).
TAKE_WITHIN: Final = timedelta(hours=4)
END_WITHIN: Final = timedelta(days=2)
REOPEN_MAX: Final = 500


class BreakNotOpen(RaseedError):
    """The break was ended meanwhile, or there is none."""

    code = "break_not_open"
    status = 409
    message = _("This break is not open any more. Nothing was changed.")


class RefundNotStuck(RaseedError):
    """The break is not about a refund whose outcome only a person can tell: the gateway still can, or has."""

    code = "refund_not_stuck"
    status = 409
    message = _("The gateway can still tell what became of this refund, or has. Nothing was changed.")


def take(break_id: int, who: Who, now: datetime) -> None:
    """Make `who` the owner of an open break. Taking it again changes nothing. Raises BreakNotOpen."""
    with atomic():
        found = _open(break_id)
        if found.owner_id == who.user_id:
            return
        before, found.owner_id = found.owner_id, who.user_id
        found.save(update_fields=["owner_id"])
        record(
            who,
            "break_taken",
            account_id=found.account_id,
            object_kind="reconciliation_break",
            object_id=found.id,
            at=now,
            before={"owner": str(before or "")},
            after={"owner": str(who.user_id)},
        )


def end(break_id: int, reason: str, who: Who, now: datetime) -> None:
    """End an open break, with what was done. Raises BreakNotOpen."""
    with atomic():
        found = _open(break_id)
        found.owner_id = found.owner_id or who.user_id
        found.resolved_at, found.resolved_by, found.reason = now, who.user_id, reason
        found.save(update_fields=["owner_id", "resolved_at", "resolved_by", "reason"])
        record(
            who,
            "break_ended",
            account_id=found.account_id,
            object_kind="reconciliation_break",
            object_id=found.id,
            at=now,
            before={"open": True},
            after={"open": False},
            reason=reason,
        )


def stuck_refund(found: ReconciliationBreak, now: datetime) -> Refund | None:
    """The refund that this break is about, if only a person can end it: ordered, not found, too old to be sent again."""
    if found.kind != BreakKind.UNRESOLVED or found.account_id is None or found.payment_id is None:
        return None
    return (
        Refund.objects.annotate(own_id=Cast("id", CharField()))
        .filter(
            account_id=found.account_id,
            payment_id=found.payment_id,
            own_id=found.gateway_ref,
            state=RefundState.SUBMITTED,
            part_ref="",
            submitted_at__lte=now - KEY_HORIZON,
        )
        .first()
    )


def refund_not_made(break_id: int, reason: str, who: Who, now: datetime) -> None:
    """End the break of a stuck refund: the gateway has said in writing that it was not made, so the money goes back.

    Should the gateway make it all the same, that is a break again. Raises BreakNotOpen and RefundNotStuck; then
    nothing moved.
    """
    with atomic():
        # Without its lock, which comes after those of payment and refund, as where a break is reported.
        found = ReconciliationBreak.objects.filter(id=break_id, resolved_at__isnull=True).first()
        if found is None:
            raise BreakNotOpen(f"break {break_id}")
        refund = stuck_refund(found, now)
        if refund is None:
            raise RefundNotStuck(f"break {break_id}")
        refund = settle_refund(refund.account_id, refund.id, Refused("said by staff"), Cause.STAFF, now)
        if refund.state != RefundState.FAILED:
            raise RefundNotStuck(f"refund {refund.id} is {refund.state}")
        record(
            who,
            "refund_not_made",
            account_id=refund.account_id,
            object_kind="refund",
            object_id=refund.id,
            at=now,
            before={"state": str(RefundState.SUBMITTED)},
            after={"state": str(RefundState.FAILED)},
            reason=reason,
        )
        end(break_id, reason, who, now)


def reopen(now: datetime) -> int:
    """Open again every ended break whose cause still stands, at most 500; returns how many. For every walk of the list."""
    reopened = 0
    with across_accounts("ended breaks of all accounts are looked at again"):
        causes = [
            found
            for found in _ended().order_by("-resolved_at")[:REOPEN_MAX]
            if found.resolved_at and found.resolved_at <= now and _still_stands(found)
        ]
    for found in causes:
        if reopen_one(found):
            reopened += 1
            logger.error("reconciliation break %s %s is not over and was opened again", found.id, found.kind)
    return reopened


def _open(break_id: int) -> ReconciliationBreak:
    found = (
        ReconciliationBreak.objects.select_for_update().filter(id=break_id, resolved_at__isnull=True).first()
    )
    if found is None:
        raise BreakNotOpen(f"break {break_id}")
    return found


def _ended() -> QuerySet[ReconciliationBreak]:
    """Ended breaks of a kind that can be looked at again, whose cause might still stand."""
    payments = Payment.objects.filter(account_id=OuterRef("account_id"), id=OuterRef("payment_id"))
    not_over = payments.filter(state__in=OPEN)
    # Of a refund's break, `gateway_ref` is the gateway's id of the refund, or ours while that is not known.
    refunds_not_over = Refund.objects.annotate(own_id=Cast("id", CharField())).filter(
        Q(own_id=OuterRef("gateway_ref")) | Q(part_ref=OuterRef("gateway_ref")) & ~Q(part_ref=""),
        account_id=OuterRef("account_id"),
        payment_id=OuterRef("payment_id"),
        state__in=refund_states.OPEN,
    )
    suspense = LedgerAccount.objects.filter(account_id=OuterRef("account_id"), kind=Kind.SUSPENSE).exclude(
        balance_micros=0
    )
    return ReconciliationBreak.objects.filter(resolved_at__isnull=False).filter(
        Q(kind=BreakKind.UNRESOLVED) & (Exists(not_over) | Exists(refunds_not_over))
        | Q(kind=BreakKind.UNEXPECTED_CAPTURE)
        & (Exists(suspense) | Exists(payments.filter(state=State.REVIEW)))
        | Q(kind=BreakKind.UNKNOWN_CHARGE)
    )


def _still_stands(found: ReconciliationBreak) -> bool:
    """Whether the cause is there now; of a charge that names no payment: in the list, and not refunded in full."""
    if found.kind != BreakKind.UNKNOWN_CHARGE:
        return True
    lines = GatewayMovement.objects.filter(gateway=found.gateway, gateway_ref=found.gateway_ref)
    charge = lines.filter(kind=MovementKind.CHARGE).first()
    if charge is None or (
        charge.payment_id
        and GatewayReference.objects.filter(payment_id=charge.payment_id, gateway=found.gateway).exists()
    ):
        return False
    refunded = sum(
        line.amount_minor for line in lines.filter(kind=MovementKind.REFUND, currency=charge.currency)
    )
    return refunded < charge.amount_minor
