"""What the customer sees: the card page and the 3-D Secure page, plain forms that a browser or a test can send."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from stripe_server.bank import Bank
from stripe_server.parameters import Refusal

HERE = Path(__file__).parent
SCRIPT, FRAME = "/endive/stripe.js", "/frame"
Answer = tuple[int, dict[str, str], bytes]


def answer(bank: Bank, method: str, path: str, form: dict[str, list[str]]) -> Answer:
    """/c/pay/{session} and /3ds/{intent}, Stripe's script and the frame in which the card is typed."""
    if path in {SCRIPT, FRAME}:
        file, kind = (("stripe.js", "text/javascript"), ("frame.html", "text/html"))[path == FRAME]
        return 200, {"Content-Type": f"{kind}; charset=utf-8"}, (HERE / file).read_bytes()
    road, ref = path.rsplit("/", 1)
    thing = bank.things.get(ref)
    if road not in {"/c/pay", "/3ds"} or thing is None:
        return _page(404, "There is nothing here.")
    try:
        if road == "/c/pay":
            return _card_page(bank, method, thing, form)
        return _three_ds_page(bank, method, thing, form)
    except Refusal as refusal:
        return _page(refusal.status, escape(refusal.error["message"]))


def _card_page(bank: Bank, method: str, session: dict[str, Any], form: dict[str, list[str]]) -> Answer:
    told = ""
    if method == "POST":
        try:
            return _go(bank.submit(session, "".join(form["number"]).replace(" ", "")))
        except Refusal as refusal:
            if refusal.status != 402:
                raise
            told = f"<p role=alert>{escape(refusal.error['message'])}</p>"
    if session["status"] != "open":
        return _page(410, "This session is over.")
    amount = f"{session['amount_total']} {session['currency']}"
    return _page(
        200,
        f"<h1>Pay {escape(amount)}</h1>{told}<form method=post><label>Card <input name=number></label>"
        f"<button>Pay</button></form><a href='{escape(session['cancel_url'] or '')}'>Back</a>",
    )


def _three_ds_page(bank: Bank, method: str, intent: dict[str, Any], form: dict[str, list[str]]) -> Answer:
    if method == "POST":
        url = bank.authenticate(intent["id"], passes=form["outcome"] == ["complete"])
        # In the Payment Element this page stands in a frame of Stripe's script, which waits for it to be done.
        return _go(url) if url else _page(200, "<script>parent.postMessage('authenticated', '*')</script>")
    return _page(
        200,
        "<h1>Is it you?</h1><form method=post><button name=outcome value=complete>Yes</button>"
        "<button name=outcome value=fail>No</button></form>",
    )


def _page(status: int, html: str) -> Answer:
    body = f"<!doctype html><meta charset=utf-8><title>Card page</title>{html}".encode()
    return status, {"Content-Type": "text/html; charset=utf-8"}, body


def _go(url: str) -> Answer:
    return 303, {"Location": url}, b""
