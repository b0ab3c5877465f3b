"""What people do at a payment besides paying: press twice, go back, open a second tab, use no mouse or no script."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from browser.visitor import BALANCE, GOOD, PAY, THREE_DS, Visitor
from browser.watch import Look
from raseed.payments.states import State

Guests = Callable[..., Visitor]
TABS_MAX = 40


def without_script(visitor: Guests, look: Look) -> Visitor:
    guest = visitor(look, script=False)
    guest.sign_in()
    return guest


def test_double_click_is_one_payment(admin: Visitor) -> None:
    admin.saved_card()
    page = admin.at_balance()
    admin.open_pay_now(page, "15").locator("button[type=submit]").dblclick()
    admin.paid(page, "15", "25")
    admin.books_say("25", 1_500)
    assert len(admin.payments()) == 1


def test_double_click_without_script_is_one_payment(visitor: Guests, look: Look) -> None:
    guest = without_script(visitor, look)
    guest.saved_card()
    page = guest.open(PAY)
    page.fill("#pay-amount", "15")
    page.locator("#pay-panel button[type=submit]").dblclick()
    page.wait_for_url("**/settings/billing/payments/*")
    guest.paid(page, "15", "25")
    guest.books_say("25", 1_500)
    assert len(guest.payments()) == 1


def test_back_button_and_reload_show_the_same_payment(admin: Visitor) -> None:
    page = admin.at_balance()
    admin.pay_with_new_card(page, "33", GOOD)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    admin.paid(page, "33", "33")
    page.reload()
    admin.paid(page, "33", "33")
    page.go_back()
    page.wait_for_url(f"{admin.bank.url}/pay/**")
    # The bank's page is drawn anew: it holds no form any more, only the way back to the same payment.
    expect(page.locator("#number")).to_have_count(0)
    admin.watch.state(page, "bank-back")
    page.locator("a.first").click()
    page.wait_for_url(f"**{BALANCE}?payment={admin.payment().id}")
    admin.paid(page, "33", "33")
    admin.books_say("33", 3_300)


def test_form_that_is_sent_again_shows_the_same_payment(visitor: Guests, look: Look) -> None:
    guest = without_script(visitor, look)
    guest.saved_card()
    page = guest.open(PAY)
    page.fill("#pay-amount", "18")
    sent = [
        (one.get_attribute("name") or "", one.input_value())
        for one in page.locator(
            "form[action$='/pay'] input:not([type=radio]:not(:checked), [type=checkbox])"
        ).all()
    ]
    page.locator("#pay-panel button[type=submit]").click()
    page.wait_for_url("**/settings/billing/payments/*")
    guest.paid(page, "18", "28")
    shown = page.url
    page.reload()
    assert page.url == shown
    # What a browser sends when a form's page is loaded again: every field as it was.
    again = guest.context.request.post(
        guest.whole.portal + PAY,
        form=dict(sent),
        headers={"Referer": guest.whole.portal + PAY},
    )
    assert (again.status, again.url) == (200, shown)
    guest.books_say("28", 1_800)
    assert len(guest.payments()) == 1


def test_second_tab_warns_of_the_payment_in_progress(admin: Visitor) -> None:
    admin.saved_card()
    first = admin.at_balance()
    admin.pay_with_new_card(first, "42", THREE_DS)
    first.wait_for_url(f"{admin.bank.url}/3ds/**")
    second = admin.open()
    dialog = admin.open_pay_now(second, "43")
    admin.press_pay(dialog)
    warning = dialog.locator(".notice.tone-warning")
    expect(warning).to_contain_text(admin.money("42"))
    link = warning.get_by_role("link", name=admin.say("Show the payment in progress"))
    expect(link).to_have_attribute("href", f"/settings/billing/payments/{admin.payment().id}")
    expect(dialog.locator("#pay-amount")).to_have_value("43")
    admin.watch.state(second, "second-tab")
    admin.books_say("10")
    assert len(admin.payments()) == 1

    expect(dialog.locator("#pay-label")).to_have_text(
        admin.say("Pay another %(amount)s", amount=admin.money("43"))
    )
    admin.press_pay(dialog)
    admin.paid(second, "43", "53")
    assert [one.state for one in admin.payments()] == [State.ACTION_REQUIRED, State.SUCCEEDED]
    admin.books_say("53", 4_300)


def test_new_card_without_script(visitor: Guests, look: Look) -> None:
    guest = without_script(visitor, look)
    page = guest.open()
    page.get_by_role("link", name=guest.say("Pay Now"), exact=True).last.click()
    page.wait_for_url(f"**{PAY}")
    page.fill("#pay-amount", "12.50")
    page.locator("#pay-panel button[type=submit]").click()
    guest.type_card(page, GOOD)
    page.wait_for_url(f"**{BALANCE}?payment=*")
    guest.paid(page, "12.50", "12.50")
    guest.books_say("12.50", 1_250)


def test_result_page_follows_without_script(visitor: Guests, look: Look) -> None:
    guest = without_script(visitor, look)
    guest.saved_card()
    page = guest.open(PAY)
    page.fill("#pay-amount", "12.50")
    guest.bank.behaviour(webhook_drop_percent=100)
    guest.bank.behaviour(next="G5")
    with guest.whole.worker_held():
        page.locator("#pay-panel button[type=submit]").click()
        page.wait_for_url("**/settings/billing/payments/*")
        expect(page.locator(".result.tone-info")).to_contain_text(
            guest.say("Confirming with your bank. Do not pay again; this page follows.")
        )
        guest.books_say("10", 1_250)
    result = guest.paid(page, "12.50", "22.50")
    expect(result.locator("a[href$='/voucher']")).to_be_visible()
    guest.books_say("22.50", 1_250)


def test_form_errors_without_script(visitor: Guests, look: Look) -> None:
    guest = without_script(visitor, look)
    guest.watch.forgiven.append("the server responded with a status of 422")
    guest.saved_card()
    page = guest.open(PAY)
    page.fill("#pay-amount", "4.99")
    page.locator("#pay-panel button[type=submit]").click()
    expect(page.locator("#pay-amount-error")).not_to_be_empty()
    expect(page.locator("#pay-amount")).to_have_value("4.99")
    assert guest.payments() == []
    guest.books_say("10")


def test_pay_now_as_a_page_of_its_own(admin: Visitor) -> None:
    admin.saved_card()
    admin.sign_in()
    page = admin.open(PAY)
    page.fill("#pay-amount", "19")
    expect(page.locator("#pay-label")).to_contain_text(admin.money("19"))
    admin.watch.state(page, "pay-page")
    page.locator("#pay-panel button[type=submit]").click()
    result = page.locator(".result.tone-success")
    expect(result).to_contain_text(admin.say("Paid. Your balance is %(balance)s.", balance=admin.money("29")))
    admin.books_say("29", 1_900)
    page.goto(f"{admin.whole.portal}/settings/billing/payments/{admin.payment().id}")
    admin.paid(page, "19", "29")
    admin.watch.state(page, "payment-page")


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.outerHTML.slice(0, 300)")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until that element has the focus, and see that the focus shows."""
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement);"
                " const p = getComputedStyle(document.activeElement.parentElement);"
                " return [s.outlineStyle, s.boxShadow, p.outlineStyle]; })()"
            )
            assert outline[0] != "none" or outline[1] != "none" or outline[2] != "none", focused(page)
            return
    raise AssertionError(f"{selector} is not reached with {TABS_MAX} tabs; at {focused(page)}")


