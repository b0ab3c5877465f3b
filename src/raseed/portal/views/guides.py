"""The help pages of Pay Now."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from raseed.accounts.access import Action, ActorRequest, requires
from raseed.portal.rendering import page


@requires(Action.SEE_HELP)
@require_safe
def pay_now(request: ActorRequest) -> HttpResponse:
    """How Pay Now works, step by step."""
    return page(request, "portal/help/pay_now.html", {})


@requires(Action.SEE_HELP)
@require_safe
def pay_now_faq(request: ActorRequest) -> HttpResponse:
    """Questions and answers about Pay Now."""
    return page(request, "portal/help/pay_now_faq.html", {})
