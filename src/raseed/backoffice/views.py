"""The staff's pages: find an account, make one, look at it, suspend it and lift, help its people in. Each act is in the audit log.

Every view asks the table of rights; amounts are shown, never computed or moved here.
"""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import general, members, onboarding
from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.models import Account, Role
from raseed.audit import log
from raseed.backoffice import pages
from raseed.backoffice.forms import AccountForm, AdminForm, ReasonForm, RenameForm
from raseed.backoffice.requests import open_of
from raseed.balance import suspension
from raseed.balance.models import Reason
from raseed.db.transactions import atomic
from raseed.errors import RaseedError

# A fault is said at the field of our form that it is about; the rooms below know their own names only.
_FIELDS = {"email": "admin_email"}
_SUSPEND_FORM = "suspend"


@requires(Action.SEE_BACKOFFICE)
@require_safe
def home(_request: ActorRequest) -> HttpResponse:
    """Where staff begin."""
    return redirect("backoffice:accounts")


@requires(Action.SEE_ACCOUNTS)
@require_safe
def accounts(request: ActorRequest) -> HttpResponse:
    """The accounts, newest first; `q` searches, `after` is where the page begins."""
    query = request.GET.get("q", "").replace("\0", "").strip()[: pages.QUERY_LENGTH_MAX]
    page = pages.accounts(query, _cursor(request.GET.get("after", "")))
    more = f"?{urlencode({'q': query, 'after': page.after})}" if page.after else ""
    may_create = request.actor.may(Action.CREATE_ACCOUNT)
    return render(
        request,
        "backoffice/accounts.html",
        {
            "rows": page.rows,
            "query": query,
            "next_url": more,
            "create_url": reverse("backoffice:account_new") if may_create else "",
        },
    )


@requires(Action.CREATE_ACCOUNT)
@require_http_methods(["GET", "POST"])
def account_new(request: ActorRequest) -> HttpResponse:
    """Make an account and its Admin, who is invited by mail."""
    form = AccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = onboarding.create_account(form.account(), form.admin(), request.actor.who, timezone.now())
        except RaseedError as error:
            field = _FIELDS.get(error.field or "", error.field)
            form.add_error(field if field in form.fields else None, str(error.message))
        else:
            messages.success(
                request,
                _("The account is ready. An invitation is on its way to %(email)s.")
                % {"email": made.admin.email},
            )
            return redirect("backoffice:account", account_id=made.account.id)
    context = {"form": form, "cancel_url": reverse("backoffice:accounts")}
    return render(request, "backoffice/account_new.html", context, status=422 if form.errors else 200)


@requires(Action.SEE_ACCOUNTS)
@require_safe
def account(request: ActorRequest, account_id: UUID) -> HttpResponse:
    """One account: its details, people, open suspensions, balance and latest payments."""
    return _account_page(request, account_id, {}, 200)


@requires(Action.SUSPEND)
@require_POST
def suspend(request: ActorRequest, account_id: UUID) -> HttpResponse:
    """Suspend the account by staff, with a reason. Paying does not lift it."""
    form = ReasonForm(request.POST, auto_id=_ids(_SUSPEND_FORM))
    if not form.is_valid():
        return _account_page(request, account_id, {_SUSPEND_FORM: form}, 422)
    found = _account_or_404(account_id)
    now = timezone.now()
    reason: str = form.cleaned_data["reason"]
    with atomic():
        done = suspension.suspend(found.id, Reason.STAFF, now, note=reason)
        if done:
            _record(request, found, "suspended", Reason.STAFF, reason)
    if done:
        messages.success(request, _("The account is suspended."))
    else:
        messages.info(request, _("The account was suspended by staff already. Nothing was changed."))
    return redirect("backoffice:account", account_id=found.id)


@requires(Action.SUSPEND)
@require_POST
def lift(request: ActorRequest, account_id: UUID, reason: str) -> HttpResponse:
    """Lift a suspension by staff or for a dispute, with a reason. One for the balance is lifted by money alone."""
    if reason not in pages.LIFTED_BY_STAFF:
        raise Http404
    form = ReasonForm(request.POST, auto_id=_ids(reason))
    if not form.is_valid():
        return _account_page(request, account_id, {reason: form}, 422)
    found = _account_or_404(account_id)
    cause = Reason(reason)
    with atomic():
        done = suspension.lift(found.id, cause, timezone.now())
        if done:
            _record(request, found, "suspension_lifted", cause, form.cleaned_data["reason"])
    if done:
        messages.success(request, _("The suspension is lifted."))
    else:
        messages.info(request, _("There was no such suspension any more. Nothing was changed."))
    return redirect("backoffice:account", account_id=found.id)


