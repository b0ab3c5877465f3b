"""News about a refund or a dispute, from a webhook or a line of the gateway's list. It proves nothing: the gateway is asked."""

from datetime import datetime
from enum import Enum, auto

from raseed.gateways.port import Busy, GatewayUnavailable, Subject, Unknown
from raseed.gateways.registry import gateway
from raseed.payments import breaker
from raseed.payments.dispute import settle_dispute
from raseed.payments.follow_refund import follow_refund
from raseed.payments.models import Payment, Refund
from raseed.payments.refund_states import OPEN
from raseed.payments.settle import settle
from raseed.payments.settle_refund import settle_refund
from raseed.payments.states import Cause


class Heard(Enum):
    """What became of news: it is ours and settled, none of ours, not to be told yet, or the gateway is silent just now."""

    OURS = auto()
    FOREIGN = auto()
    NOT_YET = auto()
    NO_ANSWER = auto()


def hear_of_part(payment: Payment, subject: Subject, part_ref: str, cause: Cause, now: datetime) -> Heard:
    """Ask about the refund or the dispute `part_ref` of `payment` and settle it; before it, the payment if it is open."""
    if payment.captured_minor is None and (heard := _settle_first(payment, cause, now)) is not Heard.OURS:
        return heard
    if subject is Subject.REFUND:
        return _hear_of_refund(payment, part_ref, cause, now)
    return _hear_of_disputes(payment, now)


def _settle_first(payment: Payment, cause: Cause, now: datetime) -> Heard:
    """News of a refund or dispute may come before that of the payment itself: OURS if the payment is captured now."""
    bank = gateway(payment.gateway)
    outcome = bank.fetch(payment.gateway_ref) if payment.gateway_ref else bank.find_by_reference(payment.id)
    settled = settle(payment.account_id, payment.id, outcome, cause, now)
    if settled.captured_minor is not None:
        return Heard.OURS
    return Heard.NO_ANSWER if isinstance(outcome, Unknown | Busy) else Heard.NOT_YET


def _hear_of_refund(payment: Payment, part_ref: str, cause: Cause, now: datetime) -> Heard:
    """Settle the refund of `payment` that the gateway calls `part_ref`, from what the gateway says when asked."""
    ours = Refund.objects.filter(account_id=payment.account_id, payment_id=payment.id)
    found = ours.filter(part_ref=part_ref).first()
    if found is None:
        # Perhaps one of which no answer has come yet: then asking names it.
        for one in ours.filter(part_ref="", state__in=OPEN):
            follow_refund(one.account_id, one.id, cause, now)
        found = ours.filter(part_ref=part_ref).first()
    if found is None:
        return Heard.NOT_YET if ours.filter(part_ref="", state__in=OPEN).exists() else Heard.FOREIGN
    outcome = gateway(found.gateway).fetch_refund(part_ref)
    breaker.record(found.gateway, outcome, now)
    if isinstance(outcome, Unknown | Busy):
        return Heard.NO_ANSWER
    settle_refund(found.account_id, found.id, outcome, cause, now)
    return Heard.OURS


def _hear_of_disputes(payment: Payment, now: datetime) -> Heard:
    """All disputes of the payment at once: what is fetched is as new as the newest news of any of them."""
    payment.refresh_from_db(fields=["gateway_ref"])
    try:
        disputes = gateway(payment.gateway).disputes_of(payment.gateway_ref)
    except GatewayUnavailable:
        return Heard.NO_ANSWER
    for one in disputes:
        settle_dispute(payment.account_id, payment.id, one, now)
    return Heard.OURS
