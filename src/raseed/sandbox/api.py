"""The merchant's door: JSON under /v1/, bearer key, Idempotency-Key on every POST that moves money."""

from __future__ import annotations

import hashlib
import json
import re
import time

from aiohttp import web

from raseed.sandbox import setups, wire
from raseed.sandbox.bank import Bank
from raseed.sandbox.doors import BANK, SETTINGS, json_answer, json_response, let_out, payment_of, setup_of
from raseed.sandbox.rows import Refund

_LIST_MAX = 1000

routes = web.RouteTableDef()


@routes.post("/v1/payments")
async def create_payment(request: web.Request) -> web.Response:
    """Open a payment, charged at once where a saved card is named."""
    now = time.time()
    key = _idempotency_key(request)
    body = wire.parse_object(await request.read())
    order = wire.parse_order(body, request.app[SETTINGS].return_origins, now)
    turn = request.app[BANK].create(order, key, _fingerprint(request, body), now)
    return await let_out(request, turn, json_answer(turn.answer))


@routes.get("/v1/payments/{ref}")
async def fetch_payment(request: web.Request) -> web.Response:
    """A payment by the bank's reference. One that is opening late is not known yet."""
    payment = payment_of(request)
    if payment.hidden and payment.state == "requires_action":
        raise wire.ApiError(404, "not_found", "no such payment")
    return json_response(request.app[BANK].render(payment))


@routes.get("/v1/payments")
async def find_payment(request: web.Request) -> web.Response:
    """A payment by the merchant's reference."""
    bank = request.app[BANK]
    payment = bank.store.payment_by_reference(request.query.get("reference", ""))
    if payment is None:
        raise wire.ApiError(404, "not_found", "no payment with this reference")
    return json_response(bank.render(payment))


@routes.post("/v1/payments/{ref}/cancel")
async def cancel_payment(request: web.Request) -> web.Response:
    """Cancel, or learn that it is too late."""
    turn = request.app[BANK].cancel(payment_of(request), time.time())
    return await let_out(request, turn, json_answer(turn.answer))


@routes.post("/v1/setups")
async def create_setup(request: web.Request) -> web.Response:
    """Open a setup: a card to be kept, typed on the bank's page, and nothing charged."""
    key = _idempotency_key(request)
    body = wire.parse_object(await request.read())
    order = wire.parse_setup(body, request.app[SETTINGS].return_origins)
    return json_answer(setups.create(request.app[BANK], order, key, _fingerprint(request, body), time.time()))


@routes.get("/v1/setups/{ref}")
async def fetch_setup(request: web.Request) -> web.Response:
    """A setup by the bank's reference."""
    return json_response(setups.render(request.app[BANK], setup_of(request)))


@routes.post("/v1/refunds")
async def create_refund(request: web.Request) -> web.Response:
    """Give money back: pending at first, then succeeded, with a webhook."""
    key = _idempotency_key(request)
    body = wire.parse_object(await request.read())
    turn = request.app[BANK].refund(wire.parse_refund(body), key, _fingerprint(request, body), time.time())
    return await let_out(request, turn, json_answer(turn.answer))


@routes.get("/v1/refunds/{ref}")
async def fetch_refund(request: web.Request) -> web.Response:
    """A refund by the bank's reference."""
    bank = request.app[BANK]
    return _refund_answer(bank, bank.store.refund(request.match_info["ref"]))


@routes.get("/v1/refunds")
async def find_refund(request: web.Request) -> web.Response:
    """A refund by the merchant's reference."""
    bank = request.app[BANK]
    return _refund_answer(bank, bank.store.refund_by_reference(request.query.get("reference", "")))


@routes.get("/v1/disputes")
async def list_disputes(request: web.Request) -> web.Response:
    """The disputes of a payment, by the bank's reference of the payment."""
    bank = request.app[BANK]
    payment = bank.store.payment(request.query.get("payment", ""))
    if payment is None:
        raise wire.ApiError(404, "not_found", "no such payment", "payment")
    return json_response(bank.disputes_now(payment))


@routes.delete("/v1/cards/{ref}")
async def forget_card(request: web.Request) -> web.Response:
    """Delete a saved card."""
    if not request.app[BANK].forget_card(request.match_info["ref"]):
        raise wire.ApiError(404, "no_such_card", "no such saved card")
    return json_response(json.dumps({"id": request.match_info["ref"], "deleted": True}))


@routes.get("/v1/book")
async def list_book(request: web.Request) -> web.Response:
    """Everything the bank did after a cursor, oldest first."""
    after, limit = _count(request, "after", 0), _count(request, "limit", 100)
    if not 1 <= limit <= _LIST_MAX:
        raise wire.ApiError(400, "invalid_request", f"limit must be 1 to {_LIST_MAX}", "limit")
    store, now = request.app[BANK].store, time.time()
    entries = store.listed(after, limit + 1, now)
    page = entries[:limit]
    last = page[-1].cursor if page else after
    if page and len(entries) > limit > 1 and store.list_lags(now):
        last -= 1  # pages shift: the next one begins with the last line of this one
    body = {
        "entries": [wire.entry_json(one) for one in page],
        "next": str(last),
        "more": len(entries) > limit,
    }
    return json_response(json.dumps(body))


def _refund_answer(bank: Bank, refund: Refund | None) -> web.Response:
    if refund is None:
        raise wire.ApiError(404, "not_found", "no such refund")
    return json_response(bank.refund_now(refund))


def _idempotency_key(request: web.Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise wire.ApiError(400, "invalid_request", "Idempotency-Key must be 1 to 255 visible characters")
    return key


def _fingerprint(request: web.Request, body: dict[str, object]) -> str:
    # Of the parsed body: another order of the fields is the same request.
    canonical = json.dumps([request.path, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _count(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "") or str(default)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise wire.ApiError(400, "invalid_request", f"{name} must be a whole number", name)
    return int(text)