@requires(Action.RENAME_ACCOUNT)
@require_http_methods(["GET", "POST"])
def rename(request: ActorRequest, account_id: UUID) -> HttpResponse:
    """Give the account another name; papers are made out to the billing name, which stays."""
    found = _account_or_404(account_id)
    bound = request.POST if request.method == "POST" else None
    form = RenameForm(bound, initial={"name": found.name, "seen": found.name})
    status = 422
    if form.is_valid():
        seen, name = form.cleaned_data["seen"], form.cleaned_data["name"]
        try:
            general.rename(found.id, seen, name, request.actor.who, timezone.now())
        except RaseedError as error:
            form.add_error(None, str(error.message))
            status = error.status
        else:
            messages.success(request, _("The account is called %(name)s.") % {"name": name})
            return redirect("backoffice:account", account_id=found.id)
    words = {"title": _("Rename the account"), "label": _("Save")}
    return _form_page(request, found, form, words, status)


@requires(Action.INVITE_ADMIN)
@require_http_methods(["GET", "POST"])
def admin_new(request: ActorRequest, account_id: UUID) -> HttpResponse:
    """Invite one more Admin: where the account has none left who can sign in, nobody else can."""
    found = _account_or_404(account_id)
    form = AdminForm(request.POST if request.method == "POST" else None, initial={"language": found.language})
    status = 422
    if form.is_valid():
        try:
            user = members.invite(found.id, form.admin(), Role.ADMIN, request.actor.who, timezone.now())
        except RaseedError as error:
            field = _FIELDS.get(error.field or "", error.field)
            form.add_error(field if field in form.fields else None, str(error.message))
            status = error.status
        else:
            messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": user.email})
            return redirect("backoffice:account", account_id=found.id)
    words = {"title": _("Invite an Admin"), "label": _("Send the invitation")}
    return _form_page(request, found, form, words, status)


@requires(Action.INVITE_ADMIN)
@require_POST
def invite(request: ActorRequest, account_id: UUID, user_id: UUID) -> HttpResponse:
    """Mail the invitation again to somebody who has not chosen a password yet."""
    found = _account_or_404(account_id)
    try:
        user = members.invite_again(found.id, user_id, request.actor.who, timezone.now())
    except members.UnknownMember as error:
        raise Http404 from error
    except RaseedError as refusal:
        messages.warning(request, str(refusal.message))
    else:
        messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": user.email})
    return redirect("backoffice:account", account_id=found.id)


@requires(Action.END_SESSIONS)
@require_POST
def end_sessions(request: ActorRequest, account_id: UUID, user_id: UUID) -> HttpResponse:
    """Sign a user of the account out everywhere: for a lost device, on their word."""
    found = _account_or_404(account_id)
    try:
        user = members.end_sessions(found.id, user_id, request.actor.who, timezone.now())
    except members.UnknownMember as error:
        raise Http404 from error
    messages.success(request, _("%(name)s is signed out everywhere.") % {"name": user.name})
    return redirect("backoffice:account", account_id=found.id)


def _form_page(
    request: ActorRequest, found: Account, form: Form, words: dict[str, str], status: int
) -> HttpResponse:
    """A form about one account on a page of its own; `words`: its title and the label of its button."""
    context = {"account": found, "form": form, **words}
    return render(request, "backoffice/form_page.html", context, status=status if form.is_bound else 200)


def _account_page(
    request: ActorRequest, account_id: UUID, filled: dict[str, ReasonForm], status: int
) -> HttpResponse:
    """The page, with the forms in `filled` as they came back, and empty ones for the rest."""
    page = pages.account(account_id, timezone.now())
    if page is None:
        raise Http404
    context = {
        "page": page,
        "has_request": open_of(account_id),
        "suspensions": [
            (line, filled.get(line.reason) or ReasonForm(auto_id=_ids(line.reason)))
            for line in page.suspensions
        ],
        "suspend_form": filled.get(_SUSPEND_FORM) or ReasonForm(auto_id=_ids(_SUSPEND_FORM)),
        "may_suspend": request.actor.may(Action.SUSPEND),
        "may_invite": request.actor.may(Action.INVITE_ADMIN),
        "may_rename": request.actor.may(Action.RENAME_ACCOUNT),
        "may_end_sessions": request.actor.may(Action.END_SESSIONS),
    }
    return render(request, "backoffice/account_page.html", context, status=status)


def _ids(form: str) -> str:
    """Ids of a form's fields: several of the kind stand on one page."""
    return f"id_{form}_%s"


def _account_or_404(account_id: UUID) -> Account:
    found = Account.objects.filter(id=account_id).first()
    if found is None:
        raise Http404
    return found


def _record(request: ActorRequest, found: Account, action: str, cause: Reason, reason: str) -> None:
    suspended = action == "suspended"
    log.record(
        request.actor.who,
        action,
        account_id=found.id,
        object_kind="account",
        object_id=found.id,
        at=timezone.now(),
        before={cause.value: not suspended},
        after={cause.value: suspended},
        reason=reason,
    )


def _cursor(text: str) -> UUID | None:
    """Where a page begins. A mistyped one is the first page."""
    try:
        return UUID(text)
    except ValueError:
        return None
