"""The faults of paying, one test a row: what the customer sees, and what the books and the bank's own book hold.

Everything runs as processes: portal, worker, bank, mail server, and a line to the bank that can be cut. Time is not waited
for where a row is about half an hour or a day: the payment is made older instead, and the worker looks at it.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from django.db import connections
from playwright.sync_api import expect
from pytest_django import Settings

from browser.visitor import BALANCE, GOOD, Visitor
from browser.watch import DESKTOP, PHONE, Look
from chromium import launched
from conftest import TEMPLATE, RealDatabase, _attached, _point_django_at
from faults.admin import PAYMENTS, Admin, words
from line import ANY, Fate
from people import customer_balance, make_operator
from raseed.db.embedded import OWNER_ROLE
from raseed.ledger import read
from raseed.ledger.chart import Kind
from raseed.money import Money
from raseed.payments.models import GatewayHealth, Payment, PaymentMove
from raseed.payments.states import State
from raseed.portal.wording import case_number
from whole import Whole, wait

pytestmark = pytest.mark.xdist_group("paying")

CONFIRMING = "Confirming with your bank. Do not pay again; this page follows."
THREE_DS = "4000002760003184"
BUSY_S = 2
NO_LETTERS = {"webhook_drop_percent": 100}


@pytest.fixture(scope="module")
def whole(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Whole]:
    """One product for all rows, on a database of its own, with a line to the bank in our hands."""
    cluster, name = _attached(), f"raseed_{uuid4().hex[:12]}"
    cluster.clone(TEMPLATE, name)
    database = RealDatabase(name, cluster.url(database=name), cluster.url(OWNER_ROLE, name))
    running = Whole(
        database, tmp_path_factory.mktemp("paying"), proxied=True, gateway_timeout_s=0.8, card_page="iframe"
    )
    running.bank.settings |= {"late_s": 2, "busy_s": BUSY_S, "webhook_late_s": 1}
    try:
        with running:
            yield running
    finally:
        cluster.drop(name)


@pytest.fixture(autouse=True)
def here(whole: Whole, django_db_blocker: pytest.FixtureRequest, settings: Settings) -> Iterator[None]:
    """The test itself looks at the product's database."""
    settings.PUBLIC_URL = whole.portal
    before = str(connections["default"].settings_dict["NAME"])
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        _point_django_at(whole.database.name)
        try:
            make_operator()
            yield
        finally:
            whole.bank.behaviour(clear=True)
            _point_django_at(before)


@pytest.fixture
def admins(whole: Whole) -> Iterator[Callable[[], Admin]]:
    made: list[Admin] = []

    def make() -> Admin:
        made.append(Admin(whole))
        return made[-1]

    yield make
    for one in made:
        one.leave()


@pytest.fixture
def admin(admins: Callable[[], Admin]) -> Admin:
    return admins()


def alarms(whole: Whole, word: str) -> list[str]:
    """Lines of the product's logs at level ERROR that hold this word."""
    logs = [whole.directory / f"{name}.log" for name in ("portal", "worker")]
    return [line for log in logs for line in _lines(log) if " ERROR " in line and word in line]


