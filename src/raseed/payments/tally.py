"""What comes to the webhooks' door and is an alarm, counted by the hour: for staff, for the log, for `raseed verify`.

A count is all that is kept of a letter that was refused: its body never reaches the database. The caller has judged the
letter already; nothing is judged here.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from raseed.gateways.port import ForgedWebhook, WebhookOutOfTime
from raseed.payments.models import WebhookTally

logger = logging.getLogger(__name__)

CLOCK_DIFFERS: Final = "clock_differs"
# A gateway signs as it sends: past this, one of the two clocks is wrong. Well inside the tolerance, so that it is told
# before anything is refused.
SKEW_ALARM: Final = timedelta(seconds=30)
# The codes that say that one of the clocks is wrong.
OF_THE_CLOCK: Final = (CLOCK_DIFFERS, WebhookOutOfTime.code)


def count_refusal(gateway_name: str, refused: ForgedWebhook, now: datetime) -> None:
    """Count a letter that was refused, by the code of the refusal. One that was signed rightly is an alarm in the log."""
    is_stranger = type(refused) is ForgedWebhook
    logger.log(
        logging.WARNING if is_stranger else logging.ERROR, "webhook of %s refused: %s", gateway_name, refused
    )
    skew = refused.params.get("skew_s")
    _count(gateway_name, refused.code, skew if isinstance(skew, int) else None, now)


def check_clock(gateway_name: str, signed_at: datetime, now: datetime) -> None:
    """Raise the alarm if a letter that is good was signed more than 30 seconds from our `now`."""
    if abs(now - signed_at) > SKEW_ALARM:
        skew_s = round((now - signed_at).total_seconds())
        logger.error(
            "our clock differs from that of %s by %s s: check NTP on both sides", gateway_name, skew_s
        )
        _count(gateway_name, CLOCK_DIFFERS, skew_s, now)


def latest(since: datetime) -> list[WebhookTally]:
    """The counts of every hour in which something came after `since`, the newest first."""
    return list(WebhookTally.objects.filter(last_at__gte=since).order_by("-last_at", "what"))


def _count(gateway_name: str, what: str, skew_s: int | None, now: datetime) -> None:
    # A count that a power cut forgets is no loss; waiting for the disk would hold the row against the next one.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS done)
            INSERT INTO payments_webhooktally AS kept (gateway, what, hour, times, last_at, skew_s)
            SELECT %(gateway)s, %(what)s, date_trunc('hour', %(now)s, 'UTC'), 1, %(now)s, %(skew)s FROM lazily
            ON CONFLICT (gateway, what, hour) DO UPDATE SET
                times = kept.times + 1, last_at = greatest(kept.last_at, excluded.last_at), skew_s = excluded.skew_s
            """,
            {"gateway": gateway_name, "what": what, "now": now, "skew": skew_s},
        )
