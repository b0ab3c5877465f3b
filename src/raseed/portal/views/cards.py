"""The account's cards: add one at the bank's page, choose the default, the order after it, and remove.

Every look-up names the account of the person who asks: another account's card is a 404. No card data ever comes this way.
"""

from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Account
from raseed.errors import RaseedError
from raseed.payments import breaker, methods
from raseed.payments.cards import setups
from raseed.payments.cards.models import CardSetup, SetupState
from raseed.payments.cards.setups import AddCard, SetupReused
from raseed.payments.methods import Direction, MethodElsewhere, MethodGone
from raseed.payments.states import Cause
from raseed.payments.wording import card_name
from raseed.portal.details_reading import is_over, own_setup, puzzle_for
from raseed.portal.rendering import page


@requires(Action.CHANGE_CARDS)
@require_http_methods(["GET", "POST"])
def card_add(request: ActorRequest) -> HttpResponse:
    """Say what happens, and send the Admin to the bank's page, where the card is typed."""
    account = account_of(request.actor)
    if request.method != "POST":
        return _add_page(request, account, uuid4(), _hindrance())
    try:
        key = UUID(request.POST.get("client_key", ""))
    except ValueError:
        return _add_page(request, account, uuid4(), SetupReused())
    command = AddCard(
        account_id=account.id,
        client_key=key,
        by=request.actor.who,
        language=translation.get_language() or settings.LANGUAGE_CODE,
        solution=request.POST.get("puzzle", ""),
        hosted=request.POST.get("page") == "hosted",
    )
    try:
        setup = setups.open_setup(command, timezone.now())
        setup = setups.submit(account.id, setup.id, timezone.now())
    except SetupReused as refusal:
        return _add_page(request, account, uuid4(), refusal)
    except RaseedError as refusal:
        return _add_page(request, account, key, refusal)
    if setup.state == SetupState.ACTION_REQUIRED and setup.action_url:
        return redirect(setup.action_url)
    return redirect(_details(setup))


@requires(Action.SEE_DETAILS)
@require_safe
def card_setup(request: ActorRequest, card_setup_id: UUID) -> HttpResponse:
    """One setup: HTMX asks again and again and gets 204 until it is over; anybody else is shown the page."""
    setup = _own_setup(request, card_setup_id)
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(_details(setup))
    return HttpResponseClientRedirect(_details(setup)) if is_over(setup) else HttpResponse(status=204)


@requires(Action.SEE_DETAILS)
@require_safe
def card_return(request: ActorRequest, card_setup_id: UUID) -> HttpResponse:
    """Where the bank sends the Admin back to. The visit proves nothing: the bank is asked, then the page follows."""
    setup = _own_setup(request, card_setup_id)
    setups.follow(setup.account_id, setup.id, Cause.PAGE, timezone.now())
    return redirect(_details(setup))


@requires(Action.CHANGE_CARDS)
@require_POST
def card_default(request: ActorRequest, payment_method_id: UUID) -> HttpResponse:
    """Charge this card first."""
    account = account_of(request.actor)
    try:
        done = methods.make_default(account.id, payment_method_id, request.actor.who, timezone.now())
    except MethodGone as gone:
        raise Http404 from gone
    except MethodElsewhere as refusal:
        messages.error(request, str(refusal.message))
        return redirect("portal:details")
    if done:
        messages.success(request, _("This card is charged first from now on."))
    return redirect("portal:details")


@requires(Action.ORDER_CARDS)
@require_POST
def card_move(request: ActorRequest, payment_method_id: UUID) -> HttpResponse:
    """Move a card up or down among those that are tried after the default."""
    account = account_of(request.actor)
    direction = Direction.DOWN if request.POST.get("direction") == Direction.DOWN else Direction.UP
    try:
        methods.move(account.id, payment_method_id, direction, request.actor.who, timezone.now())
    except MethodGone as gone:
        raise Http404 from gone
    return redirect("portal:details")


@requires(Action.CHANGE_CARDS)
@require_POST
def card_remove(request: ActorRequest, payment_method_id: UUID) -> HttpResponse:
    """Take a card away. The bank is told to forget it by a job."""
    account = account_of(request.actor)
    try:
        gone = methods.remove(account.id, payment_method_id, request.actor.who, timezone.now())
    except MethodGone as error:
        raise Http404 from error
    messages.success(
        request,
        _("%(card)s is removed and not charged any more.") % {"card": card_name(gone.brand, gone.last4)},
    )
    return redirect("portal:details")


def _hindrance() -> RaseedError | None:
    """Why no card can be added now, whoever asks; None if one can."""
    try:
        setups.check_offered()
    except setups.CardsNotKept as error:
        return error
    return None if breaker.takes_payments(settings.GATEWAY, timezone.now()) else breaker.GatewayDown()


def _add_page(
    request: ActorRequest, account: Account, client_key: UUID, refusal: RaseedError | None
) -> HttpResponse:
    hosted = "hosted" in (request.GET.get("page"), request.POST.get("page"))
    context = {
        "client_key": client_key,
        "hosted": hosted,
        "in_our_page": settings.CARD_FORM and not hosted,
        "puzzle": puzzle_for(account, client_key, timezone.now()),
        "refusal": refusal.message if refusal else "",
        "is_down": isinstance(refusal, breaker.GatewayDown | setups.CardsNotKept),
    }
    status = refusal.status if refusal and request.method == "POST" else 200
    return page(request, "portal/details/card_add.html", context, status=status)


def _own_setup(request: ActorRequest, card_setup_id: UUID) -> CardSetup:
    found = own_setup(account_of(request.actor), str(card_setup_id))
    if found is None:
        raise Http404
    return found


def _details(setup: CardSetup) -> str:
    return f"{reverse('portal:details')}?{urlencode({'setup': setup.id})}"