def test_keyboard_alone(admin: Visitor) -> None:
    method = admin.saved_card()
    page = admin.at_balance()
    tab_to(page, ".hero-action a.btn-primary")
    page.keyboard.press("Enter")
    expect(page.locator("#pay-amount")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".hero-action a.btn-primary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#pay-amount")).to_be_focused()
    page.keyboard.type("25")
    expect(page.locator("#pay-label")).to_contain_text(admin.money("25"))
    tab_to(page, "input[name=method]")
    assert page.evaluate("document.activeElement.value") == str(method.id)
    page.keyboard.press("ArrowDown")
    expect(page.locator("input[name=method][value=new]")).to_be_checked()
    tab_to(page, "input[name=save_card]")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowUp")
    expect(page.locator(f"input[name=method][value='{method.id}']")).to_be_checked()
    tab_to(page, "#pay-panel button[type=submit]")
    page.keyboard.press("Space")
    result = admin.paid(page, "25", "35")
    expect(result.locator("a[href$='/voucher']")).to_be_visible()
    expect(page.locator("#dialog-title")).to_be_focused()
    tab_to(page, "a[href$='/voucher']")
    tab_to(page, "a[data-closes-dialog]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".hero-action a.btn-primary")).to_be_focused()
    admin.books_say("35", 2_500)


def test_preset_fills_the_amount(admin: Visitor) -> None:
    admin.saved_card()
    page = admin.at_balance()
    page.get_by_role("link", name=admin.say("Pay Now"), exact=True).last.click()
    dialog = page.get_by_role("dialog")
    dialog.locator("a.preset").nth(2).click()
    expect(dialog.locator("#pay-amount")).to_have_value("250.00")
    expect(dialog.locator("#pay-label")).to_have_text(admin.say("Pay %(amount)s", amount=admin.money("250")))
    admin.press_pay(dialog)
    admin.paid(page, "250", "260")
    admin.books_say("260", 25_000)


def test_language_and_theme_can_be_changed_on_the_page(admin: Visitor, browser: Browser) -> None:
    page = admin.at_balance()
    other = "ar" if admin.look.language == "en" else "en"
    page.locator(f"button[name=language][value={other}]").click()
    expect(page.locator("html")).to_have_attribute("lang", other)
    expect(page.locator("html")).to_have_attribute("dir", "rtl" if other == "ar" else "ltr")
    page.locator("[popovertarget=theme-menu]").click()
    page.locator("button[name=theme][value=dark]").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
