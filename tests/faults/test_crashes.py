"""Crashes: each row of the fault matrix that is about a process, a database or a lock that gives way.

A payment dies at a point, the same form or letter comes again, the worker does its rounds, and the books are exact: one
charge, one credit, one voucher. The same points under load are the soak's (tests/soak).
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from bank import RunningBank, eventually
from conftest import RealDatabase
from faults.actors import Actors
from people import Company, customer_balance, make_company, make_operator, save_card
from raseed.balance.suspension import open_suspensions
from raseed.db.guard import across_accounts
from raseed.db.invariants import run as invariants
from raseed.documents.models import Document, IssuedNumber
from raseed.ledger.models import LedgerEntry
from raseed.money import Money
from raseed.payments.models import InboxEvent, ListCursor, Payment, PaymentDispute, Refund
from sabotage.range import AT_REST, signed
from soak.run import Plan, Soak, proxy_before
from soak.verdict import POINTS
from soak.weather import Strike

pytestmark = pytest.mark.xdist_group("crashes")
CREATED, SUBMITTED, SUCCEEDED = "created", "submitted", "succeeded"
NOTHING, USD_100 = Money.zero("USD"), Money(100_000_000, "USD")


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actors]:
    with Actors(tmp_path_factory.mktemp("markers")) as started:
        yield started


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    with RunningBank(tmp_path_factory.mktemp("bank"), webhook_attempts_max=1, hang_s=2) as running:
        yield running


@dataclass
class Scene:
    """A company with a saved card and one drawn form of 100 USD; `url` is how the product reaches the database."""

    actors: Actors
    bank: RunningBank
    database: RealDatabase
    company: Company
    form: dict[str, str]
    url: str

    def act(self, name: str, at: str = "none", **given: object) -> object:
        """Do it in a process of its own; None if that was killed."""
        return self.actors.start(self.url, self.bank.url, name, at, **given).ended()

    def pay(self, at: str = "none") -> object:
        """The browser posts the form; the status of the answer, None if the process was killed."""
        answer = self.act("pay", at, email=self.company.admin.email, form=self.form)
        return answer and answer["status"]

    def row(self) -> Payment | None:
        return Payment.objects.filter(account_id=self.company.account.id).first()

    @property
    def ids(self) -> dict[str, str]:
        payment = self.row()
        assert payment is not None
        return {"account_id": str(payment.account_id), "payment_id": str(payment.id)}

    def charged(self) -> list[int]:
        payment = self.row()
        return self.bank.charges(payment.id) if payment else []

    def stands(self, state: str | None, charged: list[int], balance: Money) -> None:
        """What is so now, after the process died."""
        payment = self.row()
        assert (payment.state if payment else None) == state
        # A request that has left is worked on by the bank although nobody waits for the answer.
        eventually(lambda: self.charged() == charged)
        assert customer_balance(self.company) == balance

    def ends_well(self) -> None:
        """The browser comes again, the worker does its rounds: one charge, one credit, one voucher, clean books."""
        assert self.pay() == 302
        assert self.act("follow", seconds=5, **self.ids) == SUCCEEDED
        assert self.act("issue_voucher", **self.ids) == f"RV-{timezone.now().year}-000001"
        assert self.act("walk_list") == 0
        self.books_are_exact()

    def given_back(self) -> list[int]:
        """What the bank has given back, or is giving back, of the payment."""
        payment = self.row()
        refunds = self.bank.dump()["refunds"]
        return [one["amount"] for one in refunds if payment and one["payment"] == payment.gateway_ref]

    def books_are_clean(self) -> None:
        """With the voucher issued and the bank's list read."""
        assert self.act("issue_voucher", **self.ids) == f"RV-{timezone.now().year}-000001"
        assert self.act("walk_list") == 0
        assert [str(one) for one in invariants(timezone.now() + AT_REST)] == []

    def books_are_exact(self) -> None:
        self.stands(SUCCEEDED, [10_000], USD_100)
        with across_accounts("all books of this test"):
            assert Payment.objects.count() == 1
            assert [entry.kind for entry in LedgerEntry.objects.all()] == ["topup_card"]
            assert list(IssuedNumber.objects.values_list("number", flat=True)) == [1]
            assert Document.objects.count() == 1
        assert [str(one) for one in invariants(timezone.now() + AT_REST)] == []


