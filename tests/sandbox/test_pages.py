"""The customer's door, by form and without JavaScript: every card, both buttons, both languages, the iframe."""

from uuid import uuid4

import httpx
import pytest

from bank import RunningBank

RETURN = "http://localhost:8000/return"


def form(number: str, **more: str) -> dict[str, str]:
    return {"number": number, "expiry": "12/30", "cvc": "123", "action": "pay", **more}


def state(bank: RunningBank, ref: str) -> dict[str, object]:
    payment: dict[str, object] = bank.client.get(f"{bank.url}/v1/payments/{ref}").json()
    return payment


CARDS = [
    ("4242 4242 4242 4242", "succeeded", None, None),
    ("5555555555554444", "succeeded", None, None),
    ("4000000000000341", "succeeded", None, None),
    ("4000000000000002", "failed", "generic_decline", True),
    ("4000000000009995", "failed", "insufficient_funds", True),
    ("4000000000000069", "failed", "expired_card", False),
    ("4000000000000127", "failed", "incorrect_cvc", False),
    ("4000000000006975", "failed", "card_velocity_exceeded", True),
    ("4000000000009979", "failed", "stolen_card", False),
    ("4111111111111111", "failed", "generic_decline", True),
]


@pytest.mark.parametrize(("number", "final", "code", "retryable"), CARDS)
def test_each_card_typed_on_the_page(
    bank: RunningBank, number: str, final: str, code: str | None, retryable: bool | None
) -> None:
    opened = bank.create().json()
    response = httpx.post(opened["url"], data=form(number))
    assert (response.status_code, response.headers["location"]) == (303, RETURN)
    payment = state(bank, opened["id"])
    assert (payment["state"], payment["decline_code"], payment["retryable"]) == (final, code, retryable)
    assert bank.charges(opened["reference"]) == ([1000] if final == "succeeded" else [])


@pytest.mark.parametrize(
    ("number", "first", "attended", "unattended"),
    [
        ("4242424242424242", "succeeded", "succeeded", True),
        ("4000000000000341", "succeeded", "failed", True),
        ("4000002760003184", "succeeded", "requires_action", False),
        ("4000002500003155", "succeeded", "succeeded", True),
    ],
)
def test_saved_cards_afterwards(
    bank: RunningBank, number: str, first: str, attended: str, unattended: bool
) -> None:
    opened = bank.create(save_card=True).json()
    payment = bank.pay(opened["id"], number)["payment"]
    assert payment["state"] == first
    assert payment["saved"]["chargeable_unattended"] is unattended
    for alone in (False, True):
        later = bank.create(saved_reference=payment["saved"]["reference"], unattended=alone)
        assert later.json()["state"] == attended
        assert bank.charges(later.json()["reference"]) == ([1000] if attended == "succeeded" else [])


def test_three_ds_on_the_page(bank: RunningBank) -> None:
    for action, final, charges in (("complete", "succeeded", [1000]), ("fail", "failed", [])):
        opened = bank.create().json()
        with httpx.Client(base_url=bank.url) as browser:
            asked = browser.post(f"/pay/{opened['id']}", data=form("4000 0027 6000 3184"))
            assert asked.headers["location"] == f"/3ds/{opened['id']}"
            assert bank.charges(opened["reference"]) == []
            assert "•••• 3184" in browser.get(asked.headers["location"]).text
            assert browser.get(f"/pay/{opened['id']}").headers["location"] == f"/3ds/{opened['id']}"
            assert browser.post(f"/3ds/{opened['id']}", data={"action": action}).headers["location"] == RETURN
        assert state(bank, opened["id"])["state"] == final
        assert bank.charges(opened["reference"]) == charges


def test_saved_card_with_three_ds_goes_straight_to_its_page(bank: RunningBank) -> None:
    card = bank.save_card("4000002760003184")
    asked = bank.create(saved_reference=card).json()
    assert asked["url"] == f"{bank.url}/3ds/{asked['id']}"
    httpx.post(asked["url"], data={"action": "fail"})
    assert state(bank, asked["id"])["decline_code"] == "authentication_failed"


def test_abandoned_three_ds_waits_and_charges_nothing(bank: RunningBank) -> None:
    opened = bank.create().json()
    left = bank.pay(opened["id"], "4000002760003184", "abandon")
    assert (left["payment"]["state"], left["redirect"]) == ("requires_action", None)
    assert bank.charges(opened["reference"]) == []


def test_three_ds_completed_after_the_cancel_charges_nothing(bank: RunningBank) -> None:
    opened = bank.create().json()
    bank.pay(opened["id"], "4000002760003184", "abandon")
    assert bank.client.post(f"{bank.url}/v1/payments/{opened['id']}/cancel").json()["state"] == "canceled"
    late = httpx.post(f"{bank.url}/3ds/{opened['id']}", data={"action": "complete"})
    assert late.status_code == 200
    assert "The payment was canceled. Nothing was charged." in late.text
    assert bank.charges(opened["reference"]) == []


