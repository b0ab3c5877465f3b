"""The merchant's door: who may knock, what is refused, keys, refunds, cards, the book."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from bank import RunningBank, eventually


def test_listens_on_loopback_and_says_so(bank: RunningBank) -> None:
    assert bank.client.get(f"{bank.url}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic x", "Bearer ü"])
def test_strangers_are_refused_at_both_doors(bank: RunningBank, authorization: str) -> None:
    headers = {"Authorization": authorization.encode()}
    before = bank.dump()
    for method, path in [
        ("GET", "/v1/book"),
        ("POST", "/v1/payments"),
        ("POST", "/admin/behaviour"),
        ("GET", "/admin/book"),
    ]:
        assert httpx.request(method, bank.url + path, headers=headers, json={"next": "G5"}).status_code == 401
    assert bank.dump() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("amount", amount) for amount in (0, -1, 10.5, 10.0, "1000", True, None, 100_000_000, 10**30)],
        *[("currency", currency) for currency in ("usd", "XXX", "", None, 840)],
        *[("reference", reference) for reference in ("", None, 7, "a b", "x" * 65, "../x")],
        ("customer", ""),
        ("description", "line\nbreak"),
        *[
            ("return_url", url)
            for url in ("", "/return", "javascript:alert(1)", "http://evil.test/", "ftp://localhost/")
        ],
        ("return_url", "http://localhost@evil.test/"),
        ("return_url", "http://localhost:8000.evil.test/"),
        ("language", "fr"),
        ("save_card", "yes"),
        ("unattended", True),
    ],
)
def test_wrong_field_is_named_and_nothing_is_opened(bank: RunningBank, field: str, value: object) -> None:
    before = bank.dump()
    response = bank.create(key=str(uuid4()), **{field: value})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["field"] == field
    assert bank.dump() == before


def test_three_decimal_currencies_move_in_steps_of_ten(bank: RunningBank) -> None:
    assert bank.create(currency="JOD", amount=1235).json()["error"]["field"] == "amount"
    assert bank.create(currency="JOD", amount=1230).json()["amount"] == 1230


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff"])
def test_body_that_is_no_object(bank: RunningBank, raw: bytes) -> None:
    response = bank.client.post(f"{bank.url}/v1/payments", content=raw, headers={"Idempotency-Key": "k"})
    assert response.status_code == 400


def test_key_is_required(bank: RunningBank) -> None:
    response = bank.client.post(f"{bank.url}/v1/payments", json={})
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request")


def test_same_key_same_body_is_the_same_answer_and_one_charge(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    first = bank.create(reference=reference, saved_reference=card)
    second = bank.create(reference=reference, saved_reference=card)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert bank.charges(reference) == [1000]


def test_same_key_other_body_is_422_and_charges_nothing(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    bank.create(reference=reference, saved_reference=card)
    second = bank.create(reference=reference, saved_reference=card, amount=2000)
    assert (second.status_code, second.json()["error"]["type"]) == (422, "key_reused")
    assert bank.charges(reference) == [1000]


def test_reference_is_unique_under_other_keys(bank: RunningBank) -> None:
    card, reference = bank.save_card(), str(uuid4())
    bank.create(key="first" + reference, reference=reference, saved_reference=card)
    second = bank.create(key="second" + reference, reference=reference, saved_reference=card)
    assert (second.status_code, second.json()["error"]["type"]) == (422, "reference_in_use")
    assert bank.charges(reference) == [1000]


def test_without_unique_references_a_second_key_charges_twice(tmp_path: Path) -> None:
    with RunningBank(tmp_path, repeat_references=True) as bank:
        card, reference = bank.save_card(), str(uuid4())
        for key in ("first", "second"):
            assert bank.create(key=key, reference=reference, saved_reference=card).status_code == 200
        assert bank.charges(reference) == [1000, 1000]


def test_keys_are_forgotten_after_the_horizon(tmp_path: Path) -> None:
    with RunningBank(tmp_path, repeat_references=True, key_horizon_s=0.2) as bank:
        card, reference = bank.save_card(), str(uuid4())
        bank.create(reference=reference, saved_reference=card)

        def charged_again() -> bool:
            bank.create(reference=reference, saved_reference=card)
            return bank.charges(reference) == [1000, 1000]

        eventually(charged_again)


def test_saved_card_belongs_to_its_customer(bank: RunningBank) -> None:
    card, reference = bank.save_card(customer="customer-1"), str(uuid4())
    stranger = bank.create(reference=reference, saved_reference=card, customer="customer-2")
    assert (stranger.status_code, stranger.json()["error"]["type"]) == (404, "no_such_card")
    assert bank.charges(reference) == []


def test_forgotten_card_cannot_be_charged(bank: RunningBank) -> None:
    card = bank.save_card()
    assert bank.client.delete(f"{bank.url}/v1/cards/{card}").status_code == 200
    assert bank.client.delete(f"{bank.url}/v1/cards/{card}").status_code == 404
    assert bank.create(saved_reference=card).status_code == 404


def test_card_used_once_is_not_kept(bank: RunningBank) -> None:
    payment = bank.pay(bank.create().json()["id"])["payment"]
    assert payment["state"] == "succeeded"
    assert payment["saved"] is None
    assert payment["card"]["last4"] == "4242"


def test_no_card_number_is_on_disk(bank: RunningBank) -> None:
    bank.save_card("5555555555554444")
    for file in bank.data_dir.iterdir():
        assert b"5555555555554444" not in file.read_bytes()


def test_lookups(bank: RunningBank) -> None:
    opened = bank.create().json()
    by_ours = bank.client.get(f"{bank.url}/v1/payments", params={"reference": opened["reference"]})
    assert by_ours.json() == bank.client.get(f"{bank.url}/v1/payments/{opened['id']}").json() == opened
    for path in ("/v1/payments?reference=nobody", "/v1/payments", "/v1/payments/pay_nobody"):
        assert bank.client.get(bank.url + path).status_code == 404


def test_cancel_before_the_charge_and_after(bank: RunningBank) -> None:
    opened = bank.create().json()
    canceled = bank.client.post(f"{bank.url}/v1/payments/{opened['id']}/cancel").json()
    assert canceled["state"] == "canceled"
    assert bank.pay(opened["id"])["payment"]["state"] == "canceled"
    assert bank.charges(opened["reference"]) == []
    paid = bank.create().json()
    bank.pay(paid["id"])
    assert bank.client.post(f"{bank.url}/v1/payments/{paid['id']}/cancel").json()["state"] == "succeeded"
    assert bank.charges(paid["reference"]) == [1000]


def refund(bank: RunningBank, ref: str, amount: object, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key or str(uuid4())}
    return bank.client.post(
        f"{bank.url}/v1/refunds", json={"payment": ref, "amount": amount}, headers=headers
    )


def test_refunds_stop_at_what_was_captured(bank: RunningBank) -> None:
    opened = bank.create().json()
    bank.pay(opened["id"])
    first = refund(bank, opened["id"], 600, key="r1" + opened["id"])
    assert (first.status_code, first.json()["state"]) == (200, "pending")
    assert refund(bank, opened["id"], 600, key="r1" + opened["id"]).json()["id"] == first.json()["id"]
    over = refund(bank, opened["id"], 401)
    assert (over.status_code, over.json()["error"]["type"]) == (422, "over_refund")
    assert refund(bank, opened["id"], 400).status_code == 200

    def given_back() -> list[int]:
        return sorted(
            one["amount"] for one in bank.book() if one["payment"] == opened["id"] and one["kind"] == "refund"
        )

    eventually(lambda: given_back() == [400, 600])


def test_a_refund_is_found_by_either_reference(bank: RunningBank) -> None:
    opened = bank.create().json()
    bank.pay(opened["id"])
    ours = str(uuid4())
    order = {"payment": opened["id"], "amount": 600, "reference": ours}
    made = bank.client.post(f"{bank.url}/v1/refunds", json=order, headers={"Idempotency-Key": ours}).json()
    for path in (f"/v1/refunds/{made['id']}", f"/v1/refunds?reference={ours}"):
        found = bank.client.get(f"{bank.url}{path}").json()
        assert (found["id"], found["refund_reference"]) == (made["id"], ours)
    for path in ("/v1/refunds/re_nobody", "/v1/refunds?reference=nobody", "/v1/refunds", "/v1/disputes"):
        assert bank.client.get(f"{bank.url}{path}").status_code == 404
    assert bank.client.get(f"{bank.url}/v1/disputes?payment={opened['id']}").json() == {"disputes": []}


@pytest.mark.parametrize("amount", [0, -5, 1.5, True, "1"])
def test_refund_of_a_wrong_amount(bank: RunningBank, amount: object) -> None:
    opened = bank.create().json()
    bank.pay(opened["id"])
    assert refund(bank, opened["id"], amount).status_code == 400


def test_refund_of_what_was_never_captured(bank: RunningBank) -> None:
    opened = bank.create().json()
    assert refund(bank, opened["id"], 100).status_code == 422
    assert refund(bank, "pay_nobody", 100).status_code == 404


def test_book_is_walked_by_cursor_without_hole_or_repeat(bank: RunningBank) -> None:
    for card in ("4242424242424242", "4000000000000002", "4000000000009995"):
        bank.pay(bank.create().json()["id"], card)
    seen: list[dict[str, object]] = []
    cursor, more = "", True
    while more:
        page = bank.client.get(f"{bank.url}/v1/book", params={"after": cursor, "limit": "2"}).json()
        seen, cursor, more = seen + page["entries"], page["next"], page["more"]
    assert seen == bank.book()
    cursors = [int(str(one["cursor"])) for one in seen]
    assert cursors == sorted(set(cursors))
    assert bank.client.get(f"{bank.url}/v1/book", params={"after": cursor}).json()["next"] == cursor


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=x"])
def test_book_refuses_a_wrong_page(bank: RunningBank, query: str) -> None:
    assert bank.client.get(f"{bank.url}/v1/book?{query}").status_code == 400


def test_book_cannot_be_rewritten(bank: RunningBank) -> None:
    bank.pay(bank.create().json()["id"])
    with sqlite3.connect(bank.data_dir / "bank.sqlite3") as db:
        for sql in ("UPDATE book SET amount = 1", "DELETE FROM book"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    "order",
    [{}, {"next": "G0"}, {"nxt": "G5"}, {"behaviour": "G5"}, {"mix": {"G1": -1}}, {"mix": {"G1": 0}}, {"mix": []},
     {"next": "G5", "stage": "x"}, {"next": "G5", "stage": "webhook"}, {"next": "G13", "stage": "open"}, {"webhook_drop_percent": 101}, {"reference": "r"}],
)  # fmt: skip
def test_unreadable_weather_is_refused(bank: RunningBank, order: dict[str, object]) -> None:
    assert bank.client.post(f"{bank.url}/admin/behaviour", json=order).status_code == 400
    assert bank.pay(bank.create().json()["id"])["payment"]["state"] == "succeeded"


@pytest.mark.parametrize(
    ("environment", "flags", "said"),
    [
        ({"SANDBOX_SECRET_KEY": ""}, [], "secret_key is empty"),
        ({"SANDBOX_WEBHOOK_SECRET": ""}, [], "webhook_secret is empty"),
        ({}, ["--host", "0.0.0.0"], "loopback"),
        ({}, ["--mix", "G77=1"], "is not like"),
        ({}, ["--mix", "G1=0"], "nor all zero"),
        ({}, ["--mix-open", "G13=1"], "the mix of open may name only"),
        ({}, ["--webhook-drop-percent", "101"], "0 to 100"),
    ],
)
def test_unsafe_start_is_refused(
    tmp_path: Path, environment: dict[str, str], flags: list[str], said: str
) -> None:
    secrets = {"SANDBOX_SECRET_KEY": "k", "SANDBOX_WEBHOOK_SECRET": "w"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "raseed.sandbox",
            "--data-dir",
            str(tmp_path),
            "--webhook-url",
            "http://x/",
            *flags,
        ],
        env=os.environ | secrets | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert said in done.stderr
