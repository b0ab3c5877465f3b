"""The acts of `actors.Actors`: what a browser, a gateway or the worker makes the product do, each in a forked process.

The parent of the acts imports this once, after Django is set up, and opens no connection.
"""

import json
import os
import signal
import sys
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from raseed import failpoints
from raseed.audit.log import Who
from raseed.config.environment import database_settings
from raseed.db.statements import row_of
from raseed.documents import issue
from raseed.money import Money
from raseed.notifications import mails
from raseed.payments import follow_refund, inbox, reconcile, refund, walk
from raseed.payments.models import Payment
from raseed.payments.recharge import consider, sweep
from raseed.payments.recharge.reasons import Cause as RechargeCause
from raseed.payments.refund import RefundCommand
from raseed.payments.states import Cause

PAY = "/settings/billing/balance/pay"


def serve() -> None:
    """Fork an act for each order on standard input, and tell how it ended when asked."""
    get_resolver().url_patterns  # noqa: B018 - reading it imports every view
    running: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "end" in order:
            print(json.dumps(_end(order["end"], running.pop(order["end"]))), flush=True)
            continue
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            with os.fdopen(writing, "w") as pipe:
                json.dump(_played(order), pipe)
            os._exit(0)
        os.close(writing)
        running[pid] = reading
        print(json.dumps({"number": pid}), flush=True)


def _end(pid: int, reading: int) -> dict[str, Any]:
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _pid, status = os.waitpid(pid, 0)
    return {"signal": os.WTERMSIG(status), "told": json.loads(told or "{}")}


def _played(order: dict[str, Any]) -> dict[str, Any]:
    connections.settings["default"].update(database_settings(order["database"]))
    settings.SANDBOX_URL, settings.GATEWAY_TIMEOUT_S = order["bank"], 5
    failpoints._POINTS = {order["at"]: 1}
    try:
        return {"returned": ACTS[order["act"]](**order["given"])}
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}"}


def pay(email: str, form: dict[str, str]) -> dict[str, Any]:
    """Post a filled-in form as this Admin: status, Location and text of the answer."""
    answer = _browser(email).post(PAY, form)
    return {
        "status": answer.status_code,
        "location": answer.headers.get("Location"),
        "text": answer.content.decode(),
    }


def see(email: str, path: str) -> dict[str, Any]:
    """Open a page as this Admin: status and text."""
    answer = _browser(email).get(path)
    return {"status": answer.status_code, "text": answer.content.decode()}


def hook(raw: str, headers: dict[str, str]) -> int:
    """Deliver a webhook, its bytes in base64; the status of the answer."""
    client = Client(raise_request_exception=False)
    answer = client.post(
        "/webhooks/sandbox", b64decode(raw), content_type="application/json", headers=headers
    )
    return answer.status_code


def apply_letters(seconds: int = 0) -> int:
    """What the worker does with the webhooks that wait, so many seconds from now; how many there were."""
    return inbox.apply_waiting(timezone.now() + timedelta(seconds=seconds))


def follow(account_id: str, payment_id: str, seconds: int) -> str:
    """Ask about a payment once, so many seconds from now; its state."""
    now = timezone.now() + timedelta(seconds=seconds)
    return str(reconcile.follow(UUID(account_id), UUID(payment_id), Cause.RECONCILE, now).state)


def recharge(account_id: str) -> str:
    """Consider an automatic recharge, as the worker does; the payment's state, "" for a no."""
    payment = consider.consider(UUID(account_id), RechargeCause.CROSSED, timezone.now())
    return str(payment.state) if payment else ""


def recharge_rounds_and_die(account_id: str, now: str) -> None:
    """What the worker does for an account's recharges at that time, until nothing is left to do; then this process is killed.

    A job is taken from the queue when it has ended, so that one whose process died is there again.
    """
    at = datetime.fromisoformat(now)
    sweep.sweep(at)
    reconcile.ask_silent(at)
    acts: dict[str, Callable[[dict[str, str]], object]] = {
        "payments.consider_recharge": lambda job: consider.consider(
            UUID(account_id), RechargeCause(job.get("cause", "crossed")), at
        ),
        "notifications.mail_recharge": lambda job: mails.mail_recharge(
            UUID(account_id), UUID(job["consideration_id"]), at
        ),
    }
    waiting = (
        "SELECT id, task_name, args FROM procrastinate_jobs WHERE task_name = ANY(%s) ORDER BY id LIMIT 1"
    )
    while (job := row_of(waiting, [list(acts)])) is not None:
        acts[job[1]](json.loads(job[2]))
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job[0]])
    os.kill(os.getpid(), signal.SIGKILL)


def walk_list() -> int:
    """Read the bank's own list on from where it was read to; how many charges it settled."""
    return walk.walk_list("sandbox", timezone.now()).settled


def issue_voucher(account_id: str, payment_id: str) -> str:
    """Issue the voucher; its number."""
    return issue.issue_receipt_voucher(UUID(account_id), UUID(payment_id), timezone.now()).display_number


def give_back(account_id: str, payment_id: str, key: str, minor: int) -> str:
    """Staff send a filled-in refund form; the refund's state."""
    payment = Payment.objects.get(account_id=account_id, id=payment_id)
    asked = RefundCommand(
        account_id=payment.account_id,
        client_key=UUID(key),
        payment_id=payment.id,
        amount=Money.from_minor(minor, payment.currency),
        reason="asked for by mail",
        actor=Who(None, "finance"),
    )
    opened = refund.open_refund(asked, timezone.now())
    return str(refund.submit(opened.account_id, opened.id, timezone.now()).state)


def ask_about_refund(account_id: str, refund_id: str, seconds: int) -> str:
    """Ask about a refund once, so many seconds from now; its state."""
    now = timezone.now() + timedelta(seconds=seconds)
    return str(follow_refund.follow_refund(UUID(account_id), UUID(refund_id), Cause.RECONCILE, now).state)


def _browser(email: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(get_user_model().objects.get(email=email))
    return client


ACTS: dict[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (
        pay,
        see,
        hook,
        apply_letters,
        follow,
        recharge,
        recharge_rounds_and_die,
        walk_list,
        issue_voucher,
        give_back,
        ask_about_refund,
    )
}
