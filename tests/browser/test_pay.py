"""Pay Now as people see it, in both languages: each way it can go, the figure on the page and the one in the books."""

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from browser.visitor import BALANCE, DECLINED, GOOD, POOR, THREE_DS, Visitor
from browser.watch import DESKTOP
from people import PASSWORD, spend
from raseed.accounts.models import BillingDetails
from raseed.balance.models import Reason, Suspension
from raseed.balance.suspension import open_suspensions, suspend
from raseed.payments.models import PaymentMethod
from raseed.payments.states import State
from whole import wait


def landings(page: Page) -> list[str]:
    """The addresses that the tab goes to from now on."""
    gone: list[str] = []
    page.on("framenavigated", lambda frame: gone.append(frame.url) if frame == page.main_frame else None)
    return gone


def mark(page: Page) -> None:
    """Leave a mark that only this very document has."""
    page.evaluate("window.drawnOnce = true")


def is_marked(page: Page) -> bool:
    return page.evaluate("window.drawnOnce === true")


def test_sign_in_and_pay_with_a_new_card_by_the_path_of_the_help_page(admin: Visitor) -> None:
    page = admin.open("/login")
    admin.watch.state(page, "sign-in")
    page.fill("input[name=username]", admin.company.admin.email)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name=admin.say("Sign in"), exact=True).click()
    page.wait_for_url(f"**{BALANCE}")
    page.goto(f"{admin.whole.portal}/home")
    admin.watch.state(page, "home")
    if admin.look.size == DESKTOP:
        page.locator("#side").get_by_role("link", name=admin.say("Billing"), exact=True).click()
    else:
        page.get_by_role("button", name=admin.say("Menu")).click()
        admin.watch.state(page, "drawer")
        page.locator("#side").get_by_role("link", name=admin.say("Billing"), exact=True).click()
    page.wait_for_url(f"**{BALANCE}")
    admin.figure_is(page, "0")
    admin.watch.state(page, "balance-empty")

    dialog = admin.open_pay_now(page, "100")
    expect(dialog.locator("input[name=save_card]")).not_to_be_checked()
    admin.watch.state(page, "dialog-new-card")
    admin.press_pay(dialog)
    page.wait_for_url(f"{admin.bank.url}/pay/**")
    admin.watch.state(page, "bank-card")
    admin.type_card(page, GOOD)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    gone = landings(page)
    mark(page)
    result = admin.paid(page, "100", "100")
    paper = admin.voucher_of(page, result)
    admin.watch.state(page, "paid-new-card")
    assert is_marked(page)
    assert gone == []
    admin.books_say("100", 10_000)
    assert not PaymentMethod.objects.filter(account_id=admin.company.account.id).exists()
    assert admin.watch.card_numbers_elsewhere == 1

    _mail_brings(admin, page, paper)
    page.goto(f"{admin.whole.portal}/settings/billing/invoices?tab=payments")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text(admin.money("100"))
    expect(page.locator("tfoot")).to_contain_text(admin.money("100"))
    admin.watch.state(page, "payments")


def _mail_brings(admin: Visitor, page: Page, paper: bytes) -> None:
    """The mailbox shows one mail to the billing address; its attachment is the voucher, byte for byte."""
    (address,) = BillingDetails.objects.get(account_id=admin.company.account.id).billing_emails
    wait(lambda: admin.whole.mails(address), f"mail to {address}")
    (mail,) = admin.whole.mails(address)
    assert [part.get_content() for part in mail.iter_attachments()] == [paper]
    page.goto(f"{admin.whole.portal}/demo/mailbox")
    admin.watch.state(page, "mailbox")
    page.locator(".mail-list a").filter(has_text=address).click()
    expect(page.locator(".mail-head")).to_contain_text(address)
    admin.watch.state(page, "mail")
    with page.expect_download() as downloading:
        page.locator(".mail-files a").click()
    assert downloading.value.path().read_bytes() == paper
    assert re.search(r"RV-\d{4}-\d{6}.*\.pdf", downloading.value.suggested_filename)


