"""Settings > Account Settings > General: what an Admin may change about the account, and whom to ask for the rest."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from raseed.accounts import general as settings
from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Account, Language, Mode, Operator
from raseed.errors import RaseedError
from raseed.portal.forms import GeneralForm
from raseed.portal.rendering import page


@requires(Action.CHANGE_SETTINGS)
@require_http_methods(["GET", "POST"])
def general(request: ActorRequest) -> HttpResponse:
    """The account's general settings. What another Admin changed meanwhile is shown, and nothing is written."""
    account = account_of(request.actor)
    if request.method != "POST":
        return _general_page(request, account, GeneralForm.filled(settings.general_of(account)), 200)
    form = GeneralForm(request.POST)
    if not form.is_valid():
        return _general_page(request, account, form, 422)
    try:
        done = settings.change_general(
            account.id,
            form.seen(),
            Language(form.cleaned_data["language"]),
            form.cleaned_data["time_zone"],
            request.actor.who,
            timezone.now(),
        )
    except RaseedError as refusal:
        account = Account.objects.get(id=account.id)
        fresh = GeneralForm.filled(settings.general_of(account))
        return _general_page(request, account, fresh, refusal.status, refusal)
    if done:
        messages.success(request, _("The settings are saved."))
    else:
        messages.info(request, _("The settings were so already. Nothing was changed."))
    return redirect("portal:general")


def _general_page(
    request: ActorRequest,
    account: Account,
    form: GeneralForm,
    status: int,
    refusal: RaseedError | None = None,
) -> HttpResponse:
    operator = Operator.objects.get()
    context = {
        "account": account,
        "mode": Mode(account.mode).label,
        "form": form,
        "refusal": refusal.message if refusal else "",
        # The contact may be a telephone number; mail goes where answers to our mails go.
        "support_contact": operator.support_contact or operator.email_reply_to,
        "support_email": operator.email_reply_to,
    }
    return page(request, "portal/settings/general.html", context, status=status)