@pytest.fixture
def scene(real_db: RealDatabase, actors: Actors, bank: RunningBank) -> Scene:
    make_operator()
    company = make_company()
    card = save_card(company, bank.save_card(customer=str(company.account.id)))
    # What the bank did for others before is not looked at.
    ListCursor.objects.create(gateway="sandbox", cursor=bank.book()[-1]["cursor"], walked_at=timezone.now())
    form = {"client_key": str(uuid4()), "amount": "100", "method": str(card.id)}
    return Scene(actors, bank, real_db, company, form, real_db.url)


# -- F19: the web process is killed while somebody pays


@pytest.mark.parametrize(
    ("point", "state", "charged", "balance"),
    [
        ("KP01", None, [], NOTHING),
        ("KP02", SUBMITTED, [], NOTHING),
        ("KP03", SUBMITTED, [10_000], NOTHING),
        ("KP04", SUBMITTED, [10_000], NOTHING),
        ("KP05", SUBMITTED, [10_000], NOTHING),
        ("KP08", SUCCEEDED, [10_000], USD_100),
    ],
)
def test_f19_web_killed_at(
    scene: Scene, point: str, state: str | None, charged: list[int], balance: Money
) -> None:
    assert scene.pay(at=point) is None
    scene.stands(state, charged, balance)
    scene.ends_well()


def test_f19_killed_with_a_number_taken_at_kp06(scene: Scene) -> None:
    assert scene.pay() == 302
    assert scene.act("issue_voucher", at="KP06", **scene.ids) is None
    assert not IssuedNumber.objects.exists()
    scene.ends_well()


# -- F20: webhook, applier and janitor are killed


@dataclass
class Letter:
    """The bank's word of a charge whose answer never reached us."""

    scene: Scene

    def deliver(self, at: str = "none") -> object:
        payment = self.scene.row()
        letters = [one["payload"] for one in self.scene.bank.dump()["letters"]]
        (letter,) = [one for one in letters if one["object"]["reference"] == str(payment and payment.id)]
        raw, headers = signed(letter, timezone.now())
        return self.scene.act("hook", at, raw=b64encode(raw).decode(), headers=headers)


@pytest.fixture
def letter(scene: Scene) -> Letter:
    scene.bank.behaviour(next="G6")
    assert scene.pay() == 302
    scene.stands(SUBMITTED, [10_000], NOTHING)
    return Letter(scene)


@pytest.mark.parametrize(("point", "kept"), [("KP09", 0), ("KP10", 1)])
def test_f20_webhook_killed_at(scene: Scene, letter: Letter, point: str, kept: int) -> None:
    assert letter.deliver(at=point) is None
    assert InboxEvent.objects.count() == kept
    assert letter.deliver() == 200
    assert InboxEvent.objects.count() == 1
    assert scene.act("apply_letters") == 1
    scene.stands(SUCCEEDED, [10_000], USD_100)
    scene.ends_well()


@pytest.mark.parametrize(
    ("point", "state", "balance"), [("KP11", SUBMITTED, NOTHING), ("KP12", SUCCEEDED, USD_100)]
)
def test_f20_applier_killed_at(scene: Scene, letter: Letter, point: str, state: str, balance: Money) -> None:
    assert letter.deliver() == 200
    assert scene.act("apply_letters", at=point) is None
    scene.stands(state, [10_000], balance)
    assert InboxEvent.objects.filter(applied_at__isnull=True).count() == 1
    assert scene.act("apply_letters", seconds=60) == 1
    assert not InboxEvent.objects.filter(applied_at__isnull=True).exists()
    scene.ends_well()


@pytest.mark.parametrize(("point", "charged"), [("KP13", []), ("KP14", [10_000])])
def test_f20_janitor_killed_at(scene: Scene, point: str, charged: list[int]) -> None:
    scene.bank.behaviour(next="G8")
    assert scene.pay() == 302
    scene.stands(SUBMITTED, [], NOTHING)
    assert scene.act("follow", at=point, seconds=5, **scene.ids) is None
    scene.stands(SUBMITTED, charged, NOTHING)
    assert scene.act("follow", seconds=10, **scene.ids) == SUCCEEDED
    scene.ends_well()


def test_f19_f20_every_kill_point_has_its_payment_here() -> None:
    here = {"KP01", "KP02", "KP03", "KP04", "KP05", "KP06", "KP07", "KP08"}
    here |= {"KP09", "KP10", "KP11", "KP12", "KP13", "KP14", "KP17", "KP18", "KP19"}
    of_a_recharge = {"KP15", "KP16"}  # in test_recharge_crashes.py
    assert set(POINTS) == here | of_a_recharge


# -- F48, F51: killed while money goes back, or is taken back


