"""G1 to G9 at every place where they can strike: a saved card's charge, the card page, the opening of a payment."""

import json
import time
from uuid import uuid4

import httpx
import pytest

from bank import Postbox, RunningBank, eventually

BROKEN = (httpx.ReadError, httpx.RemoteProtocolError)


def states_told(postbox: Postbox, reference: str) -> list[str]:
    events = [json.loads(body) for _, body in list(postbox.letters)]
    return [event["object"]["state"] for event in events if event["object"]["reference"] == reference]


def lookup(bank: RunningBank, reference: str) -> httpx.Response:
    return bank.client.get(f"{bank.url}/v1/payments", params={"reference": reference})


def charge(bank: RunningBank, card: str, reference: str, behaviour: str) -> httpx.Response:
    bank.behaviour(reference=reference, behaviour=behaviour)
    return bank.create(reference=reference, saved_reference=card)


def test_g1_charges_and_answers(bank: RunningBank) -> None:
    reference = str(uuid4())
    response = charge(bank, bank.save_card(), reference, "G1")
    assert (response.status_code, response.json()["state"]) == (200, "succeeded")
    assert bank.charges(reference) == [1000]


def test_g2_tells_by_webhook_before_it_answers(bank: RunningBank, postbox: Postbox) -> None:
    reference = str(uuid4())
    response = charge(bank, bank.save_card(), reference, "G2")
    assert response.json()["state"] == "succeeded"
    assert states_told(postbox, reference) == ["succeeded"]


@pytest.mark.parametrize(
    ("behaviour", "code", "retryable"), [("G3", "do_not_honor", True), ("G4", "stolen_card", False)]
)
def test_g3_and_g4_decline_and_charge_nothing(
    bank: RunningBank, behaviour: str, code: str, retryable: bool
) -> None:
    reference = str(uuid4())
    response = charge(bank, bank.save_card(), reference, behaviour)
    body = response.json()
    assert (response.status_code, body["state"]) == (402, "failed")
    assert (body["decline_code"], body["retryable"]) == (code, retryable)
    assert body["captured_amount"] is None
    assert bank.charges(reference) == []
    assert [one["kind"] for one in bank.book() if one["reference"] == reference] == ["decline"]


