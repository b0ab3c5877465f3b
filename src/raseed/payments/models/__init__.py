"""The tables of payments: intents, their moves, saved methods, the webhook inbox and what the gateway says it did.

Global tables, because the gateway names a payment without naming its account: GatewayReference, InboxEvent, WebhookTally,
GatewayMovement, GatewayHealth, ListCursor, ReconciliationBreak, TransferReference. All others belong to an account.
"""

from raseed.payments.models.at_gateway import (
    GatewayHealth,
    GatewayMovement,
    GatewayReference,
    InboxEvent,
    ListCursor,
    ReconciliationBreak,
    WebhookTally,
)
from raseed.payments.models.by_hand import OfflineMethod, OfflinePayment, OfflineState, TransferReference
from raseed.payments.models.giving_back import REFUND_STATES, PaymentDispute, Refund, RefundMove
from raseed.payments.models.intents import OPEN_STATES, STATES, Payment, PaymentMethod, PaymentMove, Purpose

__all__ = [
    "OPEN_STATES",
    "REFUND_STATES",
    "STATES",
    "GatewayHealth",
    "GatewayMovement",
    "GatewayReference",
    "InboxEvent",
    "ListCursor",
    "OfflineMethod",
    "OfflinePayment",
    "OfflineState",
    "Payment",
    "PaymentDispute",
    "PaymentMethod",
    "PaymentMove",
    "Purpose",
    "ReconciliationBreak",
    "Refund",
    "RefundMove",
    "TransferReference",
    "WebhookTally",
]
