"""The customer's door for a card that is kept and not charged: the same pages as for a payment, without an amount.

A typed number is judged and dropped, as on the pages of payments.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiohttp import web

from raseed.sandbox import setups
from raseed.sandbox.cards import CardErrors
from raseed.sandbox.doors import BANK, COURIER
from raseed.sandbox.pages import (
    SETUP_ROADS,
    card_text,
    draw,
    embedded,
    missing,
    see_other,
    typed_card,
    typed_fields,
)
from raseed.sandbox.rows import Setup
from raseed.sandbox.texts import TEXTS

_NOTHING: Mapping[str, str] = {}

routes = web.RouteTableDef()


@routes.get("/keep/{ref}")
async def card_page(request: web.Request) -> web.Response:
    """The form for the card, or where its setup has got to."""
    setup = _setup(request)
    if setup is None:
        return missing(request)
    if setup.state == "requires_action" and setup.step == "card":
        return _form(request, setup, _NOTHING, _NOTHING)
    return _onward(request, setup)


@routes.post("/keep/{ref}")
async def keep(request: web.Request) -> web.Response:
    """Save or Cancel was pressed."""
    setup = _setup(request)
    if setup is None:
        return missing(request)
    if setup.state != "requires_action" or setup.step != "card":
        return _onward(request, setup)
    action, fields = await typed_fields(request)
    bank, now = request.app[BANK], time.time()
    if action == "cancel":
        return _after(request, setups.cancel(bank, setup, now))
    try:
        card = typed_card(request, fields, now)
    except CardErrors as error:
        return _form(request, setup, error.fields, {"expiry": fields[1]})
    return _after(request, setups.confirm(bank, setup, card, now))


@routes.get("/keep-3ds/{ref}")
async def three_ds_page(request: web.Request) -> web.Response:
    """The question of 3-D Secure, or where its setup has got to."""
    setup = _setup(request)
    if setup is None:
        return missing(request)
    if setup.state != "requires_action" or setup.step != "three_ds":
        return _onward(request, setup)
    return draw(request, setup, "three_ds.html", 200, card=card_text(setup))


@routes.post("/keep-3ds/{ref}")
async def answer_three_ds(request: web.Request) -> web.Response:
    """Complete or Fail was pressed."""
    setup = _setup(request)
    if setup is None:
        return missing(request)
    action, _fields = await typed_fields(request)
    decline = "" if action == "complete" else "authentication_failed"
    return _after(request, setups.authenticate(request.app[BANK], setup, decline, time.time()))


def _after(request: web.Request, setup: Setup) -> web.Response:
    request.app[COURIER].wake()
    if setup.state != "requires_action" and not embedded(request):
        return see_other(request, setup, setup.return_url)
    return _onward(request, setup)


def _onward(request: web.Request, setup: Setup) -> web.Response:
    """To the page of the step that is next, or the end."""
    if setup.state == "requires_action":
        frame = "?embed=1" if embedded(request) else ""
        return see_other(request, setup, f"/{SETUP_ROADS[setup.step]}/{setup.ref}{frame}")
    texts = TEXTS[setup.language]
    reason = texts.get(setup.decline_code, texts["declined"]) if setup.state == "failed" else ""
    return draw(request, setup, "end.html", 200, what=setup.state, reason=reason)


def _form(
    request: web.Request, setup: Setup, errors: Mapping[str, str], kept: Mapping[str, str]
) -> web.Response:
    """`kept` are fields to show again: never the number nor the security code."""
    texts = TEXTS[setup.language]
    shown = {name: texts[key] for name, key in errors.items()}
    return draw(request, setup, "pay.html", 200, errors=shown, kept=kept, note=texts["setup_note"])


def _setup(request: web.Request) -> Setup | None:
    return request.app[BANK].store.setup(request.match_info["ref"])
