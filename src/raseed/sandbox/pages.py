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
from raseed.sandbox.cards import CardErrors, TypedCard, read_card
from raseed.sandbox.doors import BANK, SETTINGS, let_out
from raseed.sandbox.rows import Payment, Setup
from raseed.sandbox.settings import origin_of
from raseed.sandbox.texts import TEXTS
from raseed.sandbox.wire import money_text

_HERE = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)
_BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "other": ""}
_NOTHING: Mapping[str, str] = {}
# The paths of the card page and of the 3-D Secure page.
PAYMENT_ROADS: Mapping[str, str] = {"card": "pay", "three_ds": "3ds"}
SETUP_ROADS: Mapping[str, str] = {"card": "keep", "three_ds": "keep-3ds"}

routes = web.RouteTableDef()
routes.static("/static", _HERE / "static")


@routes.get("/pay/{ref}")
async def card_page(request: web.Request) -> web.Response:
    """The form for the card, or where its payment has got to."""
    payment = _payment(request)
    if payment is None:
        return missing(request)
    if payment.state == "requires_action" and payment.step == "card":
        return _form(request, payment, _NOTHING, _NOTHING)
    return _onward(request, payment)


@routes.post("/pay/{ref}")
async def pay(request: web.Request) -> web.Response:
    """Pay or Cancel was pressed."""
    payment = _payment(request)
    if payment is None:
        return missing(request)
    if payment.state != "requires_action" or payment.step != "card":
        return _onward(request, payment)
    action, fields = await typed_fields(request)
    bank, now = request.app[BANK], time.time()
    if action == "cancel":
        return await _after(request, bank.cancel(payment, now), payment)
    try:
        card = typed_card(request, fields, now)
    except CardErrors as error:
        return _form(request, payment, error.fields, {"expiry": fields[1]})
    return await _after(request, bank.confirm(payment, card, now), payment)


@routes.get("/3ds/{ref}")
async def three_ds_page(request: web.Request) -> web.Response:
    """The question of 3-D Secure, or where its payment has got to."""
    payment = _payment(request)
    if payment is None:
        return missing(request)
    if payment.state != "requires_action" or payment.step != "three_ds":
        return _onward(request, payment)
    return _render(request, payment, "three_ds.html", 200, card=card_text(payment))


@routes.post("/3ds/{ref}")
async def answer_three_ds(request: web.Request) -> web.Response:
    """Complete or Fail was pressed."""
    payment = _payment(request)
    if payment is None:
        return missing(request)
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
    if done_now and not embedded(request):
        return await let_out(request, turn, see_other(request, payment, payment.return_url))
    return await let_out(request, turn, _onward(request, payment))


def _onward(request: web.Request, payment: Payment) -> web.Response:
    """To the page of the step that is next, or the end."""
    if payment.state == "requires_action":
        road = "pay" if payment.step == "card" else "3ds"
        return see_other(request, payment, f"/{road}/{payment.ref}{'?embed=1' if embedded(request) else ''}")
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
    words = {
        "amount": money_text(payment.amount, payment.currency),
        "note": TEXTS[payment.language]["save_on" if payment.save_card else "save_off"],
        "description": payment.description,
    }
    return draw(request, payment, template, status, **words, **more)


def draw(
    request: web.Request, asked: Payment | Setup, template: str, status: int, **more: object
) -> web.Response:
    """A page about a payment or a setup; `asked` says for whom, in which language and where the way back leads."""
    settings = request.app[SETTINGS]
    is_setup = isinstance(asked, Setup)
    html = _TEMPLATES.get_template(template).render(
        t=TEXTS[asked.language],
        lang=asked.language,
        payment=asked,
        what_for="setup" if is_setup else "payment",
        roads=SETUP_ROADS if is_setup else PAYMENT_ROADS,
        merchant=settings.merchant_name_ar if asked.language == "ar" else settings.merchant_name,
        embed=embedded(request),
        parent_origin=origin_of(asked.return_url),
        **more,
    )
    return web.Response(text=html, status=status, content_type="text/html", headers=_headers(request, asked))


def missing(request: web.Request) -> web.Response:
    """There is no such thing; in English, as nobody's language is known."""
    html = _TEMPLATES.get_template("missing.html").render(t=TEXTS["en"], lang="en", embed=False)
    return web.Response(text=html, status=404, content_type="text/html", headers=_headers(request, None))


def see_other(request: web.Request, asked: Payment | Setup, location: str) -> web.Response:
    """Send the browser on."""
    return web.Response(status=303, headers={**_headers(request, asked), "Location": location})


def typed_card(request: web.Request, fields: list[str], now: float) -> TypedCard:
    """Read number, expiry and security code as they were typed. Raises CardErrors."""
    today = datetime.fromtimestamp(now, UTC).date()
    return read_card(*fields, today=today, key=request.app[SETTINGS].secret_key)


async def typed_fields(request: web.Request) -> tuple[str, list[str]]:
    """Which button was pressed, and the three fields of the card page."""
    form = await request.post()
    texts = [form.get(name) for name in ("action", "number", "expiry", "cvc")]
    action, *fields = [text if isinstance(text, str) else "" for text in texts]
    return action, fields


def _headers(request: web.Request, payment: Payment | Setup | None) -> dict[str, str]:
    # form-action must name the merchant: browsers apply it to the redirect that follows the form.
    merchant = "" if payment is None else f" {origin_of(payment.return_url)}"
    framed_by = merchant.strip() if merchant and embedded(request) else "'none'"
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


def embedded(request: web.Request) -> bool:
    """Whether the page stands in a frame of the merchant's."""
    return request.query.get("embed") == "1"


def card_text(payment: Payment | Setup) -> str:
    """A card as people know it."""
    return f"{_BRANDS[payment.brand]} •••• {payment.last4}".strip()
