"""Keep a card without charging it: write the intent down, then call, then end it. Payments go by the same laws.

`open_setup` commits the intent; `submit` commits that we are about to ask and then asks, with no transaction open. Whatever
comes back, from the page, the webhook or the sweep, goes through `conclude`, the one door that ends a setup. A repeat of any is
answered with the same setup. No money moves here, so a silence may be asked again with the same key without fear.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account
from raseed.accounts.models import Role as AccountRole
from raseed.audit.log import Who
from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.errors import RaseedError
from raseed.gateways import port
from raseed.gateways.port import (
    ActionRequired,
    Busy,
    Canceled,
    CardKept,
    Declined,
    NotFound,
    Pending,
    Refused,
    SetupOutcome,
    Unknown,
)
from raseed.gateways.registry import gateway
from raseed.payments import breaker, methods
from raseed.payments.cards import limits
from raseed.payments.cards.limits import ABANDONED_AFTER, Typing
from raseed.payments.cards.models import CardEnd, CardSetup, SetupState, TypedCard
from raseed.payments.form_pages import form_url
from raseed.payments.paynow import AccountClosed
from raseed.payments.seats import seat
from raseed.payments.settle import BACKOFF_S
from raseed.payments.states import Cause

logger = logging.getLogger(__name__)

FOLLOW_JOB: Final = "payments.follow_setup"
FIRST_ASK_AFTER: Final = timedelta(seconds=3)
ASK_AT_MOST_EVERY: Final = timedelta(seconds=1)
# A setup that was perhaps never received is sent again within this; gateways keep keys for 24 hours.
GIVEN_UP_AFTER: Final = timedelta(hours=23)
SWEEP_LIMIT: Final = 200
# The card is kept in as many accounts as may share it: a reason of our own beside the gateway's codes.
IN_OTHER_ACCOUNTS: Final = "card_in_other_accounts"

UNDER_WAY: Final = frozenset({SetupState.CREATED, SetupState.SUBMITTED, SetupState.ACTION_REQUIRED})
MOVES: Final[dict[SetupState, frozenset[SetupState]]] = {
    SetupState.CREATED: frozenset({SetupState.SUBMITTED}),
    SetupState.SUBMITTED: frozenset(
        {SetupState.ACTION_REQUIRED, SetupState.KEPT, SetupState.FAILED, SetupState.CANCELED}
    ),
    SetupState.ACTION_REQUIRED: frozenset({SetupState.KEPT, SetupState.FAILED, SetupState.CANCELED}),
    # A card that is kept late, after all, is kept: the gateway holds it.
    SetupState.FAILED: frozenset({SetupState.KEPT}),
    SetupState.CANCELED: frozenset({SetupState.KEPT, SetupState.FAILED}),
    SetupState.KEPT: frozenset(),
}


class SetupReused(RaseedError):
    """The form's key belongs to a setup of somebody else in the account."""

    code = "setup_key_reused"
    status = 422
    message = _("This form was already used. Open it again. Nothing was charged.")


class CardsNotKept(RaseedError):
    """The gateway keeps a card only together with a payment."""

    code = "cards_not_kept"
    status = 409
    message = _(
        "Here a card is saved with a payment: press Pay Now, choose another card, and tick “save this card”."
    )


def check_offered() -> None:
    """Raise CardsNotKept where the gateway cannot keep a card without a charge."""
    if not gateway(settings.GATEWAY).keeps_cards:
        raise CardsNotKept


@dataclass(frozen=True, slots=True)
class AddCard:
    """What the Admin asked for. `client_key` was made when the form was drawn."""

    account_id: UUID
    client_key: UUID
    by: Who
    language: str
    solution: str = ""
    hosted: bool = False


