"""The staff's pages of API keys: those of the whole operator, and those of one account.

A key is in the answer to the form that made it, and nowhere afterwards. Keys of the whole operator are finance's to make;
any of the staff ends one, at once.
"""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import api_keys as keys
from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.forms import ApiKeyForm
from raseed.accounts.models import Account, ApiKey
from raseed.errors import RaseedError

BASE = "backoffice/base.html"


@requires(Action.SEE_ALL_API_KEYS)
@require_safe
def api_keys(request: ActorRequest) -> HttpResponse:
    """The keys of the whole operator."""
    may_make = request.actor.may(Action.MAKE_OPERATOR_KEY)
    return _list(request, None, reverse("backoffice:api_key_new") if may_make else "")


@requires(Action.MAKE_OPERATOR_KEY)
@require_http_methods(["GET", "POST"])
def api_key_new(request: ActorRequest) -> HttpResponse:
    """Make a key for all accounts and show it, once."""
    return _new(request, None)


@requires(Action.SEE_ALL_API_KEYS)
@require_safe
def account_api_keys(request: ActorRequest, account_id: UUID) -> HttpResponse:
    """The keys of one account."""
    may_make = request.actor.may(Action.MAKE_ACCOUNT_KEY)
    new_url = reverse("backoffice:account_api_key_new", args=[account_id]) if may_make else ""
    return _list(request, _account_or_404(account_id), new_url)


@requires(Action.MAKE_ACCOUNT_KEY)
@require_http_methods(["GET", "POST"])
def account_api_key_new(request: ActorRequest, account_id: UUID) -> HttpResponse:
    """Make a key for one account and show it, once. Its Admins are told by mail."""
    return _new(request, _account_or_404(account_id))


@requires(Action.REVOKE_ANY_API_KEY)
@require_POST
def api_key_revoke(request: ActorRequest, api_key_id: UUID) -> HttpResponse:
    """End a key at once."""
    key = ApiKey.objects.filter(id=api_key_id).first()
    if key is None:
        raise Http404
    if keys.revoke(key, request.actor.who, timezone.now()):
        messages.success(request, _("The key is revoked. It opens nothing from this moment on."))
    else:
        messages.info(request, _("The key was revoked before. Nothing was changed."))
    return redirect(_list_url(key.account_id))


def _list(request: ActorRequest, account: Account | None, new_url: str) -> HttpResponse:
    now = timezone.now()
    context = {
        "base": BASE,
        "account": account,
        "keys": [
            (key, keys.state_of(key, now), reverse("backoffice:api_key_revoke", args=[key.id]))
            for key in keys.keys_of(account.id if account else None)
        ],
        "new_url": new_url,
        "may_revoke": request.actor.may(Action.REVOKE_ANY_API_KEY),
    }
    return render(request, "portal/keys/list.html", context)


def _new(request: ActorRequest, account: Account | None) -> HttpResponse:
    account_id = account.id if account else None
    context: dict[str, object] = {"base": BASE, "account": account, "is_operators": account is None}
    form = ApiKeyForm(request.POST if request.method == "POST" else None)
    status = 422
    if form.is_valid():
        try:
            made = keys.make(account_id, form.asked(), request.actor.who, timezone.now())
        except RaseedError as error:
            form.add_error(None, str(error.message))
            status = error.status
        else:
            shown = {**context, "made": made, "back_url": _list_url(account_id)}
            return render(request, "portal/keys/made.html", shown)
    context |= {"form": form, "back_url": _list_url(account_id)}
    return render(request, "portal/keys/new.html", context, status=status if form.is_bound else 200)


def _list_url(account_id: UUID | None) -> str:
    if account_id is None:
        return reverse("backoffice:api_keys")
    return reverse("backoffice:account_api_keys", args=[account_id])


def _account_or_404(account_id: UUID) -> Account:
    found = Account.objects.filter(id=account_id).first()
    if found is None:
        raise Http404
    return found
