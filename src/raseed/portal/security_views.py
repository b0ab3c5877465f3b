"""Sign-in and security: a person's own authenticator app, passkeys and recovery codes.

Every change needs a fresh proof (access.NEEDS_FRESH_PROOF), ends the person's other sessions, and keeps this one under a
new id. All work on the person who asks and on nobody else.
"""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.factors import change, codes, held, passkeys
from raseed.accounts.factors.errors import SetupOver
from raseed.accounts.factors.forms import AppCodeForm, NewPasskeyForm, PasskeyNameForm
from raseed.accounts.middleware import begin_session
from raseed.accounts.models import Operator
from raseed.errors import RaseedError
from raseed.portal.rendering import page


@requires(Action.SEE_SECURITY)
@require_safe
def security(request: ActorRequest) -> HttpResponse:
    """Say which factors the person has and where they are changed."""
    user = request.actor.user
    has = held.of(user.id)
    context = {
        "app": has.app,
        "passkeys": [
            (passkey, PasskeyNameForm(initial={"name": passkey.name}, auto_id=f"id_{passkey.id.hex}_%s"))
            for passkey in has.passkeys
        ],
        "codes_left": has.codes_left,
        "has_any": has.count > 0,
        "is_due": held.is_due(user),
    }
    return page(request, "portal/security/security.html", context)


@requires(Action.CHANGE_SECURITY)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("code", "secret")
def app_add(request: ActorRequest) -> HttpResponse:
    """Show a QR code and the secret to type; keep the app once it has given a right code."""
    now, user = timezone.now(), request.actor.user
    if request.method != "POST":
        return _app_page(request, AppCodeForm(), change.begin_app(user, now), now)
    sealed, form = request.POST.get("secret", ""), AppCodeForm(request.POST)
    try:
        if form.is_valid():
            new = change.add_app(user, sealed, form.cleaned_data["code"], request.actor.who, now)
            return _after(request, new, _("Your authenticator app is set up."), now)
        return _app_page(request, form, sealed, now, 400)
    except SetupOver as error:
        form = AppCodeForm()
        messages.info(request, str(error.message))
        return _app_page(request, form, change.begin_app(user, now), now, error.status)
    except RaseedError as error:
        form.add_error("code", str(error.message))
        return _app_page(request, form, sealed, now, error.status)


@requires(Action.CHANGE_SECURITY)
@require_POST
def app_remove(request: ActorRequest) -> HttpResponse:
    """Remove the authenticator app."""
    now = timezone.now()
    try:
        change.remove_app(request.actor.user, request.actor.who, now)
    except RaseedError as error:
        return _refused(request, error)
    return _after(request, [], _("The authenticator app is removed."), now)


@requires(Action.CHANGE_SECURITY)
@require_http_methods(["GET", "POST"])
def passkey_add(request: ActorRequest) -> HttpResponse:
    """Ask for a name, have the browser make a passkey, keep it."""
    now = timezone.now()
    form = NewPasskeyForm(request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return page(request, "portal/security/passkey_add.html", {"form": form})
    if not form.is_valid():
        return page(request, "portal/security/passkey_add.html", {"form": form}, 400)
    name, answer = form.cleaned_data["name"], form.cleaned_data["answer"]
    try:
        new = passkeys.made(request.session, answer, now)
        shown = change.add_passkey(request.actor.user, name, new, request.actor.who, now)
    except RaseedError as error:
        form.add_error("answer", str(error.message))
        return page(request, "portal/security/passkey_add.html", {"form": form}, error.status)
    return _after(request, shown, _("The passkey is added. You can sign in with it."), now)


@requires(Action.CHANGE_SECURITY)
@require_POST
def passkey_question(request: ActorRequest) -> HttpResponse:
    """What the browser needs to make a passkey. JSON."""
    user = request.actor.user
    there = passkeys.of(user.id)
    return JsonResponse(passkeys.ask_to_make(request.session, user, there, timezone.now()))


@requires(Action.CHANGE_SECURITY)
@require_POST
def passkey_rename(request: ActorRequest, passkey_id: UUID) -> HttpResponse:
    """Give a passkey another name."""
    user = request.actor.user
    if passkey_id not in {one.id for one in passkeys.of(user.id)}:
        raise Http404
    form = PasskeyNameForm(request.POST)
    if not form.is_valid():
        messages.warning(request, str(form.errors["name"][0]))
    elif change.rename_passkey(
        user, passkey_id, form.cleaned_data["name"], request.actor.who, timezone.now()
    ):
        messages.success(request, _("The passkey has its new name."))
    else:
        raise Http404
    return redirect("portal:security")


@requires(Action.CHANGE_SECURITY)
@require_POST
def passkey_remove(request: ActorRequest, passkey_id: UUID) -> HttpResponse:
    """Remove a passkey."""
    now = timezone.now()
    try:
        if not change.remove_passkey(request.actor.user, passkey_id, request.actor.who, now):
            raise Http404
    except RaseedError as error:
        return _refused(request, error)
    return _after(request, [], _("The passkey is removed. Delete it on your device too."), now)


@requires(Action.CHANGE_SECURITY)
@require_POST
def recovery_codes(request: ActorRequest) -> HttpResponse:
    """Make a new set of recovery codes and show it, once."""
    now = timezone.now()
    new = change.renew_codes(request.actor.user, request.actor.who, now)
    if not new:
        messages.info(request, _("Set up an authenticator app or a passkey first."))
        return redirect("portal:security")
    return _after(request, new, _("Your earlier recovery codes no longer work."), now)


def _app_page(
    request: ActorRequest, form: AppCodeForm, sealed: str, now: datetime, status: int = 200
) -> HttpResponse:
    user = request.actor.user
    secret = change.secret_of(user, sealed, now)
    operator = Operator.objects.values_list("name", flat=True).first() or "Raseed"
    context = {
        "form": form,
        "secret": sealed,
        "typed": codes.typed_secret(secret),
        "qr": codes.qr_image(codes.setup_url(secret, user.email, operator)),
    }
    return page(request, "portal/security/app_add.html", context, status)


def _after(request: ActorRequest, new_codes: list[str], said: Promise, now: datetime) -> HttpResponse:
    """All other sessions have just ended; this one goes on under a new id. New codes are shown in the answer, never again."""
    request.session.cycle_key()
    begin_session(request.session, now)
    messages.success(request, str(said))
    if not new_codes:
        return redirect("portal:security")
    return page(request, "portal/security/codes.html", {"codes": new_codes})


def _refused(request: ActorRequest, error: RaseedError) -> HttpResponse:
    messages.warning(request, str(error.message))
    return redirect("portal:security")
