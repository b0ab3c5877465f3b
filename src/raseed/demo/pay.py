"""One Pay Now through the portal's own pages, as an Admin's browser would do it, said line by line."""

import time
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import httpx
from django.utils import timezone
from rich.console import Console

from raseed.accounts.models import Account, User
from raseed.balance.equation import available
from raseed.db.invariants import run
from raseed.documents.issue import voucher_of
from raseed.money import format_money
from raseed.payments.models import Payment
from raseed.payments.states import State

EMAIL = "admin@demo.test"
AMOUNT = "100.00"
CARD = {"action": "pay", "number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123"}
WAIT_SECONDS_MAX = 60.0


class _Form(HTMLParser):
    """The first form of a page whose action matches: where it posts, and what it would send untouched."""

    def __init__(self, action_part: str) -> None:
        super().__init__()
        self._part = action_part
        self._inside = False
        self.action = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action and self._part in given.get("action", ""):
            self._inside, self.action = True, given["action"]
        elif self._inside and tag == "input" and given.get("name"):
            if given.get("type") in {"radio", "checkbox"} and "checked" not in given:
                return
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _form(page: httpx.Response, action_part: str) -> _Form:
    form = _Form(action_part)
    form.feed(page.text)
    if not form.action:
        raise RuntimeError(f"{page.url} has no form for {action_part}: {page.status_code}")
    return form


def show_one_payment(portal: str, password: str, papers: Path, console: Console) -> None:
    """Sign in, pay 100.00 USD with a new card on the bank's page, wait until it is final, fetch the voucher."""
    user = User.objects.get(email=EMAIL)
    account = Account.objects.get(id=str(user.account_id))
    console.print(f"Pay Now as {EMAIL}, on the portal's own pages", style="bold")
    console.print(f"  balance before   {format_money(available(account))}", highlight=False)
    with httpx.Client(base_url=portal, follow_redirects=True, timeout=30, trust_env=False) as browser:
        payment = _pay(browser, account, password)
        console.print(
            f"  payment          {payment.id}  {payment.state}  {payment.card_brand} •••• {payment.card_last4}",
            highlight=False,
        )
        number = _wait_for_voucher(account, payment)
        file = papers / f"{number}.pdf"
        answer = browser.get(f"/settings/billing/payments/{payment.id}/voucher").raise_for_status()
        file.write_bytes(answer.content)
    console.print(f"  receipt voucher  {number}  {file}", highlight=False)
    console.print(f"  balance after    {format_money(available(account))}", highlight=False)


def wait_until_clean() -> None:
    """Give the jobs that an earlier run left behind up to a minute; what is broken then is reported by verify."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while any(run(timezone.now())) and time.monotonic() < deadline:
        time.sleep(1)


def _pay(browser: httpx.Client, account: Account, password: str) -> Payment:
    login = _form(browser.get("/login"), "login")
    browser.post(
        login.action, data={**login.fields, "username": EMAIL, "password": password}
    ).raise_for_status()
    form = _form(browser.get("/settings/billing/balance/pay").raise_for_status(), "/pay")
    headers = {"Referer": f"{browser.base_url}/settings/billing/balance/pay"}
    wanted = {"amount": AMOUNT, "method": "new"}
    bank_page = browser.post(form.action, data={**form.fields, **wanted}, headers=headers)
    if bank_page.status_code == HTTPStatus.CONFLICT:
        # A payment of an earlier run is still in progress: the page asks, and this one is meant.
        form = _form(bank_page, "/pay")
        bank_page = browser.post(form.action, data={**form.fields, **wanted}, headers=headers)
    card = _form(bank_page, "/pay/")
    paid = browser.post(urljoin(str(bank_page.url), card.action), data={**card.fields, **CARD})
    paid.raise_for_status()
    return _wait_until_final(account, form.fields["client_key"])


def _wait_until_final(account: Account, client_key: str) -> Payment:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        payment = Payment.objects.get(account_id=account.id, client_key=client_key)
        if payment.state == State.SUCCEEDED:
            return payment
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"payment {payment.id} is still {payment.state} after {WAIT_SECONDS_MAX:.0f} s"
            )
        time.sleep(0.1)


def _wait_for_voucher(account: Account, payment: Payment) -> str:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while (voucher := voucher_of(account.id, payment.id)) is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no voucher for payment {payment.id} after {WAIT_SECONDS_MAX:.0f} s")
        time.sleep(0.1)
    return voucher.display_number
