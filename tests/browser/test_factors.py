"""A second factor in a real browser: a passkey on a virtual authenticator, an app by its shown secret, a fresh proof."""

from base64 import b32decode
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from playwright.sync_api import CDPSession, Page, expect

from browser.visitor import BALANCE, Visitor
from browser.watch import DESKTOP, PHONE, Look
from factors import code_at
from people import PASSWORD, make_user
from raseed.accounts.factors import held
from raseed.accounts.models import StaffRole
from raseed.accounts.proof import prove
from whole import wait

SECURITY, ACCOUNTS = "/profile/security", "/backoffice/accounts"
# A platform authenticator that keeps passkeys, knows its person, and is touched by itself.
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def type_password(person: Visitor, page: Page, email: str = "") -> None:
    page.fill("#id_username", email or person.company.admin.email)
    page.fill("#id_password", PASSWORD)
    press(person, page, "Sign in")


def press(person: Visitor, page: Page, words: str) -> None:
    page.get_by_role("button", name=person.say(words), exact=True).click()


def sign_out(person: Visitor, page: Page) -> None:
    page.locator(".person-button").click()
    press(person, page, "Sign out")
    page.wait_for_url("**/login")


def shown_codes(page: Page) -> list[str]:
    expect(page.locator(".codes li")).to_have_count(10)
    return page.locator(".codes code").all_inner_texts()


def add_authenticator(person: Visitor, page: Page) -> tuple[CDPSession, str]:
    """A device that makes and proves passkeys at this page; how to speak to it, and its id."""
    devices = person.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    made = devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return devices, made["authenticatorId"]


def test_a_passkey_is_made_and_signs_in_alone(admin: Visitor) -> None:
    page = admin.open("/login")
    admin.watch.state(page, "login")
    devices, device = add_authenticator(admin, page)
    type_password(admin, page)
    page.wait_for_url(f"**{BALANCE}")
    page.locator(".person-button").click()
    page.locator("#person-menu").get_by_role("link", name=admin.say("Sign-in and security")).click()
    page.get_by_role("link", name=admin.say("Add a passkey")).click()
    page.fill("#id_name", "Galaxy 25 <b>")
    admin.watch.state(page, "passkey-add")
    page.keyboard.press("Enter")
    shown_codes(page)
    admin.watch.state(page, "recovery-codes")
    page.get_by_role("link", name=admin.say("I have kept them")).click()
    expect(page.locator(".factors strong")).to_have_text("Galaxy 25 <b>")
    admin.watch.state(page, "security")
    sign_out(admin, page)

    press(admin, page, "Sign in with a passkey")

    page.wait_for_url(f"**{BALANCE}")
    [passkey] = held.of(admin.company.admin.id).passkeys
    assert passkey.signature_count > 0
    wait(lambda: admin.whole.mails(admin.company.admin.email) != [], "the mail about it")
    [mail] = admin.whole.mails(admin.company.admin.email)
    assert str(mail["Subject"]) == admin.say("A passkey was added")

    # The person at the device is another one: it does not verify, and nobody comes in.
    sign_out(admin, page)
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    admin.watch.forgiven.append("the server responded with a status of 400")
    press(admin, page, "Sign in with a passkey")
    expect(page.get_by_role("alert")).to_contain_text(
        admin.say("Your browser did not use a passkey. Try again, or take another way.")
    )
    admin.watch.state(page, "login-no-passkey")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_app_by_its_shown_secret_then_code_then_recovery_code(
    visitor: Callable[..., Visitor], script: bool
) -> None:
    """English with script, Arabic without: neither needs any."""
    look = Look("en", (1280, 860), "dark") if script else Look("ar", (390, 844), "light")
    person = visitor(look, script=script)
    see = person.watch.state if script else lambda *_: None
    user = person.company.admin
    page = person.open("/login")
    type_password(person, page)
    page.wait_for_url(f"**{BALANCE}")
    make_old(person)
    page.goto(person.whole.portal + SECURITY)
    page.get_by_role("link", name=person.say("Set up an app")).click()
    page.wait_for_url("**/confirm?next=*")
    see(page, "confirm")
    page.fill("#id_password", PASSWORD)
    press(person, page, "Continue")
    page.wait_for_url("**/profile/security/app")
    see(page, "app-add")
    secret = b32decode(page.locator(".secret").inner_text().replace("-", ""))
    person.watch.forgiven.append("the server responded with a status of 400")
    page.fill("#id_code", "000000")
    press(person, page, "Set up the app")
    expect(page.locator(".field-error")).to_be_visible()
    page.fill("#id_code", code_at(secret, timezone.now()))
    press(person, page, "Set up the app")
    codes = shown_codes(page)

    page.context.clear_cookies()
    for way in ("code", "recovery"):
        page.goto(person.whole.portal + "/login")
        type_password(person, page)
        page.wait_for_url("**/login/second")
        if way == "code":
            see(page, "second-step")
            # The next half minute's, since this one's has set the app up.
            page.fill("#id_code", code_at(secret, timezone.now() + timedelta(seconds=30)))
            page.keyboard.press("Enter")
        else:
            page.get_by_text(person.say("Use a recovery code")).click()
            page.fill("#id_recovery_code", codes[0])
            page.keyboard.press("Enter")
        page.wait_for_url(f"**{BALANCE}")
        page.context.clear_cookies()
    assert held.of(user.id).codes_left == 9


