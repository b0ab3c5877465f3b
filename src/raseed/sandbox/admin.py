"""The tester's door under /admin/: choose the weather, act as the customer without a browser, read the whole book.

No real bank has one. It needs the same bearer key as the merchant's door.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from raseed.sandbox import setups, wire
from raseed.sandbox.bank import Bank, Turn
from raseed.sandbox.cards import CardErrors, TypedCard, read_card
from raseed.sandbox.doors import BANK, COURIER, SETTINGS, json_response, payment_of, setup_of
from raseed.sandbox.faults import AT_STAGE, Behaviour, Stage, Transport
from raseed.sandbox.rows import Payment

_CHOICES = frozenset({"next", "reference", "behaviour", "mix", "stage", "webhook_drop_percent", "clear"})
_ACTS = frozenset({"complete", "fail", "abandon", "cancel"})

routes = web.RouteTableDef()


@routes.post("/admin/behaviour")
async def choose_behaviour(request: web.Request) -> web.Response:
    """Order the behaviour of the next step, of a reference, or by weights; `stage` is charge unless it is named."""
    body = wire.parse_object(await request.read())
    unknown = set(body) - _CHOICES
    if unknown or not body:
        raise wire.ApiError(400, "invalid_request", f"fields must be among {', '.join(sorted(_CHOICES))}")
    stage_name = body.get("stage", Stage.CHARGE.value)
    if stage_name not in set(Stage):
        raise wire.ApiError(400, "invalid_request", f"stage must be {', '.join(Stage)}", "stage")
    bank = request.app[BANK]
    with bank.store.transaction():
        _apply(bank, body, Stage(stage_name))
    return json_response(json.dumps({"ok": True}))


@routes.post("/admin/pay/{ref}")
async def act_as_customer(request: web.Request) -> web.Response:
    """Type a card and answer 3-D Secure in one call; says where the browser would be sent, null if nowhere."""
    body = wire.parse_object(await request.read())
    act = _ordered(body)
    payment, bank = payment_of(request), request.app[BANK]
    turn = _act(bank, payment, body, act, request.app[SETTINGS].secret_key)
    courier = request.app[COURIER]
    if turn.transport is Transport.AFTER_WEBHOOK:
        for event_id in turn.events:
            await courier.deliver_now(event_id)
    courier.wake()
    seen = turn.payment or payment
    arrives = turn.transport in {Transport.ANSWER, Transport.AFTER_WEBHOOK} and turn.answer.status < 429
    final = seen.state in {"succeeded", "failed", "canceled"}
    answer = {
        "payment": json.loads(bank.render(seen)),
        "redirect": seen.return_url if arrives and final else None,
    }
    return json_response(json.dumps(answer))


@routes.post("/admin/disputes/{ref}")
async def hasten_disputes(request: web.Request) -> web.Response:
    """The next step of a payment's disputes at once: opened, or at its end; gives them as they then are."""
    payment, bank = payment_of(request), request.app[BANK]
    bank.hasten_disputes(payment, time.time())
    request.app[COURIER].wake()
    return json_response(bank.disputes_now(payment))


@routes.post("/admin/keep/{ref}")
async def act_on_setup(request: web.Request) -> web.Response:
    """As `act_as_customer`, for a card that is to be kept."""
    body = wire.parse_object(await request.read())
    act = _ordered(body)
    setup, bank, now = setup_of(request), request.app[BANK], time.time()
    if act == "cancel":
        setup = setups.cancel(bank, setup, now)
    else:
        setup = setups.confirm(bank, setup, _typed(body, now, request.app[SETTINGS].secret_key), now)
        if act != "abandon":
            decline = "" if act == "complete" else "authentication_failed"
            setup = setups.authenticate(bank, setup, decline, now)
    request.app[COURIER].wake()
    redirect = setup.return_url if setup.state != "requires_action" else None
    return json_response(json.dumps({"setup": json.loads(setups.render(bank, setup)), "redirect": redirect}))


