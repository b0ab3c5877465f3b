"""Pay Now: write the intent down, then call, then settle.

`open_payment` commits the intent; `submit` commits that we are about to ask and then asks, with no transaction
open. Whatever comes back, or does not, goes through `settle`. A repeat of either is answered with the same payment.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, Operator
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.errors import RaseedError
from raseed.failpoints import failpoint
from raseed.gateways.port import Charge, Outcome
from raseed.gateways.registry import gateway
from raseed.money import Money, check_chargeable, format_money
from raseed.payments import breaker, methods
from raseed.payments.amounts import check_range, policy_of
from raseed.payments.cards import limits
from raseed.payments.cards.limits import Typing
from raseed.payments.models import GatewayReference, Payment, PaymentMethod, Purpose
from raseed.payments.recharge import series
from raseed.payments.recharge.reasons import CARD_REMOVED
from raseed.payments.seats import seat
from raseed.payments.settle import settle
from raseed.payments.states import OPEN, Cause, State, move
from raseed.tax.topup import quote

# A payment begun this recently and still open makes a second tab ask before it begins another. One whose outcome is not
# known does so at any age: its money may have moved.
IN_PROGRESS_WINDOW = timedelta(minutes=5)
FIRST_ASK_AFTER = timedelta(seconds=3)


class IntentReused(RaseedError):
    """The form's key was used for another amount or card (the rule of every Idempotency-Key)."""

    code = "idempotency_key_reused"
    status = 422
    message = _("This form was already used for another payment. Nothing was charged. Open Pay Now again.")


class PaymentInProgress(RaseedError):
    """Another payment of the account is under way; paying again needs a yes."""

    code = "payment_in_progress"
    status = 409
    message = _("A %(amount)s payment from %(seconds)s s ago is in progress. Pay another %(again)s?")


class MethodNotUsable(RaseedError):
    """The chosen card is not one of the account's saved cards (any more)."""

    code = "payment_method_unknown"
    status = 422
    field = "method"
    message = _("This card is no longer saved. Choose another card. Nothing was charged.")


class AccountClosed(RaseedError):
    """A closed account takes no payments."""

    code = "account_closed"
    status = 409
    message = _("This account is closed. Nothing was charged. Please ask support.")


@dataclass(frozen=True)
class PayNow:
    """What the Admin asked for. `client_key` was made when the form was drawn; `method_id` None is a card typed once.

    `another` says yes to paying although another payment is in progress. `ip` and `solution` are for the limits on trying
    cards (payments/cards/limits.py). `hosted` asks for the gateway's own page although its form within ours is the usual way.
    """

    account_id: UUID
    client_key: UUID
    credit: Money
    method_id: UUID | None
    save_method: bool
    actor_user_id: UUID
    language: str
    another: bool = False
    ip: str | None = None
    solution: str = ""
    hosted: bool = False

    def fingerprint(self) -> str:
        """Equal for equal commands: same key with another fingerprint is refused."""
        body = [
            self.credit.micros,
            self.credit.currency,
            str(self.method_id or ""),
            self.save_method,
        ]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


@begun_again
def open_payment(command: PayNow, now: datetime) -> Payment:
    """Commit the intent and return it; a repeat returns the first one, in whatever state it is by now.

    Raises IntentReused, PaymentInProgress, MethodNotUsable, AccountClosed, GatewayDown, the errors of amounts and the
    refusals of payments.cards.limits; then nothing was written.
    """
    failpoint("KP01", command.client_key)
    with atomic():
        # The account's row makes two tabs take turns, so that the second sees the first one's payment. Not its key: rows
        # that refer to the account, as a voucher whose number all others wait for, need not wait for us.
        account = Account.objects.select_for_update(no_key=True).get(id=command.account_id)
        earlier = _earlier(command)
        if earlier is not None:
            return earlier
        breaker.check(settings.GATEWAY, now)
        payment = _intent(account, command, now)
        if not command.another:
            _refuse_second(command, now)
        limits.admit_payment(account, now)
        if command.method_id is None:
            limits.admit(account, Typing(payment.id, command.client_key, command.ip, command.solution), now)
        payment.save(force_insert=True)
        GatewayReference.objects.create(
            payment_id=payment.id, account_id=account.id, gateway=payment.gateway, gateway_ref=None
        )
    # Should this process die before it asks, the sweep of what is due submits: the customer pressed Pay.
    return payment


def _earlier(command: PayNow) -> Payment | None:
    payment = Payment.objects.filter(account_id=command.account_id, client_key=command.client_key).first()
    if payment is not None and payment.fingerprint != command.fingerprint():
        raise IntentReused(f"client key {command.client_key} of payment {payment.id}")
    return payment


