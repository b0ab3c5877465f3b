"""The staff's pages of outgoing webhooks: endpoints, what became of each delivery, replay. Each act is `notifications.webhooks`'s.

A secret is in the answer to the form that made it, and nowhere afterwards.
"""

from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.models import Account
from raseed.backoffice.forms import WebhookEndpointForm
from raseed.db.guard import across_accounts
from raseed.errors import RaseedError
from raseed.events.models import EventKind, WebhookEndpoint
from raseed.notifications.webhooks import endpoints, records

DELIVERIES_SHOWN = 50
SERIAL_MAX = 2**63 - 1  # a BIGINT


@requires(Action.SEE_WEBHOOK_ENDPOINTS)
@require_safe
def webhook_endpoints(request: ActorRequest) -> HttpResponse:
    """The endpoints, newest first."""
    found = list(endpoints.there().order_by("-id"))
    with across_accounts("staff see the endpoints of all accounts"):
        accounts = Account.objects.in_bulk([one.account_id for one in found if one.account_id])
    context = {
        "lines": [(one, accounts.get(one.account_id) if one.account_id else None) for one in found],
        "may_manage": request.actor.may(Action.MANAGE_WEBHOOK_ENDPOINTS),
    }
    return render(request, "backoffice/webhook_endpoints.html", context)


@requires(Action.MANAGE_WEBHOOK_ENDPOINTS)
@require_http_methods(["GET", "POST"])
def webhook_endpoint_new(request: ActorRequest) -> HttpResponse:
    """Make an endpoint and show its secret, once."""
    form = WebhookEndpointForm(request.POST if request.method == "POST" else None)
    status = 422
    if form.is_valid():
        try:
            made = endpoints.create(form.asked(), request.actor.who, timezone.now())
        except RaseedError as error:
            _add(form, error)
            status = error.status
        else:
            return render(request, "backoffice/webhook_secret.html", {"made": made})
    context = {"form": form}
    return render(
        request, "backoffice/webhook_endpoint_new.html", context, status=status if form.is_bound else 200
    )


@requires(Action.SEE_WEBHOOK_ENDPOINTS)
@require_safe
def webhook_endpoint(request: ActorRequest, webhook_endpoint_id: UUID) -> HttpResponse:
    """One endpoint with its log, newest first; `after` is where the page begins."""
    endpoint = _endpoint_or_404(webhook_endpoint_id)
    after = request.GET.get("after", "")
    before = int(after) if after.isascii() and after.isdecimal() and int(after) <= SERIAL_MAX else None
    rows = list(records.deliveries(before).filter(endpoint_id=endpoint.id)[: DELIVERIES_SHOWN + 1])
    shown = rows[:DELIVERIES_SHOWN]
    context = {
        "endpoint": endpoint,
        "account": Account.objects.filter(id=endpoint.account_id).first() if endpoint.account_id else None,
        "kinds": [EventKind(kind).label for kind in endpoint.kinds],
        "deliveries": [(row, EventKind(row.kind).label) for row in shown],
        "next_url": f"?after={shown[-1].id}" if len(rows) > len(shown) else "",
        "now": timezone.now(),
        "may_manage": request.actor.may(Action.MANAGE_WEBHOOK_ENDPOINTS),
        "may_replay": request.actor.may(Action.REPLAY_WEBHOOK) and endpoint.is_enabled,
    }
    return render(request, "backoffice/webhook_endpoint.html", context)


@requires(Action.MANAGE_WEBHOOK_ENDPOINTS)
@require_POST
def webhook_endpoint_rotate(request: ActorRequest, webhook_endpoint_id: UUID) -> HttpResponse:
    """Give it another secret and show it, once."""
    _endpoint_or_404(webhook_endpoint_id)
    made = endpoints.rotate(webhook_endpoint_id, request.actor.who, timezone.now())
    return render(request, "backoffice/webhook_secret.html", {"made": made, "is_changed": True})


@requires(Action.SWITCH_WEBHOOK_ENDPOINT)
@require_POST
def webhook_endpoint_switch(request: ActorRequest, webhook_endpoint_id: UUID, way: str) -> HttpResponse:
    """Switch it on or off: `way` says which."""
    _endpoint_or_404(webhook_endpoint_id)
    by, now = request.actor.who, timezone.now()
    match way:
        case "on":
            done = endpoints.switch_on(webhook_endpoint_id, by, now)
        case "off":
            done = endpoints.switch_off(webhook_endpoint_id, by, now)
        case _:
            raise Http404
    if not done:
        messages.info(request, _("It was so already. Nothing was changed."))
    elif way == "on":
        messages.success(request, _("The endpoint is switched on. What waits for it is on its way."))
    else:
        messages.success(request, _("The endpoint is switched off. No event is put aside for it meanwhile."))
    return redirect("backoffice:webhook_endpoint", webhook_endpoint_id=webhook_endpoint_id)


@requires(Action.MANAGE_WEBHOOK_ENDPOINTS)
@require_POST
def webhook_endpoint_remove(request: ActorRequest, webhook_endpoint_id: UUID) -> HttpResponse:
    """Remove it for good."""
    _endpoint_or_404(webhook_endpoint_id)
    endpoints.remove(webhook_endpoint_id, request.actor.who, timezone.now())
    messages.success(request, _("The endpoint is removed. What waited for it is given up."))
    return redirect("backoffice:webhook_endpoints")


@requires(Action.REPLAY_WEBHOOK)
@require_POST
def webhook_replay(request: ActorRequest, webhook_delivery_id: int) -> HttpResponse:
    """Send a delivery again."""
    found = records.deliveries(None).filter(id=webhook_delivery_id).first()
    if found is None:
        raise Http404
    try:
        records.replay(found.id, request.actor.who, timezone.now())
    except RaseedError as error:
        messages.warning(request, str(error.message))
    else:
        messages.success(request, _("It is on its way again. Look here in a moment."))
    return redirect("backoffice:webhook_endpoint", webhook_endpoint_id=found.endpoint_id)


def _endpoint_or_404(endpoint_id: UUID) -> WebhookEndpoint:
    try:
        return endpoints.endpoint_of(endpoint_id)
    except endpoints.UnknownEndpoint as error:
        raise Http404 from error


def _add(form: Form, error: RaseedError) -> None:
    form.add_error(error.field if error.field in form.fields else None, str(error.message))
