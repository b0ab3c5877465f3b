"""G10 to G18: what a bank does that is neither fair weather nor a broken line. Its own book tells the truth of each."""

import json
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bank import WEBHOOK_SECRET, Postbox, RunningBank, eventually
from raseed.sandbox.courier import signature

FORM = {"number": "4242 4242 4242 4242", "expiry": "12/30", "cvc": "123", "action": "pay"}


def charge(bank: RunningBank, behaviour: str, **fields: object) -> httpx.Response:
    """A saved card of a customer of its own, charged under this behaviour."""
    customer = str(uuid4())
    card, reference = bank.save_card(customer=customer), str(uuid4())
    bank.behaviour(reference=reference, behaviour=behaviour)
    return bank.create(reference=reference, customer=customer, saved_reference=card, **fields)


def reference_of(response: httpx.Response) -> str:
    return str(json.loads(response.request.content)["reference"])


def lines(bank: RunningBank, reference: str) -> list[tuple[str, int, str]]:
    return [
        (one["kind"], one["amount"], one["currency"]) for one in bank.book() if one["reference"] == reference
    ]


def letters(postbox: Postbox, reference: str, kind: str = "") -> list[tuple[dict[str, str], dict[str, Any]]]:
    read = [(headers, json.loads(body)) for headers, body in list(postbox.letters)]
    return [
        (headers, event)
        for headers, event in read
        if reference in json.dumps(event) and event["type"].startswith(kind)
    ]


def test_g10_asks_for_3d_secure_and_completes(bank: RunningBank) -> None:
    asked = charge(bank, "G10").json()
    assert (asked["state"], "/3ds/" in asked["url"]) == ("requires_action", True)
    assert lines(bank, asked["reference"]) == []
    assert bank.pay(asked["id"])["payment"]["state"] == "succeeded"
    assert lines(bank, asked["reference"]) == [("charge", 1000, "USD")]


def test_g10_on_the_card_page_and_abandoned(bank: RunningBank) -> None:
    opened = bank.create().json()
    bank.behaviour(reference=opened["reference"], behaviour="G10")
    assert bank.pay(opened["id"], outcome="abandon")["payment"]["url"].endswith(f"/3ds/{opened['id']}")
    assert bank.client.post(f"{bank.url}/v1/payments/{opened['id']}/cancel").json()["state"] == "canceled"
    assert lines(bank, opened["reference"]) == [("cancel", 1000, "USD")]


def test_g10_completed_after_a_cancel_is_charged_and_told(bank: RunningBank, postbox: Postbox) -> None:
    opened = bank.create().json()
    bank.behaviour(reference=opened["reference"], behaviour="G10")
    bank.pay(opened["id"], outcome="abandon")
    bank.client.post(f"{bank.url}/v1/payments/{opened['id']}/cancel")
    page = httpx.post(f"{bank.url}/3ds/{opened['id']}", data={"action": "complete"})
    assert (page.status_code, page.headers["location"]) == (303, "http://localhost:8000/return")
    assert lines(bank, opened["reference"]) == [("cancel", 1000, "USD"), ("charge", 1000, "USD")]
    eventually(lambda: bool(letters(postbox, opened["reference"], "payment.succeeded")))


def test_without_g10_a_cancel_is_the_end(bank: RunningBank) -> None:
    opened = bank.create().json()
    bank.pay(opened["id"], "4000002760003184", outcome="abandon")
    bank.client.post(f"{bank.url}/v1/payments/{opened['id']}/cancel")
    assert httpx.post(f"{bank.url}/3ds/{opened['id']}", data={"action": "complete"}).status_code == 200
    assert bank.pay(opened["id"])["payment"]["state"] == "canceled"
    assert lines(bank, opened["reference"]) == [("cancel", 1000, "USD")]


@pytest.mark.parametrize("stage", ["charge", "open"])
def test_g11_is_busy_does_nothing_and_then_does_it(bank: RunningBank, stage: str) -> None:
    customer, reference = str(uuid4()), str(uuid4())
    order: dict[str, object] = {"reference": reference, "customer": customer}
    if stage == "charge":
        order["saved_reference"] = bank.save_card(customer=customer)
    bank.behaviour(reference=reference, behaviour="G11", stage=stage)
    busy = bank.create(**order)
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    assert busy.json()["error"]["type"] == "too_many_requests"
    assert bank.client.get(f"{bank.url}/v1/payments", params={"reference": reference}).status_code == 404
    assert bank.create(**order).status_code == 200
    assert lines(bank, reference) == ([("charge", 1000, "USD")] if stage == "charge" else [])


def test_g11_on_the_card_page_says_that_nothing_was_charged(bank: RunningBank) -> None:
    opened = bank.create().json()
    bank.behaviour(reference=opened["reference"], behaviour="G11")
    busy = httpx.post(opened["url"], data=FORM)
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    assert "Nothing was charged" in busy.text
    assert lines(bank, opened["reference"]) == []
    assert httpx.post(opened["url"], data=FORM).status_code == 303