def _intent(account: Account, command: PayNow, now: datetime) -> Payment:
    if account.closed_at is not None:
        raise AccountClosed(f"account {account.id}")
    check_chargeable(command.credit)
    check_range(command.credit, policy_of(account))
    card_brand = card_last4 = ""
    method = None
    if command.method_id is not None:
        method = methods.usable(account.id, command.method_id)
        if method is None:
            raise MethodNotUsable(f"method {command.method_id}")
        card_brand, card_last4 = method.brand, method.last4
    quoted = quote(Operator.objects.get(), command.credit)
    return Payment(
        account=account,
        client_key=command.client_key,
        fingerprint=command.fingerprint(),
        purpose=Purpose.PAY_NOW,
        state=State.CREATED,
        currency=account.currency,
        credit_micros=quoted.credit.micros,
        tax_micros=quoted.tax.micros,
        charge_minor=quoted.charge_minor,
        gateway=settings.GATEWAY,
        method_id=method.id if method else None,
        save_method=command.save_method and command.method_id is None,
        card_form=settings.CARD_FORM and command.method_id is None and not command.hosted,
        card_brand=card_brand,
        card_last4=card_last4,
        actor_user_id=command.actor_user_id,
        language=command.language,
        created_at=now,
        next_ask_at=now + FIRST_ASK_AFTER,
    )


def _refuse_second(command: PayNow, now: datetime) -> None:
    running = (
        Payment.objects.filter(
            Q(state=State.SUBMITTED) | Q(created_at__gt=now - IN_PROGRESS_WINDOW),
            account_id=command.account_id,
            state__in=OPEN,
        )
        .order_by("-created_at")
        .first()
    )
    if running is not None:
        raise PaymentInProgress(
            f"payment {running.id}",
            amount=format_money(Money(running.credit_micros, running.currency)),
            seconds=max(0, int((now - running.created_at).total_seconds())),
            again=format_money(command.credit),
        )


def submit(account_id: UUID, payment_id: UUID, now: datetime, cause: Cause = Cause.PAGE) -> Payment:
    """Ask the gateway for the money, once. A payment that somebody already submitted is returned as it is.

    A page that finds all seats taken leaves the payment as it is, to the worker.
    """
    with seat(cause) as free:
        if free:
            return _submit(account_id, payment_id, now, cause)
    defer("payments.follow", account_id=account_id, payment_id=payment_id)
    return Payment.objects.get(account_id=account_id, id=payment_id)


def _submit(account_id: UUID, payment_id: UUID, now: datetime, cause: Cause) -> Payment:
    with atomic():
        rows = Payment.objects.select_for_update(of=("self",)).select_related("method")
        payment = rows.get(account_id=account_id, id=payment_id)
        if payment.state != State.CREATED:
            return payment
        if payment.purpose == Purpose.RECHARGE and _is_removed(payment):
            # Between the decision and the charge. Nobody is charged on a card that they took away.
            payment.decline_code, payment.next_ask_at = CARD_REMOVED, None
            payment.save(update_fields=["decline_code", "next_ask_at"])
            move(payment, State.CANCELED, cause, now)
            series.failed(payment, CARD_REMOVED, now, retryable=True)
            return payment
        payment.submitted_at = payment.asked_at = now
        payment.next_ask_at = now + FIRST_ASK_AFTER
        move(payment, State.SUBMITTED, cause, now, also=("submitted_at", "asked_at", "next_ask_at"))
    failpoint("KP02", payment.id)
    outcome = send(payment)
    failpoint("KP04", payment.id)
    if payment.purpose == Purpose.RECHARGE:
        failpoint("KP16", payment.id)
    breaker.record(payment.gateway, outcome, now)
    return settle(account_id, payment_id, outcome, cause, now)


def _is_removed(payment: Payment) -> bool:
    if payment.method_id is None:
        return False
    return not PaymentMethod.objects.filter(
        account_id=payment.account_id, id=payment.method_id, removed_at__isnull=True
    ).exists()


def send(payment: Payment) -> Outcome:
    """Make the gateway call of this payment: the same body and key each time it is made."""
    return gateway(payment.gateway).charge(
        Charge(
            payment_id=payment.id,
            account_id=payment.account_id,
            amount_minor=payment.charge_minor,
            currency=payment.currency,
            idempotency_key=str(payment.id),
            description=_description(payment),
            return_url=f"{settings.PUBLIC_URL}/settings/billing/payments/{payment.id}/return",
            saved_reference=payment.method.reference if payment.method is not None else None,
            save_card=payment.save_method,
            unattended=payment.purpose == Purpose.RECHARGE,
            customer_language=payment.language,
            in_our_page=payment.card_form,
        )
    )


def _description(payment: Payment) -> str:
    """In the payment's own language, whoever sends it in whatever language: a key allows one body and no other."""
    with translation.override(payment.language):
        return str(_("Top-up of the prepaid balance"))
