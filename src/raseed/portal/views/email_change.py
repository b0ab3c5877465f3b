"""Another e-mail address to sign in with: the page that asks for it, and the page behind the mailed link.

Both need a fresh proof (access.NEEDS_FRESH_PROOF) and work on the person who asks and on nobody else: the link is worth
nothing without the person's own session. Opening the link changes nothing; its button does.
"""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from raseed.accounts import email_change
from raseed.accounts.access import Action, ActorRequest, requires
from raseed.accounts.middleware import begin_session
from raseed.errors import RaseedError
from raseed.portal.forms import EmailChangeForm
from raseed.portal.rendering import page


@requires(Action.CHANGE_EMAIL)
@require_http_methods(["GET", "POST"])
def email(request: ActorRequest) -> HttpResponse:
    """Ask for the new address and have a link mailed to it; the answer is the same whoever has it."""
    form = EmailChangeForm(request.POST if request.method == "POST" else None)
    status = 200
    if form.is_bound:
        status = 422
        if form.is_valid():
            typed, actor = form.cleaned_data["email"], request.actor
            try:
                address = email_change.ask(actor.user, typed, actor.who, timezone.now())
            except RaseedError as refusal:
                form.add_error("email", str(refusal.message))
                status = refusal.status
            else:
                said = _(
                    "A mail is on its way to %(email)s. Do what it says within one hour; until then you sign in as before."
                )
                messages.success(request, said % {"email": address})
                return redirect("portal:profile")
    return page(request, "portal/people/email.html", {"form": form}, status=status)


@requires(Action.CHANGE_EMAIL)
@require_http_methods(["GET", "POST"])
def email_confirm(request: ActorRequest, token: str) -> HttpResponse:
    """Show what the link would change; on the button, change it and keep this session alone, under a new id."""
    user, now = request.actor.user, timezone.now()
    address, refusal = "", None
    try:
        address = email_change.asked(user, token, now)
        if request.method == "POST":
            email_change.confirm(user.id, token, request.actor.who, now)
            request.session.cycle_key()
            begin_session(request.session, now)
            said = _("From now on you sign in with %(email)s. All your other sessions have ended.")
            messages.success(request, said % {"email": address})
            return redirect("portal:profile")
    except RaseedError as error:
        refusal = error
    context = {"address": address, "refusal": refusal.message if refusal else ""}
    return page(
        request, "portal/people/email_confirm.html", context, status=refusal.status if refusal else 200
    )
