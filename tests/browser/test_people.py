"""Users, settings, profile and Home in a real browser: each page in both languages, by keyboard, and without script."""

import re
from collections.abc import Callable
from email.message import EmailMessage

from playwright.sync_api import Page, expect

from browser.visitor import Visitor
from browser.watch import Look
from people import PASSWORD, make_user
from raseed.accounts.models import Membership, User
from whole import wait

Guests = Callable[..., Visitor]
USERS, GENERAL, PROFILE, HOME = "/settings/users", "/settings/general", "/profile", "/home"
LAST_ADMIN = (
    "%(name)s is the last Admin who can sign in. Make somebody else an Admin first; "
    "whoever is only invited does not count yet."
)
NEW_PASSWORD = "a brand new long password"


def colleague(admin: Visitor, name: str, role: str, **fields: object) -> User:
    account = admin.company.account
    email = f"{name.split(maxsplit=1)[0].lower()}@{account.id.hex[-8:]}.example.test"
    user = make_user(email, name, account=account, language=admin.look.language, **fields)
    Membership.objects.create(account=account, user_id=user.id, role=role)
    return user


def said(page: Page, text: str) -> None:
    expect(page.locator("main [role=status]")).to_contain_text(text)


def subject(mail: EmailMessage) -> str:
    """As it is read: a long one is folded, and the fold is no part of it."""
    return str(mail["Subject"]).strip()


def role_of(user: User) -> str:
    return Membership.objects.get(account_id=user.account_id, user_id=user.id).role


def test_an_admin_invites_changes_and_disables_a_user(admin: Visitor) -> None:
    admin.watch.forgiven += ["the server responded with a status of 422", "with a status of 409"]
    colleague(admin, "Maya Al-Khoury-With-A-Long-Name", "agent", is_active=False)
    admin.sign_in()
    page = admin.open(HOME)
    admin.watch.state(page, "home-admin")

    page.goto(admin.whole.portal + USERS)
    page.locator("main a.btn-primary").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{USERS}/new")
    page.locator("main button.btn-primary").click()
    expect(page.locator(".field-error")).to_have_count(3)
    admin.watch.state(page, "user-new-errors")
    # By keyboard alone: each field is the next one.
    page.locator("#id_name").focus()
    page.keyboard.type("Omar Saleh")
    page.keyboard.press("Tab")
    page.keyboard.type(f"omar@{admin.company.account.id.hex[-8:]}.example.test")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#id_role")).to_have_value("supervisor")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.locator("main button.btn-primary")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{USERS}")
    omar = User.objects.get(name="Omar Saleh", account_id=admin.company.account.id)
    said(page, admin.say("An invitation is on its way to %(email)s.", email=omar.email))
    expect(page.locator("tbody tr")).to_have_count(3)
    admin.watch.state(page, "users")

    page.get_by_role("link", name="Omar Saleh").click()
    expect(page.locator("h1")).to_have_text("Omar Saleh")
    admin.watch.state(page, "user-invited")
    page.locator("#id_role").select_option("agent")
    page.get_by_role("button", name=admin.say("Change the role")).click()
    said(page, admin.say("The role is changed. It holds from the next page on."))
    assert role_of(omar) == "agent"
    page.get_by_role("button", name=admin.say("Disable"), exact=True).click()
    said(page, admin.say("The access is ended. Open sessions are over at their next page."))
    assert not User.objects.get(id=omar.id).is_active

    page.goto(f"{admin.whole.portal}{USERS}/{admin.company.admin.id}")
    page.locator("#id_role").select_option("agent")
    page.get_by_role("button", name=admin.say("Change the role")).click()
    expect(page.locator("main [role=alert]")).to_contain_text(admin.say(LAST_ADMIN, name="Lina"))
    assert role_of(admin.company.admin) == "admin"


