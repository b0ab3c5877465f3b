"""The content security policy in a real browser: what is injected does not run and is reported, and nothing else is."""

import re
from collections.abc import Callable
from itertools import chain

from playwright.sync_api import Page, Route
from psycopg.conninfo import conninfo_to_dict

from bank import SECRET_KEY, WEBHOOK_SECRET
from browser.visitor import BALANCE, GOOD, Visitor
from browser.watch import DESKTOP, Look, holds_card_number
from whole import Whole, wait

DESK = Look("en", DESKTOP, "light")
# As if a name had not been escaped: a script, a handler, a style, and a file of ours that the page does not load there.
INJECTED = (
    "<script>window.ran = 'script'</script>"
    '<img src="data:,x" onerror="window.ran = \'handler\'">'
    '<a id="lure" href="javascript:window.ran = \'link\'">here</a>'
    '<script src="/static/portal/portal.js"></script>'
    '<p style="position: fixed">x</p>'
)


def reports(whole: Whole) -> list[tuple[str, ...]]:
    """What browsers reported so far: directive, what was blocked, and on which page."""
    log = (whole.directory / "portal.log").read_text("utf-8", "replace")
    return [
        one.groups() for one in re.finditer(r"csp_violation directive=(\S+) blocked=(\S+) route=(\S+)", log)
    ]


def test_what_is_injected_does_not_run_and_is_reported(
    visitor: Callable[[Look], Visitor], whole: Whole
) -> None:
    admin = visitor(DESK)
    admin.watch.forgiven.append("Content Security Policy")
    admin.sign_in()
    before = len(reports(whole))
    page = admin.context.new_page()
    page.route(f"**{BALANCE}", _inject)
    page.goto(whole.portal + BALANCE)
    page.locator("#lure").click()

    wait(lambda: len(reports(whole)) >= before + 5, "five reports in the portal's log")

    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.querySelector('p[style]')).position") == "static"
    assert set(reports(whole)[before:]) == {
        ("script-src-elem", "inline", "portal:balance"),
        ("script-src-attr", "inline", "portal:balance"),
        ("script-src-elem", whole.portal, "portal:balance"),
        ("style-src-attr", "inline", "portal:balance"),
    }


def _inject(route: Route) -> None:
    """Give the page as the portal gave it, headers and all, with somebody's markup at its end."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("</main>", f"{INJECTED}</main>"))


def test_paying_breaks_no_rule_and_writes_no_secret_down(
    visitor: Callable[[Look], Visitor], whole: Whole
) -> None:
    admin = visitor(DESK)
    admin.watch.forgiven.append("the server responded with a status of 404")
    before = len(reports(whole))
    page = admin.at_balance()
    admin.pay_with_new_card(page, "15", GOOD)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    admin.paid(page, "15", "15")
    _visit(page, ("/home", "/settings/billing/invoices?tab=payments", "/help/pay-now", "/no/such/page"))
    assert reports(whole)[before:] == []
    # The style sheets and the one script library did come through.
    assert page.evaluate("typeof window.htmx") == "object"
    sheets = page.evaluate("Array.from(document.styleSheets).map(sheet => sheet.cssRules.length)")
    assert all(chain(sheets, [len(sheets) >= 2]))

    logs = "\n".join(path.read_text("utf-8", "replace") for path in whole.directory.glob("*.log"))
    assert "procrastinate" in logs or "raseed" in logs
    cookies = [str(one["value"]) for one in admin.context.cookies(whole.portal) if one["name"] != "theme"]
    database = conninfo_to_dict(whole.database.url)["password"]
    for secret in (SECRET_KEY, WEBHOOK_SECRET, GOOD, str(database), *cookies):
        assert secret not in logs
    assert not holds_card_number(logs)


def _visit(page: Page, paths: tuple[str, ...]) -> None:
    origin = page.evaluate("location.origin")
    for path in paths:
        page.goto(origin + path)
