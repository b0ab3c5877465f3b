"""The customer's door: the card page, the 3-D Secure page and what is seen after them. Works without JavaScript.

A typed number is judged and dropped: it is never logged, stored or shown again, not even after an error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from aiohttp import web

from raseed.sandbox.bank import Turn
from raseed.sandbox.cards import CardErrors, read_card
from raseed.sandbox.doors import BANK, SETTINGS, let_out
from raseed.sandbox.settings import origin_of
from raseed.sandbox.store import Payment
from raseed.sandbox.texts import TEXTS
from raseed.sandbox.wire import money_text

_HERE = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)
_BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "other": ""}
_NOTHING: Mapping[str, str] = {}

routes = web.RouteTableDef()
routes.static("/static", _HERE / "static")


@routes.get("/pay/{ref}")
async def card_page(request: web.Request) -> web.Response:
    """The form for the card, or where its payment has got to."""
    payment = _payment(request)
    if payment is None:
        return _missing(request)
    if payment.state == "requires_action" and payment.step == "card":
        return _form(request, payment, _NOTHING, _NOTHING)
    return _onward(request, payment)


@routes.post("/pay/{ref}")
async def pay(request: web.Request) -> web.Response:
    """Pay or Cancel was pressed."""
    payment = _payment(request)
    if payment is None:
        return _missing(request)
    if payment.state != "requires_action" or payment.step != "card":
        return _onward(request, payment)
    form = await request.post()
    bank, now = request.app[BANK], time.time()
    if form.get("action") == "cancel":
        return await _after(request, bank.cancel(payment, now), payment)
    fields = [value if isinstance(value, str) else "" for value in map(form.get, ("number", "expiry", "cvc"))]
    try:
        card = read_card(
            *fields, today=datetime.fromtimestamp(now, UTC).date(), key=request.app[SETTINGS].secret_key
        )
    except CardErrors as error:
        return _form(request, payment, error.fields, {"expiry": fields[1]})
    return await _after(request, bank.confirm(payment, card, now), payment)


@routes.get("/3ds/{ref}")
async def three_ds_page(request: web.Request) -> web.Response:
    """The question of 3-D Secure, or where its payment has got to."""
    payment = _payment(request)
    if payment is None:
        return _missing(request)
    if payment.state != "requires_action" or payment.step != "three_ds":
        return _onward(request, payment)
    return _render(request, payment, "three_ds.html", 200, card=_card_text(payment))


@routes.post("/3ds/{ref}")
async def answer_three_ds(request: web.Request) -> web.Response:
    """Complete or Fail was pressed."""
    payment = _payment(request)
    if payment is None:
        return _missing(request)
    form = await request.post()
    decline = "" if form.get("action") == "complete" else "authentication_failed"
    return await _after(request, request.app[BANK].authenticate(payment, decline, time.time()), payment)


async def _after(request: web.Request, turn: Turn, before: Payment) -> web.Response:
    payment = turn.payment or before
    if turn.answer.status >= 500:
        return await let_out(request, turn, _end(request, payment, "broken", 500))
    if turn.answer.status == 429:
        busy = _end(request, payment, "busy", 429)
        busy.headers.update(turn.answer.headers)
        return await let_out(request, turn, busy)
    done_now = before.state != payment.state and payment.state in {"succeeded", "failed", "canceled"}
    if done_now and not _embedded(request):
        return await let_out(request, turn, _see_other(request, payment, payment.return_url))
    return await let_out(request, turn, _onward(request, payment))


def _onward(request: web.Request, payment: Payment) -> web.Response:
    """To the page of the step that is next, or the end."""
    if payment.state == "requires_action":
        road = "pay" if payment.step == "card" else "3ds"
        return _see_other(
            request, payment, f"/{road}/{payment.ref}{'?embed=1' if _embedded(request) else ''}"
        )
    return _end(request, payment, payment.state, 200)


def _end(request: web.Request, payment: Payment, what: str, status: int) -> web.Response:
    texts = TEXTS[payment.language]
    reason = texts.get(payment.decline_code, texts["declined"]) if what == "failed" else ""
    return _render(request, payment, "end.html", status, what=what, reason=reason)


def _form(
    request: web.Request, payment: Payment, errors: Mapping[str, str], kept: Mapping[str, str]
) -> web.Response:
    """`kept` are fields to show again: never the number nor the security code."""
    texts = TEXTS[payment.language]
    shown = {name: texts[key] for name, key in errors.items()}
    return _render(request, payment, "pay.html", 200, errors=shown, kept=kept)


def _render(
    request: web.Request, payment: Payment, template: str, status: int, **more: object
) -> web.Response:
    settings = request.app[SETTINGS]
    merchant = settings.merchant_name_ar if payment.language == "ar" else settings.merchant_name
    html = _TEMPLATES.get_template(template).render(
        t=TEXTS[payment.language],
        lang=payment.language,
        payment=payment,
        merchant=merchant,
        amount=money_text(payment.amount, payment.currency),
        embed=_embedded(request),
        parent_origin=origin_of(payment.return_url),
        **more,
    )
    return web.Response(
        text=html, status=status, content_type="text/html", headers=_headers(request, payment)
    )


def _missing(request: web.Request) -> web.Response:
    html = _TEMPLATES.get_template("missing.html").render(t=TEXTS["en"], lang="en", embed=False)
    return web.Response(text=html, status=404, content_type="text/html", headers=_headers(request, None))


def _see_other(request: web.Request, payment: Payment, location: str) -> web.Response:
    return web.Response(status=303, headers={**_headers(request, payment), "Location": location})


def _headers(request: web.Request, payment: Payment | None) -> dict[str, str]:
    # form-action must name the merchant: browsers apply it to the redirect that follows the form.
    merchant = "" if payment is None else f" {origin_of(payment.return_url)}"
    framed_by = merchant.strip() if merchant and _embedded(request) else "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none';"
        f" form-action 'self'{merchant}; frame-ancestors {framed_by}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if framed_by == "'none'":
        headers["X-Frame-Options"] = "DENY"
    return headers


def _payment(request: web.Request) -> Payment | None:
    return request.app[BANK].store.payment(request.match_info["ref"])


def _embedded(request: web.Request) -> bool:
    return request.query.get("embed") == "1"


def _card_text(payment: Payment) -> str:
    return f"{_BRANDS[payment.brand]} •••• {payment.last4}".strip()
