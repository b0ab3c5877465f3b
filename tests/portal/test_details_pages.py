"""Billing Details as pages: what is shown, what a form may do, who is asked again, and the road to the bank and back."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bank import RunningBank
from factors import prove_now
from people import Company, make_user, save_card
from raseed.accounts import details, proof
from raseed.accounts.access import NEEDS_FRESH_PROOF, Action
from raseed.accounts.models import BillingDetails, StaffRole
from raseed.gateways.sandbox import SandboxGateway
from raseed.payments import methods
from raseed.payments.cards.models import CardEnd, CardSetup, TypedCard
from raseed.payments.models import PaymentMethod

DETAILS = "/settings/billing/details"


def proved(client: Client, age: timedelta = timedelta(0)) -> Client:
    prove_now(client, timezone.now() - age)
    return client


def order(company: Company) -> list[str]:
    return [one.last4 for one in methods.saved_methods(company.account.id)]


def form(company: Company, **fields: str) -> dict[str, str]:
    there = details.details_of(company.account.id)
    emails = " ".join(there.billing_emails)
    return {
        "vat_id": there.vat_id,
        "registration_number": there.registration_number,
        "billing_emails": emails,
        "seen_vat_id": there.vat_id,
        "seen_registration_number": there.registration_number,
        "seen_billing_emails": emails,
    } | fields


def test_the_page_shows_what_is_kept_and_what_is_ones_own(company: Company, admin: Client) -> None:
    save_card(company, "card_1", last4="0001")
    weak = save_card(company, "card_2", last4="0002")
    PaymentMethod.objects.filter(account_id=company.account.id, id=weak.id).update(
        chargeable_unattended=False
    )
    page = admin.get(DETAILS).content.decode()
    for shown in (
        "Falcon Trading LLC",
        "Saudi Arabia",
        "0001",
        "Can recharge automatically",
        "wants you to confirm",
    ):
        assert shown in page
    assert 'name="billing_name"' not in page, "it is locked"
    assert "Ask for a change" in page


def test_own_details_are_saved_and_a_wrong_number_is_said_at_its_field(
    company: Company, admin: Client
) -> None:
    saved = admin.post(
        f"{DETAILS}/change", form(company, vat_id="300000000000003", billing_emails="a@x.test\nb@x.test")
    )
    assert (saved.status_code, saved["Location"]) == (302, DETAILS)
    there = details.details_of(company.account.id)
    assert (there.vat_id, there.billing_emails) == ("300000000000003", ["a@x.test", "b@x.test"])
    wrong = admin.post(f"{DETAILS}/change", form(company, vat_id="12"))
    assert wrong.status_code == 422
    assert "should look like 300000000000003" in wrong.content.decode()
    assert details.details_of(company.account.id).vat_id == "300000000000003"


def test_a_stale_form_and_a_smuggled_name_change_nothing(company: Company, admin: Client) -> None:
    stale = form(company, registration_number="2")
    BillingDetails.objects.filter(account=company.account).update(registration_number="1")
    answer = admin.post(f"{DETAILS}/change", stale)
    assert (answer.status_code, "Somebody else changed this" in answer.content.decode()) == (409, True)
    admin.post(f"{DETAILS}/change", form(company, billing_name="Thief LLC", country="AE"))
    there = details.details_of(company.account.id)
    assert (there.registration_number, there.billing_name, there.country) == ("1", "Falcon Trading LLC", "SA")


def test_asked_on_the_page_answered_in_the_back_office_and_shown(company: Company, admin: Client) -> None:
    wanted = {
        "billing_name": "Falcon New LLC",
        "address": "9 New Street\r\nJeddah",
        "country": "SA",
        "why": "moved",
    }
    assert admin.post(f"{DETAILS}/ask", wanted)["Location"] == DETAILS
    assert "Waiting for an answer" in admin.get(DETAILS).content.decode()
    assert admin.post(f"{DETAILS}/ask", wanted | {"why": "again"}).status_code == 409

    staff = Client()
    staff.force_login(make_user("support@operator.test", staff_role=StaffRole.SUPPORT))
    listed = staff.get("/backoffice/requests").content.decode()
    for shown in ("Falcon Trading LLC", "Falcon New LLC", "9 New Street<br>Jeddah", "moved"):
        assert shown in listed
    assert "asks for a change" in staff.get(f"/backoffice/accounts/{company.account.id}").content.decode()
    request = details.last_request(company.account.id)
    assert request is not None
    road = f"/backoffice/accounts/{company.account.id}/requests/{request.id}"
    assert staff.post(f"{road}/refuse", {"reason": ""}).status_code == 422
    assert staff.post(f"/backoffice/accounts/{uuid4()}/requests/{request.id}/approve").status_code == 404
    assert staff.post(f"{road}/approve").status_code == 302
    late = staff.post(f"{road}/refuse", {"reason": "no"}, follow=True).content.decode()
    assert "not open any more" in late

    there = details.details_of(company.account.id)
    assert (there.billing_name, there.address) == ("Falcon New LLC", "9 New Street\nJeddah")
    page = admin.get(DETAILS).content.decode()
    assert "Falcon New LLC" in page
    assert "Your last request" in page


def test_cards_are_put_in_order_made_default_and_removed_by_buttons(company: Company, admin: Client) -> None:
    ids = [save_card(company, f"card_{n}", last4=f"000{n}").id for n in (1, 2, 3)]
    proved(admin)
    cards = f"{DETAILS}/cards"
    admin.post(f"{cards}/{ids[1]}/move", {"direction": "down"})
    assert order(company) == ["0001", "0003", "0002"]
    admin.post(f"{cards}/{ids[2]}/default")
    assert order(company) == ["0003", "0001", "0002"]
    removed = admin.post(f"{cards}/{ids[2]}/remove", follow=True).content.decode()
    assert order(company) == ["0001", "0002"]
    assert "not charged any more" in removed
    assert admin.post(f"{cards}/{ids[2]}/remove").status_code == 404


def test_a_card_of_another_gateway_can_be_removed_and_nothing_else(company: Company, admin: Client) -> None:
    card = save_card(company, "card_1").id
    PaymentMethod.objects.filter(account_id=company.account.id, id=card).update(gateway="stripe")
    proved(admin)
    shown = admin.get(DETAILS).content.decode()
    assert "a payment provider that is not in use now" in shown
    assert f"{DETAILS}/cards/{card}/remove" in shown
    assert f"{DETAILS}/cards/{card}/default" not in shown
    assert str(card) not in admin.get("/settings/billing/balance/pay").content.decode()
    refused = admin.post(f"{DETAILS}/cards/{card}/default", follow=True).content.decode()
    assert "it cannot be charged. Nothing was changed." in refused


def test_a_proof_older_than_five_minutes_is_asked_for_again(company: Company, admin: Client) -> None:
    assert Action.CHANGE_CARDS in NEEDS_FRESH_PROOF
    card = save_card(company, "card_1").id
    proved(admin, proof.FRESH_FOR + timedelta(minutes=1))
    for method, road in (
        ("get", "new"), ("post", "new"), ("post", f"{card}/default"), ("post", f"{card}/remove"),
    ):  # fmt: skip
        answer = getattr(admin, method)(f"{DETAILS}/cards/{road}")
        assert answer.status_code == 302
        assert answer["Location"].startswith("/confirm"), road
    assert order(company) == ["4242"]
    assert not CardSetup.objects.filter(account_id=company.account.id).exists()
    assert admin.post(f"{DETAILS}/cards/{card}/move", {"direction": "up"})["Location"] == DETAILS


def test_an_expiring_card_is_said_on_billing_details_and_balance(company: Company, admin: Client) -> None:
    card = save_card(company, "card_1")
    today = timezone.now()
    PaymentMethod.objects.filter(account_id=company.account.id, id=card.id).update(
        exp_month=today.month, exp_year=today.year
    )
    for road in (DETAILS, "/settings/billing/balance"):
        assert "expires at the end of" in admin.get(road).content.decode()
    PaymentMethod.objects.filter(account_id=company.account.id, id=card.id).update(exp_year=today.year - 1)
    page = admin.get(DETAILS).content.decode()
    assert "It cannot be charged any more" in page
    assert "the card has expired" in page


@pytest.mark.parametrize("path", ["/settings/billing/balance/pay", f"{DETAILS}/cards/new"])
def test_the_puzzle_is_in_the_form_only_when_there_is_reason(
    company: Company, admin: Client, settings: object, path: str
) -> None:
    proved(admin)
    assert b"data-puzzle=" not in admin.get(path).content
    settings.CARD_LIMITS = settings.CARD_LIMITS | {"puzzle_after": 1}  # type: ignore[attr-defined]
    TypedCard.objects.create(
        id=uuid4(),
        account_id=company.account.id,
        begun_at=timezone.now(),
        ended_at=timezone.now(),
        end=CardEnd.FAILED,
    )
    page = admin.get(path).content.decode()
    assert "data-puzzle=" in page
    assert "<noscript><p" in page


def test_a_card_is_added_at_the_bank_and_shown(paying: Company, payer: Client, bank: RunningBank) -> None:
    proved(payer)
    key = str(uuid4())
    sent = payer.post(f"{DETAILS}/cards/new", {"client_key": key})
    assert sent.status_code == 302
    assert sent["Location"].startswith(f"{bank.url}/keep/")
    setup = CardSetup.objects.get(account_id=paying.account.id)
    assert setup.actor_user_id == paying.admin.id
    status = f"{DETAILS}/cards/{setup.id}"
    assert payer.get(status, headers={"HX-Request": "true"}).status_code == 204
    assert "Your bank is waiting for you" in payer.get(DETAILS).content.decode()

    bank.keep(setup.gateway_ref)
    CardSetup.objects.filter(account_id=paying.account.id).update(
        asked_at=timezone.now() - timedelta(seconds=5)
    )
    back = payer.get(f"{status}/return")

    assert back["Location"] == f"{DETAILS}?setup={setup.id}"
    page = payer.get(back["Location"]).content.decode()
    assert "is saved." in page
    assert order(paying) == ["4242"]
    assert payer.get(status, headers={"HX-Request": "true"})["HX-Redirect"] == f"{DETAILS}?setup={setup.id}"
    assert (
        payer.post(f"{DETAILS}/cards/new", {"client_key": key})["Location"] == f"{DETAILS}?setup={setup.id}"
    )
    assert order(paying) == ["4242"], "the same form is the same setup"
    assert payer.post(f"{DETAILS}/cards/new", {"client_key": "x"}).status_code == 422


def test_a_locked_account_is_told_until_when_and_the_bank_hears_nothing(
    paying: Company, payer: Client, bank: RunningBank, settings: object
) -> None:
    settings.CARD_LIMITS = settings.CARD_LIMITS | {"new_cards": 1}  # type: ignore[attr-defined]
    proved(payer)
    TypedCard.objects.create(
        id=uuid4(),
        account_id=paying.account.id,
        begun_at=timezone.now(),
        ended_at=timezone.now(),
        end=CardEnd.FAILED,
        fingerprint="a",
    )
    answer = payer.post(f"{DETAILS}/cards/new", {"client_key": str(uuid4())})
    assert answer.status_code == 429
    assert "as many new cards as it may in 24 hours" in answer.content.decode()
    paid = payer.post(
        "/settings/billing/balance/pay", {"client_key": str(uuid4()), "amount": "50", "method": "new"}
    )
    assert paid.status_code == 429
    assert "Nothing was charged" in paid.content.decode()
    assert bank.dump()["payments"] == bank.dump()["setups"] == []


def test_where_the_gateway_keeps_no_card_without_a_charge_the_page_says_how_one_is_saved(
    company: Company, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove_now(admin, timezone.now())
    monkeypatch.setattr(SandboxGateway, "keeps_cards", False)
    address = reverse("portal:card_add")
    drawn = admin.get(address).content.decode()
    assert "Here a card is saved with a payment" in drawn
    assert "Continue to the bank" not in drawn
    answer = admin.post(address, {"client_key": str(uuid4())})
    assert answer.status_code == 409
    assert not CardSetup.objects.filter(account_id=company.account.id).exists()
