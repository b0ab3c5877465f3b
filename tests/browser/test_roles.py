"""Who must not see a payment: Supervisor and Agent of the account, and the Admin of another one."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from browser.visitor import BALANCE, PAY, Visitor
from browser.watch import Look
from people import make_user
from raseed.accounts.models import Membership, Role
from whole import wait

Guests = Callable[..., Visitor]


def addresses(owner: Visitor) -> list[str]:
    """The pages of a payment that has a voucher."""
    at = f"/settings/billing/payments/{owner.payment().id}"
    return [at, f"{at}/return", f"{at}/voucher"]


def pay(owner: Visitor) -> None:
    owner.saved_card()
    page = owner.at_balance()
    owner.press_pay(owner.open_pay_now(page, "50"))
    owner.voucher_of(page, owner.paid(page, "50", "60"))


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.AGENT])
def test_other_roles_get_403_and_no_link(admin: Visitor, role: Role) -> None:
    pay(admin)
    person = make_user(
        f"{role}@{admin.company.account.id.hex[-8:]}.test",
        account=admin.company.account,
        language=admin.look.language,
    )
    Membership.objects.create(account=admin.company.account, user_id=person.id, role=role)
    admin.sign_in(person)
    admin.watch.forgiven.append("the server responded with a status of 403")
    page = admin.open("/home")
    assert page.locator("a[href*='/settings/']").count() == 0
    admin.watch.state(page, f"home-{role}")
    for address in [BALANCE, PAY, "/settings/billing/invoices?tab=payments", *addresses(admin)]:
        answer = page.goto(admin.whole.portal + address)
        assert answer
        assert answer.status == 403, address
        assert page.locator("a[href*='/settings/']").count() == 0
    expect(page.locator("h1")).to_have_text(admin.say("This page is not for your role"))
    admin.watch.state(page, f"403-{role}")
    admin.books_say("60", 5_000)


def test_admin_of_another_account_gets_404(visitor: Guests, look: Look) -> None:
    owner, stranger = visitor(look), visitor(look)
    pay(owner)
    stranger.sign_in()
    stranger.watch.forgiven.append("the server responded with a status of 404")
    page = stranger.open()
    for address in addresses(owner):
        answer = page.goto(stranger.whole.portal + address)
        assert answer
        assert answer.status == 404, address
        assert str(owner.payment().id) not in page.content().replace(page.url, "")
    stranger.watch.state(page, "404")
    page.goto(f"{stranger.whole.portal}{BALANCE}?payment={owner.payment().id}")
    expect(page.locator(".result")).to_have_count(0)
    stranger.figure_is(page, "0")
    owner.books_say("60", 5_000)
    stranger.books_say("0")


def test_voucher_is_the_same_each_time(admin: Visitor) -> None:
    admin.saved_card()
    page = admin.at_balance()
    admin.press_pay(admin.open_pay_now(page, "50"))
    result = admin.paid(page, "50", "60")
    first = admin.voucher_of(page, result)
    row = "td a[href$='/voucher']"
    page.goto(f"{admin.whole.portal}/settings/billing/invoices?tab=payments")
    wait(lambda: page.locator(row).count() == 2 or page.reload(), "both vouchers")
    with page.expect_download() as downloading:
        page.locator(row).first.click()
    assert downloading.value.path().read_bytes() == first
