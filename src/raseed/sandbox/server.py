"""Puts the bank's doors on one loopback address and keeps its clock ticking. `run` is the whole process."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

from aiohttp import web

from raseed.sandbox import admin, api, pages, setup_pages
from raseed.sandbox.bank import Bank
from raseed.sandbox.courier import Courier
from raseed.sandbox.doors import BANK, CLOSING, COURIER, SETTINGS, json_response, speak_json
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store

_BODY_BYTES_MAX = 64 * 1024
_TICK_S = 0.05
_PRUNE_S = 5.0
_SHUTDOWN_S = 1.0


def run(settings: SandboxSettings) -> None:
    """Serve until SIGTERM or SIGINT. Prints `Sandbox bank on <origin>` once it listens, with the real port."""
    asyncio.run(_serve(settings))


def build(settings: SandboxSettings, store: Store, public_url: str) -> web.Application:
    """The application with its doors, not yet listening."""
    app = web.Application(middlewares=[speak_json], client_max_size=_BODY_BYTES_MAX)
    app[SETTINGS] = settings
    app[BANK] = Bank(store, settings, public_url)
    app[COURIER] = Courier(store, settings)
    app[CLOSING] = asyncio.Event()
    for door in (api, pages, setup_pages, admin):
        app.add_routes(door.routes)
    app.router.add_get("/healthz", _healthz)
    return app


async def _healthz(_request: web.Request) -> web.Response:
    return json_response('{"status": "ok"}')


async def _serve(settings: SandboxSettings) -> None:
    listener = socket.create_server((settings.host, settings.port), backlog=512)
    origin = f"http://{settings.host}:{listener.getsockname()[1]}"
    store = Store(settings.data_dir / "bank.sqlite3")
    app = build(settings, store, settings.public_url.rstrip("/") or origin)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    stop = app[CLOSING]
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, stop.set)
    # A task that dies takes the bank down: a clock that stopped in silence would look like a late bank.
    background = [asyncio.create_task(_clock(app)), asyncio.create_task(app[COURIER].run())]
    try:
        await web.SockSite(runner, listener).start()
        print(f"Sandbox bank on {origin}", flush=True)
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopped, *background], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        stop.set()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await runner.cleanup()
        store.close()


async def _clock(app: web.Application) -> None:
    pruned_at = 0.0
    while True:
        now = time.time()
        if app[BANK].tick(now):
            app[COURIER].wake()
        if now - pruned_at > _PRUNE_S:
            app[BANK].prune(now)
            pruned_at = now
        await asyncio.sleep(_TICK_S)
