"""Balance Details."""

from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.payments.models import Payment
from raseed.portal.alert_reading import alert_card
from raseed.portal.details_reading import expiring
from raseed.portal.reading import balance_page
from raseed.portal.recharge_reading import recharge_card
from raseed.portal.rendering import page


@requires(Action.SEE_BILLING)
@require_safe
def balance(request: ActorRequest) -> HttpResponse:
    """The balance, what it is made of, and the payments under way; `payment` is one that was just made."""
    account = account_of(request.actor)
    try:
        wanted = UUID(request.GET.get("payment", ""))
    except ValueError:
        follow = None
    else:
        follow = Payment.objects.filter(account_id=account.id, id=wanted).first()
    now = timezone.now()
    shown = balance_page(account, now, may_pay=request.actor.may(Action.PAY), follow=follow)
    recharge = recharge_card(account, now, may_change=request.actor.may(Action.CHANGE_RECHARGE))
    alerts = alert_card(account, may_change=request.actor.may(Action.CHANGE_ALERTS))
    context = {"page": shown, "recharge": recharge, "alerts": alerts, "expiring": expiring(account, now)}
    return page(request, "portal/balance.html", context)
