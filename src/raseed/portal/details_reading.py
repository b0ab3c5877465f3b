"""Reads what Billing Details shows, always for one account. Nothing here writes or decides."""

from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from raseed.accounts.countries import country_name
from raseed.accounts.details import changes_of, details_of, last_request
from raseed.accounts.models import Account, ChangeRequest
from raseed.payments.cards import limits, puzzle
from raseed.payments.cards.expiry import days_left, expires_soon
from raseed.payments.cards.models import CardSetup, SetupState
from raseed.payments.cards.names import name_of
from raseed.payments.cards.setups import IN_OTHER_ACCOUNTS, UNDER_WAY
from raseed.payments.methods import is_offered, offered_methods, saved_methods
from raseed.payments.models import PaymentMethod
from raseed.payments.wording import card_name, decline_reason
from raseed.portal.pages import (
    CardExpiry,
    DetailsPage,
    Puzzle,
    RequestLine,
    SavedCardLine,
    SetupStatus,
    Text,
)

SETUPS_SHOWN_MAX: Final = 3
# A setup that nobody finished is not shown as open for ever.
SETUP_SHOWN_FOR: Final = timedelta(hours=1)
_SHARED: Final = _("this card is saved in as many accounts as may share it. Ask support.")


def details_page(account: Account, now: datetime, setup: CardSetup | None) -> DetailsPage:
    """Everything of Billing Details but its form. `setup` is one to show even when it is over."""
    details, asked = details_of(account.id), last_request(account.id)
    return DetailsPage(
        billing_name=details.billing_name,
        address=details.address,
        country=country_name(details.country),
        cards=_cards(account, now),
        setups=_setups(account.id, setup, now),
        expiring=expiring(account, now),
        request=request_line(asked) if asked else None,
    )


def expiring(account: Account, now: datetime) -> tuple[CardExpiry, ...]:
    """The cards that the account pays with and that expire within 30 days, or have."""
    today = _today(account, now)
    return tuple(
        CardExpiry(card_name(one.brand, one.last4), _month(one), days_left(one, today))
        for one in offered_methods(account.id)
        if expires_soon(one, today)
    )


def puzzle_for(account: Account, client_key: UUID, now: datetime) -> Puzzle | None:
    """What the page's script has to solve before a new card is tried; None where nothing is asked."""
    if not limits.needs_puzzle(account.id, now):
        return None
    return Puzzle(puzzle.seed(client_key, now), limits.limits().puzzle_bits)


def setup_status(setup: CardSetup) -> SetupStatus:
    """One setup as the person who waits for it sees it."""
    kept = (
        PaymentMethod.objects.filter(account_id=setup.account_id, id=setup.method_id).first()
        if setup.method_id
        else None
    )
    is_shared = setup.decline_code == IN_OTHER_ACCOUNTS
    return SetupStatus(
        id=setup.id,
        state=setup.state,
        card=name_of(kept.brand, kept.last4) if kept else "",
        reason=_SHARED if is_shared else decline_reason(setup.decline_code),
        action_url=setup.action_url,
    )


def request_line(request: ChangeRequest) -> RequestLine:
    """A request with what was and what should be, field by field."""
    return RequestLine(
        state=request.state,
        asked_at=request.asked_at,
        answered_at=request.answered_at,
        changes=changes_of(request),
        why=request.why,
        answer=request.answer,
    )


def _setups(account_id: UUID, follow: CardSetup | None, now: datetime) -> tuple[SetupStatus, ...]:
    running = list(
        CardSetup.objects.filter(
            account_id=account_id, state__in=UNDER_WAY, created_at__gt=now - SETUP_SHOWN_FOR
        ).order_by("-created_at")[:SETUPS_SHOWN_MAX]
    )
    if follow is not None:
        running = [follow, *(one for one in running if one.id != follow.id)]
    return tuple(setup_status(one) for one in running)


def _cards(account: Account, now: datetime) -> tuple[SavedCardLine, ...]:
    today = _today(account, now)
    cards = saved_methods(account.id)
    first = 1 if cards and cards[0].is_default else 0
    return tuple(
        SavedCardLine(
            id=one.id,
            name=card_name(one.brand, one.last4),
            month=_month(one),
            is_default=one.is_default and is_offered(one),
            may_be_default=is_offered(one) and not one.is_default,
            is_expired=days_left(one, today) < 0,
            expires_soon=expires_soon(one, today),
            why_not=_why_not(one, today),
            may_go_up=place > first,
            may_go_down=first <= place < len(cards) - 1,
        )
        for place, one in enumerate(cards)
    )


def _why_not(method: PaymentMethod, today: date) -> Text:
    if not is_offered(method):
        return _("Cannot be charged: it is saved with a payment provider that is not in use now.")
    if days_left(method, today) < 0:
        return _("Cannot recharge automatically: the card has expired.")
    if not method.chargeable_unattended:
        return _("Cannot recharge automatically: your bank wants you to confirm each payment.")
    return ""


def _month(method: PaymentMethod) -> str:
    return f"{method.exp_month:02d}/{method.exp_year}"


def _today(account: Account, now: datetime) -> date:
    return now.astimezone(ZoneInfo(account.time_zone)).date()


def own_setup(account: Account, text: str) -> CardSetup | None:
    """The account's setup that an address names; None for any other text."""
    try:
        wanted = UUID(text)
    except ValueError:
        return None
    return CardSetup.objects.filter(account_id=account.id, id=wanted).first()


def is_over(setup: CardSetup) -> bool:
    """Whether nothing more will change by itself."""
    return SetupState(setup.state) not in UNDER_WAY
