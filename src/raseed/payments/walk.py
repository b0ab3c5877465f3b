"""Walk the gateway's own list: the second road by which nothing stays unknown.

What is in the list happened, whoever told us or did not. Each line is dealt with and then copied, so that a copied line
is never looked at again. Lists lag: a line may appear behind lines that were read before it, so the last quarter of an
hour is read again every minute. It must never pass a charge that the gateway does not confirm.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from raseed.gateways.port import (
    GatewayBusy,
    GatewayUnavailable,
    Movement,
    MovementKind,
    Page,
    Subject,
    Succeeded,
)
from raseed.gateways.registry import gateway
from raseed.payments import breaker
from raseed.payments.breaks import BreakKind, report, report_unknown_charge
from raseed.payments.hearing import Heard, hear_of_part
from raseed.payments.models import GatewayMovement, ListCursor, Payment
from raseed.payments.references import owner_of, owner_of_part
from raseed.payments.states import Cause
from raseed.payments.ties import settle_and_untie

logger = logging.getLogger(__name__)

PAGE_LIMIT = 500
# The list may lag by this much; as much of it is read again.
OVERLAP = timedelta(minutes=15)
OVERLAP_EVERY_S = 60
# A charge that is in the list this long and that the gateway does not confirm is given to a person.
UNCONFIRMED_AFTER = timedelta(minutes=15)
# What a line of these kinds says is in our books already, or moves no money.
_NOTHING_TO_BOOK = frozenset({MovementKind.DECLINE, MovementKind.CANCEL})
_OF_PARTS = {
    MovementKind.REFUND: Subject.REFUND,
    MovementKind.REFUND_FAILED: Subject.REFUND,
    MovementKind.DISPUTE: Subject.DISPUTE,
    MovementKind.DISPUTE_WON: Subject.DISPUTE,
    MovementKind.DISPUTE_LOST: Subject.DISPUTE,
}


@dataclass(frozen=True)
class Walked:
    """What one walk of the list found: lines read, payments settled by it, charges that name no payment of ours."""

    lines: int
    settled: int
    unknown: int


class _Line(Enum):
    """What became of a line of the list."""

    SETTLED = auto()
    KNOWN = auto()
    UNKNOWN = auto()
    UNCONFIRMED = auto()


def walk_list(gateway_name: str, now: datetime) -> Walked:
    """Read the gateway's list from where the last walk ended, or from before that, and settle every charge that we missed.

    Raises GatewayUnavailable if it cannot be read, or holds a charge that the gateway does not confirm; what was read
    is kept, and the next walk goes on before the line that was not dealt with.
    """
    cursor, _made = ListCursor.objects.get_or_create(gateway=gateway_name, defaults={"walked_at": now})
    position, reached = _start(gateway_name, cursor, now), cursor.cursor
    found: list[_Line] = []
    while True:
        page = _read(gateway_name, position, now)
        page_found = [_deal_with(gateway_name, line, now) for line in _not_copied(gateway_name, page)]
        found += page_found
        if _Line.UNCONFIRMED not in found:
            reached = page.next_cursor or reached
            # Only after all of the page is settled: a walk that dies here, or gets no answer, reads the page again.
            ListCursor.objects.filter(gateway=gateway_name).update(cursor=reached, walked_at=now)
        if not page.more:
            break
        if page.next_cursor == position:
            raise GatewayUnavailable(f"the list of {gateway_name} does not go on after {position}")
        position = page.next_cursor
    if _Line.UNCONFIRMED in found:
        raise GatewayUnavailable(f"{found.count(_Line.UNCONFIRMED)} lines of the list are not confirmed")
    return Walked(len(found), found.count(_Line.SETTLED), found.count(_Line.UNKNOWN))


def _start(gateway_name: str, cursor: ListCursor, now: datetime) -> str:
    """Where this walk begins: where the last one ended, or, once a minute, a quarter of an hour before.

    Never behind where the last one ended: it may have stopped long ago, before a charge that is not confirmed.
    """
    minutes = [int(moment.timestamp()) // OVERLAP_EVERY_S for moment in (cursor.walked_at, now)]
    if minutes[0] == minutes[1]:
        return cursor.cursor
    read = GatewayMovement.objects.filter(gateway=gateway_name)
    ended = read.filter(cursor=cursor.cursor).first()
    if ended is None:
        return cursor.cursor
    old = read.filter(at__lt=now - OVERLAP, id__lte=ended.id).order_by("-id").first()
    return old.cursor if old else ""


def _read(gateway_name: str, position: str, now: datetime) -> Page:
    """One page. The breaker hears of it: with no open payment to ask about, this is how it learns that the gateway is back."""
    try:
        page = gateway(gateway_name).list_since(position, PAGE_LIMIT)
    except GatewayBusy:
        raise
    except GatewayUnavailable:
        breaker.record_silence(gateway_name, now)
        raise
    breaker.record_answer(gateway_name)
    return page


def _not_copied(gateway_name: str, page: Page) -> list[Movement]:
    cursors = [line.cursor for line in page.movements]
    copied = set(
        GatewayMovement.objects.filter(gateway=gateway_name, cursor__in=cursors).values_list(
            "cursor", flat=True
        )
    )
    return [line for line in page.movements if line.cursor not in copied]


def _deal_with(gateway_name: str, line: Movement, now: datetime) -> _Line:
    """Do what a line asks for and copy it; one that is not confirmed is left for the next walk."""
    if line.kind is MovementKind.CHARGE:
        found = _settle_charge(gateway_name, line, now)
    elif line.kind in _NOTHING_TO_BOOK:
        found = _Line.KNOWN
    elif line.kind in _OF_PARTS:
        found = _settle_part(gateway_name, line, now)
    else:
        found = _report_unbooked(gateway_name, line, now)
    if found is not _Line.UNCONFIRMED:
        _copy(gateway_name, line)
    return found


def _copy(gateway_name: str, line: Movement) -> None:
    GatewayMovement.objects.bulk_create(
        [
            GatewayMovement(
                gateway=gateway_name,
                cursor=line.cursor,
                kind=line.kind,
                gateway_ref=line.gateway_ref,
                part_ref=line.part_ref,
                payment_id=line.payment_id,
                amount_minor=line.amount_minor,
                currency=line.currency,
                at=line.at,
            )
        ],
        ignore_conflicts=True,
    )


def _settle_charge(gateway_name: str, movement: Movement, now: datetime) -> _Line:
    """Settle the payment of a charge unless it is. UNCONFIRMED if the gateway will not confirm it now."""
    payment = _payment_of(gateway_name, movement)
    if payment is None:
        report_unknown_charge(gateway_name, movement.gateway_ref, _told(movement), now)
        return _Line.UNKNOWN
    if payment.captured_minor is not None and payment.gateway_ref == movement.gateway_ref:
        return _Line.KNOWN
    outcome = gateway(gateway_name).fetch(movement.gateway_ref)
    if not isinstance(outcome, Succeeded):
        # The list says charged. Passing the line now would lose a late success of a payment that failed here.
        logger.warning("charge %s is in the list, and asked for it says %s", movement.gateway_ref, outcome)
        if now - movement.at > UNCONFIRMED_AFTER:
            detail = f"{_told(movement)} in the list; asked, the gateway says {type(outcome).__name__}"
            report(BreakKind.UNRESOLVED, payment, movement.gateway_ref, detail, now)
        return _Line.UNCONFIRMED
    is_known = payment.captured_minor is not None and payment.gateway_ref == outcome.gateway_ref
    settle_and_untie(payment.account_id, payment.id, outcome, Cause.RECONCILE, now)
    return _Line.KNOWN if is_known else _Line.SETTLED


def _settle_part(gateway_name: str, movement: Movement, now: datetime) -> _Line:
    """Settle the refund or dispute of a line; one that is not ours is given to a person."""
    owner = owner_of_part(gateway_name, movement.payment_id, movement.gateway_ref)
    if owner is None:
        return _report_unbooked(gateway_name, movement, now)
    payment = Payment.objects.get(account_id=owner.account_id, id=owner.payment_id)
    heard = hear_of_part(payment, _OF_PARTS[movement.kind], movement.part_ref, Cause.RECONCILE, now)
    if heard is Heard.OURS:
        return _Line.KNOWN
    if heard is not Heard.FOREIGN and now - movement.at <= UNCONFIRMED_AFTER:
        return _Line.UNCONFIRMED
    ref = f"{movement.part_ref or movement.gateway_ref} {movement.kind}"
    report(BreakKind.UNBOOKED_MOVEMENT, payment, ref, _told(movement), now)
    return _Line.KNOWN


def _report_unbooked(gateway_name: str, movement: Movement, now: datetime) -> _Line:
    """Money moved at the gateway and our books have no entry for it: a person must know."""
    payment = _payment_of(gateway_name, movement)
    if payment is None:
        report_unknown_charge(gateway_name, movement.gateway_ref, _told(movement), now)
        return _Line.UNKNOWN
    ref = f"{movement.part_ref or movement.gateway_ref} {movement.kind}"
    report(BreakKind.UNBOOKED_MOVEMENT, payment, ref, _told(movement), now)
    return _Line.KNOWN


def _payment_of(gateway_name: str, movement: Movement) -> Payment | None:
    owner = owner_of(gateway_name, movement.payment_id)
    if owner is None:
        return None
    return Payment.objects.get(account_id=owner.account_id, id=owner.payment_id)


def _told(movement: Movement) -> str:
    return f"{movement.kind} of {movement.amount_minor} {movement.currency} at {movement.at.isoformat()}"
