"""The page with Stripe's card form, as a real browser pays on it: Stripe's script is a stand-in, the protocol behind it the test server."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import unquote, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.conf import settings as product
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from browser.watch import DESKTOP, PHONE, Look, Watch
from chromium import launched
from factors import prove_now
from people import Company, customer_balance, make_company, make_operator, open_one
from raseed.config.environment import PROJECT_DIR
from raseed.gateways import registry
from raseed.money import Money
from raseed.payments import paynow, reconcile
from raseed.payments.cards import setups
from raseed.payments.cards.models import CardSetup
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.seats import seat
from raseed.payments.states import Cause, State
from stripe_server import StripeServer

SHOTS = os.environ.get("SHOTS", "")
LOOKS = (Look("en", DESKTOP, "light"), Look("ar", PHONE, "dark"))


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    said: list[str] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        self.said.append(format % args)


def _closing(environ: dict[str, object], start: Callable[..., object]) -> Iterator[bytes]:
    answer = StaticFilesHandler(WSGIHandler())(environ, start)
    try:
        yield from answer
    finally:
        answer.close()
        connection.close()


@pytest.fixture(scope="module", autouse=True)
def between_two_steps() -> Iterator[None]:
    """Playwright's event loop runs in this thread between two steps, and Django would take that for a mistake."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def portal(real_db: object, settings: Settings) -> Iterator[StripeServer]:
    """The portal in threads of this process, as the test environment alone lets the script come from elsewhere."""
    with StripeServer() as stripe, make_server("127.0.0.1", 0, _closing, _Threads, _Quiet) as server:  # type: ignore[arg-type]
        settings.PUBLIC_URL = f"http://localhost:{server.server_port}"
        settings.ALLOWED_HOSTS = ["localhost", "testserver"]
        settings.GATEWAY, settings.CARD_FORM = "stripe", True
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = stripe.secret_key, stripe.url
        settings.STRIPE_PUBLISHABLE_KEY, settings.STRIPE_JS_ORIGIN = stripe.publishable_key, stripe.url
        settings.STRIPE_WEBHOOK_SECRET = stripe.webhook_secrets[0]
        # Stripe's own page, for who cannot use the form.
        rules = product.CONTENT_SECURITY_POLICY["DIRECTIVES"]
        opened = rules | {"form-action": [*rules["form-action"], stripe.url]}
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": opened}
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            make_operator()
            yield stripe
        finally:
            server.shutdown()
            thread.join()
            registry.close_all()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(params=LOOKS, ids=lambda look: look.language)
def look(request: pytest.FixtureRequest) -> Look:
    return request.param


class Guest:
    """An Admin at a browser on the page of one payment or card."""

    def __init__(self, browser: Browser, look: Look, *, script: bool = True) -> None:
        self.look, self.company = look, make_company(language=look.language)
        self.context = browser.new_context(
            viewport={"width": look.size[0], "height": look.size[1]},
            color_scheme=look.scheme,  # type: ignore[arg-type]
            locale=look.language,
            reduced_motion="reduce",
            java_script_enabled=script,
        )
        self.context.set_default_timeout(20_000)
        self.watch = Watch(product.PUBLIC_URL, look)
        # What a browser writes down: a declined card is a 402 of Stripe's, and the test server has no icon.
        self.watch.forgiven += ["status of 402", "status of 404"]
        self.watch.over(self.context)
        self.addresses: list[str] = []
        self.context.on("request", lambda request: self.addresses.append(request.url))
        client = Client()
        client.force_login(self.company.admin)
        prove_now(client, timezone.now())
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": product.PUBLIC_URL}
        language = {"name": "language", "value": look.language, "url": product.PUBLIC_URL}
        self.context.add_cookies([session, language])  # type: ignore[list-item]

    def say(self, sentence: str) -> str:
        with override(self.look.language):
            return gettext(sentence)

    def pay_now(self, *, save: bool = False) -> Page:
        """By the form of Pay Now, up to the card's page."""
        page = self.context.new_page()
        page.goto(f"{product.PUBLIC_URL}/settings/billing/balance/pay?amount=60")
        if save:
            page.locator("input[name=save_card]").check()
        page.locator("#pay-panel button[type=submit]").click()
        page.wait_for_url("**/form")
        return page

    def type_card(self, page: Page, number: str) -> None:
        frame = page.frame_locator("iframe[title='Secure payment input frame']")
        frame.locator("#number").fill(number)
        page.locator("#card-form button[type=submit]").click()

    def payment(self) -> Payment:
        return Payment.objects.get(account_id=self.company.account.id)

    def ended(self, stripe: StripeServer) -> None:
        """Nothing on the console, axe content, and no secret in an address, a log or a table."""
        self.context.close()
        self.watch.verdict()
        secrets = [one["client_secret"] for one in stripe.bank.things.values() if one.get("client_secret")]
        ours = [unquote(one) for one in self.addresses if one.startswith(product.PUBLIC_URL)]
        assert ours
        assert not [one for one in (*ours, *_Quiet.said) if any(secret in one for secret in secrets)]
        rows = [
            str(kept)
            for model in (Payment, CardSetup)
            for kept in model.objects.filter(account_id=self.company.account.id).values()
        ]
        assert rows
        assert not [one for one in rows if any(secret in one for secret in secrets)]


