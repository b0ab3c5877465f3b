"""The page with the gateway's own card form, for a payment or a card to be kept.

The card is typed in a frame of the gateway and never comes this way. This page alone may load the gateway's script. The secret that
the form needs is asked of the gateway each time and stands in this one answer, which no cache keeps: not in a table, a log or an address.
"""

from dataclasses import dataclass, replace
from typing import Final, cast
from urllib.parse import urlencode
from uuid import UUID

from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.gateways.port import CardForm, DeclineCode, GatewayUnavailable
from raseed.gateways.registry import gateway
from raseed.money import Money
from raseed.payments import reconcile
from raseed.payments.cards.models import SetupState
from raseed.payments.models import Payment
from raseed.payments.seats import seat
from raseed.payments.states import Cause, State
from raseed.payments.wording import DECLINES
from raseed.portal.details_reading import own_setup
from raseed.portal.pages import Text
from raseed.portal.reading import charged
from raseed.portal.rendering import page
from raseed.portal.templatetags.portal_text import field_amount

TEMPLATE: Final = "portal/pay/card_form.html"


@dataclass(frozen=True, slots=True)
class FormPage:
    """What the page shows. `form` None: the gateway does not answer now. `amount` None: a card is kept and nothing charged."""

    amount: Money | None
    is_kept: bool
    again_url: str
    return_url: str
    hosted_url: str = ""
    form: CardForm | None = None
    sentences: tuple[tuple[str, Text], ...] = ()


@requires(Action.PAY)
@require_http_methods(["GET", "HEAD", "POST"])
def payment_form(request: ActorRequest, payment_id: UUID) -> HttpResponse:
    """The form of a payment; POST gives this payment up, at the gateway first, to pay on the gateway's own page."""
    account = account_of(request.actor)
    payment = Payment.objects.filter(account_id=account.id, id=payment_id).first()
    if payment is None:
        raise Http404
    if request.method == "POST" and payment.card_form:
        payment = reconcile.give_up(account.id, payment.id, timezone.now())
        if payment.state == State.CANCELED:
            asked = {
                "amount": field_amount(Money(payment.credit_micros, payment.currency)),
                "method": "new",
                "page": "hosted",
            }
            return redirect(f"{reverse('portal:pay')}?{urlencode(asked)}")
    elsewhere = reverse("portal:payment", kwargs={"payment_id": payment.id})
    if payment.state != State.ACTION_REQUIRED or not payment.card_form or request.method == "POST":
        return redirect(elsewhere)
    empty = FormPage(
        amount=charged(payment),
        is_kept=payment.save_method,
        again_url=request.path,
        return_url=reverse("portal:payment_return", kwargs={"payment_id": payment.id}),
    )
    return _draw(request, payment.gateway, payment.gateway_ref, empty)


@requires(Action.CHANGE_CARDS)
@require_safe
def card_form(request: ActorRequest, card_setup_id: UUID) -> HttpResponse:
    """The form of a card that is kept without a charge."""
    setup = own_setup(account_of(request.actor), str(card_setup_id))
    if setup is None:
        raise Http404
    if setup.state != SetupState.ACTION_REQUIRED or not setup.card_form:
        return redirect(f"{reverse('portal:details')}?{urlencode({'setup': setup.id})}")
    empty = FormPage(
        amount=None,
        is_kept=True,
        again_url=request.path,
        return_url=reverse("portal:card_return", kwargs={"card_setup_id": setup.id}),
        hosted_url=f"{reverse('portal:card_add')}?page=hosted",
    )
    return _draw(request, setup.gateway, setup.gateway_ref, empty)


def _draw(request: ActorRequest, gateway_name: str, gateway_ref: str, empty: FormPage) -> HttpResponse:
    """Draw the page, or go on to where the gateway is asked, if there is nothing to type any more."""
    try:
        form = _asked(gateway_name, gateway_ref)
    except GatewayUnavailable:
        return page(request, TEMPLATE, {"page": empty}, status=503)
    if form is None:
        return redirect(empty.return_url)
    shown = replace(empty, form=form, sentences=_sentences(form))
    sources = {
        "script-src": list(form.script_sources),
        "frame-src": list(form.frame_sources),
        "connect-src": list(form.connect_sources),
    }

    def drawn(_: HttpRequest) -> HttpResponse:
        return page(request, TEMPLATE, {"page": shown})

    return cast("HttpResponse", csp_update(sources)(drawn)(request))


def _asked(gateway_name: str, gateway_ref: str) -> CardForm | None:
    """Ask the gateway for its form. Raises GatewayUnavailable, also if too many wait for the gateway already."""
    with seat(Cause.PAGE) as free:
        if not free:
            raise GatewayUnavailable("all seats are taken")
        return gateway(gateway_name).card_form(gateway_ref)


def _sentences(form: CardForm) -> tuple[tuple[str, Text], ...]:
    """For each reason of a decline that may be told, the gateway's codes for it and our sentence; "" is every other code."""
    told = {
        reason: " ".join(code for code, ours in form.reasons.items() if ours is reason)
        for reason in dict.fromkeys(form.reasons.values())
    }
    return (
        *((codes, DECLINES[reason]) for reason, codes in told.items()),
        ("", DECLINES[DeclineCode.GENERIC]),
    )
