"""The own profile, under the person's name: name and language, the password, and signing out everywhere.

For everybody who signs in, staff too. A new password ends all sessions but the one at which it was typed, which gets
a new id; the person is told by mail.
"""

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from raseed.accounts import people
from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.middleware import begin_session
from raseed.accounts.models import Language
from raseed.accounts.profile import change_profile
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.portal.forms import PasswordChangeForm, ProfileForm
from raseed.portal.rendering import page
from raseed.portal.views.start import remember_language


@requires(Action.CHANGE_OWN_PROFILE)
@require_http_methods(["GET", "POST"])
def profile(request: ActorRequest) -> HttpResponse:
    """Show the profile; take another name or language."""
    if request.method != "POST":
        return _profile_page(request)
    form = ProfileForm(request.POST)
    if not form.is_valid():
        return _profile_page(request, form, status=422)
    user, language = request.actor.user, Language(form.cleaned_data["language"])
    change_profile(user, form.cleaned_data["name"], language, request.actor.who, timezone.now())
    with override(language):
        messages.success(request, _("Your profile is saved."))
    response = redirect("portal:profile")
    remember_language(response, language)
    return response


@requires(Action.CHANGE_OWN_PROFILE)
@require_POST
@sensitive_post_parameters("current_password", "new_password1", "new_password2")
def profile_password(request: ActorRequest) -> HttpResponse:
    """Set a new password for who knows the present one."""
    user, now = request.actor.user, timezone.now()
    form = PasswordChangeForm(user, request.POST)
    if not form.is_valid():
        return _profile_page(request, password=form, status=422)
    typed = form.cleaned_data
    try:
        user = people.change_password(
            user.id, typed["current_password"], typed["new_password1"], request.actor.ip, now
        )
    except RaseedError as refusal:
        form.add_error(refusal.field, str(refusal.message))
        return _profile_page(request, password=form, status=refusal.status)
    update_session_auth_hash(request, user)
    begin_session(request.session, now)
    messages.success(request, _("Your password is changed. All your other sessions have ended."))
    return redirect("portal:profile")


@requires(Action.CHANGE_OWN_PROFILE)
@require_POST
def profile_sessions(request: ActorRequest) -> HttpResponse:
    """Sign out everywhere, here too."""
    with atomic():
        people.end_sessions(request.actor.user, request.actor.who, timezone.now())
    logout(request)
    messages.success(request, _("You are signed out everywhere."))
    return redirect("portal:login")


def _profile_page(
    request: ActorRequest,
    form: ProfileForm | None = None,
    password: PasswordChangeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page, with the form that came back, and fresh ones for the rest."""
    user = request.actor.user
    context = {
        "form": form or ProfileForm(initial={"name": user.name, "language": user.language}),
        "password": password or PasswordChangeForm(user),
        "role": request.actor.role_name,
    }
    return page(request, "portal/people/profile.html", context, status=status)