def test_settings_and_profile(admin: Visitor) -> None:
    admin.watch.forgiven.append("the server responded with a status of 422")
    admin.sign_in()
    page = admin.open(GENERAL)
    page.locator("#id_time_zone").select_option("Asia/Amman")
    page.locator("main button.btn-primary").click()
    said(page, admin.say("The settings are saved."))
    expect(page.locator("#id_time_zone")).to_have_value("Asia/Amman")
    admin.watch.state(page, "general")

    page.goto(admin.whole.portal + PROFILE)
    page.locator("#id_password_current_password").fill("not my password")
    page.locator("#id_password_new_password1").fill(NEW_PASSWORD)
    page.locator("#id_password_new_password2").fill(NEW_PASSWORD)
    page.get_by_role("button", name=admin.say("Change the password")).click()
    expect(page.locator(".field-error")).to_contain_text(
        admin.say("This is not your present password. Type it again, or reset it from the sign-in page.")
    )
    admin.watch.state(page, "profile")
    page.locator("#id_password_current_password").fill(PASSWORD)
    page.locator("#id_password_new_password1").fill(NEW_PASSWORD)
    page.locator("#id_password_new_password2").fill(NEW_PASSWORD)
    page.get_by_role("button", name=admin.say("Change the password")).click()
    said(page, admin.say("Your password is changed. All your other sessions have ended."))
    page.get_by_role("button", name=admin.say("Sign out everywhere")).click()
    page.wait_for_url("**/login")
    expect(page.locator("main [role=status]")).to_contain_text(admin.say("You are signed out everywhere."))
    page.goto(admin.whole.portal + PROFILE)
    page.wait_for_url("**/login?next=%2Fprofile")


def test_without_script_a_user_is_invited_and_one_is_disabled(visitor: Guests, look: Look) -> None:
    guest = visitor(look, script=False)
    agent = colleague(guest, "Maya", "agent")
    guest.sign_in()
    page = guest.open(USERS)
    page.locator("main a.btn-primary").click()
    page.fill("#id_name", "Omar")
    page.fill("#id_email", f"omar@{guest.company.account.id.hex[-8:]}.example.test")
    page.locator("#id_role").select_option("admin")
    page.locator("main button.btn-primary").click()
    page.wait_for_url(f"**{USERS}")
    page.get_by_role("link", name="Maya").click()
    page.get_by_role("button", name=guest.say("Disable"), exact=True).click()
    page.wait_for_url(f"**{USERS}/{agent.id}")
    assert not User.objects.get(id=agent.id).is_active
    assert role_of(User.objects.get(name="Omar", account_id=agent.account_id)) == "admin"


def test_another_address_to_sign_in_with(admin: Visitor) -> None:
    admin.watch.forgiven += ["the server responded with a status of 4"]
    old, new = admin.company.admin.email, f"lina@{admin.company.account.id.hex[-8:]}.example.test"
    admin.sign_in()
    page = admin.open(PROFILE)
    page.locator("main .facts a").click()
    page.wait_for_url(f"**{PROFILE}/email")
    page.fill("#id_email", old)
    page.keyboard.press("Enter")
    expect(page.locator(".field-error")).to_contain_text(
        admin.say("You sign in with this address already. Nothing has changed.")
    )
    admin.watch.state(page, "email-ask")
    page.fill("#id_email", new)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PROFILE}")
    said(page, new)
    admin.watch.state(page, "email-asked")

    wait(lambda: admin.whole.mails(new) and admin.whole.mails(old), "the link, and the notice of it")
    [mail] = admin.whole.mails(new)
    assert subject(mail) == admin.say("Confirm your new e-mail address")
    [link] = re.findall(rf"{admin.whole.portal}{PROFILE}/email/\S+", mail.get_body(("plain",)).get_content())
    page.goto(link)
    expect(page.locator("main .facts")).to_contain_text(new)
    admin.watch.state(page, "email-confirm")
    assert User.objects.get(id=admin.company.admin.id).email == old
    page.get_by_role("button", name=admin.say("Sign in with the new address")).click()
    page.wait_for_url(f"**{PROFILE}")
    said(page, new)
    assert User.objects.get(id=admin.company.admin.id).email == new
    wait(lambda: len(admin.whole.mails(old)) == 2, "the second notice")
    assert [subject(one) for one in admin.whole.mails(old)] == [
        admin.say("Another e-mail address for your sign-in was asked for"),
        admin.say("You sign in with another e-mail address now"),
    ]
    page.goto(link)
    admin.watch.state(page, "email-over")
