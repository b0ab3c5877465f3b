"""A cap on the requests to a gateway, for all processes together: a gateway that is asked too fast refuses everybody.

Kept in PostgreSQL, where every process and host sees the same clock (`clock_timestamp`, never a moment that was handed
in: it is real requests that are counted). It must never decide about a payment.
"""

import time
from typing import Final

from raseed.db.statements import row_of

# A request waits for its turn at most this long; after that the caller is told to come back.
PATIENCE_S: Final = 0.5

# The generic cell rate algorithm in one statement: `due_at` moves on by one step for each request. Nothing is lost if a
# crash forgets the last steps, so nobody waits for the disk.
_TAKE: Final = """
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO gateways_gatewaypace AS pace (gateway, due_at)
    SELECT %(gateway)s::text, clock_timestamp() + %(step)s::float8 * interval '1 second' FROM quick
    ON CONFLICT (gateway) DO UPDATE
        SET due_at = greatest(pace.due_at, clock_timestamp()) + %(step)s::float8 * interval '1 second'
        WHERE pace.due_at <= clock_timestamp() + %(latest)s::float8 * interval '1 second'
    RETURNING extract(epoch FROM due_at - clock_timestamp())
"""


def wait_for_turn(gateway: str, requests_per_s: int) -> bool:
    """Wait until one more request may leave; False if that would take longer than half a second.

    In no second do more than `requests_per_s` leave: a tenth of them may come at once, the others evenly.
    """
    burst = max(1, requests_per_s // 10)
    step_s = 1 / max(1, requests_per_s - burst)
    ahead_s = burst * step_s
    row = row_of(_TAKE, {"gateway": gateway, "step": step_s, "latest": ahead_s - step_s + PATIENCE_S})
    if row is None:
        return False
    time.sleep(max(0.0, float(row[0]) - ahead_s))
    return True