def balance_of(company: Company) -> Money:
    return customer_balance(company)


def test_a_declined_card_then_three_d_secure_pays_once_and_keeps_the_card(
    portal: StripeServer, browser: Browser, look: Look
) -> None:
    guest = Guest(browser, look)
    page = guest.pay_now(save=True)
    expect(page.locator("#card-form button[type=submit]")).to_be_enabled()
    if SHOTS:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(
                path=Path(SHOTS) / f"form-{look.language}-{look.size[0]}-{scheme}.png", full_page=True
            )
        page.emulate_media(color_scheme=look.scheme)  # type: ignore[arg-type]
    frame = page.frame_locator("iframe[title='Secure payment input frame']")
    assert frame.locator("html").get_attribute("lang") == look.language
    page.locator("#card-form button[type=submit]").click()
    refusal = page.locator("[data-refusal]")
    expect(refusal).to_contain_text(
        guest.say("The card's details are not complete. Look at the fields above.")
    )
    guest.type_card(page, "4000 0000 0000 9995")
    expect(refusal).to_contain_text(guest.say("the card has insufficient funds."))
    guest.type_card(page, "4000 0000 0000 0002")
    expect(refusal).to_contain_text(
        guest.say("your bank did not accept the card. Use another card, or ask your bank.")
    )
    guest.watch.glance(page, "card-form-declined")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"declined-{look.language}-{look.size[0]}.png", full_page=True)
    assert guest.payment().state == State.ACTION_REQUIRED
    assert portal.charges(guest.payment().id) == []
    secure = page.frame_locator("iframe[title='3-D Secure']")
    if look.language == "en":
        guest.type_card(page, "4000 0027 6000 3184")
        secure.locator("button[value=fail]").click()
        expect(refusal).to_contain_text("your bank could not confirm that it was you.")
    guest.type_card(page, "4000 0027 6000 3184")
    secure.locator("button[value=complete]").click()
    page.wait_for_url("**/settings/billing/balance?payment=*")
    expect(page.locator(".result.tone-success").first).to_be_visible()
    payment = guest.payment()
    assert (payment.state, payment.card_form, portal.charges(payment.id)) == (State.SUCCEEDED, True, [6_000])
    assert balance_of(guest.company) == Money(60_000_000, "USD")
    assert PaymentMethod.objects.get(account_id=guest.company.account.id).last4 == "3184"
    guest.ended(portal)


def test_a_card_is_kept_without_a_charge(portal: StripeServer, browser: Browser) -> None:
    guest = Guest(browser, LOOKS[0])
    page = guest.context.new_page()
    page.goto(f"{product.PUBLIC_URL}/settings/billing/details/cards/new")
    page.locator("form.form-panel button[type=submit]").click()
    page.wait_for_url("**/form")
    guest.type_card(page, "4000 0000 0000 0002")
    expect(page.locator("[data-refusal]")).to_contain_text("your bank did not accept the card.")
    guest.type_card(page, "4000 0025 0000 3155")
    page.frame_locator("iframe[title='3-D Secure']").locator("button[value=complete]").click()
    page.wait_for_url("**/settings/billing/details?setup=*")
    # No worker runs here. It asks where the visit came within a second of the question before, as no person's does.
    account_id = guest.company.account.id
    setup = CardSetup.objects.get(account_id=account_id)
    setups.follow(account_id, setup.id, Cause.RECONCILE, timezone.now() + timedelta(seconds=2))
    assert PaymentMethod.objects.get(account_id=guest.company.account.id).last4 == "3155"
    assert not [one for one in portal.bank.things.values() if one["object"] == "charge"]
    guest.ended(portal)


