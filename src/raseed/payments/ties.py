"""Whose charge is it, when two payments claim it: the gateway is asked by the charge's own reference.

A gateway that mixes up an answer can name a stranger's charge before the stranger's payment has heard of it: then the wrong
payment is tied to it, and the right one, charged, could never settle. What the gateway says of a charge when it is asked by
the charge's own reference outweighs what it said beside another. Only the tie is moved here, never money nor a state.
"""

import logging
from datetime import datetime
from uuid import UUID

from raseed.db.transactions import atomic
from raseed.gateways.port import Outcome, Succeeded
from raseed.gateways.registry import gateway
from raseed.payments.models import GatewayReference, Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause

logger = logging.getLogger(__name__)


def settle_and_untie(
    account_id: UUID, payment_id: UUID, outcome: Outcome, cause: Cause, now: datetime
) -> Payment:
    """As `settle`; if another payment bears this one's charge, and the gateway confirms whose it is, take it back first."""
    payment = settle(account_id, payment_id, outcome, cause, now)
    if not isinstance(outcome, Succeeded) or outcome.payment_id != payment.id:
        return payment
    if payment.gateway_ref or payment.captured_minor is not None:
        return payment
    holder = _holder(payment.gateway, outcome.gateway_ref)
    if holder is None or holder.payment_id == payment.id:
        return payment
    asked = gateway(payment.gateway).fetch(outcome.gateway_ref)
    if not isinstance(asked, Succeeded) or asked.payment_id != payment.id:
        return payment
    if _untie(holder, outcome.gateway_ref):
        own = gateway(holder.gateway).find_by_reference(holder.payment_id)
        settle(holder.account_id, holder.payment_id, own, cause, now)
    return settle(account_id, payment_id, asked, cause, now)


def _holder(gateway_name: str, gateway_ref: str) -> GatewayReference | None:
    return GatewayReference.objects.filter(gateway=gateway_name, gateway_ref=gateway_ref).first()


def _untie(holder: GatewayReference, gateway_ref: str) -> bool:
    """Free the reference from the payment that bears it wrongly; False if it does not any more."""
    with atomic():
        wrong = Payment.objects.select_for_update().get(account_id=holder.account_id, id=holder.payment_id)
        if wrong.gateway_ref != gateway_ref:
            return False
        GatewayReference.objects.filter(payment_id=wrong.id, gateway_ref=gateway_ref).update(gateway_ref=None)
        wrong.gateway_ref = ""
        wrong.save(update_fields=["gateway_ref"])
    logger.error(
        "payment %s was tied to %s, which is another's, and is tied to it no more", wrong.id, gateway_ref
    )
    return True