def _lines(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()


def confirming(admin: Admin, payment: Payment) -> None:
    """The customer is told to wait, and nothing here knows of the money yet."""
    assert CONFIRMING in admin.sees(payment)
    assert admin.payment().state == State.SUBMITTED
    assert customer_balance(admin.company) == Money.zero("USD")


# -- idle connections


def test_f28_idle_connections_keep_nobody_out(admin: Admin) -> None:
    """A browser, a proxy or a gateway keeps its connection open after the answer: that takes no place from others."""
    address = ("127.0.0.1", urlsplit(admin.whole.portal).port or 0)
    with ExitStack() as held:
        for _ in range(200):
            idle = held.enter_context(socket.create_connection(address, timeout=10))
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(12) == b"HTTP/1.1 200"
        with admin.new_browser() as another:
            assert another.get("/settings/billing/balance").status_code == 200


def test_f45_a_webhook_leaves_no_connection_behind(admin: Admin) -> None:
    address = ("127.0.0.1", urlsplit(admin.whole.portal).port or 0)
    with socket.create_connection(address, timeout=10) as gateway:
        gateway.sendall(b"POST /webhooks/sandbox HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        answer = b"".join(iter(lambda: gateway.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400"), "forged; and the portal has closed"


# -- silence


def sent_once(admin: Admin, payment: Payment) -> None:
    """Found by asking, be it by the look-up or in the bank's list, whichever came first: never by sending again."""
    methods = [one.method for one in admin.line.sent(payment.id)]
    assert methods[0] == "POST", "the charge itself"
    assert set(methods[1:]) <= {"GET"}, "nothing but questions after it"


@contextmanager
def unanswered(admin: Admin, behaviour: str, card: str = "4242424242424242") -> Iterator[Payment]:
    """Pay on a saved card at a bank that does not say how it ended; nobody but the customer asks meanwhile."""
    admin.bank.behaviour(**NO_LETTERS)
    saved = admin.saved_card(card)
    with admin.whole.worker_held():
        payment = admin.pay(saved, behaviour=behaviour)
        confirming(admin, payment)
        yield payment


def test_f01_timeout_charge_made(admin: Admin) -> None:
    with unanswered(admin, "G5") as payment:
        assert admin.bank.charges(payment.id) == [5_000], "the card is charged, and nobody told us"
    admin.paid_once(payment)
    sent_once(admin, payment)


def test_f02_timeout_charge_not_made(admin: Admin) -> None:
    with unanswered(admin, "G8") as payment:
        assert admin.bank.charges(payment.id) == []
    admin.paid_once(payment)
    posts = [one.key for one in admin.line.sent(payment.id) if one.method == "POST"]
    assert posts == [str(payment.id)] * 2, "sent again with the same key while the customer waits"


def test_f02_timeout_charge_not_made_and_proven(admin: Admin) -> None:
    """A look-up that finds nothing proves nothing; the answer to the same key does: declined, so try again."""
    with unanswered(admin, "G8", card="4000000000000341") as payment:
        assert admin.bank.charges(payment.id) == []
    page = admin.will_see(payment, "Nothing was charged.")
    assert "Declined: your bank did not accept the card." in page
    admin.books_hold(payment, "0", [], 0)


@pytest.mark.parametrize("fate", [Fate.RESET, Fate.CUT])
def test_f03_connection_reset_after_charge(admin: Admin, fate: Fate) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    form = admin.form(method=admin.saved_card())
    with admin.whole.worker_held():
        admin.line.strike(ANY, fate)
        assert admin.press(form).status_code == 302
        payment = admin.payment()
        confirming(admin, payment)
        assert admin.bank.charges(payment.id) == [5_000]
    admin.paid_once(payment)


def test_f04_500_after_charge_replayed_on_retry(admin: Admin) -> None:
    with unanswered(admin, "G7") as payment:
        assert admin.bank.charges(payment.id) == [5_000]
    admin.paid_once(payment)
    sent_once(admin, payment)


def test_f05_late_charge_lookup_says_404_first(admin: Admin) -> None:
    with unanswered(admin, "G9") as payment:
        assert admin.bank.charges(payment.id) == []
    admin.paid_once(payment)
    assert admin.states(payment) == ["submitted", "succeeded"], "never failed on a 404"


def test_f06_retry_after_the_key_horizon(admin: Admin) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    card = admin.saved_card()
    with admin.whole.worker_held():
        payment = admin.pay(card, behaviour="G8")
        confirming(admin, payment)
        admin.age(payment, timedelta(hours=23, seconds=1))
    case = case_number(payment.id)
    page = admin.will_see(payment, f"Under review: we will write to you; case {case}.")
    assert "Do not pay it again." in page
    assert [one.method for one in admin.line.sent(payment.id)] == ["POST", "GET"], "looked up, not sent again"
    assert admin.breaks() == [("unresolved", payment.id)]
    admin.books_hold(payment, "0", [], 0)


# -- a bank that is down, or busy


def test_f07_gateway_down(admins: Callable[[], Admin], whole: Whole) -> None:
    people = [admins() for _ in range(6)]
    forms = [(one, one.form(method=one.saved_card())) for one in people]
    down = "Card payments are not available at the moment. Nothing was charged."
    with whole.worker_held(), whole.line.down():
        for number, (one, form) in enumerate(forms[:5]):
            assert not GatewayHealth.objects.filter(opened_at__isnull=False).exists(), (
                f"after {number} failures"
            )
            assert one.press(form).status_code == 302
            confirming(one, one.payment())
        assert GatewayHealth.objects.filter(opened_at__isnull=False).exists()
        last, form = forms[5]
        page = last.browser.get("/settings/billing/balance/pay")
        assert down in words(page)
        assert "client_key" not in page.text
        refused = last.press(form)
        assert (refused.status_code, down in words(refused)) == (503, True)
        assert last.count() == 0, "no new intent"
    asked_before = len(whole.line.requests)
    wait(lambda: not GatewayHealth.objects.filter(opened_at__isnull=False).exists(), "the circuit closes")
    assert len(whole.line.requests) > asked_before
    for one, _form in forms[:5]:
        one.paid_once(one.payment())
    assert last.press(form).status_code == 302
    last.paid_once(last.payment())


def test_f08_gateway_429(admin: Admin) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    card = admin.saved_card()
    payment = admin.pay(card, behaviour="G11")
    assert "Busy, retrying. Do not pay again; this page follows." in admin.sees(payment)
    admin.books_hold(payment, "0", [], 0)
    admin.paid_once(payment)
    sent = admin.line.sent(payment.id)
    assert {one.key for one in sent if one.method == "POST"} == {str(payment.id)}
    assert [one.method for one in sent] == ["POST", "GET", "POST"]
    assert sent[1].at - sent[0].at >= BUSY_S, "by no road before Retry-After is over"


# -- one intent


def test_f09_double_click(admin: Admin) -> None:
    form = admin.form(method=admin.saved_card())
    start = threading.Barrier(20)

    def click(_number: int) -> str:
        with admin.new_browser() as browser:
            start.wait(30)
            return browser.post("/settings/billing/balance/pay", data=form).headers["Location"]

    with ThreadPoolExecutor(20) as pool:
        seen = set(pool.map(click, range(20)))
    payment = admin.payment()
    assert seen == {f"{PAYMENTS}/{payment.id}"}
    assert admin.count() == 1
    admin.paid_once(payment)


def test_f10_two_tabs_same_amount(admin: Admin) -> None:
    forms = [admin.form("50"), admin.form("50")]
    assert admin.press(forms[0]).status_code == 302
    first = admin.payment()
    warned = admin.press(forms[1])
    assert warned.status_code == 409
    assert "A payment of 50.00 USD from " in words(warned)
    assert " seconds ago is in progress" in words(warned)
    assert admin.count() == 1
    assert admin.press({**forms[1], "beside": str(first.id)}).status_code == 302
    assert admin.count() == 2
    for payment in (first, admin.payment()):
        admin.bank.pay(payment.gateway_ref)
    admin.will_see(first, "Paid.")
    admin.will_see(admin.payment(), "Paid. Your balance is 100.00 USD.")
    assert [admin.bank.charges(one.id) for one in (first, admin.payment())] == [[5_000], [5_000]]
    assert admin.credits() == 2


def test_f11_back_button_and_reload_of_post(admin: Admin) -> None:
    form = admin.form(method=admin.saved_card())
    first, again = admin.press(form), admin.press(form)
    assert first.headers["Location"] == again.headers["Location"]
    payment = admin.payment()
    admin.paid_once(payment)
    assert "Paid. Your balance is 50.00 USD." in words(admin.browser.get(again.headers["Location"]))
    other = admin.press({**form, "amount": "60"})
    assert other.status_code == 422
    assert "This form was already used for another payment. Nothing was charged." in words(other)
    assert admin.count() == 1
    admin.books_hold(payment, "50", [5_000], 1)


def test_f12_customer_never_returns(admin: Admin) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    form = admin.form(method=admin.saved_card())
    admin.bank.behaviour(next="G5")
    with pytest.raises(httpx.TimeoutException):
        admin.browser.post("/settings/billing/balance/pay", data=form, timeout=httpx.Timeout(20, read=0.3))
    address = _billing_email(admin)
    wait(lambda: admin.whole.mails(address), "the receipt by mail", 45)
    (mail,) = admin.whole.mails(address)
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]
    admin.books_hold(admin.payment(), "50", [5_000], 1)


