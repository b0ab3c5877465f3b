"""Consider an automatic recharge: run through the guards, write down the yes or the no, and charge.

Payments under way count as balance. The account's row makes considerations, and Pay Now, take turns; that only one recharge
is open is held by an index, whoever comes. The charge takes the road of Pay Now: the intent is committed, then the gateway
is called, then `settle`. Nothing here may charge without a row in the history.
"""

import hashlib
import json
import logging
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from django.conf import settings
from django.db import IntegrityError, transaction

from raseed.accounts.models import Account, Operator
from raseed.balance.equation import available
from raseed.balance.suspension import open_suspensions
from raseed.db.transactions import atomic, begun_again
from raseed.failpoints import failpoint
from raseed.payments import breaker, paynow
from raseed.payments.amounts import PaymentsNotOffered, Policy, policy_of
from raseed.payments.models import GatewayReference, Payment, PaymentMethod, Purpose
from raseed.payments.recharge import cards, guards, history, series
from raseed.payments.recharge.guards import GUARDS, No, Situation
from raseed.payments.recharge.models import RechargeSeries, RechargeSettings
from raseed.payments.recharge.reasons import Cause, Reason
from raseed.payments.recharge.spent import spent_since
from raseed.payments.states import OPEN, State
from raseed.payments.states import Cause as News
from raseed.tax.topup import TopUpQuote, quote

logger = logging.getLogger(__name__)

# These say nothing about the try: it goes on when they are over.
_TRY_GOES_ON: Final = frozenset(
    {Reason.IN_FLIGHT, Reason.AUTHENTICATION, Reason.PENDING, Reason.GATEWAY_DOWN}
)


def consider(account_id: UUID, cause: Cause, now: datetime) -> Payment | None:
    """Charge the account's card if every guard lets it; the payment as it then is, None for a no.

    The no stands in the history. An account that never set recharge up has none.
    """
    payment = _decide(account_id, cause, now)
    if payment is None:
        return None
    return paynow.submit(account_id, payment.id, now, News.RECHARGE)


@begun_again
def _decide(account_id: UUID, cause: Cause, now: datetime) -> Payment | None:
    """One transaction: the no, or the committed intent."""
    with atomic():
        account = _turn(account_id)
        wanted = RechargeSettings.objects.filter(account_id=account_id).first()
        if wanted is None:
            return None
        here = _situation(account, wanted, series.locked(account_id), now)
        no = next((no for guard in GUARDS if (no := guard(here)) is not None), None)
        if no is None:
            quoted = quote(Operator.objects.get(), here.sized.credit)
            no = guards.under_month_cap(here, quoted) or _gateway_down(now)
            if no is None:
                payment = _claim(here, quoted, cause)
                if payment is not None:
                    return payment
                no = guards.in_flight(here)
        _refuse(here, no, cause, is_news=_is_news(here, no, cause))
    return None


def _turn(account_id: UUID) -> Account:
    """The account, for us alone until the transaction ends; deductions go on beside it."""
    return Account.objects.select_for_update(no_key=True).get(id=account_id)


def _situation(account: Account, wanted: RechargeSettings, tries: RechargeSeries, now: datetime) -> Situation:
    """Payments under way are read before the balance: one that arrives between the two counts twice, never not at all."""
    running = list(Payment.objects.filter(account_id=account.id, state__in=OPEN))
    open_recharge = next((one for one in running if one.purpose == Purpose.RECHARGE), None)
    usable = cards.usable(account.id, now)
    if tries.is_trying and open_recharge is None:
        usable = cards.untried(account.id, tries.tries, usable)
    return Situation(
        account=account,
        wanted=wanted,
        series=tries,
        now=now,
        suspensions=frozenset(one.reason for one in open_suspensions(account.id)),
        pending_micros=sum(one.credit_micros for one in running),
        available_micros=available(account).micros,
        open_recharge=open_recharge,
        cards=tuple(usable),
        charged_today=spent_since(account, guards.day_of(account, now)).times,
        charged_month_micros=spent_since(account, guards.month_of(account, now)).amount.micros,
        policy=_policy(account),
    )