@pytest.mark.parametrize("way", ["passkey", "app"])
def test_staff_set_up_a_factor_before_anything_else_opens(visitor: Callable[..., Visitor], way: str) -> None:
    """A passkey in English, an app in Arabic."""
    look = Look("en", DESKTOP, "light") if way == "passkey" else Look("ar", PHONE, "dark")
    guest = visitor(look)
    staff = make_user(f"new-{way}@operator.test", staff_role=StaffRole.SUPPORT, language=look.language)
    page = guest.open("/login")
    add_authenticator(guest, page)
    type_password(guest, page, staff.email)
    page.wait_for_url(f"**{SECURITY}")
    expect(page.get_by_role("alert")).to_contain_text(
        guest.say(
            "Staff sign in with a second factor. Set up an authenticator app or a passkey now; then everything else opens."
        )
    )
    guest.watch.state(page, "security-due")
    for address in ("/", "/backoffice/", ACCOUNTS, "/backoffice/accounts/new", "/profile", "/profile/email"):
        page.goto(guest.whole.portal + address)
        assert page.url == guest.whole.portal + SECURITY, address
    assert page.locator("a[href*='/backoffice/'], a[href='/profile']").count() == 0
    assert held.of(staff.id).count == 0

    if way == "passkey":
        page.get_by_role("link", name=guest.say("Add a passkey")).click()
        page.fill("#id_name", "Desk")
    else:
        page.get_by_role("link", name=guest.say("Set up an app")).click()
        page.wait_for_url("**/profile/security/app")
        secret = b32decode(page.locator(".secret").inner_text().replace("-", ""))
        page.fill("#id_code", code_at(secret, timezone.now()))
    page.keyboard.press("Enter")
    shown_codes(page)
    assert held.of(staff.id).count == 1

    page.goto(guest.whole.portal + "/")
    page.wait_for_url(f"**{ACCOUNTS}")
    expect(page.locator("h1")).to_have_text(guest.say("Accounts"))
    sign_out(guest, page)
    # From now on the password alone opens nothing again.
    type_password(guest, page, staff.email)
    page.wait_for_url("**/login/second")


def make_old(person: Visitor) -> None:
    """The proof of the browser's session becomes six minutes old."""
    [cookie] = [one for one in person.context.cookies() if one["name"] == "sessionid"]
    session = SessionStore(cookie["value"])
    prove(session, timezone.now() - timedelta(minutes=6))
    session.save()
