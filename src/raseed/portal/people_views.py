"""The pages around signing in: in, out, a forgotten password, a one-time link. They read forms and call `people`.

Who has a second factor goes from here to `proof_views`.
They never say whether an address is known, and go after a sign-in only to an address of this site.
"""

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import people
from raseed.accounts.access import actor_of, is_local, public
from raseed.accounts.factors import held, waiting
from raseed.accounts.factors.forms import PasskeyAnswerForm
from raseed.accounts.forms import PasswordForm, ResetForm, SignInForm
from raseed.accounts.links import Purpose
from raseed.accounts.origin import client_ip
from raseed.errors import RaseedError
from raseed.portal.entering import enter, go_on

# The token waits in the session while the page is open, so that no log and no Referer holds an address that works.
_TOKEN_KEY = "password_token"  # noqa: S105 - the name of a place, not a secret
IN_SESSION = "choose"


@public
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for address and password; then to `next`, if it is a page of ours, else to where the person starts."""
    if request.method != "POST":
        if actor_of(request) is not None:
            return go_on(request, request.GET.get("next", ""))
        form = SignInForm(initial={"next": request.GET.get("next", "")})
        return _login_page(request, form, request.GET.get("next", ""))
    form = SignInForm(request.POST)
    after = request.POST.get("next", "")
    if not form.is_valid():
        return _login_page(request, form, after)
    now = timezone.now()
    try:
        user = people.sign_in(
            form.cleaned_data["username"], form.cleaned_data["password"], client_ip(request), now
        )
    except RaseedError as error:
        form.add_error(None, str(error.message))
        return _login_page(request, form, after, status=error.status)
    if held.has_any(user.id):
        waiting.begin(request.session, user, after, now)
        return redirect("portal:second_factor")
    enter(request, user, now)
    return go_on(request, after)


@public
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("portal:login")


@public
@require_http_methods(["GET", "POST"])
def password_reset(request: HttpRequest) -> HttpResponse:
    """Have a link mailed; the answer is the same whether or not anybody has the address."""
    form = ResetForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "portal/auth/password_reset.html", {"form": form})
    people.ask_for_reset(form.cleaned_data["email"], client_ip(request), timezone.now())
    return redirect("portal:password_reset_sent")


@public
@require_safe
def password_reset_sent(request: HttpRequest) -> HttpResponse:
    """Say that a link is on its way, if somebody has the address."""
    return render(request, "portal/auth/password_reset_done.html")


@public
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("new_password1", "new_password2")
def password_set(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Choose a password by a one-time link."""
    now = timezone.now()
    given = request.session.get(_TOKEN_KEY, "") if token == IN_SESSION else token
    try:
        user, purpose = people.link_holder(uidb64, given, now)
        if token != IN_SESSION:
            request.session[_TOKEN_KEY] = token
            return redirect("portal:password_set", uidb64=uidb64, token=IN_SESSION)
        form = PasswordForm(user, request.POST if request.method == "POST" else None)
        if form.is_valid():
            people.use_link(uidb64, given, form.cleaned_data["new_password1"], client_ip(request), now)
            request.session.flush()
            return redirect("portal:password_set_done")
    except people.LinkOver as error:
        return render(request, "portal/auth/set_password.html", {"validlink": False}, status=error.status)
    return render(
        request,
        "portal/auth/set_password.html",
        {
            "form": form,
            "validlink": True,
            "first_time": purpose is Purpose.INVITATION,
            # Password managers keep the new password under this address.
            "email": user.email,
        },
    )


@public
@require_safe
def password_set_done(request: HttpRequest) -> HttpResponse:
    """Say that the password is set, and where to sign in."""
    return render(request, "portal/auth/password_reset_complete.html")


def _login_page(request: HttpRequest, form: SignInForm, after: str, status: int = 200) -> HttpResponse:
    shown = after if is_local(request, after) else ""
    context = {"form": form, "next": shown, "passkey_form": PasskeyAnswerForm()}
    return render(request, "portal/auth/login.html", context, status=status)
