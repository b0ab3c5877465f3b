"""The one way to take from a balance what was used or is owed: post it and, in the same transaction, see how far down it went.

Who deducts past this module moves money that no recharge, alert or suspension hears of. It refuses nothing: usage and
fees are facts.
"""

from datetime import datetime

from raseed.balance.lines import look
from raseed.db.transactions import atomic
from raseed.ledger.post import NewEntry, Posted, post


def deduct(entry: NewEntry, now: datetime) -> Posted:
    """Post a deduction (usage, fee, shortfall …) and queue what the lines that the balance reached ask for.

    In the caller's transaction if one is open. Raises as `raseed.ledger.post.post` does; then nothing moved and nothing is queued.
    """
    with atomic():
        posted = post(entry)
        if not posted.repeated:
            look(entry.account_id, now)
    return posted
