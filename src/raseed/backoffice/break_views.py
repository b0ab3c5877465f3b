"""The Reconciliation page: what does not agree with the gateway, who takes it, and how it ended.

Ending a break moves no money and no payment; it says that a person has dealt with it, and why. Only a refund that the
gateway never made is put back into the balance, by a button of its own.
"""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from raseed.accounts.access import Action, ActorRequest, requires
from raseed.backoffice.breaks import breaks_page
from raseed.backoffice.forms import ReasonForm
from raseed.errors import RaseedError
from raseed.payments import resolve


@requires(Action.SEE_BREAKS)
@require_safe
def breaks(request: ActorRequest) -> HttpResponse:
    """Open breaks, the oldest first; the latest that ended; the latest checks of the books."""
    return _page(request, {}, 200)


@requires(Action.END_BREAK)
@require_POST
def break_take(request: ActorRequest, break_id: int) -> HttpResponse:
    """Make the person its owner."""
    try:
        resolve.take(break_id, request.actor.who, timezone.now())
    except RaseedError as error:
        messages.info(request, str(error.message))
    else:
        messages.success(request, _("The break is yours."))
    return redirect("backoffice:breaks")


@requires(Action.END_BREAK)
@require_POST
def break_end(request: ActorRequest, break_id: int) -> HttpResponse:
    """End it, with what was done."""
    form = ReasonForm(request.POST, auto_id=_ids(break_id))
    if not form.is_valid():
        return _page(request, {break_id: form}, 422)
    try:
        resolve.end(break_id, form.cleaned_data["reason"], request.actor.who, timezone.now())
    except RaseedError as error:
        messages.info(request, str(error.message))
    else:
        messages.success(
            request, _("The break is ended. If its cause still stands, it opens again by itself.")
        )
    return redirect("backoffice:breaks")


@requires(Action.END_BREAK)
@require_POST
def break_refund_not_made(request: ActorRequest, break_id: int) -> HttpResponse:
    """Put a refund that the gateway never made back into the balance, and end its break."""
    form = ReasonForm(request.POST, auto_id=_ids(break_id))
    if not form.is_valid():
        return _page(request, {break_id: form}, 422)
    try:
        resolve.refund_not_made(break_id, form.cleaned_data["reason"], request.actor.who, timezone.now())
    except RaseedError as error:
        messages.info(request, str(error.message))
    else:
        messages.success(request, _("The money is in the balance again, and the account is told by mail."))
    return redirect("backoffice:breaks")


def _page(request: ActorRequest, filled: dict[int, ReasonForm], status: int) -> HttpResponse:
    now = timezone.now()
    page = breaks_page(request.actor.user.id, now)
    context = {
        "page": page,
        "now": now,
        "lines": [(line, filled.get(line.id) or ReasonForm(auto_id=_ids(line.id))) for line in page.open],
        "may_end": request.actor.may(Action.END_BREAK),
    }
    return render(request, "backoffice/breaks.html", context, status=status)


def _ids(break_id: int) -> str:
    """Ids of a form's fields: several of the kind stand on the page."""
    return f"id_break_{break_id}_%s"
