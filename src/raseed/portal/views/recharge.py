"""Automatic recharge: the form, the sentence that is agreed to, switching off, and the history.

Consent is to a sentence: what was agreed to is kept as it was read, and if the sentence on the page was not the one that
the amounts make, the page shows the right one and asks again. Only switching on and raising need a fresh proof; switching
off never does.
"""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Account, User
from raseed.errors import RaseedError
from raseed.payments.amounts import policy_of
from raseed.payments.recharge import cards, change
from raseed.payments.recharge.change import Consent, Wanted, settings_of
from raseed.payments.recharge.models import Mode
from raseed.payments.recharge.wording import promise
from raseed.portal import recharge_form
from raseed.portal.pages import RechargePage, Text
from raseed.portal.recharge_form import AGREEMENT, CONSENT_VERSION, Typed
from raseed.portal.recharge_reading import HISTORY_SHOWN, history, recharge_card
from raseed.portal.rendering import page


class SentenceChanged(RaseedError):
    """What was agreed to is not what the amounts mean."""

    code = "recharge_sentence_changed"
    status = 422
    field = "consent"
    message = gettext_lazy(
        "The sentence above has changed with what you entered. Read it, and agree if it is right."
    )


@requires(Action.CHANGE_RECHARGE)
@require_http_methods(["GET", "HEAD", "POST"])
def recharge(request: ActorRequest) -> HttpResponse:
    """The form; sent, it switches on, or changes what is on."""
    account = account_of(request.actor)
    if request.method == "POST":
        return _save(request, account, Typed.sent(request.POST.dict()))
    try:
        row = settings_of(account.id)
        typed = (
            recharge_form.filled(row, account.currency)
            if row
            else recharge_form.first(account, policy_of(account))
        )
    except RaseedError as error:
        return _form(request, account, Typed(), error)
    return _form(request, account, typed)


@requires(Action.SEE_BILLING)
@require_safe
def recharge_promise(request: ActorRequest) -> HttpResponse:
    """What is typed as a sentence, or what is wrong with it: drawn anew while somebody types."""
    shown = _page(account_of(request.actor), Typed.sent(request.GET.dict()), None, timezone.now())
    return page(request, "portal/recharge/_promise.html", {"form": shown})


@requires(Action.STOP_RECHARGE)
@require_POST
def recharge_off(request: ActorRequest) -> HttpResponse:
    """Switch off. A recharge under way is honoured."""
    account = account_of(request.actor)
    version = _whole(request.POST.get("version", ""))
    try:
        done = change.switch_off(account, version, request.actor.who, timezone.now())
    except RaseedError as error:
        messages.error(request, str(error.message))
        return redirect("portal:balance")
    if done:
        messages.success(request, _("Automatic recharge is off. A charge that is under way is completed."))
    else:
        messages.info(request, _("Automatic recharge was off already. Nothing was changed."))
    return redirect("portal:balance")


@requires(Action.SEE_BILLING)
@require_safe
def recharge_history(request: ActorRequest) -> HttpResponse:
    """Every recharge considered, the latest hundred."""
    account = account_of(request.actor)
    lines = history(account, HISTORY_SHOWN)
    return page(request, "portal/recharge/history.html", {"lines": lines, "most": HISTORY_SHOWN})


def _save(request: ActorRequest, account: Account, typed: Typed) -> HttpResponse:
    now = timezone.now()
    wanted, errors = recharge_form.read(typed, account.currency)
    try:
        change.check_version(account.id, _whole(typed.version))
        if wanted is None:
            return _form(request, account, typed, errors=errors, status=422)
        consent = _consent(account, wanted, typed, now)
        change.switch_on(account, _whole(typed.version), wanted, consent, request.actor.who, now)
    except change.StaleSettings as error:
        row = settings_of(account.id)
        there = recharge_form.filled(row, account.currency) if row else typed
        return _form(request, account, there, error)
    except RaseedError as error:
        return _form(request, account, typed, error)
    messages.success(request, _("Automatic recharge is on."))
    return redirect("portal:balance")


def _consent(account: Account, wanted: Wanted, typed: Typed, now: datetime) -> Consent | None:
    """What was agreed to, as it was read; None if nobody did. Raises SentenceChanged."""
    usable = cards.usable(account.id, now)
    if not typed.consent or not usable:
        return None
    sentence = promise(account, wanted, usable[0])
    if typed.read != sentence:
        raise SentenceChanged
    return Consent(CONSENT_VERSION, f"{sentence} {AGREEMENT}")


def _form(
    request: ActorRequest,
    account: Account,
    typed: Typed,
    error: RaseedError | None = None,
    errors: dict[str, Text] | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = _page(account, typed, error, timezone.now(), errors)
    return page(
        request, "portal/recharge/form.html", {"form": shown}, status=error.status if error else status
    )


def _page(
    account: Account,
    typed: Typed,
    error: RaseedError | None,
    now: datetime,
    errors: dict[str, Text] | None = None,
) -> RechargePage:
    found = dict(errors or {})
    is_stale = isinstance(error, change.StaleSettings)
    row = settings_of(account.id)
    if error is not None and not is_stale:
        found[_field(error, typed)] = error.message
    text, problem = _promised(account, typed, now)
    # Consent is given anew each time: the box is never drawn ticked.
    return RechargePage(
        values=typed.values | {"consent": ""},
        currency=account.currency,
        now=recharge_card(account, now, may_change=True),
        promise=text,
        problem=problem,
        errors=found,
        stale=error.message if error is not None and is_stale else "",
        changed_by=_name(row.changed_by) if row else "",
        changed_at=row.changed_at if row else None,
    )


def _field(error: RaseedError, typed: Typed) -> str:
    """The field that the error stands at: an amount that is too small is the one that counts in the mode."""
    name = error.field or "form"
    counting = Mode.FIXED.value if typed.mode == Mode.FIXED else Mode.TARGET.value
    return counting if name in {"amount", "target"} else name


def _promised(account: Account, typed: Typed, now: datetime) -> tuple[str, Text]:
    """The sentence, or why there is none."""
    usable = cards.usable(account.id, now)
    if not usable:
        return "", change.NoCardToRecharge.message
    wanted, errors = recharge_form.read(typed, account.currency)
    if wanted is None:
        return "", next(iter(errors.values()))
    try:
        return promise(account, wanted, usable[0]), ""
    except RaseedError as error:
        return "", error.message


def _name(user_id: UUID | None) -> str:
    user = User.objects.filter(id=user_id).first() if user_id else None
    return user.name if user else ""


def _whole(text: str) -> int:
    """A version; one that is none is never the present one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1
