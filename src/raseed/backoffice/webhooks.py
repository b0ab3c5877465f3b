"""The staff's page of webhooks: those that wait for a person, what was refused at the door, and whether the clocks agree.

It shows and lets staff have a webhook tried again, which is in the audit log. It never drops one and applies none.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from raseed.accounts.access import Action, ActorRequest, requires
from raseed.gateways.port import ForgedWebhook, UnreadableWebhook, WebhookOutOfTime
from raseed.payments import inbox, tally
from raseed.payments.models import GatewayReference, InboxEvent, WebhookTally

ROWS_MAX: Final = 200
SHOWN_FOR: Final = timedelta(hours=24)
EVENT_ID_MAX: Final = 2**63 - 1  # a BIGINT

WORDS: Final[dict[str, Promise]] = {
    ForgedWebhook.code: gettext_lazy("Refused: no signature, or not the gateway's"),
    WebhookOutOfTime.code: gettext_lazy("Refused: signed rightly, at a time too far from our clock"),
    UnreadableWebhook.code: gettext_lazy("Refused: signed rightly, and not readable"),
    tally.CLOCK_DIFFERS: gettext_lazy("Accepted: signed more than 30 seconds from our clock"),
}


@dataclass(frozen=True, slots=True)
class Left:
    """A webhook that was given up, with the account whose payment it names, if that is known."""

    event: InboxEvent
    account_id: UUID | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One count of one hour, in words."""

    words: str | Promise
    count: WebhookTally
    of_the_clock: bool

    @property
    def seconds(self) -> int:
        """How far apart the clocks were."""
        return abs(self.count.skew_s or 0)


@requires(Action.SEE_WEBHOOKS)
@require_safe
def page(request: ActorRequest) -> HttpResponse:
    """What waits for a person, oldest first; the alarms of the last 24 hours; how many webhooks are in hand."""
    now = timezone.now()
    alarms = _alarms(now)
    context = {
        "left": _left(),
        "left_more": InboxEvent.objects.filter(applied_at=None, next_try_at=None).count() - ROWS_MAX,
        "in_hand": InboxEvent.objects.filter(next_try_at__isnull=False).count(),
        "alarms": alarms,
        "clock": next((alarm for alarm in alarms if alarm.of_the_clock), None),
        "may_try": request.actor.may(Action.TRY_WEBHOOK_AGAIN),
    }
    return render(request, "backoffice/webhooks.html", context)


@requires(Action.TRY_WEBHOOK_AGAIN)
@require_POST
def try_again(request: ActorRequest) -> HttpResponse:
    """Have the webhook whose row is `event` tried ten times more."""
    text = request.POST.get("event", "")
    if not (text.isascii() and text.isdecimal()) or int(text) > EVENT_ID_MAX:
        raise Http404
    if inbox.try_again(int(text), request.actor.who, timezone.now()):
        messages.success(request, _("The webhook is being tried again. Look here in a minute."))
    else:
        messages.info(request, _("This webhook does not wait for a person any more. Nothing was changed."))
    return redirect("backoffice:webhooks")


def _left() -> list[Left]:
    events = list(
        InboxEvent.objects.filter(applied_at=None, next_try_at=None)
        .defer("body")
        .order_by("received_at", "id")[:ROWS_MAX]
    )
    named = [event.payment_id for event in events if event.payment_id]
    owners = {
        (row.gateway, row.payment_id): row.account_id
        for row in GatewayReference.objects.filter(payment_id__in=named)
    }
    return [
        Left(event, owners.get((event.gateway, event.payment_id)) if event.payment_id else None)
        for event in events
    ]


def _alarms(now: datetime) -> list[Alarm]:
    return [
        Alarm(WORDS.get(count.what, count.what), count, count.what in tally.OF_THE_CLOCK)
        for count in tally.latest(now - SHOWN_FOR)
    ]