def test_without_script_or_with_one_that_does_not_load_the_hosted_page_is_offered(
    portal: StripeServer, browser: Browser, settings: Settings
) -> None:
    guest = Guest(browser, LOOKS[0], script=False)
    page = guest.pay_now()
    expect(page.locator("noscript .notice")).to_contain_text("The card form needs JavaScript")
    first = guest.payment()
    page.get_by_role("button", name="Use the bank's own page instead").click()
    page.wait_for_url("**/pay?amount=60.00&method=new&page=hosted")
    assert portal.bank.things[first.gateway_ref]["status"] == "canceled"
    page.locator("#pay-panel button[type=submit]").click()
    page.wait_for_url(f"{portal.url}/c/pay/*")
    payments = Payment.objects.filter(account_id=guest.company.account.id).order_by("created_at")
    assert [(one.state, one.card_form) for one in payments] == [
        (State.CANCELED, True),
        (State.ACTION_REQUIRED, False),
    ]
    guest.ended(portal)
    settings.STRIPE_JS_ORIGIN = "http://127.0.0.1:1"
    guest = Guest(browser, LOOKS[0])
    guest.watch.forgiven.append("ERR_")
    page = guest.pay_now()
    expect(page.locator("[data-form-lost]")).to_be_visible()
    expect(page.get_by_role("button", name="Use the bank's own page instead")).to_be_visible()
    guest.ended(portal)


def test_the_script_may_come_from_stripe_on_that_page_and_on_no_other(
    portal: StripeServer, settings: Settings
) -> None:
    company = make_company()
    client = Client()
    client.force_login(company.admin)
    payment = paynow.submit(company.account.id, open_one(company, now=timezone.now()).id, timezone.now())
    settings.STRIPE_JS_ORIGIN = "https://js.stripe.com"
    answer = client.get(urlsplit(payment.action_url).path)
    rules = policy(answer.headers["Content-Security-Policy"])
    assert re.fullmatch(r"'nonce-[^']+' https://js.stripe.com https://\*.js.stripe.com", rules["script-src"])
    assert rules["connect-src"] == f"'self' {portal.url}"
    for source in ("https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"):
        assert source in rules["frame-src"].split()
    assert rules["frame-ancestors"] == "'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "https://js.stripe.com/endive/stripe.js" in answer.content.decode()
    for path in (
        "/settings/billing/balance",
        "/settings/billing/balance/pay",
        f"/settings/billing/payments/{payment.id}",
    ):
        other = client.get(path)
        assert other.status_code == 200
        assert "stripe.com" not in policy(other.headers["Content-Security-Policy"])["script-src"]
        assert portal.bank.things[payment.gateway_ref]["client_secret"] not in other.content.decode()
    stranger = Client()
    stranger.force_login(make_company("Hawk").admin)
    assert stranger.get(urlsplit(payment.action_url).path).status_code == 404


def policy(header: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in header.split(";") if " " in part.strip())


def test_what_is_left_is_canceled_at_stripe_and_a_late_success_still_counts(portal: StripeServer) -> None:
    company = make_company()
    left = paynow.submit(company.account.id, open_one(company, now=timezone.now()).id, timezone.now())
    later = timezone.now() + timedelta(minutes=31)
    left = reconcile.follow(company.account.id, left.id, Cause.RECONCILE, later)
    assert (left.state, portal.bank.things[left.gateway_ref]["status"]) == (State.CANCELED, "canceled")
    assert portal.charges(left.id) == []

    late = open_one(company, now=timezone.now(), another=True)
    late = paynow.submit(company.account.id, late.id, timezone.now())
    portal.bank.confirm_in_element(portal.bank.things[late.gateway_ref], "4242424242424242")
    late = reconcile.give_up(company.account.id, late.id, timezone.now())
    assert (late.state, portal.charges(late.id)) == (State.SUCCEEDED, [10_000])
    assert balance_of(company) == Money(100_000_000, "USD")


def test_the_page_loads_the_scripts_of_the_inventory_and_no_others(portal: StripeServer) -> None:
    company = make_company()
    client = Client()
    client.force_login(company.admin)
    payment = paynow.submit(company.account.id, open_one(company, now=timezone.now()).id, timezone.now())
    html = client.get(urlsplit(payment.action_url).path).content.decode()
    loaded = re.findall(r'<script [^>]*src="([^"]+)"', html) + re.findall(r'data-script="([^"]+)"', html)
    listed = (
        (PROJECT_DIR / "docs" / "operators" / "stripe.md")
        .read_text("utf-8")
        .split("### Scripts of the page")[1]
    )
    written = re.findall(r"^\| `([^`]+)` \|", listed, re.MULTILINE)
    origins = {"/static/": "", portal.url: "https://js.stripe.com"}
    for ours, name in origins.items():
        loaded = [one.replace(ours, name) for one in loaded]
    assert sorted(loaded) == sorted(written)


def test_while_all_seats_at_stripe_are_taken_the_page_says_so_and_holds_no_thread(
    portal: StripeServer, settings: Settings
) -> None:
    company = make_company()
    payment = paynow.submit(company.account.id, open_one(company, now=timezone.now()).id, timezone.now())
    client = Client()
    client.force_login(company.admin)
    address = urlsplit(payment.action_url).path
    settings.GATEWAY_WAITS_MAX = 1
    with seat(Cause.PAGE) as taken:
        assert taken
        assert client.get(address).status_code == 503
    assert client.get(address).status_code == 200
