"""An Admin at a browser, and what the books say of the account meanwhile."""

import re
from decimal import Decimal

from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from browser.watch import Look, Watch
from factors import prove_now
from people import command, customer_balance, make_company
from raseed.accounts.models import User
from raseed.money import MICROS_PER_UNIT, Money, format_money
from raseed.payments import paynow, reconcile
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.states import Cause, State
from whole import Whole, wait

BALANCE = "/settings/billing/balance"
PAY = "/settings/billing/balance/pay"
# Two cores do everything in the tests: a page may take this long, in milliseconds, before it counts as missing.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

GOOD, DECLINED, POOR, THREE_DS = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000002760003184",
)


class Visitor:
    """A company of its own, its Admin signed in. `script` False is a browser without JavaScript."""

    def __init__(self, browser: Browser, whole: Whole, look: Look, *, script: bool = True) -> None:
        self.whole, self.look, self.bank = whole, look, whole.bank
        self.company = make_company(language=look.language)
        User.objects.filter(id=self.company.admin.id).update(language=look.language)
        self.context: BrowserContext = browser.new_context(
            viewport={"width": look.size[0], "height": look.size[1]},
            color_scheme=look.scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            locale=look.language,
            java_script_enabled=script,
            accept_downloads=True,
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.watch = Watch(whole.portal, look)
        self.watch.over(self.context)

    def leave(self) -> None:
        """Close all tabs."""
        self.context.close()

    # -- what the person does

    def sign_in(self, user: User | None = None) -> None:
        """With a session that the portal knows; the form itself has a test of its own."""
        client = Client()
        client.force_login(user or self.company.admin)
        prove_now(client, timezone.now())
        cookie = client.cookies["sessionid"].value
        self.context.add_cookies([{"name": "sessionid", "value": cookie, "url": self.whole.portal}])

    def open(self, path: str = BALANCE) -> Page:
        """A new tab on a page of the portal."""
        page = self.context.new_page()
        page.goto(self.whole.portal + path)
        return page

    def at_balance(self) -> Page:
        """A new tab on Balance Details, signed in."""
        self.sign_in()
        return self.open()

    def open_pay_now(self, page: Page, amount: str) -> Locator:
        """Press Pay Now and type an amount; the dialog, with what would be charged drawn."""
        page.get_by_role("link", name=self.say("Pay Now"), exact=True).last.click()
        dialog = page.get_by_role("dialog")
        dialog.locator("#pay-amount").fill(amount)
        expect(dialog.locator("#pay-label")).to_contain_text(self.money(amount))
        return dialog

    def press_pay(self, dialog: Locator) -> None:
        dialog.locator("button[type=submit]").click()

    def pay_with_new_card(self, page: Page, amount: str, card: str, *, save: bool = False) -> None:
        """From the balance to the bank's page, up to the press of its button."""
        dialog = self.open_pay_now(page, amount)
        other = dialog.locator("input[name=method][value=new]")
        if other.get_attribute("type") == "radio":
            other.check()
        if save:
            dialog.locator("input[name=save_card]").check()
        self.press_pay(dialog)
        self.type_card(page, card)

    def type_card(self, page: Page, card: str) -> None:
        """On the bank's page."""
        page.wait_for_url(f"{self.bank.url}/pay/**")
        page.fill("#number", card)
        page.fill("#expiry", "12/34")
        page.fill("#cvc", "123")
        page.locator("button[value=pay]").click()

    def saved_card(self, card: str = GOOD, amount: str = "10") -> PaymentMethod:
        """A saved card, kept by a payment that was made before the test begins."""
        company, now = self.company, timezone.now()
        asked = command(company, amount, save_method=True, another=True)
        payment = paynow.submit(company.account.id, paynow.open_payment(asked, now).id, now)
        self.bank.pay(payment.gateway_ref, card)
        # The worker may ask the bank at the same moment: then it brings the news.
        wait(
            lambda: (
                reconcile.follow(company.account.id, payment.id, Cause.PAGE, timezone.now()).state
                == State.SUCCEEDED
            ),
            "the payment that saves the card",
        )
        payment.refresh_from_db()
        return PaymentMethod.objects.get(account_id=company.account.id, id=payment.method_id)

    # -- what the page should say

    def say(self, sentence: str, **values: str) -> str:
        """A sentence of ours in the reader's language; AssertionError where the Arabic is missing."""
        with override(self.look.language):
            said = gettext(sentence)
        assert self.look.language == "en" or said != sentence, f"no Arabic for {sentence!r}"
        return said % values if values else said

    def money(self, amount: str) -> str:
        """An amount as the pages write it, between isolates."""
        return f"\u2066{format_money(self.amount(amount))}\u2069"

    def amount(self, text: str) -> Money:
        return Money(int(Decimal(text) * MICROS_PER_UNIT), self.company.account.currency)

    def figure_is(self, page: Page, amount: str) -> None:
        """The one large figure, and the same in the books, to the millionth."""
        expect(page.locator(".hero-amount")).to_have_text(self.money(amount))
        assert customer_balance(self.company) == self.amount(amount)

    def paid(self, page: Page, amount: str, balance: str) -> Locator:
        """The result says Paid and the balance; the figure and the books agree."""
        result = page.locator(".result.tone-success:visible").first
        expect(result).to_contain_text(
            self.say("Paid. Your balance is %(balance)s.", balance=self.money(balance))
        )
        expect(result).to_contain_text(self.money(amount))
        self.figure_is(page, balance)
        return result

    def voucher_of(self, page: Page, result: Locator) -> bytes:
        """Wait for the voucher's number, download it; a PDF's bytes."""
        link = result.locator("a[href$='/voucher']")
        expect(link).to_contain_text(re.compile(r"RV-\d{4}-\d{6}"))
        with page.expect_download() as downloading:
            link.click()
        content = downloading.value.path().read_bytes()
        assert content.startswith(b"%PDF-"), content[:20]
        return content

    # -- what the books say

    def payments(self) -> list[Payment]:
        """All payments of the company, oldest first, without those that only saved a card."""
        made = Payment.objects.filter(account_id=self.company.account.id, save_method=False)
        return list(made.order_by("created_at"))

    def payment(self) -> Payment:
        (only,) = self.payments()
        return only

    def books_say(self, balance: str, *charges_minor: int) -> None:
        """The ledger's balance, and what the bank charged for each of our payments: one line each or none."""
        assert customer_balance(self.company) == self.amount(balance)
        charged = [minor for one in self.payments() for minor in self.bank.charges(one.id)]
        assert charged == list(charges_minor)

    def wait_for_state(self, state: State) -> None:
        wait(lambda: self.payment().state == state, f"the payment is {state}")
