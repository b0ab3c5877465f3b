"""The webhook inbox: keep the letter before it is opened, answer, apply later, believe only what is fetched again.

Receipt is one statement. Letters that wait are taken in small batches that no two workers share (SKIP LOCKED), each
taken for a time and not for good: who dies with a batch loses nothing. A letter that cannot be applied is tried ten times
and then stands on a list for staff; it is never dropped, and others do not wait for it.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic
from raseed.failpoints import failpoint
from raseed.gateways.port import Busy, ForgedWebhook, Subject, Succeeded, Unknown, WebhookEvent
from raseed.gateways.registry import gateway
from raseed.payments import tally
from raseed.payments.breaks import BreakKind, report
from raseed.payments.cards import setups
from raseed.payments.hearing import Heard, hear_of_part
from raseed.payments.models import InboxEvent, Payment
from raseed.payments.references import owner_of, owner_of_part
from raseed.payments.settle import settle
from raseed.payments.states import MOVES, Cause, State

logger = logging.getLogger(__name__)

TRIES_MAX: Final = 10
PAUSE_MAX: Final = timedelta(seconds=512)
BATCH: Final = 100
# A worker that is killed lets go of its batch after this long.
TAKEN_FOR: Final = timedelta(seconds=30)
# One turn ends after so long, so that turns which begin every second are two or three at a time and leave workers for other jobs.
TURN_S: Final = 1.8
NO_PAYMENT: Final = "names no payment of ours"
NO_SETUP: Final = "names no card setup of ours"


def receive(gateway_name: str, raw: bytes, headers: Mapping[str, str], now: datetime) -> bool:
    """Verify a webhook and keep it; False if it was here before. Raises ForgedWebhook, and then only a count is kept."""
    try:
        event = gateway(gateway_name).parse_webhook(raw, headers, now)
    except ForgedWebhook as refused:
        tally.count_refusal(gateway_name, refused, now)
        raise
    tally.check_clock(gateway_name, event.signed_at, now)
    failpoint("KP09", event.event_id)
    fresh = _keep(gateway_name, event, raw if event.without_secret is None else event.without_secret, now)
    failpoint("KP10", event.event_id)
    return fresh


def _keep(gateway_name: str, event: WebhookEvent, raw: bytes, now: datetime) -> bool:
    """Store the letter, due at once, in one statement; False if it is a repeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_inboxevent"
            " (gateway, event_id, kind, gateway_ref, payment_id, subject, part_ref, body, received_at, next_try_at,"
            " tries, fault)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, '') ON CONFLICT DO NOTHING RETURNING id",
            [
                gateway_name,
                event.event_id,
                event.kind,
                event.gateway_ref,
                event.payment_id,
                event.subject,
                event.part_ref,
                raw,
                now,
                now,
            ],
        )
        return cursor.fetchone() is not None


# -- apply


