"""What Pay Now costs: the overhead of a payment over the bare call to the gateway, and payments a second.

All of it is real and shares the machine: the bank, the mail server, the portal, the worker, and the browsers that pay on
saved cards through the portal's own pages. The bare call goes to a second bank, so that it leaves no charge that the
portal knows nothing of. A payment counts once its voucher has its number and its frozen copy; files and mails that are
not ready by then are reported apart.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import httpx
from django.conf import settings
from django.db import connections

from raseed.accounts.models import Account, User
from raseed.bench.figures import percentile, rate
from raseed.bench.house import SECRET_KEY, WEBHOOK_SECRET, free_port
from raseed.bench.registry import given
from raseed.bench.visitors import Visitor, make_account, make_operator
from raseed.db.guard import across_accounts
from raseed.documents.models import Document, DocumentFile
from raseed.gateways.port import Charge, Succeeded
from raseed.gateways.sandbox import SandboxGateway
from raseed.money import Money
from raseed.notifications.models import Mail
from raseed.payments import paynow, reconcile
from raseed.payments.models import Payment, PaymentMethod
from raseed.payments.states import Cause, State

CLIENTS: Final = 16
AMOUNT: Final = "25.00"
WARM_UP: Final = 20
VOUCHERS_SECONDS_MAX: Final = 300.0


def run() -> dict[str, object]:
    """per_second, overhead_p50_ms, overhead_p99_ms; the two parts of the overhead; what was still to do at the end."""
    about = given()
    about.say("a bank, a mail server, the portal and the worker")
    other_bank = _start()
    now = datetime.now(UTC)
    make_operator(now)
    payers = [_payer(number) for number in range(CLIENTS)]
    adapter = SandboxGateway(
        url=other_bank, secret_key=SECRET_KEY, webhook_secrets=(WEBHOOK_SECRET,), timeout_s=8
    )
    with closing(adapter), ExitStack() as browsers:
        for payer in payers:
            browsers.enter_context(closing(payer.visitor))
        about.say("one client: a payment, a bare call, in turn")
        paid_ms, bare_ms = _one_client(payers[0], _bare_call(adapter, other_bank), about.seconds * 2)
        _wait_for_vouchers()
        about.say(f"{CLIENTS} clients")
        figures = _many_clients(payers, about.seconds)
    return {
        "per_second": figures["per_second"],
        # Each percentile against the usual bare call: a slow call of the bank is not our overhead, nor our excuse.
        "overhead_p50_ms": round(percentile(paid_ms, 50) - percentile(bare_ms, 50), 2),
        "overhead_p99_ms": round(percentile(paid_ms, 99) - percentile(bare_ms, 50), 2),
        "payment_p50_ms": round(percentile(paid_ms, 50), 2),
        "payment_p99_ms": round(percentile(paid_ms, 99), 2),
        "bare_call_p50_ms": round(percentile(bare_ms, 50), 2),
        "bare_call_p99_ms": round(percentile(bare_ms, 99), 2),
        "payments": len(paid_ms),
        **figures,
    }


def _start() -> str:
    """Start everything; gives the address of the second bank."""
    house = given().house
    other = free_port()
    mail_port = str(settings.EMAIL_PORT)
    (house.directory / "mailbox").mkdir()
    for name, port in (("bank", int(settings.SANDBOX_URL.rsplit(":", 1)[1])), ("other-bank", other)):
        portal = f"{settings.PUBLIC_URL}/webhooks/sandbox" if name == "bank" else "http://127.0.0.1:9/nobody"
        house.start(name, "raseed.cli", "sandbox", "--port", str(port), "--data-dir", str(house.directory / name),
                    "--webhook-url", portal)  # fmt: skip
    house.start(
        "mail", "raseed.mailbox", "--port", mail_port, "--directory", str(house.directory / "mailbox")
    )
    house.start("portal", "raseed.cli", "serve", "--port", settings.PUBLIC_URL.rsplit(":", 1)[1])
    house.start("worker", "raseed.cli", "worker")
    other_url = f"http://127.0.0.1:{other}"
    for url in (settings.SANDBOX_URL, other_url):
        house.wait_for(f"{url}/healthz")
    house.wait_for(f"{settings.PUBLIC_URL}/readyz")
    return other_url


class _Payer:
    """An Admin with a saved card."""

    def __init__(self, account: Account, admin: User, method: PaymentMethod) -> None:
        self.account, self.method = account, method
        self.visitor = Visitor(admin)

    def pay(self) -> None:
        """Pay once. Raises RuntimeError unless the portal goes on to the payment's page."""
        answer = self.visitor.pay(AMOUNT, self.method.id)
        if answer.status != HTTPStatus.FOUND or "/payments/" not in answer.location:
            raise RuntimeError(f"not paid: {answer.status} {answer.location} {answer.body[:500]!r}")