@pytest.mark.parametrize(("point", "at_the_bank"), [("KP17", []), ("KP18", [4_000])])
def test_f48_killed_while_giving_back_at(scene: Scene, point: str, at_the_bank: list[int]) -> None:
    assert scene.pay() == 302
    form = {**scene.ids, "key": str(uuid4()), "minor": 4_000}
    assert scene.act("give_back", at=point, **form) is None
    refund = Refund.objects.get(account_id=scene.company.account.id)
    assert (refund.state, refund.part_ref) == (SUBMITTED, "")
    assert (scene.given_back(), customer_balance(scene.company)) == (at_the_bank, Money(60_000_000, "USD"))
    # The form comes again, and the worker does its rounds.
    assert scene.act("give_back", **form) == SUBMITTED
    ids = {"account_id": str(refund.account_id), "refund_id": str(refund.id)}
    assert scene.act("ask_about_refund", seconds=5, **ids) in {"pending", SUCCEEDED}
    eventually(lambda: scene.act("ask_about_refund", seconds=60, **ids) == SUCCEEDED)
    assert (scene.given_back(), customer_balance(scene.company)) == ([4_000], Money(60_000_000, "USD"))
    scene.books_are_clean()


def test_f51_killed_while_a_dispute_is_booked_at_kp19(scene: Scene) -> None:
    scene.bank.behaviour(next="G17l")
    assert scene.pay() == 302
    account_id = scene.company.account.id

    def opened() -> list[dict[str, object]]:
        letters = [one["payload"] for one in scene.bank.dump()["letters"]]
        ours = scene.ids["payment_id"]
        return [
            one for one in letters if (one["type"], one["object"]["reference"]) == ("dispute.opened", ours)
        ]

    eventually(lambda: len(opened()) == 1)
    raw, headers = signed(opened()[0], timezone.now())
    assert scene.act("hook", raw=b64encode(raw).decode(), headers=headers) == 200
    assert scene.act("apply_letters", at="KP19") is None
    assert not PaymentDispute.objects.filter(account_id=account_id).exists()
    assert (customer_balance(scene.company), open_suspensions(account_id)) == (USD_100, [])
    assert scene.act("apply_letters", seconds=60) == 1
    assert PaymentDispute.objects.filter(account_id=account_id).count() == 1
    assert customer_balance(scene.company) == NOTHING
    assert [one.reason for one in open_suspensions(account_id)] == ["dispute"]
    scene.books_are_clean()


# -- F21: a deploy while customers pay


class Deployed(Soak):
    """A small soak in which nothing is killed and everything is deployed again and again; notes the oldest silence."""

    oldest_s = 0.0

    def _strikes(self) -> list[Strike]:
        return [*super()._strikes(), Strike("looks", 0.5, self._look)]

    def _look(self) -> None:
        with self.database.owner() as owner:
            row = owner.execute(
                "SELECT coalesce(max(extract(epoch FROM now() - submitted_at)), 0)::float FROM payments_payment"
                " WHERE state = 'submitted'"
            ).fetchone()
        self.oldest_s = max(self.oldest_s, float(row[0]) if row else 0.0)  # type: ignore[arg-type]


@pytest.mark.timeout(600)
def test_f21_deploys_while_customers_pay(real_db: RealDatabase, tmp_path: Path, settings: Settings) -> None:
    plan = Plan(payments=30, seed=21, customers=4, kill_one_in=0, cut_every_s=0, deploy_every_s=3, hurry=True)
    soak = Deployed(plan, real_db, tmp_path)
    settings.PUBLIC_URL = soak.portal
    with soak.bank as bank:
        settings.SANDBOX_URL = bank.url
        verdict = soak.run()
        second_opinion = soak.second_opinion()
    connections.close_all()
    assert soak.strikes["deploys"] >= 4
    assert verdict.faults() == second_opinion == []
    assert (verdict.kills, verdict.unresolved) == (0, 0)
    assert soak.oldest_s < 60


# -- F23: the answer to a COMMIT is lost


def test_f23_the_answer_to_a_commit_is_lost(scene: Scene, tmp_path: Path) -> None:
    with proxy_before(scene.database.url, tmp_path, seed="1", one_in=1) as url:
        scene.url = url
        assert scene.pay() == 503  # the intent is committed, and nobody was told
        scene.stands(CREATED, [], NOTHING)
        assert scene.pay() == 503  # and so is the credit
        scene.stands(SUCCEEDED, [10_000], USD_100)
        cut = sorted(marker.name.split(".")[0] for marker in tmp_path.iterdir())
        assert cut == ["KP07", "KP07"]
        scene.ends_well()