def test_saved_card_is_charged_in_place(admin: Visitor) -> None:
    admin.saved_card()
    page = admin.at_balance()
    admin.figure_is(page, "10")
    mark(page)
    gone = landings(page)
    page.locator("details.equation summary").click()
    admin.watch.state(page, "balance-equation")
    dialog = admin.open_pay_now(page, "123.45")
    admin.watch.state(page, "dialog-saved-card")
    admin.press_pay(dialog)
    result = admin.paid(page, "123.45", "133.45")
    admin.voucher_of(page, result)
    admin.watch.state(page, "paid-saved-card")
    page.get_by_role("link", name=admin.say("Close"), exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    admin.figure_is(page, "133.45")
    assert is_marked(page)
    assert gone == []
    admin.books_say("133.45", 12_345)


def test_new_card_is_kept_only_when_asked_to(admin: Visitor) -> None:
    page = admin.at_balance()
    admin.pay_with_new_card(page, "20", GOOD, save=True)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    admin.paid(page, "20", "20")
    (method,) = PaymentMethod.objects.filter(account_id=admin.company.account.id)
    assert (method.brand, method.last4) == ("visa", "4242")
    dialog = admin.open_pay_now(page, "5")
    expect(dialog.locator(f"input[value='{method.id}']")).to_be_checked()


@pytest.mark.parametrize("kept", [False, True], ids=["new", "saved"])
def test_three_d_secure(admin: Visitor, kept: bool) -> None:
    before = "0"
    if kept:
        admin.saved_card(THREE_DS)
        before = "10"
    page = admin.at_balance()
    if kept:
        admin.press_pay(admin.open_pay_now(page, "75.50"))
    else:
        admin.pay_with_new_card(page, "75.50", THREE_DS)
    page.wait_for_url(f"{admin.bank.url}/3ds/**")
    admin.watch.state(page, f"bank-3ds-{'saved' if kept else 'new'}")
    admin.books_say(before)
    page.locator("button[value=complete]").click()
    page.wait_for_url(f"**{BALANCE}?payment=*")
    after = "85.50" if kept else "75.50"
    admin.paid(page, "75.50", after)
    admin.books_say(after, 7_550)


@pytest.mark.parametrize(
    ("card", "name", "reason"),
    [
        (DECLINED, "declined", "your bank did not accept the card. Use another card, or ask your bank."),
        (POOR, "insufficient", "the card has insufficient funds."),
    ],
    ids=["declined", "insufficient"],
)
def test_declined_card_charges_nothing_and_says_what_to_do(
    admin: Visitor, card: str, name: str, reason: str
) -> None:
    page = admin.at_balance()
    admin.pay_with_new_card(page, "60", card)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    result = page.locator(".result.tone-danger")
    expect(result).to_contain_text(admin.say("Declined: %(reason)s", reason=admin.say(reason)))
    expect(result).to_contain_text(admin.say("Nothing was charged."))
    admin.figure_is(page, "0")
    admin.watch.state(page, name)
    admin.books_say("0")
    assert admin.payment().state == State.FAILED

    result.get_by_role("link", name=admin.say("Other card")).click()
    expect(page.get_by_role("dialog").locator("#pay-amount")).to_have_value("60.00")
    admin.press_pay(page.get_by_role("dialog"))
    admin.type_card(page, GOOD)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    admin.paid(page, "60", "60")
    admin.books_say("60", 6_000)


def test_abandoned_three_d_secure_waits_in_every_tab_and_can_be_finished(admin: Visitor) -> None:
    page = admin.at_balance()
    admin.pay_with_new_card(page, "42", THREE_DS)
    page.wait_for_url(f"{admin.bank.url}/3ds/**")
    page.goto(f"{admin.whole.portal}{BALANCE}")
    waiting = admin.say("Your bank is waiting for you")
    expect(page.locator(".result.tone-warning")).to_contain_text(waiting)
    admin.watch.state(page, "abandoned")
    page.close()

    stays = admin.open()
    expect(stays.locator(".result.tone-warning")).to_contain_text(waiting)
    expect(stays.locator(".result.tone-warning")).to_contain_text(admin.money("42"))
    mark(stays)
    admin.books_say("0")
    acts = admin.open()
    acts.get_by_role("link", name=admin.say("Continue"), exact=True).click()
    acts.wait_for_url(f"{admin.bank.url}/3ds/**")
    acts.locator("button[value=complete]").click()
    acts.wait_for_url(f"**{BALANCE}?payment=*")
    admin.paid(acts, "42", "42")
    # The other tab was left alone: its figure rises where it stands.
    admin.paid(stays, "42", "42")
    assert is_marked(stays)
    admin.books_say("42", 4_200)


def test_bank_that_charges_and_does_not_answer(admin: Visitor) -> None:
    admin.saved_card()
    page = admin.at_balance()
    mark(page)
    admin.bank.behaviour(webhook_drop_percent=100)
    admin.bank.behaviour(next="G5")
    with admin.whole.worker_held():
        admin.press_pay(admin.open_pay_now(page, "30"))
        confirming = page.locator(".result.tone-info:visible").first
        expect(confirming).to_contain_text(
            admin.say("Confirming with your bank. Do not pay again; this page follows.")
        )
        admin.figure_is(page, "10")
        # The money is gone from the card, and nothing here knows it yet.
        admin.books_say("10", 3_000)
        assert admin.payment().state == State.SUBMITTED
        admin.watch.state(page, "confirming")
    admin.paid(page, "30", "40")
    assert is_marked(page)
    admin.books_say("40", 3_000)


def test_suspended_account_pays_its_way_back(admin: Visitor) -> None:
    admin.saved_card()
    spend(admin.company, "22.34")
    assert suspend(admin.company.account.id, Reason.BALANCE, timezone.now())
    page = admin.at_balance()
    mark(page)
    admin.figure_is(page, "-12.34")
    banner = page.locator("#balance-notices .notice")
    expect(banner).to_contain_text(admin.say("Service is suspended"))
    expect(banner).to_contain_text(
        admin.say(
            "Pay at least %(amount)s (the smallest payment) to restore it at once.",
            amount=admin.money("12.35"),
        )
    )
    admin.watch.state(page, "suspended")
    dialog = admin.open_pay_now(page, "12.35")
    expect(dialog).to_contain_text(admin.money("12.35"))
    admin.press_pay(dialog)
    result = admin.paid(page, "12.35", "0.01")
    expect(result).to_contain_text(admin.say("Your service is running again."))
    expect(banner).to_have_count(0)
    admin.watch.state(page, "restored")
    assert is_marked(page)
    assert open_suspensions(admin.company.account.id) == []
    lifted = Suspension.objects.get(account_id=admin.company.account.id)
    assert lifted.lifted_at == admin.payment().final_at
    admin.books_say("0.01", 1_235)


def test_amount_that_cannot_be_charged_stays_at_its_field(admin: Visitor) -> None:
    admin.saved_card()
    page = admin.at_balance()
    page.get_by_role("link", name=admin.say("Pay Now"), exact=True).last.click()
    dialog = page.get_by_role("dialog")
    for amount in ("4.99", "1,00", "-5", "10.005"):
        dialog.locator("#pay-amount").fill(amount)
        # The field of before is marked, so that what follows is seen on the one that was drawn anew.
        dialog.locator("#pay-amount").evaluate("field => field.dataset.before = 'yes'")
        admin.press_pay(dialog)
        expect(dialog.locator("#pay-amount:not([data-before])")).to_have_attribute("aria-invalid", "true")
        expect(dialog.locator("#pay-amount-error")).not_to_be_empty()
        expect(dialog.locator("#pay-amount")).to_have_value(amount)
    admin.watch.state(page, "amount-error")
    assert admin.payments() == []
    admin.books_say("10")


@pytest.mark.parametrize("path", ["/help/pay-now", "/help/pay-now/faq"], ids=["help", "faq"])
def test_help_pages(admin: Visitor, path: str) -> None:
    admin.sign_in()
    page = admin.open(path)
    expect(page.locator("h1")).to_be_visible()
    admin.watch.state(page, path.rsplit("/", 1)[1] if path.endswith("faq") else "help")


def test_watched_by_what_would_notice(visitor: Callable[..., Visitor], admin: Visitor) -> None:
    """The watch itself: each thing that it forbids is noticed."""
    page = admin.at_balance()
    admin.watch.forgiven.append("ERR_")
    page.evaluate("fetch('/settings/billing/balance?note=4242-4242 42424242').catch(() => 0)")
    page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    page.evaluate("console.error('said')")
    page.evaluate("fetch('https://elsewhere.test/').catch(() => 0)")
    page.evaluate("document.body.append(document.createElement('img'))")
    page.evaluate("document.querySelector('.hero').style.minWidth = '3000px'")
    wait(lambda: page.evaluate("true") and len(admin.watch.faults) >= 4, "four faults")
    admin.watch.state(page, "broken-on-purpose")
    faults, admin.watch.faults = "\n".join(admin.watch.faults), []
    for part in (
        "a card number was sent to the portal",
        "thrown",
        "said",
        "Content Security Policy",
        "image-alt",
        "wide on a screen",
    ):
        assert part in faults, faults