def test_cancel_button(bank: RunningBank) -> None:
    opened = bank.create().json()
    response = httpx.post(opened["url"], data={"action": "cancel"})
    assert response.headers["location"] == RETURN
    assert state(bank, opened["id"])["state"] == "canceled"


def test_pressing_pay_twice_charges_once(bank: RunningBank) -> None:
    opened = bank.create().json()
    for _ in range(2):
        httpx.post(opened["url"], data=form("4242424242424242"))
    assert bank.charges(opened["reference"]) == [1000]
    assert "Do not pay again" in httpx.get(opened["url"]).text


def test_wrong_fields_are_told_and_the_number_is_not_shown_again(bank: RunningBank) -> None:
    opened = bank.create().json()
    page = httpx.post(opened["url"], data=form("4242 4242 4242 4241", expiry="01/20", cvc="1"))
    assert page.status_code == 200  # a form shown again; browsers log any 4xx as an error of the page
    for name in ("number", "expiry", "cvc"):
        assert f'aria-describedby="{name}-error {name}-hint" aria-invalid="true"' in " ".join(
            page.text.split()
        )
        assert f'id="{name}-error"' in page.text
    assert "4242 4242 4242 4241" not in page.text
    assert 'value="01/20"' in page.text
    assert state(bank, opened["id"])["state"] == "requires_action"


def test_decline_is_explained_where_the_customer_looks_back(bank: RunningBank) -> None:
    opened = bank.create().json()
    httpx.post(opened["url"], data=form("4000000000009995"))
    page = httpx.get(opened["url"]).text
    assert "The card has insufficient funds." in page
    assert f'href="{RETURN}"' in page


def test_stolen_and_refused_cards_are_told_the_same(bank: RunningBank) -> None:
    pages = []
    for number in ("4000000000009979", "4000000000000002"):
        opened = bank.create().json()
        httpx.post(opened["url"], data=form(number))
        pages.append(httpx.get(opened["url"]).text.replace(opened["id"], ""))
    assert pages[0] == pages[1]


def test_arabic_page(bank: RunningBank) -> None:
    opened = bank.create(language="ar", currency="JOD", amount=12_340).json()
    page = httpx.get(opened["url"]).text
    assert '<html lang="ar" dir="rtl">' in page
    assert "رقم البطاقة" in page
    assert '<bdi dir="ltr">12.340 JOD</bdi>' in page


def test_what_the_merchant_sent_is_escaped(bank: RunningBank) -> None:
    opened = bank.create(description="<script>alert(1)</script>").json()
    assert "<script>alert" not in httpx.get(opened["url"]).text


def test_headers_of_a_page_and_of_an_iframe(bank: RunningBank) -> None:
    opened = bank.create().json()
    page, framed = httpx.get(opened["url"]), httpx.get(opened["url"] + "?embed=1")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://localhost:8000;" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert framed.headers["content-security-policy"].endswith("frame-ancestors http://localhost:8000")
    assert "x-frame-options" not in framed.headers


def test_iframe_shows_the_end_instead_of_redirecting(bank: RunningBank) -> None:
    opened = bank.create().json()
    end = httpx.post(opened["url"] + "?embed=1", data=form("4242424242424242"))
    assert end.status_code == 200
    assert 'data-state="succeeded" data-origin="http://localhost:8000"' in end.text
    assert 'target="_top"' in end.text
    asked = bank.create().json()
    on = httpx.post(asked["url"] + "?embed=1", data=form("4000002760003184"))
    assert on.headers["location"] == f"/3ds/{asked['id']}?embed=1"


def test_unknown_payment(bank: RunningBank) -> None:
    for road in ("pay", "3ds"):
        assert httpx.get(f"{bank.url}/{road}/pay_{uuid4()}").status_code == 404
        assert httpx.post(f"{bank.url}/{road}/pay_{uuid4()}", data={"action": "pay"}).status_code == 404


def test_admin_pays_like_a_person(bank: RunningBank) -> None:
    opened = bank.create().json()
    refused = bank.client.post(f"{bank.url}/admin/pay/{opened['id']}", json={"card": "4242"})
    assert refused.status_code == 400
    assert bank.pay(opened["id"], outcome="cancel")["payment"]["state"] == "canceled"
    hung = bank.create().json()
    bank.behaviour(reference=hung["reference"], behaviour="G5")
    paid = bank.pay(hung["id"])
    assert (paid["payment"]["state"], paid["redirect"]) == ("succeeded", None)