# -- 3-D Secure


def abandoned(admin: Admin, behaviour: str = "G1") -> Payment:
    """The customer left the 3-D Secure page half an hour ago, and the worker has ended it."""
    payment = admin.pay()
    assert "Your bank is waiting for you" in admin.sees(payment)
    if behaviour != "G1":
        admin.bank.behaviour(reference=str(payment.id), behaviour=behaviour)
    admin.bank.pay(payment.gateway_ref, "4242424242424242" if behaviour != "G1" else THREE_DS, "abandon")
    admin.age(payment, timedelta(minutes=31))
    page = admin.will_see(payment, "The payment was not completed.")
    assert "Nothing was charged." in page
    assert "Try again" in page
    return admin.payment()


def test_f13_3ds_abandoned(admin: Admin) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    payment = abandoned(admin)
    assert (payment.state, admin.states(payment)[-1]) == (State.CANCELED, "canceled")
    (cancel,) = [line for line in admin.bank.book() if line["reference"] == str(payment.id)]
    moved = PaymentMove.objects.get(account_id=admin.account_id, payment_id=payment.id, target="canceled")
    assert cancel["kind"] == "cancel", "first at the gateway"
    assert moved.cause == "reconcile"
    assert admin.bank.pay(payment.gateway_ref)["payment"]["state"] == "canceled", (
        "it cannot be charged any more"
    )
    admin.books_hold(payment, "0", [], 0)
    again = admin.pay()
    admin.bank.pay(again.gateway_ref)
    admin.browser.get(f"{PAYMENTS}/{again.id}/return")
    admin.paid_once(again)