def _payer(number: int) -> _Payer:
    now = datetime.now(UTC)
    account, admin = make_account(number, now)
    payment = paynow.open_payment(
        paynow.PayNow(
            account_id=account.id,
            client_key=uuid4(),
            credit=Money(50_000_000, "USD"),
            method_id=None,
            save_method=True,
            actor_user_id=admin.id,
            language="en",
        ),
        now,
    )
    payment = paynow.submit(account.id, payment.id, now)
    _type_card(settings.SANDBOX_URL, payment.gateway_ref)
    _until(lambda: _followed(payment) == State.SUCCEEDED, "the first payment of an account")
    method = PaymentMethod.objects.get(account_id=account.id)
    return _Payer(account, admin, method)


def _followed(payment: Payment) -> str:
    return reconcile.follow(payment.account_id, payment.id, Cause.PAGE, datetime.now(UTC)).state


def _type_card(bank: str, gateway_ref: str) -> None:
    httpx.post(
        f"{bank}/admin/pay/{gateway_ref}",
        headers={"Authorization": f"Bearer {SECRET_KEY}"},
        json={"card": "4242424242424242", "outcome": "complete"},
        timeout=10,
        trust_env=False,
    ).raise_for_status()


def _bare_call(adapter: SandboxGateway, bank: str) -> Callable[[], None]:
    """A charge of a saved card through the adapter alone, at a bank of its own."""
    customer = uuid4()

    def charge(saved: str | None, *, save: bool) -> Charge:
        payment_id = uuid4()
        return Charge(
            payment_id=payment_id,
            account_id=customer,
            amount_minor=2_500,
            currency="USD",
            idempotency_key=str(payment_id),
            description="Top-up of the prepaid balance",
            return_url=f"{settings.PUBLIC_URL}/settings/billing/payments/{payment_id}/return",
            saved_reference=saved,
            save_card=save,
            unattended=False,
            customer_language="en",
        )

    opened = adapter.charge(charge(None, save=True))
    _type_card(bank, str(getattr(opened, "gateway_ref", "")))
    typed = adapter.fetch(str(getattr(opened, "gateway_ref", "")))
    if not isinstance(typed, Succeeded) or typed.saved is None:
        raise TypeError(f"no card was saved: {typed}")
    reference = typed.saved.reference

    def call() -> None:
        outcome = adapter.charge(charge(reference, save=False))
        if not isinstance(outcome, Succeeded):
            raise TypeError(f"the bare call did not charge: {outcome}")

    return call


def _one_client(payer: _Payer, bare: Callable[[], None], seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds of each payment, from the press to the answer, and of each bare call."""
    paid_ms, bare_ms = list[float](), list[float]()
    for _ in range(WARM_UP):
        payer.pay()
        bare()
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        paid_ms.append(_ms(payer.pay))
        bare_ms.append(_ms(bare))
    return paid_ms, bare_ms


def _many_clients(payers: list[_Payer], seconds: float) -> dict[str, object]:
    before = _papers()
    started = time.perf_counter()
    pressed = rate(lambda thread, _number: payers[thread].pay(), len(payers), seconds, connections.close_all)
    pressed_s = time.perf_counter() - started
    numbered_at_end = _papers() - before
    _wait_for_vouchers()
    elapsed = time.perf_counter() - started
    with across_accounts("the bench counts all papers"):
        files, mails = DocumentFile.objects.count(), Mail.objects.filter(sent_at__isnull=False).count()
    papers = _papers()
    return {
        # With everything that belongs to a payment: until the last voucher has its number and its copy.
        "per_second": round((papers - before) / elapsed, 1),
        "answered_per_second": round(pressed, 1),
        "numbered_while_paying_per_second": round(numbered_at_end / pressed_s, 1),
        "pdf_backlog": papers - files,
        "mail_backlog": papers - mails,
    }


def _papers() -> int:
    with across_accounts("the bench counts all papers"):
        return Document.objects.count()


def _wait_for_vouchers() -> None:
    """Until every payment that succeeded has its numbered voucher."""

    def all_numbered() -> bool:
        with across_accounts("the bench counts all payments"):
            return Payment.objects.filter(state=State.SUCCEEDED).count() == Document.objects.count()

    _until(all_numbered, "a voucher for every payment")


def _until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + VOUCHERS_SECONDS_MAX
    while not reached():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not there after {VOUCHERS_SECONDS_MAX:.0f} s: {what}")
        time.sleep(0.1)


def _ms(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
