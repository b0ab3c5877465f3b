"""What does not agree with the gateway, as rows with an age that a person must end. Never silently dropped."""

import logging
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from raseed.payments.models import Payment, ReconciliationBreak

logger = logging.getLogger(__name__)


class BreakKind(StrEnum):
    """What is wrong."""

    FOREIGN_REFERENCE = "foreign_reference"
    UNEXPECTED_CAPTURE = "unexpected_capture"
    UNKNOWN_CHARGE = "unknown_charge"
    UNRESOLVED = "unresolved"
    UNBOOKED_MOVEMENT = "unbooked_movement"


def report(kind: BreakKind, payment: Payment, gateway_ref: str, detail: str, now: datetime) -> None:
    """Write a break about a payment down, once while it is open, and raise the alarm in the log."""
    if not _reopen_like(kind, payment.gateway, gateway_ref, payment.id):
        ReconciliationBreak.objects.bulk_create(
            [
                ReconciliationBreak(
                    kind=kind,
                    gateway=payment.gateway,
                    gateway_ref=gateway_ref,
                    account_id=payment.account_id,
                    payment_id=payment.id,
                    detail=detail,
                    seen_at=now,
                )
            ],
            ignore_conflicts=True,
        )
    logger.error("reconciliation break %s: payment %s, %s: %s", kind, payment.id, gateway_ref, detail)


def report_unknown_charge(gateway: str, gateway_ref: str, detail: str, now: datetime) -> None:
    """Write down a charge in the gateway's list that names no payment of ours."""
    ReconciliationBreak.objects.bulk_create(
        [
            ReconciliationBreak(
                kind=BreakKind.UNKNOWN_CHARGE,
                gateway=gateway,
                gateway_ref=gateway_ref,
                detail=detail,
                seen_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    logger.error("reconciliation break: %s charged %s unknown to us: %s", gateway, gateway_ref, detail)


def reopen_one(found: ReconciliationBreak) -> bool:
    """Open an ended break again, with its age; False if it is open, or another one like it is."""
    try:
        with transaction.atomic():
            return bool(
                ReconciliationBreak.objects.filter(id=found.id, resolved_at__isnull=False).update(
                    resolved_at=None, resolved_by=None, reopened=F("reopened") + 1
                )
            )
    except IntegrityError:
        return False


def _reopen_like(kind: BreakKind, gateway: str, gateway_ref: str, payment_id: UUID) -> bool:
    """Open the latest break like this one again if it was ended: ending it must not make it young."""
    latest = (
        ReconciliationBreak.objects.filter(
            kind=kind, gateway=gateway, gateway_ref=gateway_ref, payment_id=payment_id
        )
        .order_by("-id")
        .first()
    )
    return latest is not None and (latest.resolved_at is None or reopen_one(latest))