@begun_again
def open_setup(command: AddCard, now: datetime) -> CardSetup:
    """Commit the intent and return it; a repeat returns the first one.

    Raises CardsNotKept, AccountClosed, GatewayDown, SetupReused and the refusals of payments.cards.limits; then nothing was written.
    """
    earlier = _earlier(command)
    if earlier is not None:
        return earlier
    check_offered()
    breaker.check(settings.GATEWAY, now)
    with atomic():
        account = Account.objects.select_for_update().get(id=command.account_id)
        earlier = _earlier(command)
        if earlier is not None:
            return earlier
        if account.closed_at is not None:
            raise AccountClosed(f"account {account.id}")
        setup = CardSetup(
            account=account,
            client_key=command.client_key,
            currency=account.currency,
            gateway=settings.GATEWAY,
            actor_user_id=_person(command.by),
            actor_ip=command.by.ip,
            language=command.language,
            card_form=settings.CARD_FORM and not command.hosted,
            created_at=now,
            next_ask_at=now + FIRST_ASK_AFTER,
        )
        limits.admit(account, Typing(setup.id, command.client_key, command.by.ip, command.solution), now)
        setup.save(force_insert=True)
        defer(FOLLOW_JOB, run_at=now + FIRST_ASK_AFTER, account_id=account.id, setup_id=setup.id)
    return setup


def _earlier(command: AddCard) -> CardSetup | None:
    setup = CardSetup.objects.filter(account_id=command.account_id, client_key=command.client_key).first()
    if setup is not None and setup.actor_user_id != command.by.user_id:
        raise SetupReused(f"client key {command.client_key} of setup {setup.id}")
    return setup


def _person(by: Who) -> UUID:
    if by.user_id is None:
        raise ValueError("a card is added by a person")
    return by.user_id


def submit(account_id: UUID, setup_id: UUID, now: datetime, cause: Cause = Cause.PAGE) -> CardSetup:
    """Ask the gateway for its card page. A setup that somebody already submitted is returned as it is."""
    with seat(cause) as free:
        if free:
            return _submit(account_id, setup_id, now)
    defer(FOLLOW_JOB, account_id=account_id, setup_id=setup_id)
    return CardSetup.objects.get(account_id=account_id, id=setup_id)


def _submit(account_id: UUID, setup_id: UUID, now: datetime) -> CardSetup:
    with atomic():
        setup = CardSetup.objects.select_for_update().get(account_id=account_id, id=setup_id)
        if setup.state != SetupState.CREATED:
            return setup
        setup.submitted_at = setup.asked_at = now
        setup.next_ask_at = now + FIRST_ASK_AFTER
        setup.save(update_fields=["submitted_at", "asked_at", "next_ask_at"])
        _move(setup, SetupState.SUBMITTED, now)
    outcome = send(setup)
    _record(setup, outcome, now)
    return conclude(account_id, setup_id, outcome, now)


def send(setup: CardSetup) -> SetupOutcome:
    """Make the gateway call of this setup: the same body and key each time it is made."""
    return gateway(setup.gateway).set_up_card(
        port.CardSetup(
            setup_id=setup.id,
            account_id=setup.account_id,
            currency=setup.currency,
            idempotency_key=str(setup.id),
            return_url=f"{settings.PUBLIC_URL}/settings/billing/details/cards/{setup.id}/return",
            customer_language=setup.language,
            in_our_page=setup.card_form,
        )
    )


# -- asked about


def follow(account_id: UUID, setup_id: UUID, cause: Cause, now: datetime) -> CardSetup:
    """Ask the gateway about one setup, unless it is over, or somebody asked within the last second.

    One that failed or was canceled is asked about once more when its customer comes back: it may be kept late.
    """
    setup = CardSetup.objects.get(account_id=account_id, id=setup_id)
    came_back = cause is Cause.PAGE and bool(setup.gateway_ref) and setup.state != SetupState.KEPT
    if setup.state not in UNDER_WAY and not came_back:
        return setup
    if setup.busy_until is not None and now < setup.busy_until:
        return setup
    if not breaker.may_ask(setup.gateway, now):
        CardSetup.objects.filter(account_id=account_id, id=setup_id, next_ask_at__isnull=False).update(
            next_ask_at=now + breaker.PROBE_EVERY
        )
        return setup
    if setup.state == SetupState.CREATED:
        return submit(account_id, setup_id, now, cause)
    with seat(cause) as free:
        if not free or not _claim(setup, now):
            return setup
        outcome = _ask(setup)
    _record(setup, outcome, now)
    return conclude(account_id, setup_id, outcome, now)


