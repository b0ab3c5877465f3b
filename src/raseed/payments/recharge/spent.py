"""What recharges have charged an account's cards: what the caps of the day and the month are held against. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from raseed.accounts.models import Account
from raseed.money import Money
from raseed.payments.models import Payment, Purpose
from raseed.payments.states import OPEN, State


@dataclass(frozen=True, slots=True)
class Spent:
    """How many charges, and what they took from the cards with tax; those under way count."""

    times: int
    amount: Money


def spent_since(account: Account, since: datetime) -> Spent:
    """All recharges begun at `since` or later that charged, or still may."""
    found = Payment.objects.filter(
        account_id=account.id,
        purpose=Purpose.RECHARGE,
        state__in=[*OPEN, State.SUCCEEDED],
        created_at__gte=since,
    ).aggregate(times=Count("id"), minor=Sum("charge_minor", default=0))
    return Spent(int(found["times"]), Money.from_minor(int(found["minor"]), account.currency))
