"""How often, and how long, the gateway is asked about what has no known outcome: the same for payments and refunds."""

from datetime import timedelta
from typing import Final

ASK_AT_MOST_EVERY: Final = timedelta(seconds=1)
# Idempotency keys live 24 h at some gateways; past 23 h a re-send could be a second charge or refund.
KEY_HORIZON: Final = timedelta(hours=23)
UNRESOLVED_AFTER: Final = timedelta(minutes=15)
ASK_AGAIN_AFTER_FAULT: Final = timedelta(minutes=1)
SWEEP_LIMIT: Final = 200
