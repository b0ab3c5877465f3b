"""Draws a page in the account's time zone. Views of an account's pages answer through here."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from raseed.accounts.access import ActorRequest


def page(
    request: ActorRequest, template: str, context: Mapping[str, object], status: int = 200
) -> HttpResponse:
    """Render with times as they are where the account is; staff see UTC."""
    account = request.actor.account
    zone = ZoneInfo(account.time_zone if account else "UTC")
    with timezone.override(zone):
        return render(request, template, dict(context), status=status)