def _claim(setup: CardSetup, now: datetime) -> bool:
    """Take the question, so that nobody else asks it within the same second."""
    row = CardSetup.objects.filter(
        Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASK_AT_MOST_EVERY),
        account_id=setup.account_id,
        id=setup.id,
    )
    return bool(row.update(asked_at=now))


def _ask(setup: CardSetup) -> SetupOutcome:
    if setup.gateway_ref:
        return gateway(setup.gateway).fetch_setup(setup.gateway_ref)
    # No reference came back: the request may not have arrived. The same key makes one setup of both.
    outcome = send(setup)
    if isinstance(outcome, Refused):
        return Unknown(f"re-send refused: {outcome.reason}")
    return outcome


def _record(setup: CardSetup, outcome: SetupOutcome, now: datetime) -> None:
    """Tell the circuit breaker. Only silence counts against the gateway."""
    if isinstance(outcome, Unknown):
        breaker.record_silence(setup.gateway, now)
    else:
        breaker.record_answer(setup.gateway)


def ask_silent(now: datetime) -> int:
    """Ask about every setup that is due, at most 200; for those whose own job was lost. Returns how many."""
    with across_accounts("the sweep looks for due card setups of all accounts"):
        due = list(
            CardSetup.objects.filter(next_ask_at__lte=now)
            .order_by("next_ask_at")
            .values_list("account_id", "id", "gateway")[:SWEEP_LIMIT]
        )
    for asked, (account_id, setup_id, gateway_name) in enumerate(due, start=1):
        follow(account_id, setup_id, Cause.RECONCILE, now)
        if breaker.is_open(gateway_name):
            return asked
    return len(due)


def by_letter(
    gateway_name: str, gateway_ref: str, setup_id: UUID | None, now: datetime
) -> SetupOutcome | None:
    """A webhook told of a setup: fetch it and end it. What the gateway said; None if the setup is none of ours."""
    typed = TypedCard.objects.filter(id=setup_id).first() if setup_id else None
    if typed is None:
        return None
    setup = CardSetup.objects.filter(account_id=typed.account_id, id=typed.id, gateway=gateway_name).first()
    if setup is None:
        return None
    outcome = gateway(gateway_name).fetch_setup(gateway_ref)
    if not isinstance(outcome, Unknown | Busy):
        conclude(setup.account_id, setup.id, outcome, now)
    return outcome


# -- ended


@begun_again
def conclude(account_id: UUID, setup_id: UUID, outcome: SetupOutcome, now: datetime) -> CardSetup:
    """Apply what the gateway says to the setup, once, and return it as it then is."""
    with atomic():
        setup = CardSetup.objects.select_for_update().get(account_id=account_id, id=setup_id)
        match outcome:
            case CardKept():
                _keep(setup, outcome, now)
            case Declined():
                if outcome.gateway_ref is None or _bind(setup, outcome.gateway_ref):
                    fingerprint = outcome.card.fingerprint if outcome.card else ""
                    _end(setup, SetupState.FAILED, CardEnd.FAILED, now, outcome.code.value, fingerprint)
            case Refused():
                logger.error("gateway refused card setup %s: %s", setup.id, outcome.reason)
                _end(setup, SetupState.FAILED, CardEnd.LEFT, now, "refused")
            case Canceled():
                if _bind(setup, outcome.gateway_ref):
                    _end(setup, SetupState.CANCELED, CardEnd.LEFT, now)
            case ActionRequired():
                _require_action(setup, outcome, now)
            case Pending() | Unknown() | NotFound() | Busy():
                _ask_again(setup, outcome, now)
    return setup


