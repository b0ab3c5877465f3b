"""Cards that are kept and not charged: the merchant's verbs, the customer's pages, and the letters."""

import json

import httpx
import pytest

from bank import Postbox, RunningBank

RETURN = "http://localhost:8000/return"


def form(number: str, **more: str) -> dict[str, str]:
    return {"number": number, "expiry": "12/30", "cvc": "123", "action": "pay", **more}


def told(bank: RunningBank, ref: str) -> dict[str, object]:
    answer = bank.client.get(f"{bank.url}/v1/setups/{ref}")
    assert answer.status_code == 200
    setup: dict[str, object] = answer.json()
    return setup


@pytest.mark.parametrize(
    ("number", "final", "code", "unattended"),
    [
        ("4242 4242 4242 4242", "succeeded", None, True),
        ("4000000000000341", "succeeded", None, True),
        ("4000000000000002", "failed", "generic_decline", None),
        ("4000000000009979", "failed", "stolen_card", None),
        ("4000000000000069", "failed", "expired_card", None),
    ],
)
def test_each_card_typed_on_the_page(
    bank: RunningBank, number: str, final: str, code: str | None, unattended: bool | None
) -> None:
    before = bank.book()
    opened = bank.set_up().json()
    assert (opened["state"], opened["saved"]) == ("requires_action", None)

    response = httpx.post(opened["url"], data=form(number))

    assert (response.status_code, response.headers["location"]) == (303, RETURN)
    setup = told(bank, opened["id"])
    assert (setup["state"], setup["decline_code"], setup["url"]) == (final, code, None)
    saved = setup["saved"]
    assert (saved["chargeable_unattended"] if isinstance(saved, dict) else None) is unattended
    assert bank.book() == before, "nothing is charged"


@pytest.mark.parametrize(("number", "unattended"), [("4000002500003155", True), ("4000002760003184", False)])
def test_three_ds_comes_before_the_card_is_kept(bank: RunningBank, number: str, unattended: bool) -> None:
    for action, final in (("complete", "succeeded"), ("fail", "failed")):
        opened = bank.set_up().json()
        with httpx.Client(base_url=bank.url) as browser:
            asked = browser.post(f"/keep/{opened['id']}", data=form(number))
            assert asked.headers["location"] == f"/keep-3ds/{opened['id']}"
            page = browser.get(asked.headers["location"])
            assert f"•••• {number[-4:]}" in page.text
            assert told(bank, opened["id"])["saved"] is None
            done = browser.post(asked.headers["location"], data={"action": action})
            assert done.headers["location"] == RETURN
        setup = told(bank, opened["id"])
        assert setup["state"] == final
        if final == "succeeded":
            assert setup["saved"]["chargeable_unattended"] is unattended  # type: ignore[index]


@pytest.mark.parametrize(("language", "word"), [("en", "Save the card"), ("ar", "احفظ البطاقة")])
def test_the_page_names_no_amount_and_never_shows_the_number_again(
    bank: RunningBank, language: str, word: str
) -> None:
    opened = bank.set_up(language=language).json()
    page = httpx.get(opened["url"]).text
    assert word in page
    assert "USD" not in page
    again = httpx.post(opened["url"], data=form("4242424242424243"))
    assert again.status_code == 200
    assert "4242424242424243" not in again.text
    canceled = httpx.post(opened["url"], data=form("", action="cancel"))
    assert canceled.headers["location"] == RETURN
    assert told(bank, opened["id"])["state"] == "canceled"
    assert httpx.get(opened["url"]).status_code == 200


def test_a_key_is_one_setup_and_wrong_requests_are_named(bank: RunningBank) -> None:
    first = bank.set_up("key-1", reference="ref-1")
    again = bank.set_up("key-1", reference="ref-1")
    assert first.json() == again.json()
    assert bank.set_up("key-1", reference="ref-2").status_code == 422
    assert bank.set_up("key-2", reference="ref-1").status_code == 422
    assert bank.set_up(currency="XXX").json()["error"]["field"] == "currency"
    assert bank.set_up(return_url="https://evil.example/").json()["error"]["field"] == "return_url"
    assert bank.client.get(f"{bank.url}/v1/setups/set_unknown").status_code == 404
    assert httpx.post(f"{bank.url}/v1/setups", json={}).status_code == 401


def test_the_merchant_is_told_and_the_card_can_be_charged(bank: RunningBank, postbox: Postbox) -> None:
    seen = len(postbox.letters)
    opened = bank.set_up().json()
    kept = bank.keep(opened["id"])
    letter = json.loads(postbox.wait_for(seen + 1)[seen][1])
    assert (letter["type"], letter["object"]["id"]) == ("setup.succeeded", opened["id"])
    assert letter["object"]["reference"] == opened["reference"]
    reference = kept["setup"]["saved"]["reference"]
    paid = bank.create(saved_reference=reference, unattended=True).json()
    assert bank.charges(paid["reference"]) == [1000]
    assert bank.create(saved_reference=reference, customer="customer-2").status_code == 404