@dataclass(frozen=True, slots=True)
class _Letter:
    """A kept webhook that this turn has taken."""

    id: int
    gateway: str
    event_id: str
    gateway_ref: str
    payment_id: UUID | None
    tries: int
    subject: str
    part_ref: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why letters could not be applied. `silence`: the gateway said nothing, so the next letter would fare no better."""

    text: str
    silence: bool = False


def apply_waiting(now: datetime) -> int:
    """Look at the payments that waiting letters name and settle them, until none is due or the turn is over; how many.

    Letters about one payment share one look. A letter may be looked at twice and acts once.
    """
    ends_at = time.monotonic() + TURN_S
    applied, silence = 0, False
    while not silence and time.monotonic() < ends_at and (batch := _take(now)):
        done, silence = _work_through(_by_payment(batch), ends_at, now)
        applied += _mark_applied(done, now)
    return applied


def _work_through(groups: list[list[_Letter]], ends_at: float, now: datetime) -> tuple[list[_Letter], bool]:
    """Look at each payment until the turn is over; which letters need nothing more, and whether the gateway is silent."""
    done: list[_Letter] = []
    while groups and time.monotonic() < ends_at:
        letters = groups.pop(0)
        fault = _look(letters[0], now)
        failpoint("KP12", letters[0].event_id)
        if fault is None:
            done += letters
            continue
        _put_off(letters, fault, now)
        if fault.silence:
            _let_go(groups, now + timedelta(seconds=2))
            return done, True
    _let_go(groups, now)
    return done, False


def _take(now: datetime) -> list[_Letter]:
    """Take the letters that are due, oldest first, for TAKEN_FOR; those that another worker is taking are passed over."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (SELECT id FROM payments_inboxevent WHERE next_try_at <= %s
                         ORDER BY next_try_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE payments_inboxevent AS kept SET next_try_at = %s FROM due WHERE kept.id = due.id
            RETURNING kept.id, kept.gateway, kept.event_id, kept.gateway_ref, kept.payment_id, kept.tries,
                      kept.subject, kept.part_ref
            """,
            [now, BATCH, now + TAKEN_FOR],
        )
        return sorted((_Letter(*row) for row in cursor.fetchall()), key=lambda letter: letter.id)


def _by_payment(batch: list[_Letter]) -> list[list[_Letter]]:
    """Letters about the same payment together: what is fetched once is as new as the newest of them."""
    groups: dict[tuple[str, UUID | None, str, str, str], list[_Letter]] = {}
    for letter in batch:
        about = (letter.gateway, letter.payment_id, letter.gateway_ref, letter.subject, letter.part_ref)
        groups.setdefault(about, []).append(letter)
    return list(groups.values())


def _look(letter: _Letter, now: datetime) -> _Fault | None:
    """Fetch and settle; what went wrong, or nothing. A letter that makes us stumble must not stop the others."""
    try:
        return _LOOKS[Subject(letter.subject)](letter, now)
    except Exception as error:
        logger.exception("webhook %s of %s cannot be applied", letter.event_id, letter.gateway)
        return _Fault(f"{type(error).__name__}: {error}"[:2000])


def _look_at_payment(letter: _Letter, now: datetime) -> _Fault | None:
    owner = owner_of(letter.gateway, letter.payment_id)
    if owner is None:
        return _Fault(NO_PAYMENT)
    if _is_old_news(letter, owner.account_id, owner.payment_id):
        return None
    outcome = gateway(letter.gateway).fetch(letter.gateway_ref)
    if isinstance(outcome, Unknown | Busy):
        return _Fault(f"the gateway gave no answer: {outcome}", silence=True)
    settle(owner.account_id, owner.payment_id, outcome, Cause.WEBHOOK, now)
    return None


def _look_at_part(letter: _Letter, now: datetime) -> _Fault | None:
    """Settle the refund or the disputes that a letter is about; a refund that is none of ours is given to a person."""
    owner = owner_of_part(letter.gateway, letter.payment_id, letter.gateway_ref)
    if owner is None:
        # The letter may know the payment by a name that is not the one we keep: the gateway says whose it is.
        told = gateway(letter.gateway).fetch(letter.gateway_ref)
        owner = owner_of(letter.gateway, told.payment_id) if isinstance(told, Succeeded) else None
    if owner is None:
        return _Fault(NO_PAYMENT)
    payment = Payment.objects.get(account_id=owner.account_id, id=owner.payment_id)
    heard = hear_of_part(payment, Subject(letter.subject), letter.part_ref, Cause.WEBHOOK, now)
    if heard is Heard.NO_ANSWER:
        return _Fault("the gateway gave no answer", silence=True)
    if heard is Heard.NOT_YET:
        return _Fault(f"what the gateway says of {letter.part_ref} cannot be told to be ours yet")
    if heard is Heard.FOREIGN:
        report(BreakKind.UNBOOKED_MOVEMENT, payment, f"{letter.part_ref} refund", "told by a webhook", now)
    return None


def _look_at_setup(letter: _Letter, now: datetime) -> _Fault | None:
    outcome = setups.by_letter(letter.gateway, letter.gateway_ref, letter.payment_id, now)
    if outcome is None:
        return _Fault(NO_SETUP)
    if isinstance(outcome, Unknown | Busy):
        return _Fault(f"the gateway gave no answer: {outcome}", silence=True)
    return None


_LOOKS: Final[dict[Subject, Callable[[_Letter, datetime], _Fault | None]]] = {
    Subject.PAYMENT: _look_at_payment,
    Subject.SETUP: _look_at_setup,
    Subject.REFUND: _look_at_part,
    Subject.DISPUTE: _look_at_part,
}


def _is_old_news(letter: _Letter, account_id: UUID, payment_id: UUID) -> bool:
    """Whether the payment is where nothing can move it, whatever the gateway says: most letters come after the page.

    A letter that names the payment under another reference is news: somebody may have been charged twice.
    """
    payment = Payment.objects.get(account_id=account_id, id=payment_id)
    return payment.gateway_ref == letter.gateway_ref and not MOVES[State(payment.state)]


def _mark_applied(letters: list[_Letter], now: datetime) -> int:
    """All of a batch in one statement: who dies before it has them looked at again, to no effect."""
    return InboxEvent.objects.filter(id__in=_ids(letters), applied_at__isnull=True).update(
        applied_at=now, next_try_at=None
    )


def _put_off(letters: list[_Letter], fault: _Fault, now: datetime) -> None:
    """Count the try and set the time of the next; after ten that were not the gateway's silence, leave it to a person."""
    for letter in letters:
        tries = letter.tries + 1
        is_over = tries >= TRIES_MAX and not fault.silence
        pause = min(timedelta(seconds=2 ** min(tries, TRIES_MAX)), PAUSE_MAX)
        InboxEvent.objects.filter(id=letter.id, applied_at__isnull=True).update(
            tries=tries, fault=fault.text, next_try_at=None if is_over else now + pause
        )
        if is_over:
            logger.error(
                "webhook %s of %s is given to a person: %s", letter.event_id, letter.gateway, fault.text
            )