def test_f13_the_cancel_says_that_it_was_charged(admin: Admin) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    payment = admin.pay()
    admin.bank.pay(payment.gateway_ref)
    admin.age(payment, timedelta(minutes=31))
    admin.paid_once(payment)
    assert "canceled" not in admin.states(payment)


def test_f14_3ds_completes_after_we_expired_it(admin: Admin) -> None:
    admin.bank.behaviour(**NO_LETTERS)
    payment = abandoned(admin, "G10")
    assert (
        admin.bank.pay(payment.gateway_ref)["redirect"]
        == f"{admin.whole.portal}{PAYMENTS}/{payment.id}/return"
    )
    # We asked when we canceled, and ask nobody twice within a second.
    Payment.objects.filter(account_id=admin.account_id, id=payment.id).update(asked_at=payment.created_at)
    back = admin.browser.get(f"{PAYMENTS}/{payment.id}/return", follow_redirects=True)
    assert "Paid. Your balance is 50.00 USD." in words(back), "told at once, and by the bank's word"
    admin.paid_once(payment)
    assert admin.states(payment) == ["submitted", "action_required", "canceled", "succeeded"]
    wait(lambda: admin.whole.mails(_billing_email(admin)), "the receipt by mail")


def test_f15_failure_of_attempt_1_arrives_after_success_of_attempt_2(admin: Admin) -> None:
    first = admin.pay()
    admin.bank.behaviour(reference=str(first.id), behaviour="G18-late", stage="webhook")
    admin.bank.pay(first.gateway_ref, "4000000000000002")
    form = admin.form(method=admin.saved_card())
    assert admin.press({**form, "beside": str(first.id)}).status_code == 302
    second = admin.payment()
    admin.paid_once(second)
    admin.will_see(first, "Declined: your bank did not accept the card.")
    assert "Paid. Your balance is 50.00 USD." in admin.sees(second)
    assert admin.bank.charges(first.id) == []
    admin.books_hold(second, "50", [5_000], 1)


