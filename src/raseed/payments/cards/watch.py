"""Watch how many cards are declined everywhere: many at once is somebody who tries a list of stolen ones.

Runs every ten seconds. While it is so, whoever types a new card solves the puzzle first, in every account; finance staff are told
once, and the log has a line that an alarm can be set on (docs/operators/runbook.md). It ends by itself.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Q

from raseed.accounts.notices import Notice, tell_finance
from raseed.db.transactions import atomic
from raseed.payments.cards.limits import limits
from raseed.payments.cards.models import CardEnd, CardTesting, TypedCard

logger = logging.getLogger(__name__)

WINDOW: Final = timedelta(minutes=10)


def watch(now: datetime) -> bool:
    """Count what ended in the last ten minutes, and begin or end the time of the puzzle; whether it is one."""
    bounds = limits()
    counted = TypedCard.objects.filter(
        ended_at__gt=now - WINDOW, end__in=[CardEnd.PASSED, CardEnd.FAILED]
    ).aggregate(ended=Count("id"), declined=Count("id", filter=Q(end=CardEnd.FAILED)))
    ended, declined = int(counted["ended"]), int(counted["declined"])
    is_testing = ended >= bounds.alarm_attempts and declined * 100 > ended * bounds.alarm_percent
    with atomic():
        CardTesting.objects.bulk_create(
            [CardTesting(looked_at=now, ended=0, declined=0)], ignore_conflicts=True
        )
        row = CardTesting.objects.select_for_update().get(id=1)
        was = row.since
        row.since = (was or now) if is_testing else None
        row.looked_at, row.ended, row.declined = now, ended, declined
        row.save(update_fields=["since", "looked_at", "ended", "declined"])
        if is_testing and was is None:
            logger.error("card_testing began: %d of %d cards declined in ten minutes", declined, ended)
            tell_finance(Notice.CARD_TESTING, now, {"declined": str(declined), "ended": str(ended)})
        elif was is not None and not is_testing:
            logger.warning("card_testing is over: %d of %d cards declined in ten minutes", declined, ended)
    return is_testing