def _let_go(groups: list[list[_Letter]], until: datetime) -> None:
    """Give back what was taken and not looked at."""
    ids = [letter_id for letters in groups for letter_id in _ids(letters)]
    InboxEvent.objects.filter(id__in=ids, applied_at__isnull=True).update(next_try_at=until)


def _ids(letters: list[_Letter]) -> Iterator[int]:
    return (letter.id for letter in letters)


# -- what is left to a person


def wake_known(now: datetime) -> int:
    """Try again the letters that were given up for want of their payment, now that it is here; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE payments_inboxevent AS kept SET next_try_at = %s, tries = 0
            FROM payments_gatewayreference AS known
            WHERE kept.applied_at IS NULL AND kept.next_try_at IS NULL AND kept.fault = %s
              AND known.payment_id = kept.payment_id AND known.gateway = kept.gateway
            """,
            [now, NO_PAYMENT],
        )
        return int(cursor.rowcount)


def try_again(event: int, actor: Who, now: datetime) -> bool:
    """Have a letter that was given up tried ten times more, at once, and write down who wanted it; False if it is none."""
    with atomic():
        left = (
            InboxEvent.objects.select_for_update()
            .filter(id=event, applied_at__isnull=True, next_try_at__isnull=True)
            .first()
        )
        if left is None:
            return False
        InboxEvent.objects.filter(id=left.id).update(next_try_at=now, tries=0)
        owner = owner_of(left.gateway, left.payment_id)
        log.record(
            actor,
            "webhook_tried_again",
            account_id=owner.account_id if owner else None,
            object_kind="webhook",
            object_id=left.event_id[:100],
            at=now,
            before={"tries": left.tries, "fault": left.fault},
            after={"tries": 0},
        )
    return True
