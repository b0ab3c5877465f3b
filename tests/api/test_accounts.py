"""What the API tells of accounts: exact amounts as strings, lists by pages, errors as problems, all of it described."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from api.keyed import API, Program, code
from people import NOON, Company, make_company, open_one, spend
from raseed.api import accounts
from raseed.balance import suspension
from raseed.balance.models import Reason
from raseed.gateways.port import Card, Succeeded
from raseed.money import Money, decimal_text
from raseed.payments import states
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State


def pay(company: Company, amount: str = "100") -> None:
    payment = open_one(company, amount, another=True)
    states.move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    captured = Succeeded(
        f"pay_{payment.id.hex}",
        payment.charge_minor,
        payment.currency,
        payment.id,
        Card("visa", "4242", 12, 2030),
        None,
    )
    settle(company.account.id, payment.id, captured, Cause.PAGE, NOON)


@pytest.mark.parametrize(
    ("micros", "currency", "text"),
    [
        (0, "USD", "0.00"),
        (475_000_000, "USD", "475.00"),
        (1_234_567_000_000, "USD", "1234567.00"),
        (-125, "USD", "-0.000125"),
        (-1, "KWD", "-0.000001"),
        (1_500_000, "KWD", "1.500"),
        (12_345_600, "USD", "12.3456"),
    ],
)
def test_amounts_are_written_exactly(micros: int, currency: str, text: str) -> None:
    assert decimal_text(Money(micros, currency)) == text


def test_the_service_asks_whether_it_may_go_on_in_one_read(company: Company, own: Program) -> None:
    path = f"/accounts/{company.account.id}/status"
    fresh = own.get(path).json()
    assert fresh == {
        "account_id": str(company.account.id),
        "status": "active",
        "suspensions": [],
        "available": {"amount": "0.00", "currency": "USD"},
    }
    pay(company)
    spend(company, "12.34")
    suspension.suspend(company.account.id, Reason.STAFF, NOON)
    suspension.suspend(company.account.id, Reason.DISPUTE, NOON + timedelta(hours=1))
    with CaptureQueriesContext(connection) as asked:
        told = own.get(path).json()
    assert told["status"] == "suspended"
    assert told["available"] == {"amount": "87.66", "currency": "USD"}
    assert told["suspensions"] == [
        {"reason": "staff", "since": "2026-11-23T12:00:00Z"},
        {"reason": "dispute", "since": "2026-11-23T13:00:00Z"},
    ]
    # The key, its account, the count of requests, and one read of the status.
    assert len(asked) == 4, [one["sql"] for one in asked]


def test_the_terms_of_the_balance_add_up_to_it(company: Company, operator: Program) -> None:
    pay(company, "100")
    spend(company, "12.50")
    told = operator.get(f"/accounts/{company.account.id}/balance").json()
    assert told == {
        "account_id": str(company.account.id),
        "currency": "USD",
        "payments": "100.00",
        "refunds": "0.00",
        "adjustments": "0.00",
        "invoiced": "0.00",
        "uninvoiced": "-12.50",
        "held": "0.00",
        "credit_limit": "0.00",
        "available": "87.50",
    }


def test_lists_come_by_pages_that_keep_their_place(company: Company, operator: Program) -> None:
    expected = [company.account.id, *(make_company(f"Hawk {n}").account.id for n in range(4))]
    seen, cursor = [], ""
    while True:
        page = operator.get("/accounts", limit=2, cursor=cursor).json()
        seen += [one["id"] for one in page["data"]]
        # What comes meanwhile is newer and moves nothing.
        make_company("Newcomer")
        if not (cursor := page["next_cursor"] or ""):
            break
    assert seen == [str(one) for one in reversed(expected)]


def test_payments_come_newest_first_by_pages(company: Company, own: Program) -> None:
    path = f"/accounts/{company.account.id}/payments"
    made = [open_one(company, "10", now=NOON + timedelta(seconds=n // 2), another=True) for n in range(5)]
    pay(company, "20.50")
    seen, cursor = [], ""
    while True:
        page = own.get(path, limit=2, cursor=cursor).json()
        seen += page["data"]
        if not (cursor := page["next_cursor"] or ""):
            break
    ordered = sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)
    assert [one["id"] for one in seen if one["state"] == "created"] == [str(one.id) for one in ordered]
    [paid] = [one for one in seen if one["state"] == "succeeded"]
    assert paid["credited"] == paid["charged"] == {"amount": "20.50", "currency": "USD"}
    assert (paid["card_brand"], paid["card_last4"], paid["tax"]["amount"]) == ("visa", "4242", "0.00")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "éé"}, "cursor"),
        ({"cursor": "bm9uZQ=="}, "cursor"),
        ({"cursor": "x" * 201}, "cursor"),
    ],
)
def test_what_a_field_has_wrong_is_named(
    company: Company, own: Program, query: dict[str, str], field: str
) -> None:
    answer = own.get(f"/accounts/{company.account.id}/payments", **query)
    assert answer.status_code == 422
    assert code(answer) in {"invalid", "cursor_invalid"}
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_whatever_goes_wrong_is_a_problem(
    company: Company, own: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/accounts/{company.account.id}/status"
    assert code(Client().get(f"{API}/no/such/thing")) == "not_found"
    assert code(Client().get(f"{API}/")) == "not_found"
    assert code(own.get(f"/accounts/{uuid4()}x")) == "not_found"
    refused = own.delete(path)
    assert (refused.status_code, code(refused), refused.headers["Allow"]) == (
        405,
        "method_not_allowed",
        "GET",
    )
    long = own.post("/webhook-endpoints", {"url": "x" * 70_000})
    assert (long.status_code, code(long)) == (413, "body_too_long")

    def broken(_account_id: object) -> None:
        raise RuntimeError("do not show this")

    def away(_account_id: object) -> None:
        raise OperationalError("no connection")

    for fault, expected in ((broken, "internal_error"), (away, "unavailable")):
        monkeypatch.setattr(accounts, "status_of", fault)
        answer = own.get(path)
        assert code(answer) == expected
        assert b"do not show" not in answer.content


def test_openapi_describes_every_door(db: None) -> None:
    answer = Client().get(f"{API}/openapi.json")
    told = answer.json()
    assert answer.status_code == 200
    assert told["openapi"].startswith("3.")
    assert f"{API}/accounts/{{account_id}}/status" in told["paths"]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert operation["security"], (path, method)
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "header"}
            assert named == ({"Idempotency-Key"} if method == "post" else set()), (path, method)
