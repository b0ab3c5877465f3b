"""The Users page: an Admin invites, changes roles, ends and restores access. Each act is `accounts.members`'s.

Every look-up names the account of the person who asks: another account's user is a 404. A refusal is said on the
user's page, with its status, and nothing has changed then.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import members
from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Language, Role
from raseed.audit.log import Who
from raseed.errors import RaseedError
from raseed.portal.forms import RoleForm, UserForm
from raseed.portal.people_reading import user_page, users_page
from raseed.portal.rendering import page


@requires(Action.SEE_USERS)
@require_safe
def users(request: ActorRequest) -> HttpResponse:
    """The account's users by name; `after` is where the page begins."""
    account = account_of(request.actor)
    try:
        after = UUID(request.GET.get("after", ""))
    except ValueError:
        after = None
    shown = users_page(account.id, request.actor.user.id, after)
    return page(request, "portal/people/users.html", {"page": shown})


@requires(Action.MANAGE_USERS)
@require_http_methods(["GET", "POST"])
def user_new(request: ActorRequest) -> HttpResponse:
    """Add a user and invite them by mail."""
    account = account_of(request.actor)
    form = UserForm(
        request.POST if request.method == "POST" else None, initial={"language": account.language}
    )
    status = 422
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            user = members.invite(account.id, form.person(), role, request.actor.who, timezone.now())
        except RaseedError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error.message))
            status = error.status
        else:
            messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": user.email})
            return redirect("portal:users")
    return page(
        request, "portal/people/user_new.html", {"form": form}, status=status if form.is_bound else 200
    )


@requires(Action.SEE_USERS)
@require_safe
def user(request: ActorRequest, user_id: UUID) -> HttpResponse:
    """One user: role, state, and what an Admin can do about them."""
    return _user_page(request, user_id)


@requires(Action.MANAGE_USERS)
@require_POST
def user_invite(request: ActorRequest, user_id: UUID) -> HttpResponse:
    """Mail the invitation again."""
    account = account_of(request.actor)
    try:
        invited = members.invite_again(account.id, user_id, request.actor.who, timezone.now())
    except RaseedError as refusal:
        return _user_page(request, user_id, refusal)
    messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": invited.email})
    return redirect("portal:user", user_id=user_id)


@requires(Action.MANAGE_USERS)
@require_POST
def user_role(request: ActorRequest, user_id: UUID) -> HttpResponse:
    """Change the role. An Admin who gives up the own one has no Users page any more, and goes Home."""
    account = account_of(request.actor)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _user_page(request, user_id, form=form)
    role = Role(form.cleaned_data["role"])
    try:
        done = members.change_role(
            account.id, user_id, role, form.cleaned_data["seen"], request.actor.who, timezone.now()
        )
    except RaseedError as refusal:
        return _user_page(request, user_id, refusal)
    if done:
        messages.success(request, _("The role is changed. It holds from the next page on."))
    if user_id == request.actor.user.id and role is not Role.ADMIN:
        return redirect("portal:home")
    return redirect("portal:user", user_id=user_id)


@requires(Action.MANAGE_USERS)
@require_POST
def user_disable(request: ActorRequest, user_id: UUID) -> HttpResponse:
    """End the access."""
    said = _("The access is ended. Open sessions are over at their next page.")
    return _change_access(request, user_id, members.disable, said)


@requires(Action.MANAGE_USERS)
@require_POST
def user_enable(request: ActorRequest, user_id: UUID) -> HttpResponse:
    """Give the access back."""
    said = _("The access is restored, and the person is told by mail.")
    return _change_access(request, user_id, members.enable, said)


def _change_access(
    request: ActorRequest,
    user_id: UUID,
    change: Callable[[UUID, UUID, Who, datetime], bool],
    said: str,
) -> HttpResponse:
    """Do it and say so, if there was anything to do."""
    account = account_of(request.actor)
    try:
        done = change(account.id, user_id, request.actor.who, timezone.now())
    except RaseedError as refusal:
        return _user_page(request, user_id, refusal)
    if done:
        messages.success(request, said)
    return redirect("portal:user", user_id=user_id)


def _user_page(
    request: ActorRequest, user_id: UUID, refusal: RaseedError | None = None, form: RoleForm | None = None
) -> HttpResponse:
    """The user's page; with `refusal`, what was not done and why; with `form`, what was typed wrong."""
    account = account_of(request.actor)
    try:
        member = members.member(account.id, user_id)
    except members.UnknownMember as error:
        raise Http404 from error
    context = {
        "page": user_page(member, request.actor.user.id, timezone.now()),
        "form": form or RoleForm(initial={"role": member.role.value, "seen": member.role.value}),
        "language": Language(member.user.language).label,
        "refusal": refusal.message if refusal else "",
    }
    status = refusal.status if refusal else 422 if form else 200
    return page(request, "portal/people/user.html", context, status=status)