def test_g12_forgets_the_key_early_and_charges_again(bank: RunningBank) -> None:
    """The very accident that a merchant must never walk into: the same key, sent after its horizon."""
    customer, reference = str(uuid4()), str(uuid4())
    order: dict[str, object] = {
        "reference": reference,
        "customer": customer,
        "saved_reference": bank.save_card(customer=customer),
    }
    bank.behaviour(reference=reference, behaviour="G12")
    with pytest.raises(httpx.ReadError):
        bank.create(**order)
    assert bank.client.get(f"{bank.url}/v1/payments", params={"reference": reference}).status_code == 404
    assert bank.create(**order).json()["state"] == "succeeded"
    assert lines(bank, reference) == [("charge", 1000, "USD")], "inside the horizon the key still answers"
    time.sleep(0.35)  # the horizon is 0.3 s
    assert bank.create(**order).json()["state"] == "succeeded"
    assert lines(bank, reference) == [("charge", 1000, "USD")] * 2


@pytest.mark.parametrize(
    ("behaviour", "asked", "currency", "taken"),
    [
        ("G13", 1000, "USD", (500, "USD")),
        ("G13", 5010, "JOD", (2500, "JOD")),
        ("G13c", 1000, "USD", (1000, "EUR")),
        ("G13c", 1000, "EUR", (1000, "USD")),
    ],
)
def test_g13_captures_something_else(
    bank: RunningBank, behaviour: str, asked: int, currency: str, taken: tuple[int, str]
) -> None:
    paid = charge(bank, behaviour, amount=asked, currency=currency).json()
    assert (paid["amount"], paid["currency"]) == (asked, currency)
    assert (paid["captured_amount"], paid["captured_currency"]) == taken
    assert lines(bank, paid["reference"]) == [("charge", *taken)]


def test_g14_answers_with_another_customers_payment(bank: RunningBank, postbox: Postbox) -> None:
    other = bank.create(customer="customer-2").json()
    bank.pay(other["id"])
    response = charge(bank, "G14")
    reference = reference_of(response)
    assert response.json()["reference"] == reference
    assert response.json()["id"] == other["id"]
    own = bank.client.get(f"{bank.url}/v1/payments", params={"reference": reference}).json()
    assert (own["state"], own["id"] != other["id"]) == ("succeeded", True)
    assert [one["payment"] for one in bank.book() if one["reference"] == reference] == [own["id"]]
    eventually(lambda: bool(letters(postbox, reference, "payment.succeeded")))
    ((_headers, event),) = letters(postbox, reference, "payment.succeeded")
    assert event["object"]["id"] == other["id"]


def test_g15_comes_late_into_the_list_behind_what_was_read(bank: RunningBank) -> None:
    def page(after: str, limit: int = 500) -> dict[str, Any]:
        return bank.client.get(f"{bank.url}/v1/book", params={"after": after, "limit": str(limit)}).json()

    start = page("", 1000)["next"]
    late = reference_of(charge(bank, "G15"))
    seen = page(start)
    assert late not in {one["reference"] for one in seen["entries"]}
    for _ in range(2):
        bank.pay(bank.create().json()["id"])
    younger = page(seen["next"])
    assert len(younger["entries"]) == 2
    first = page(start, 2)
    second = page(first["next"], 2)
    assert first["more"] is True
    assert second["entries"][0] == first["entries"][-1], "pages overlap while a line is late"
    eventually(lambda: late in {one["reference"] for one in page(start)["entries"]})
    assert page(younger["next"])["entries"] == [], "who only reads on never sees it"


def refunded(bank: RunningBank, payment: str, amount: int) -> httpx.Response:
    return bank.client.post(
        f"{bank.url}/v1/refunds",
        json={"payment": payment, "amount": amount},
        headers={"Idempotency-Key": str(uuid4())},
    )


@pytest.mark.parametrize("how", ["G16", "card"])
def test_g16_a_refund_is_pending_and_fails(bank: RunningBank, postbox: Postbox, how: str) -> None:
    opened = bank.create().json()
    if how == "G16":
        bank.behaviour(reference=opened["reference"], behaviour="G16", stage="refund")
    bank.pay(opened["id"], "4242424242424242" if how == "G16" else "4000000000005126")
    assert refunded(bank, opened["id"], 1000).json()["state"] == "pending"
    eventually(lambda: bool(letters(postbox, opened["reference"], "refund.failed")))
    assert lines(bank, opened["reference"]) == [("charge", 1000, "USD"), ("refund_failed", 1000, "USD")]
    assert refunded(bank, opened["id"], 1000).status_code == 200, "nothing was given back, so all can be"


