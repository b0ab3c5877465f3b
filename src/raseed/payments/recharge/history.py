"""Write down every recharge considered, and have those told by mail that people should hear of. Never changes a row.

A no that says what the last row said is not written again on the same day: a balance that stays low is one reason, not a
hundred.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from raseed.accounts.models import Account
from raseed.db.queue import defer
from raseed.events.models import EventKind
from raseed.events.tell import Fact, tell
from raseed.money import Money, decimal_text
from raseed.payments.models import Payment
from raseed.payments.recharge.models import Consideration
from raseed.payments.recharge.reasons import NOTICED, Cause, Reason

_ALWAYS_WRITTEN: Final = frozenset({Reason.CHARGE, Reason.DECLINED, Reason.GAVE_UP})

# Told to the operator's service; after the last try it is that recharge is paused.
_TOLD: Final[dict[Reason, EventKind]] = {
    Reason.DECLINED: EventKind.RECHARGE_FAILED,
    Reason.AUTHENTICATION: EventKind.RECHARGE_FAILED,
    Reason.GAVE_UP: EventKind.RECHARGE_PAUSED,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """The figures at the time, in micros."""

    available_micros: int
    pending_micros: int = 0
    threshold_micros: int | None = None


def refused(
    account: Account,
    cause: Cause,
    reason: Reason,
    seen: Seen,
    now: datetime,
    *,
    next_at: datetime | None = None,
    cap: int | None = None,
) -> None:
    """A no with its reason."""
    _write(
        Consideration(
            account_id=account.id,
            at=now,
            cause=cause,
            reason=reason,
            available_micros=seen.available_micros,
            pending_micros=seen.pending_micros,
            threshold_micros=seen.threshold_micros,
            next_at=next_at,
            cap=cap,
        ),
        account,
    )


def charged(payment: Payment, cause: Cause, number: int, bound: str, seen: Seen, now: datetime) -> None:
    """A yes: the payment that it became."""
    row = _of_payment(payment, Reason.CHARGE, cause, number, seen, now)
    row.bound = bound
    _write(row, payment.account)


def became(
    payment: Payment,
    reason: Reason,
    number: int,
    seen: Seen,
    now: datetime,
    *,
    code: str = "",
    next_at: datetime | None = None,
) -> None:
    """What became of a charge: declined, given up, or to be confirmed by an Admin."""
    row = _of_payment(payment, reason, Cause.PAYMENT, number, seen, now)
    row.decline_code, row.next_at = code, next_at
    _write(row, payment.account)


def _of_payment(
    payment: Payment, reason: Reason, cause: Cause, number: int, seen: Seen, now: datetime
) -> Consideration:
    return Consideration(
        account_id=payment.account_id,
        at=now,
        cause=cause,
        reason=reason,
        number=number,
        available_micros=seen.available_micros,
        pending_micros=seen.pending_micros,
        threshold_micros=seen.threshold_micros,
        amount_micros=payment.credit_micros,
        charge_minor=payment.charge_minor,
        card_brand=payment.card_brand,
        card_last4=payment.card_last4,
        method_id=payment.method_id,
        payment_id=payment.id,
    )


def _write(row: Consideration, account: Account) -> None:
    if row.reason not in _ALWAYS_WRITTEN and _says_the_same(row, account):
        return
    row.save(force_insert=True)
    # A card was declined and the next one is tried at once: what becomes of that is the news.
    is_news = row.reason != Reason.DECLINED or row.next_at is not None
    if row.reason in NOTICED and is_news:
        defer("notifications.mail_recharge", account_id=row.account_id, consideration_id=row.id)
    if row.reason in _TOLD and is_news:
        tell(row.account_id, _TOLD[Reason(row.reason)], _facts(row, account), row.at)


def _facts(row: Consideration, account: Account) -> dict[str, Fact]:
    """What the operator's service is told of a recharge that failed."""
    return {
        "payment_id": str(row.payment_id),
        "reason": row.reason,
        "decline_code": row.decline_code,
        "amount": decimal_text(Money(row.amount_micros or 0, account.currency)),
        "available": decimal_text(Money(row.available_micros, account.currency)),
        "currency": account.currency,
        "next_try_at": row.next_at.isoformat() if row.next_at else None,
    }


def _says_the_same(row: Consideration, account: Account) -> bool:
    last = latest(account.id)
    if last is None:
        return False
    zone = ZoneInfo(account.time_zone)
    return (last.reason, last.payment_id, last.at.astimezone(zone).date()) == (
        row.reason,
        row.payment_id,
        row.at.astimezone(zone).date(),
    )


def latest(account_id: UUID) -> Consideration | None:
    """The last row of the account."""
    return Consideration.objects.filter(account_id=account_id).order_by("-at", "-id").first()
