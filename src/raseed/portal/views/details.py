"""Billing Details: whom papers are made out to, where they go, and the account's cards.

What staff keep is shown locked, with the way to ask for a change. A refusal is said at its field, and nothing has changed then.
"""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import details as use
from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import RequestState
from raseed.errors import RaseedError
from raseed.portal.details_reading import details_page, own_setup
from raseed.portal.forms import AskForm, DetailsForm
from raseed.portal.rendering import page


@requires(Action.SEE_DETAILS)
@require_safe
def details(request: ActorRequest) -> HttpResponse:
    """The page; `setup` is a card that was just added, or tried."""
    return _page(request, None, 200)


@requires(Action.CHANGE_DETAILS)
@require_POST
def details_change(request: ActorRequest) -> HttpResponse:
    """Save what Admins may change. What another Admin changed meanwhile is shown, and nothing is written."""
    account = account_of(request.actor)
    there = use.details_of(account.id)
    form = DetailsForm(there.country, request.POST)
    if not form.is_valid():
        return _page(request, form, 422)
    try:
        done = use.change_own(account.id, form.seen(), form.wanted(), request.actor.who, timezone.now())
    except RaseedError as refusal:
        if refusal.field in form.fields:
            form.add_error(refusal.field, str(refusal.message))
            return _page(request, form, refusal.status)
        fresh = DetailsForm.filled(use.own(use.details_of(account.id)), there.country)
        return _page(request, fresh, refusal.status, refusal)
    if done:
        messages.success(
            request, _("The billing details are saved. Papers that are issued stay as they are.")
        )
    else:
        messages.info(request, _("The details were so already. Nothing was changed."))
    return redirect("portal:details")


@requires(Action.CHANGE_DETAILS)
@require_http_methods(["GET", "POST"])
def details_ask(request: ActorRequest) -> HttpResponse:
    """Ask staff for another name, address or country."""
    account = account_of(request.actor)
    there = use.kept(use.details_of(account.id))
    asked = use.last_request(account.id)
    shown = {"billing_name": there.billing_name, "address": there.address, "country": there.country}
    form = AskForm(request.POST if request.method == "POST" else None, initial=shown)
    status = 422
    if form.is_valid():
        try:
            use.ask(account.id, form.wanted(), form.cleaned_data["why"], request.actor.who, timezone.now())
        except RaseedError as refusal:
            field = refusal.field if refusal.field in form.fields else None
            form.add_error(field, str(refusal.message))
            status = refusal.status
        else:
            messages.success(request, _("Your request is with our staff. You will be told by mail."))
            return redirect("portal:details")
    context = {"form": form, "is_open": asked is not None and asked.state == RequestState.OPEN}
    return page(request, "portal/details/ask.html", context, status=status if form.is_bound else 200)


def _page(
    request: ActorRequest, form: DetailsForm | None, status: int, refusal: RaseedError | None = None
) -> HttpResponse:
    account = account_of(request.actor)
    there = use.details_of(account.id)
    setup = own_setup(account, request.GET.get("setup", ""))
    context = {
        "page": details_page(account, timezone.now(), setup),
        "form": form or DetailsForm.filled(use.own(there), there.country),
        "refusal": refusal.message if refusal else "",
    }
    return page(request, "portal/details/details.html", context, status=status)
