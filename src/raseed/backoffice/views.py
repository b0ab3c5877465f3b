"""The staff's pages: find an account, make one, look at it, suspend it and lift. Each act is in the audit log.

Every view asks the table of rights; amounts are shown, never computed or moved here.
"""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts import onboarding, people
from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.models import Account, Membership, User
from raseed.audit import log
from raseed.backoffice import pages
from raseed.backoffice.forms import AccountForm, ReasonForm
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


@requires(Action.INVITE_ADMIN)
@require_POST
def invite(request: ActorRequest, account_id: UUID, user_id: UUID) -> HttpResponse:
    """Mail the invitation again to somebody who has not chosen a password yet."""
    found = _account_or_404(account_id)
    member = Membership.objects.filter(account_id=found.id, user_id=user_id, is_active=True).exists()
    user = User.objects.filter(id=user_id, account_id=found.id, is_active=True).first() if member else None
    if user is None:
        raise Http404
    if user.has_usable_password():
        messages.info(request, _("This person has chosen a password already. Nothing was sent."))
    else:
        with atomic():
            people.invite(user, request.actor.who, timezone.now())
        messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": user.email})
    return redirect("backoffice:account", account_id=found.id)


def _account_page(
    request: ActorRequest, account_id: UUID, filled: dict[str, ReasonForm], status: int
) -> HttpResponse:
    """The page, with the forms in `filled` as they came back, and empty ones for the rest."""
    page = pages.account(account_id)
    if page is None:
        raise Http404
    context = {
        "page": page,
        "suspensions": [
            (line, filled.get(line.reason) or ReasonForm(auto_id=_ids(line.reason)))
            for line in page.suspensions
        ],
        "suspend_form": filled.get(_SUSPEND_FORM) or ReasonForm(auto_id=_ids(_SUSPEND_FORM)),
        "may_suspend": request.actor.may(Action.SUSPEND),
        "may_invite": request.actor.may(Action.INVITE_ADMIN),
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
