"""The bank's pages in a real browser: both languages, desktop and phone, light and dark, with axe watching."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from bank import RunningBank
from chromium import launched


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(
    params=[("en", 1280, "light"), ("ar", 1280, "dark"), ("en", 360, "dark"), ("ar", 360, "light")],
    ids=lambda look: "-".join(map(str, look)),
)
def seen(request: pytest.FixtureRequest, browser: Browser, bank: RunningBank) -> Iterator[tuple[Page, str]]:
    """A page and its language; console errors and requests to other hosts fail the test."""
    language, width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(bank.url) else said.append(asked.url))
    # The merchant's page, so that the way back ends somewhere.
    page.route("http://localhost:8000/**", lambda route: route.fulfill(body="back at the merchant"))
    yield page, language
    context.close()
    assert [one for one in said if one != "http://localhost:8000/return"] == []


def clean(page: Page) -> None:
    """No violation by axe, and nothing sticks out sideways."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_card_errors_three_ds_and_the_way_back(seen: tuple[Page, str], bank: RunningBank) -> None:
    page, language = seen
    opened = bank.create(language=language, currency="KWD", amount=1_234_560).json()
    page.goto(opened["url"])
    assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
    assert "1,234.560 KWD" in page.locator("button.first").inner_text()
    clean(page)
    page.fill("#number", "4242 4242 4242 4241")
    page.fill("#expiry", "12/30")
    page.fill("#cvc", "123")
    page.keyboard.press("Enter")
    page.locator("[role=alert]").wait_for()
    assert page.locator("#number").get_attribute("aria-invalid") == "true"
    assert page.input_value("#expiry") == "12/30"
    assert page.input_value("#number") == page.input_value("#cvc") == ""
    clean(page)
    page.fill("#number", "4000002760003184")
    page.fill("#cvc", "123")
    page.locator("button[value=pay]").click()
    page.wait_for_url("**/3ds/**")
    clean(page)
    page.locator("button[value=complete]").click()
    page.wait_for_url("http://localhost:8000/return")
    assert bank.charges(opened["reference"]) == [1_234_560]
    page.goto(opened["url"])
    clean(page)


def test_declined_and_canceled(seen: tuple[Page, str], bank: RunningBank) -> None:
    page, language = seen
    declined = bank.create(language=language).json()
    page.goto(declined["url"])
    for field, text in (("number", "4000000000009995"), ("expiry", "12/30"), ("cvc", "123")):
        page.fill(f"#{field}", text)
    page.locator("button[value=pay]").click()
    page.wait_for_url("http://localhost:8000/return")
    page.goto(declined["url"])
    clean(page)
    canceled = bank.create(language=language).json()
    page.goto(canceled["url"])
    page.locator("button[value=cancel]").click()
    page.wait_for_url("http://localhost:8000/return")
    page.goto(canceled["url"])
    clean(page)
    assert bank.charges(declined["reference"]) == bank.charges(canceled["reference"]) == []


@pytest.fixture
def merchant() -> Iterator[tuple[int, list[str]]]:
    """A merchant's site: its port, and the one page that it serves (set the list's item)."""
    pages = [""]

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages[0].encode() if self.path == "/pay" else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True  # browsers keep connections open that carry nothing
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1], pages
    server.shutdown()
    server.server_close()
    thread.join()


def test_iframe_tells_its_parent_and_opens_for_nobody_else(
    browser: Browser, bank: RunningBank, merchant: tuple[int, list[str]]
) -> None:
    port, pages = merchant
    opened = bank.create(return_url=f"http://localhost:{port}/return").json()
    pages[0] = (
        "<body><script>window.told = [];"
        "addEventListener('message', e => told.push([e.origin, e.data]));</script>"
        f"<iframe src='{opened['url']}?embed=1' width=500 height=800></iframe></body>"
    )
    context = browser.new_context()
    stranger = context.new_page()
    stranger.goto(f"http://127.0.0.1:{port}/pay")
    assert stranger.frames[1].locator("#number").count() == 0
    page = context.new_page()
    page.goto(f"http://localhost:{port}/pay")
    frame = page.frame_locator("iframe")
    for field, text in (("number", "4242424242424242"), ("expiry", "12/30"), ("cvc", "123")):
        frame.locator(f"#{field}").fill(text)
    frame.locator("button[value=pay]").click()
    page.wait_for_function("told.length === 1")
    message = {"type": "sandbox-payment", "payment": opened["id"], "state": "succeeded"}
    assert page.evaluate("told") == [[bank.url, message]]
    context.close()
    assert bank.charges(opened["reference"]) == [1000]


def test_customer_is_told_not_to_pay_again_when_the_answer_is_lost(
    browser: Browser, bank: RunningBank
) -> None:
    opened = bank.create().json()
    bank.behaviour(reference=opened["reference"], behaviour="G7")
    page = browser.new_page()
    page.goto(opened["url"])
    for field, text in (("number", "4242424242424242"), ("expiry", "12/30"), ("cvc", "123")):
        page.fill(f"#{field}", text)
    page.locator("button[value=pay]").click()
    assert "We cannot say whether the payment was made" in page.locator(".state-broken .lead").inner_text()
    assert bank.charges(opened["reference"]) == [1000]
    page.goto(opened["url"])
    assert "Do not pay again" in page.locator(".state-succeeded .lead").inner_text()
    page.close()