# -- what the bank gets wrong


@pytest.mark.parametrize(
    ("behaviour", "minor", "currency"),
    [("G13", 2_500, "USD"), ("G13c", 5_000, "EUR")],
    ids=["amount", "currency"],
)
def test_f16_captured_amount_or_currency_differs(
    admin: Admin, behaviour: str, minor: int, currency: str
) -> None:
    card = admin.saved_card()
    payment = admin.pay(card, behaviour=behaviour)
    page = admin.will_see(payment, f"Under review: we will write to you; case {case_number(payment.id)}.")
    assert "Paid." not in page
    admin.books_hold(payment, "0", [minor], 0)
    suspense = read.balance(admin.account_id, Kind.SUSPENSE, currency)
    assert Money(suspense.balance_micros, currency) == Money.from_minor(minor, currency)
    assert admin.breaks() == [("unexpected_capture", payment.id)]
    assert alarms(admin.whole, f"unexpected_capture: payment {payment.id}")


def test_f17_gateway_reference_of_another_customer(admin: Admin, admins: Callable[[], Admin]) -> None:
    other = admins()
    theirs = other.pay(other.saved_card())
    other.paid_once(theirs)
    admin.bank.behaviour(**NO_LETTERS)
    card = admin.saved_card()
    with admin.whole.worker_held():
        payment = admin.pay(card, behaviour="G14")
        confirming(admin, payment)
        assert admin.breaks() == [("foreign_reference", payment.id)]
        assert alarms(admin.whole, f"foreign_reference: payment {payment.id}")
        assert (other.payment().gateway_ref, admin.payment().gateway_ref) == (theirs.gateway_ref, "")
    admin.paid_once(payment)
    other.books_hold(theirs, "50", [5_000], 1)


# -- the card page in a frame


@pytest.mark.parametrize("look", [Look("en", DESKTOP, "light"), Look("ar", PHONE, "dark")], ids=["en", "ar"])
def test_a_card_is_paid_inside_the_banks_frame_and_the_bank_is_asked(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    """What the frame says of the outcome moves our page to ask the bank, and nothing else."""
    # Playwright's event loop runs in this thread between two steps, and Django would take that for a mistake.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    whole.bank.behaviour(**NO_LETTERS)
    with launched() as chromium:
        visitor = Visitor(chromium, whole, look)
        page = visitor.at_balance()
        visitor.press_pay(visitor.open_pay_now(page, "40"))
        expect(page.frame_locator("iframe.bank-frame").locator("#number")).to_be_visible()
        visitor.watch.state(page, "frame")
        payment = visitor.payment()

        lie = "parent.postMessage({type: 'sandbox-payment', payment: 'x', state: 'succeeded'}, '*')"
        next(one for one in page.frames if one.url.startswith(whole.bank.url)).evaluate(lie)
        page.wait_for_url(f"{whole.portal}{BALANCE}?payment={payment.id}")
        expect(page.locator(".result.tone-warning:visible").first).to_contain_text(
            visitor.say("Your bank is waiting for you")
        )
        assert visitor.payment().state == State.ACTION_REQUIRED
        visitor.books_say("0")

        page.goto(f"{whole.portal}{PAYMENTS}/{payment.id}")
        gone: list[str] = []
        page.on("framenavigated", lambda one: gone.append(one.url) if one == page.main_frame else None)
        bank_page = page.frame_locator("iframe.bank-frame")
        bank_page.locator("#number").fill(GOOD)
        bank_page.locator("#expiry").fill("12/34")
        bank_page.locator("#cvc").fill("123")
        bank_page.locator("button[value=pay]").click()
        visitor.paid(page, "40", "40")
        assert gone
        assert all(url.startswith(whole.portal) for url in gone), gone
        visitor.books_say("40", 4_000)
        visitor.leave()
        visitor.watch.verdict()


def _billing_email(admin: Admin) -> str:
    return f"finance@{admin.account_id.hex[-8:]}.test"
