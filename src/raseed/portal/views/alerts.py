"""E-mail alerts: the form for the addresses and the limits."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Account
from raseed.balance.alert_settings import StaleAlertSettings, change
from raseed.balance.alerts import settings_of, watched_by
from raseed.errors import RaseedError
from raseed.portal.alert_form import AlertForm
from raseed.portal.rendering import page


@requires(Action.CHANGE_ALERTS)
@require_http_methods(["GET", "HEAD", "POST"])
def alerts(request: ActorRequest) -> HttpResponse:
    """The form. What another Admin changed meanwhile is shown, and nothing is written."""
    account = account_of(request.actor)
    if request.method != "POST":
        return _page(request, account, _filled(account), 200)
    form = AlertForm(account, request.POST)
    if not form.is_valid():
        return _page(request, account, form, 422)
    try:
        change(account, form.cleaned_data["version"], form.watched(), request.actor.who, timezone.now())
    except StaleAlertSettings as error:
        return _page(request, account, _filled(account), error.status, error)
    except RaseedError as error:
        field = error.field if error.field in form.fields else "addresses"
        form.add_error(field, str(error.message))
        return _page(request, account, form, 422)
    messages.success(request, _("The e-mail alerts are saved."))
    return redirect("portal:balance")


def _filled(account: Account) -> AlertForm:
    row = settings_of(account.id)
    return AlertForm.filled(account, watched_by(account, row), row.version if row else 0)


def _page(
    request: ActorRequest,
    account: Account,
    form: AlertForm,
    status: int,
    refusal: RaseedError | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "currency": account.currency,
        "refusal": refusal.message if refusal else "",
    }
    return page(request, "portal/alerts/form.html", context, status=status)