def _policy(account: Account) -> Policy | None:
    try:
        return policy_of(account)
    except PaymentsNotOffered:
        return None


def _gateway_down(now: datetime) -> No | None:
    try:
        breaker.check(settings.GATEWAY, now)
    except breaker.GatewayDown:
        return No(Reason.GATEWAY_DOWN, now + guards.DOWN_AGAIN_AFTER)
    return None


def _claim(here: Situation, quoted: TopUpQuote, cause: Cause) -> Payment | None:
    """Commit the intent with its row in the history; None if a recharge is open already: the index says so."""
    tries = here.series
    number = tries.tries if tries.is_trying else tries.tries + 1
    payment = _intent(here, here.cards[0], quoted, number)
    failpoint("KP15", payment.client_key)
    try:
        with transaction.atomic():
            payment.save(force_insert=True)
    except IntegrityError:
        logger.info("account %s has an open recharge already", here.account.id)
        return None
    GatewayReference.objects.create(
        payment_id=payment.id, account_id=payment.account_id, gateway=payment.gateway, gateway_ref=None
    )
    tries.tries, tries.is_trying, tries.look_at, tries.considered_at = number, True, None, here.now
    tries.save()
    history.charged(payment, cause, number, here.sized.bound, _seen(here), here.now)
    # Should this process die before it asks, the sweep of what is due submits.
    return payment


def _intent(here: Situation, card: PaymentMethod, quoted: TopUpQuote, number: int) -> Payment:
    body = [quoted.credit.micros, quoted.credit.currency, str(card.id), number]
    return Payment(
        account=here.account,
        # One card is charged once in a try, whatever runs twice.
        client_key=uuid5(here.account.id, f"recharge:{number}:{card.id}"),
        fingerprint=hashlib.sha256(json.dumps(body).encode()).hexdigest(),
        purpose=Purpose.RECHARGE,
        state=State.CREATED,
        currency=here.account.currency,
        credit_micros=quoted.credit.micros,
        tax_micros=quoted.tax.micros,
        charge_minor=quoted.charge_minor,
        gateway=settings.GATEWAY,
        method_id=card.id,
        card_brand=card.brand,
        card_last4=card.last4,
        language=here.account.language,
        created_at=here.now,
        next_ask_at=here.now + paynow.FIRST_ASK_AFTER,
    )


def _is_news(here: Situation, no: No, cause: Cause) -> bool:
    """Whether the no explains anything. A balance above the threshold does only after it came down to it.

    And not after a charge: then the same job has run before, and this is why the balance is above the threshold.
    """
    if no.reason != Reason.ABOVE_THRESHOLD:
        return True
    last = history.latest(here.account.id)
    return cause == Cause.CROSSED and not (last and last.reason == Reason.CHARGE)


def _refuse(here: Situation, no: No, cause: Cause, *, is_news: bool) -> None:
    tries, look_at = here.series, no.look_at
    if tries.is_trying and here.open_recharge is None and no.reason not in _TRY_GOES_ON:
        # A card was declined, and before the next one could be charged something else said no: the try is over.
        series.end_try(tries, here.now)
        look_at = max(filter(None, (look_at, tries.look_at)), default=None)
    tries.look_at, tries.considered_at = look_at, here.now
    tries.save()
    if not is_news:
        return
    next_at = look_at if no.reason in {Reason.BACKING_OFF, Reason.DAY_CAP, Reason.MONTH_CAP} else None
    history.refused(here.account, cause, no.reason, _seen(here), here.now, next_at=next_at, cap=no.cap)


def _seen(here: Situation) -> history.Seen:
    return history.Seen(here.available_micros, here.pending_micros, here.wanted.threshold_micros)
