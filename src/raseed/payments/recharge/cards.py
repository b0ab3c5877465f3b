"""Which saved cards an automatic recharge may charge, in their order. Reads only."""

from datetime import datetime
from uuid import UUID

from raseed.payments.methods import offered_methods
from raseed.payments.models import PaymentMethod
from raseed.payments.recharge.models import BarredCard, Consideration
from raseed.payments.recharge.reasons import Reason


def usable(account_id: UUID, now: datetime) -> list[PaymentMethod]:
    """The cards that can be charged with nobody there, the default first, then the order of fall-back.

    Without those that have expired, those that were declined for good and those of a gateway that is not in use.
    """
    barred = set(BarredCard.objects.filter(account_id=account_id).values_list("method_id", flat=True))
    return [
        card
        for card in offered_methods(account_id)
        if card.chargeable_unattended
        and card.id not in barred
        and (card.exp_year, card.exp_month) >= (now.year, now.month)
    ]


def untried(account_id: UUID, number: int, cards: list[PaymentMethod]) -> list[PaymentMethod]:
    """Those of `cards` that try `number` has not charged yet."""
    tried = set(
        Consideration.objects.filter(account_id=account_id, number=number, reason=Reason.CHARGE).values_list(
            "method_id", flat=True
        )
    )
    return [card for card in cards if card.id not in tried]
