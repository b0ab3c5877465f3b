"""An Admin who pays over plain HTTP on the running product, and what the books hold of it."""

import re
from datetime import timedelta
from uuid import UUID

import httpx
from django.db.models import F
from django.test import Client
from django.utils import timezone

from people import customer_balance, make_company, save_card
from raseed.documents.models import Document
from raseed.ledger import read
from raseed.ledger.chart import EntryKind
from raseed.money import format_money, parse_amount
from raseed.payments.models import Payment, PaymentMethod, PaymentMove, ReconciliationBreak
from whole import Whole, wait

PAY = "/settings/billing/balance/pay"
PAYMENTS = "/settings/billing/payments"
_FIELD = re.compile(r'name="(csrfmiddlewaretoken|client_key|beside)" value="([^"]+)"')


class Admin:
    """A company of its own and its Admin, signed in."""

    def __init__(self, whole: Whole, currency: str = "USD") -> None:
        self.whole, self.bank, self.line = whole, whole.bank, whole.line
        self.company = make_company(currency=currency)
        self.account_id = self.company.account.id
        client = Client()
        client.force_login(self.company.admin)
        cookies = {"sessionid": client.cookies["sessionid"].value}
        self.browser = httpx.Client(base_url=whole.portal, cookies=cookies, timeout=20, trust_env=False)

    def new_browser(self) -> httpx.Client:
        """Another tab: the same cookies."""
        cookies = {cookie.name: cookie.value or "" for cookie in self.browser.cookies.jar}
        return httpx.Client(base_url=self.whole.portal, cookies=cookies, timeout=20, trust_env=False)

    def leave(self) -> None:
        self.browser.close()

    # -- what the person does

    def saved_card(self, card: str = "4242424242424242") -> PaymentMethod:
        return save_card(self.company, self.bank.save_card(card, customer=str(self.account_id)))

    def form(self, amount: str = "50", method: object = "new") -> dict[str, str]:
        """The form as it is drawn, and what is typed into it."""
        fields = dict(_FIELD.findall(self.browser.get(PAY).text))
        return {**fields, "amount": amount, "method": str(getattr(method, "id", method))}

    def press(self, form: dict[str, str]) -> httpx.Response:
        return self.browser.post(PAY, data=form)

    def pay(self, method: object = "new", amount: str = "50", behaviour: str = "G1") -> Payment:
        """Press Pay under this behaviour of the bank; the payment as the press left it."""
        form = self.form(amount, method)
        if behaviour != "G1":
            self.bank.behaviour(next=behaviour)
        answer = self.press(form)
        assert answer.status_code == 302, words(answer)
        return self.payment()

    def sees(self, payment: Payment) -> str:
        """The words on the payment's own page now."""
        return words(self.browser.get(f"{PAYMENTS}/{payment.id}"))

    def will_see(self, payment: Payment, sentence: str, seconds_max: float = 30) -> str:
        """Look as the page itself looks, once and again, until it says so; the page."""
        wait(lambda: sentence in self.sees(payment), f"{sentence!r} on the page", seconds_max)
        return self.sees(payment)

    # -- what the books hold

    def payment(self) -> Payment:
        """The newest one."""
        found = Payment.objects.filter(account_id=self.account_id).order_by("-created_at").first()
        assert found is not None
        return found

    def count(self) -> int:
        return Payment.objects.filter(account_id=self.account_id).count()

    def states(self, payment: Payment) -> list[str]:
        """Every state that it has been in."""
        moves = PaymentMove.objects.filter(account_id=self.account_id, payment_id=payment.id).order_by("id")
        return [move.target for move in moves]

    def credits(self) -> int:
        """How many top-ups were booked."""
        entries = read.history(self.account_id, self.company.account.currency, limit=500)
        return sum(entry.kind == EntryKind.TOPUP_CARD for entry in entries)

    def receipts(self) -> int:
        return Document.objects.filter(account_id=self.account_id).count()

    def breaks(self) -> list[tuple[str, UUID | None]]:
        rows = ReconciliationBreak.objects.filter(account_id=self.account_id, resolved_at__isnull=True)
        return [(row.kind, row.payment_id) for row in rows]

    def books_hold(self, payment: Payment, balance: str, charges: list[int], credited: int) -> None:
        """The balance to the millionth, the bank's own book for this payment, the entries and the papers."""
        assert customer_balance(self.company) == parse_amount(balance, self.company.account.currency)
        assert self.bank.charges(payment.id) == charges
        assert self.credits() == credited
        if credited:
            wait(lambda: self.receipts() == credited, "a receipt voucher")
        assert self.receipts() == credited

    def paid_once(self, payment: Payment, amount: str = "50") -> None:
        """Told so, charged once, credited once, one receipt."""
        money = format_money(parse_amount(amount, self.company.account.currency)).replace("\u00a0", " ")
        self.will_see(payment, f"Paid. Your balance is {money}.")
        minor = parse_amount(amount, self.company.account.currency).micros // 10_000
        self.books_hold(payment, amount, [minor], 1)

    def age(self, payment: Payment, by: timedelta) -> None:
        """Let it have been sent so long ago, and let the worker look at it now."""
        Payment.objects.filter(account_id=self.account_id, id=payment.id).update(
            created_at=F("created_at") - by,
            submitted_at=F("submitted_at") - by,
            asked_at=F("asked_at") - by,
            next_ask_at=timezone.now(),
        )


def words(response: httpx.Response) -> str:
    """The page's words, without marks of direction."""
    plain = re.sub(r"<noscript>.*?</noscript>|<[^>]+>|[\u2066\u2069]", " ", response.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", plain).replace(" .", ".").replace("\u00a0", " ")
