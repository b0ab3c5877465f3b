"""The Requests page: what Admins ask to have changed; staff do it or say why not. Whoever answers second changes nothing."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from raseed.accounts import details
from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.details import RequestEnded
from raseed.accounts.models import ChangeRequest
from raseed.backoffice.forms import ReasonForm
from raseed.backoffice.requests import requests_page


@requires(Action.SEE_REQUESTS)
@require_safe
def requests(request: ActorRequest) -> HttpResponse:
    """Open requests, the oldest first; the latest that were answered."""
    return _page(request, {}, 200)


@requires(Action.ANSWER_REQUEST)
@require_POST
def request_approve(request: ActorRequest, account_id: UUID, change_request_id: UUID) -> HttpResponse:
    """Make the change; the account's Admins are told by mail."""
    _known_or_404(account_id, change_request_id)
    try:
        details.approve(account_id, change_request_id, request.actor.who, timezone.now())
    except RequestEnded as ended:
        messages.info(request, str(ended.message))
    else:
        messages.success(request, _("The change is made, and the account's Admins are told."))
    return redirect("backoffice:requests")


@requires(Action.ANSWER_REQUEST)
@require_POST
def request_refuse(request: ActorRequest, account_id: UUID, change_request_id: UUID) -> HttpResponse:
    """End the request without the change; the account's Admins are told why."""
    _known_or_404(account_id, change_request_id)
    form = ReasonForm(request.POST, auto_id=_ids(change_request_id))
    if not form.is_valid():
        return _page(request, {change_request_id: form}, 422)
    reason: str = form.cleaned_data["reason"]
    try:
        details.refuse(account_id, change_request_id, reason, request.actor.who, timezone.now())
    except RequestEnded as ended:
        messages.info(request, str(ended.message))
    else:
        messages.success(request, _("The request is refused, and the account's Admins are told why."))
    return redirect("backoffice:requests")


def _page(request: ActorRequest, filled: dict[UUID, ReasonForm], status: int) -> HttpResponse:
    page = requests_page()
    context = {
        "page": page,
        "now": timezone.now(),
        "lines": [(line, filled.get(line.id) or ReasonForm(auto_id=_ids(line.id))) for line in page.open],
        "may_answer": request.actor.may(Action.ANSWER_REQUEST),
    }
    return render(request, "backoffice/requests.html", context, status=status)


def _known_or_404(account_id: UUID, change_request_id: UUID) -> None:
    if not ChangeRequest.objects.filter(account_id=account_id, id=change_request_id).exists():
        raise Http404


def _ids(request_id: UUID) -> str:
    """Ids of a form's fields: several of the kind stand on the page."""
    return f"id_{request_id}_%s"