@pytest.mark.parametrize(
    ("how", "ends"),
    [("G17w", "won"), ("G17l", "lost"), ("4000000000002685", "won"), ("4000000000000259", "lost")],
)
def test_g17_a_dispute_is_opened_and_ends(bank: RunningBank, postbox: Postbox, how: str, ends: str) -> None:
    opened = bank.create().json()
    if how.startswith("G"):
        bank.behaviour(reference=opened["reference"], behaviour=how)
    bank.pay(opened["id"], "4242424242424242" if how.startswith("G") else how)
    eventually(lambda: bool(letters(postbox, opened["reference"], f"dispute.{ends}")))
    assert lines(bank, opened["reference"]) == [
        ("charge", 1000, "USD"),
        ("dispute", 1000, "USD"),
        (f"dispute_{ends}", 1000, "USD"),
    ]
    ((_headers, event),) = letters(postbox, opened["reference"], "dispute.opened")
    told = event["object"]
    assert (told["object"], told["payment"], told["amount"], told["state"]) == (
        "dispute",
        opened["id"],
        1000,
        "open",
    )


def told(bank: RunningBank, fate: str) -> str:
    """Have the bank tell of a payment in this way; the payment's reference."""
    opened = bank.create().json()
    bank.behaviour(reference=opened["reference"], behaviour=fate, stage="webhook")
    bank.pay(opened["id"])
    return str(opened["reference"])


def signed_right(headers: dict[str, str], body: dict[str, Any], postbox: Postbox) -> bool:
    stamp = headers["sandbox-signature"].removeprefix("t=").split(",")[0]
    raw = next(raw for its, raw in postbox.letters if its is headers)
    return headers["sandbox-signature"] == signature(WEBHOOK_SECRET, int(stamp), raw)


@pytest.mark.parametrize(("fate", "copies"), [("G18-twice", 2), ("G18-thrice", 3)])
def test_g18_the_same_letter_more_than_once(
    bank: RunningBank, postbox: Postbox, fate: str, copies: int
) -> None:
    reference = told(bank, fate)
    eventually(lambda: len(letters(postbox, reference)) == copies)
    assert len({event["id"] for _, event in letters(postbox, reference)}) == 1


def test_g18_no_letter(bank: RunningBank) -> None:
    reference = told(bank, "G18-none")
    assert reference not in json.dumps(bank.dump()["letters"])
    assert lines(bank, reference) == [("charge", 1000, "USD")]


def test_g18_out_of_order(bank: RunningBank, postbox: Postbox) -> None:
    late, early = told(bank, "G18-late"), told(bank, "G1")
    eventually(lambda: bool(letters(postbox, late)))
    order = [json.loads(body)["object"]["reference"] for _, body in postbox.letters]
    assert order.index(early) < order.index(late)


@pytest.mark.parametrize("fate", ["G18-forged", "G18-stale"])
def test_g18_a_wrong_one_comes_before_the_true_one(
    tmp_path_factory: pytest.TempPathFactory, fate: str
) -> None:
    with (
        Postbox(400) as postbox,
        RunningBank(tmp_path_factory.mktemp("bank"), postbox.url, webhook_backoff_s=0.05) as bank,
    ):
        reference = told(bank, fate)
        (first, event), (second, again) = (
            (headers, json.loads(body)) for headers, body in postbox.wait_for(2)
        )
        assert event == again
        assert event["object"]["reference"] == reference
        assert signed_right(second, again, postbox)
        assert signed_right(first, event, postbox) is (fate == "G18-stale")
        stamps = [int(one["sandbox-signature"].split(",")[0][2:]) for one in (first, second)]
        assert (stamps[1] - stamps[0] >= 600) is (fate == "G18-stale")


def test_g18_of_a_stranger(bank: RunningBank, postbox: Postbox) -> None:
    before = len(postbox.letters)
    reference = told(bank, "G18-stranger")
    postbox.wait_for(before + 2)
    new = [json.loads(body)["object"] for _, body in postbox.letters[before:]]
    assert {one["reference"] == reference for one in new} == {True, False}
    known = {one["id"] for one in bank.dump()["payments"]}
    assert [one["id"] in known for one in new if one["reference"] != reference] == [False]


def test_g18_of_a_version_that_nobody_knows(bank: RunningBank, postbox: Postbox) -> None:
    reference = told(bank, "G18-version")
    eventually(lambda: len(letters(postbox, reference)) == 2)
    assert sorted((event["version"], "object" in event) for _, event in letters(postbox, reference)) == [
        (1, True),
        (2, False),
    ]


def test_letters_and_refunds_have_weights_of_their_own(bank: RunningBank) -> None:
    bank.behaviour(mix={"G18-none": 1}, stage="webhook")
    bank.behaviour(mix={"G13": 1})
    opened = bank.create().json()
    bank.pay(opened["id"])
    assert lines(bank, opened["reference"]) == [("charge", 500, "USD")]
    assert opened["reference"] not in json.dumps(bank.dump()["letters"])