@routes.get("/admin/book")
async def dump_book(request: web.Request) -> web.Response:
    """Everything, for comparison: book, payments, setups, refunds, disputes, letters, and which behaviour met what."""
    store = request.app[BANK].store
    body = {
        "entries": [wire.entry_json(one) for one in store.book(0, -1)],
        "payments": [json.loads(request.app[BANK].render(one)) for one in store.payments()],
        "setups": [json.loads(setups.render(request.app[BANK], one)) for one in store.setups()],
        "refunds": [asdict(one) for one in store.refunds()],
        "disputes": [asdict(one) for one in store.disputes()],
        "letters": [
            {**asdict(one), "payload": json.loads(one.payload), "fate": store.fate(one.event_id)}
            for one in store.letters()
        ],
        "dealt": [
            {"reference": reference, "stage": stage, "behaviour": behaviour}
            for reference, stage, behaviour in store.dealt()
        ],
    }
    return json_response(json.dumps(body))


def _apply(bank: Bank, body: Mapping[str, Any], stage: Stage) -> None:
    store = bank.store
    if body.get("clear"):
        store.clear_controls()
    if "webhook_drop_percent" in body:
        percent = body["webhook_drop_percent"]
        if not isinstance(percent, int) or not 0 <= percent <= 100:
            raise wire.ApiError(
                400, "invalid_request", "must be a whole number, 0 to 100", "webhook_drop_percent"
            )
        store.set_control("webhook_drop_percent", percent)
    if "mix" in body:
        store.set_control(f"{stage}:mix", _mix(body["mix"], stage))
    if "next" in body:
        queue = store.control(f"{stage}:next") or []
        store.set_control(f"{stage}:next", [*queue, _behaviour(body["next"], "next", stage)])
    if "reference" in body or "behaviour" in body:
        reference = body.get("reference")
        if not isinstance(reference, str) or not reference:
            raise wire.ApiError(
                400, "invalid_request", "reference must be the merchant's reference", "reference"
            )
        chosen = _behaviour(body.get("behaviour"), "behaviour", stage)
        store.set_control(f"{stage}:reference:{reference}", chosen)
        store.take_back(reference, stage)


def _behaviour(value: object, name: str, stage: Stage) -> str:
    if not isinstance(value, str) or value not in AT_STAGE[stage]:
        known = ", ".join(one for one in Behaviour if one in AT_STAGE[stage])
        raise wire.ApiError(400, "invalid_request", f"must be one of {known}", name)
    return value


def _mix(value: object, stage: Stage) -> dict[str, int]:
    if not isinstance(value, dict):
        raise wire.ApiError(400, "invalid_request", "must be an object of weights", "mix")
    mix: dict[str, int] = {}
    for name, weight in value.items():
        if not isinstance(weight, int) or isinstance(weight, bool) or weight < 0:
            raise wire.ApiError(400, "invalid_request", "weights must be whole and not negative", "mix")
        mix[_behaviour(name, "mix", stage)] = weight
    if mix and not sum(mix.values()):
        raise wire.ApiError(400, "invalid_request", "weights must not all be zero", "mix")
    return mix


def _ordered(body: Mapping[str, Any]) -> str:
    act = body.get("outcome", "complete")
    if act not in _ACTS:
        raise wire.ApiError(
            400, "invalid_request", f"outcome must be one of {', '.join(sorted(_ACTS))}", "outcome"
        )
    return str(act)


def _typed(body: Mapping[str, Any], now: float, key: str) -> TypedCard:
    today = datetime.fromtimestamp(now, UTC).date()
    expiry, cvc = str(body.get("expiry", f"12/{today.year + 5}")), str(body.get("cvc", "123"))
    try:
        return read_card(str(body.get("card", "")), expiry, cvc, today=today, key=key)
    except CardErrors as error:
        raise wire.ApiError(
            400, "invalid_request", f"the page would refuse: {error.fields}", "card"
        ) from error


def _act(bank: Bank, payment: Payment, body: Mapping[str, Any], act: str, key: str) -> Turn:
    now = time.time()
    if act == "cancel":
        return bank.cancel(payment, now)
    turn: Turn | None = None
    if payment.step == "card":
        turn = bank.confirm(payment, _typed(body, now, key), now)
        payment = turn.payment or payment
    waits = payment.state == "requires_action" and payment.step == "three_ds"
    if act != "abandon" and (waits or bank.charges_late(payment)):
        return bank.authenticate(payment, "" if act == "complete" else "authentication_failed", now)
    return turn or bank.look(payment)
