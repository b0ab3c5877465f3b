"""The second step of signing in, signing in by passkey alone, and being asked again before a delicate act.

`raseed.accounts.factors.check` judges the proofs. Which ways are open is decided here in one place: who has a second
factor can never answer with the password instead. With each proof the session gets a new id.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from raseed.accounts import attempts, proof
from raseed.accounts.access import Action, ActorRequest, is_local, public, requires
from raseed.accounts.factors import check, held, passkeys, waiting
from raseed.accounts.factors.check import Act
from raseed.accounts.factors.forms import (
    AppCodeForm,
    ConfirmPasswordForm,
    PasskeyAnswerForm,
    RecoveryCodeForm,
)
from raseed.accounts.forms import SignInForm
from raseed.accounts.models import User
from raseed.accounts.origin import client_ip
from raseed.errors import RaseedError
from raseed.portal.entering import enter, go_on
from raseed.portal.rendering import page

_FORMS: Final[dict[str, type[forms.Form]]] = {
    "app": AppCodeForm,
    "recovery": RecoveryCodeForm,
    "password": ConfirmPasswordForm,
    "passkey": PasskeyAnswerForm,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page shows: the ways that are open, each with its form, and how the last answer fared."""

    forms: dict[str, forms.Form]
    status: int = 200
    is_proved: bool = False


@public
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("code", "recovery_code")
def second_factor(request: HttpRequest) -> HttpResponse:
    """After the password: ask for the second factor, then go on as after any sign-in."""
    now = timezone.now()
    expected = waiting.expected(request.session, now)
    if expected is None or not held.has_any(expected[0].id):
        return redirect("portal:start")
    user, after = expected
    asked = _ask(request, user, Act.SIGN_IN, now)
    if asked.is_proved:
        enter(request, user, now)
        return go_on(request, after)
    return render(request, "portal/auth/second_factor.html", {"ways": asked.forms}, status=asked.status)


@public
@require_POST
def passkey_question(request: HttpRequest) -> HttpResponse:
    """What the browser needs to prove a passkey, at the login page or after the password. JSON."""
    now = timezone.now()
    if attempts.take(attempts.PASSKEY_PLACE, client_ip(request) or "", now):
        return JsonResponse({}, status=429)
    expected = waiting.expected(request.session, now)
    known = passkeys.of(expected[0].id) if expected else []
    return JsonResponse(passkeys.ask_to_prove(request.session, known, now))


@public
@require_POST
def passkey_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in by a passkey alone: it has checked the person itself."""
    now = timezone.now()
    after = request.POST.get("next", "")
    form = PasskeyAnswerForm(request.POST)
    if form.is_valid():
        try:
            assertion = passkeys.proved(request.session, form.cleaned_data["answer"], now)
            user = User.objects.get(id=assertion.passkey.user_id)
            check.by_passkey(user, assertion, Act.SIGN_IN, client_ip(request), now)
        except RaseedError as error:
            form.add_error("answer", str(error.message))
        else:
            enter(request, user, now)
            return go_on(request, after)
    shown = after if is_local(request, after) else ""
    context = {"form": SignInForm(initial={"next": shown}), "next": shown, "passkey_form": form}
    return render(request, "portal/auth/login.html", context, status=400)


@requires(Action.CONFIRM_IDENTITY)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("code", "recovery_code", "password")
def confirm(request: ActorRequest) -> HttpResponse:
    """Ask again who is there: by second factor, or by password from those who have none; then back to the page."""
    now = timezone.now()
    asked = _ask(request, request.actor.user, Act.CONFIRM, now)
    after = request.POST.get("next", "") or request.GET.get("next", "")
    if asked.is_proved:
        request.session.cycle_key()
        proof.prove(request.session, now)
        return go_on(request, after)
    shown = after if is_local(request, after) else ""
    return page(request, "portal/security/confirm.html", {"ways": asked.forms, "next": shown}, asked.status)


@requires(Action.CONFIRM_IDENTITY)
@require_POST
def confirm_question(request: ActorRequest) -> HttpResponse:
    """What the browser needs to prove one of the person's passkeys. JSON."""
    known = passkeys.of(request.actor.user.id)
    return JsonResponse(passkeys.ask_to_prove(request.session, known, timezone.now()))


def _ask(request: HttpRequest, user: User, act: Act, now: datetime) -> Asked:
    """The forms of the ways that are open to `user`; if one was answered, whether that proves it."""
    made = {way: _FORMS[way]() for way in _open_ways(user)}
    way = request.POST.get("way", "")
    if request.method != "POST" or way not in made:
        return Asked(made)
    form = made[way] = _FORMS[way](request.POST)
    if not form.is_valid():
        return Asked(made, status=400)
    try:
        _take(request, user, way, form, act, now)
    except RaseedError as error:
        # Under the field where it was typed.
        form.add_error(next(iter(form.fields)), str(error.message))
        return Asked(made, status=error.status)
    return Asked(made, is_proved=True)


def _open_ways(user: User) -> list[str]:
    has = held.of(user.id)
    if not has.count:
        return ["password"]
    there = {"passkey": bool(has.passkeys), "app": has.app is not None, "recovery": has.codes_left > 0}
    return [way for way, is_open in there.items() if is_open]


def _take(request: HttpRequest, user: User, way: str, form: forms.Form, act: Act, now: datetime) -> None:
    typed, ip = form.cleaned_data, client_ip(request)
    match way:
        case "app":
            check.by_app(user, typed["code"], act, ip, now)
        case "recovery":
            check.by_recovery_code(user, typed["recovery_code"], act, ip, now)
        case "passkey":
            assertion = passkeys.proved(request.session, typed["answer"], now)
            check.by_passkey(user, assertion, act, ip, now)
        case _:
            check.by_password(user, typed["password"], ip, now)
