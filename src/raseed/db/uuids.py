"""The one place that makes new row ids: UUID version 7 (RFC 9562), so that new rows land at the right of every index.

An id is made in Python before the row is written, so that it can be an idempotency key outside the database.
It must never be used as a secret: its first 48 bits are the time.
"""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A new UUIDv7. Ids made by one process ascend; between processes they ascend by the millisecond."""
    return uuid7()
