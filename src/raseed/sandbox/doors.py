"""What the bank's three doors (API, pages, admin) share: who is inside, and how an answer leaves on a bad day."""

from __future__ import annotations

import asyncio
import hmac
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from raseed.sandbox.bank import Answer, Bank, Turn
from raseed.sandbox.courier import Courier
from raseed.sandbox.faults import Transport
from raseed.sandbox.rows import Payment, Setup
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.wire import ApiError

BANK = web.AppKey("BANK", Bank)
COURIER = web.AppKey("COURIER", Courier)
SETTINGS = web.AppKey("SETTINGS", SandboxSettings)
CLOSING = web.AppKey("CLOSING", asyncio.Event)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STRANGER = ApiError(401, "unauthorized", "the bearer key is missing or wrong")


@web.middleware
async def speak_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Guard the merchant's doors with the bearer key and turn refusals into JSON."""
    if not request.path.startswith(("/v1/", "/admin/")):
        return await handler(request)
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {request.app[SETTINGS].secret_key}".encode()):
        return json_response(_STRANGER.body(), _STRANGER.status)
    try:
        return await handler(request)
    except ApiError as error:
        return json_response(error.body(), error.status)


def json_response(body: str, status: int = 200) -> web.Response:
    """JSON text as a response that nobody keeps."""
    return json_answer(Answer(status, body))


def json_answer(answer: Answer) -> web.Response:
    """What a verb of the bank answers, as a response that nobody keeps."""
    return web.Response(
        text=answer.body,
        status=answer.status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **answer.headers},
    )


def payment_of(request: web.Request) -> Payment:
    """The payment that the path names; raises ApiError 404."""
    payment = request.app[BANK].store.payment(request.match_info["ref"])
    if payment is None:
        raise ApiError(404, "not_found", "no such payment")
    return payment


def setup_of(request: web.Request) -> Setup:
    """The setup that the path names; raises ApiError 404."""
    setup = request.app[BANK].store.setup(request.match_info["ref"])
    if setup is None:
        raise ApiError(404, "not_found", "no such setup")
    return setup


async def let_out(request: web.Request, turn: Turn, response: web.Response) -> web.Response:
    """Send the response the way the weather wants: at once, after its webhook, never, or as a reset."""
    courier = request.app[COURIER]
    if turn.transport is Transport.AFTER_WEBHOOK:
        for event_id in turn.events:
            await courier.deliver_now(event_id)
    courier.wake()
    if turn.transport is Transport.HANG:
        await _silence(request)
    if turn.transport in {Transport.HANG, Transport.RESET}:
        _reset(request)
    return response


async def _silence(request: web.Request) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(request.app[SETTINGS].hang_s):
            await request.app[CLOSING].wait()


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # Linger 0 turns the close into a TCP RST: the peer sees "connection reset", not an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()