def test_g5_charges_then_is_silent(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    bank.client.timeout = httpx.Timeout(0.2)
    try:
        with pytest.raises(httpx.ReadTimeout):
            charge(bank, card, reference, "G5")
    finally:
        bank.client.timeout = httpx.Timeout(10)
    assert bank.charges(reference) == [1000]
    assert lookup(bank, reference).json()["state"] == "succeeded"
    assert bank.create(reference=reference, saved_reference=card).json()["state"] == "succeeded"
    assert bank.charges(reference) == [1000]


def test_g5_ends_by_itself(bank: RunningBank) -> None:
    card, began = bank.save_card(), time.monotonic()
    with pytest.raises(BROKEN):
        charge(bank, card, str(uuid4()), "G5")
    assert 0.5 < time.monotonic() - began < 5


def test_g6_charges_then_resets(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    with pytest.raises(httpx.ReadError, match="reset"):
        charge(bank, card, reference, "G6")
    assert bank.charges(reference) == [1000]


def test_g7_charges_answers_500_and_replays_it(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    assert charge(bank, card, reference, "G7").status_code == 500
    assert bank.create(reference=reference, saved_reference=card).status_code == 500
    assert bank.charges(reference) == [1000]
    assert lookup(bank, reference).json()["state"] == "succeeded"


def test_g8_drops_before_the_charge_and_a_resend_ends_well(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    with pytest.raises(BROKEN):
        charge(bank, card, reference, "G8")
    assert bank.charges(reference) == []
    assert lookup(bank, reference).status_code == 404
    assert bank.create(reference=reference, saved_reference=card).json()["state"] == "succeeded"
    assert bank.charges(reference) == [1000]


def test_g9_is_nowhere_to_be_found_and_then_charged(bank: RunningBank, postbox: Postbox) -> None:
    card, reference = bank.save_card(), str(uuid4())
    with pytest.raises(BROKEN):
        charge(bank, card, reference, "G9")
    assert lookup(bank, reference).status_code == 404
    again = bank.create(reference=reference, saved_reference=card)
    assert (again.status_code, again.json()["error"]["type"]) == (409, "key_in_progress")
    assert bank.charges(reference) == []
    eventually(lambda: bank.charges(reference) == [1000])
    assert lookup(bank, reference).json()["state"] == "succeeded"
    assert bank.create(reference=reference, saved_reference=card).json()["state"] == "succeeded"
    assert bank.charges(reference) == [1000]
    eventually(lambda: states_told(postbox, reference) == ["succeeded"])


@pytest.mark.parametrize("behaviour", ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9"])
def test_each_behaviour_on_the_card_page(bank: RunningBank, postbox: Postbox, behaviour: str) -> None:
    opened = bank.create().json()
    bank.behaviour(reference=opened["reference"], behaviour=behaviour)
    form = {"number": "4242 4242 4242 4242", "expiry": "12/30", "cvc": "123", "action": "pay"}
    try:
        response = httpx.post(opened["url"], data=form, timeout=5)
        seen = (response.status_code, response.headers.get("location"))
    except BROKEN:
        seen = (0, None)
    back = (303, "http://localhost:8000/return")
    expected = {"G5": (0, None), "G6": (0, None), "G7": (500, None), "G8": (0, None), "G9": (0, None)}
    assert seen == expected.get(behaviour, back)
    if behaviour == "G2":
        assert states_told(postbox, opened["reference"]) == ["succeeded"]
    if behaviour == "G8":
        assert lookup(bank, opened["reference"]).json()["state"] == "requires_action"
        httpx.post(opened["url"], data=form)
    if behaviour == "G9":
        assert lookup(bank, opened["reference"]).status_code == 404
        assert bank.client.get(f"{bank.url}/v1/payments/{opened['id']}").json()["state"] == "processing"
        eventually(lambda: lookup(bank, opened["reference"]).status_code == 200)
    declined = behaviour in {"G3", "G4"}
    assert lookup(bank, opened["reference"]).json()["state"] == ("failed" if declined else "succeeded")
    assert bank.charges(opened["reference"]) == ([] if declined else [1000])


@pytest.mark.parametrize("behaviour", ["G5", "G6", "G7", "G8", "G9"])
def test_each_fault_while_a_payment_is_opened(bank: RunningBank, behaviour: str) -> None:
    reference = str(uuid4())
    bank.behaviour(reference=reference, behaviour=behaviour, stage="open")
    try:
        assert bank.create(reference=reference).status_code == 500
        assert behaviour == "G7"
    except BROKEN:
        assert behaviour != "G7"
    assert lookup(bank, reference).status_code == (404 if behaviour in {"G8", "G9"} else 200)
    if behaviour == "G9":
        assert bank.create(reference=reference).status_code == 409
        eventually(lambda: lookup(bank, reference).status_code == 200)
    again = bank.create(reference=reference)
    assert again.status_code == (500 if behaviour == "G7" else 200)
    found = lookup(bank, reference).json()
    assert found["state"] == "requires_action"
    bank.pay(found["id"])
    assert bank.charges(reference) == [1000]


def test_next_strikes_once_and_only_a_charge(bank: RunningBank) -> None:
    card = bank.save_card()
    bank.behaviour(next="G4")
    assert bank.create().json()["state"] == "requires_action"
    assert bank.create(saved_reference=card).status_code == 402
    assert bank.create(saved_reference=card).status_code == 200


def test_next_orders_queue_up(bank: RunningBank) -> None:
    card = bank.save_card()
    for behaviour in ("G4", "G1", "G7"):
        bank.behaviour(next=behaviour)
    assert [bank.create(saved_reference=card).status_code for _ in range(4)] == [402, 200, 500, 200]


def test_mix_by_seed_is_repeatable_across_banks(
    bank: RunningBank, tmp_path_factory: pytest.TempPathFactory
) -> None:
    references = [str(uuid4()) for _ in range(30)]
    runs = []
    for _ in range(2):
        with RunningBank(tmp_path_factory.mktemp("seeded"), seed=42, mix="G1=1,G4=1") as other:
            for reference in references:
                other.pay(other.create(reference=reference).json()["id"])
            runs.append([one["kind"] for one in other.book()])
    assert runs[0] == runs[1]
    assert {"charge", "decline"} == set(runs[0])


def test_mix_by_admin(bank: RunningBank) -> None:
    card = bank.save_card()
    bank.behaviour(mix={"G3": 1})
    assert bank.create(saved_reference=card).status_code == 402
    bank.behaviour(clear=True)
    assert bank.create(saved_reference=card).status_code == 200
