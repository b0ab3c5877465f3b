"""Adding a card in a real browser: the puzzle is solved by the page itself, the card typed at the bank, and the list has it."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone
from playwright.sync_api import expect

from browser.visitor import GOOD, Visitor
from raseed.payments.cards.models import CardEnd, TypedCard
from raseed.payments.methods import saved_methods

DETAILS = "/settings/billing/details"


def declined_before(admin: Visitor, times: int) -> None:
    at = timezone.now() - timedelta(hours=1)
    for _ in range(times):
        TypedCard.objects.create(
            id=uuid4(),
            account_id=admin.company.account.id,
            begun_at=at,
            ended_at=at,
            end=CardEnd.FAILED,
            fingerprint="same",
        )


def test_a_card_is_added_after_the_puzzle_is_solved(admin: Visitor) -> None:
    declined_before(admin, 3)
    admin.sign_in()
    page = admin.open(DETAILS)
    admin.watch.state(page, "details-empty")
    page.locator("main a[href$='/cards/new']").click()
    button = page.locator("main button[type=submit]")
    expect(page.locator("[data-puzzle-done]")).to_be_visible()
    expect(button).to_be_enabled()
    assert page.locator("input[name=puzzle]").input_value().isdecimal()
    admin.watch.state(page, "card-add-solved")
    button.click()

    page.wait_for_url(f"{admin.bank.url}/keep/**")
    page.fill("#number", GOOD)
    page.fill("#expiry", f"{timezone.now():%m/%y}")
    page.fill("#cvc", "123")
    page.locator("button[value=pay]").click()

    page.wait_for_url(f"**{DETAILS}?setup=*")
    expect(page.locator(".factors li")).to_have_count(1)
    expect(page.locator(".result.tone-success")).to_be_visible()
    admin.watch.state(page, "details-card-added")
    [card] = saved_methods(admin.company.account.id)
    assert (card.last4, card.is_default) == ("4242", True)


def test_without_script_the_form_says_what_to_do(visitor: object, look: object) -> None:
    guest: Visitor = visitor(look, script=False)  # type: ignore[operator]
    declined_before(guest, 3)
    guest.watch.forgiven += ["the server responded with a status of 422"]
    guest.sign_in()
    page = guest.open(f"{DETAILS}/cards/new")
    expect(page.locator("noscript p")).to_be_visible()
    page.locator("main button[type=submit]").click()
    expect(page.locator("main [role=alert]")).to_be_visible()