def _keep(setup: CardSetup, outcome: CardKept, now: datetime) -> None:
    if outcome.setup_id != setup.id or not _bind(setup, outcome.gateway_ref):
        # Another customer's card: it is not kept here, whatever the road by which we heard of it.
        logger.error("card setup %s was answered with %s of another", setup.id, outcome.gateway_ref)
        _ask_again(setup, outcome, now)
        return
    if setup.state == SetupState.KEPT:
        return
    by = Who(setup.actor_user_id, AccountRole.ADMIN, setup.actor_ip)
    method = methods.add(setup.account_id, setup.gateway, outcome.saved, by, now)
    if method is None:
        _end(setup, SetupState.FAILED, CardEnd.FAILED, now, IN_OTHER_ACCOUNTS, outcome.saved.card.fingerprint)
        return
    setup.method_id = method.id
    setup.decline_code = ""
    setup.save(update_fields=["method_id", "decline_code"])
    _end(setup, SetupState.KEPT, CardEnd.PASSED, now, "", outcome.saved.card.fingerprint)


def _end(
    setup: CardSetup, to: SetupState, end: CardEnd, now: datetime, code: str = "", fingerprint: str = ""
) -> None:
    if to not in MOVES[SetupState(setup.state)]:
        return
    setup.decline_code, setup.next_ask_at, setup.action_url = code, None, ""
    setup.save(update_fields=["decline_code", "next_ask_at", "action_url"])
    _move(setup, to, now)
    limits.note_end(setup.id, end, fingerprint, now)


def _require_action(setup: CardSetup, outcome: ActionRequired, now: datetime) -> None:
    if setup.state not in UNDER_WAY or not _bind(setup, outcome.gateway_ref):
        return
    if now - setup.created_at > ABANDONED_AFTER and setup.state == SetupState.ACTION_REQUIRED:
        _end(setup, SetupState.CANCELED, CardEnd.LEFT, now)
        return
    setup.action_url = outcome.url or form_url(f"details/cards/{setup.id}")
    setup.save(update_fields=["action_url"])
    if setup.state == SetupState.SUBMITTED:
        _move(setup, SetupState.ACTION_REQUIRED, now)
    _ask_again(setup, outcome, now)


def _ask_again(setup: CardSetup, outcome: SetupOutcome, now: datetime) -> None:
    """Set the time of the next question and queue it; give up what nobody answers for within 23 hours."""
    if setup.state not in UNDER_WAY:
        return
    if isinstance(outcome, Pending) and outcome.gateway_ref:
        _bind(setup, outcome.gateway_ref)
    if now - setup.created_at > GIVEN_UP_AFTER:
        _end(setup, SetupState.CANCELED, CardEnd.LEFT, now)
        return
    wait_s = BACKOFF_S[min(setup.asks, len(BACKOFF_S) - 1)]
    setup.busy_until = None
    if isinstance(outcome, Busy):
        wait_s = max(wait_s, outcome.retry_after_s)
        setup.busy_until = now + timedelta(seconds=outcome.retry_after_s)
    setup.asks += 1
    setup.next_ask_at = now + timedelta(seconds=wait_s)
    setup.save(update_fields=["asks", "next_ask_at", "busy_until"])
    defer(FOLLOW_JOB, run_at=setup.next_ask_at, account_id=setup.account_id, setup_id=setup.id)


def _bind(setup: CardSetup, gateway_ref: str) -> bool:
    """Tie the gateway's id to this setup for ever; False if it is tied to another id."""
    if setup.gateway_ref:
        return setup.gateway_ref == gateway_ref
    setup.gateway_ref = gateway_ref
    setup.save(update_fields=["gateway_ref"])
    return True


def _move(setup: CardSetup, to: SetupState, now: datetime) -> None:
    setup.state = to
    setup.final_at = None if to in UNDER_WAY else now
    setup.save(update_fields=["state", "final_at"])
