"""Settings > Account Settings > API keys: an Admin makes and ends keys with which machines read the account.

A key is in the answer to the form that made it, and nowhere afterwards. Every look-up names the account of the person who
asks: another account's key is a 404.
"""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import api_keys as keys
from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.forms import ApiKeyForm
from raseed.accounts.models import ApiKey
from raseed.errors import RaseedError
from raseed.portal.rendering import page

BASE = "portal/base.html"


@requires(Action.SEE_API_KEYS)
@require_safe
def api_keys(request: ActorRequest) -> HttpResponse:
    """The account's keys, newest first."""
    now = timezone.now()
    context = {
        "base": BASE,
        "keys": [
            (key, keys.state_of(key, now), reverse("portal:api_key_revoke", args=[key.id]))
            for key in keys.keys_of(account_of(request.actor).id)
        ],
        "new_url": reverse("portal:api_key_new"),
        "may_revoke": request.actor.may(Action.REVOKE_API_KEY),
    }
    return page(request, "portal/keys/list.html", context)


@requires(Action.MAKE_API_KEY)
@require_http_methods(["GET", "POST"])
def api_key_new(request: ActorRequest) -> HttpResponse:
    """Make a key for the account and show it, once."""
    account, back = account_of(request.actor), reverse("portal:api_keys")
    form = ApiKeyForm(request.POST if request.method == "POST" else None)
    status = 422
    if form.is_valid():
        try:
            made = keys.make(account.id, form.asked(), request.actor.who, timezone.now())
        except RaseedError as error:
            form.add_error(None, str(error.message))
            status = error.status
        else:
            return page(request, "portal/keys/made.html", {"base": BASE, "made": made, "back_url": back})
    context = {"base": BASE, "form": form, "back_url": back}
    return page(request, "portal/keys/new.html", context, status if form.is_bound else 200)


@requires(Action.REVOKE_API_KEY)
@require_POST
def api_key_revoke(request: ActorRequest, api_key_id: UUID) -> HttpResponse:
    """End a key of the account at once."""
    key = ApiKey.objects.filter(account_id=account_of(request.actor).id, id=api_key_id).first()
    if key is None:
        raise Http404
    if keys.revoke(key, request.actor.who, timezone.now()):
        messages.success(request, _("The key is revoked. It opens nothing from this moment on."))
    else:
        messages.info(request, _("The key was revoked before. Nothing was changed."))
    return redirect("portal:api_keys")
