"""A break is a row with an age that a person ends: taken, ended with a reason, opened again while its cause stands."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from people import NOON, Company, customer_balance, make_company, make_operator, make_user, open_one
from raseed.accounts.models import StaffRole, User
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry, BooksCheck, OperatorAuditEntry
from raseed.backoffice import breaks
from raseed.gateways.port import Card, Succeeded
from raseed.ledger import read
from raseed.money import Money
from raseed.payments import refund_states, resolve
from raseed.payments.breaks import BreakKind, report, report_unknown_charge
from raseed.payments.models import GatewayMovement, Payment, ReconciliationBreak, Refund
from raseed.payments.refund import RefundCommand, open_refund
from raseed.payments.refund_states import RefundState
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move

PAGE = "/backoffice/breaks"
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


@pytest.fixture
def finance(db: None) -> User:
    return make_user("finance@operator.test", name="Huda", staff_role=StaffRole.FINANCE)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def review(company: Company) -> Payment:
    """A payment of 100 USD of which 99.99 were captured: the money is in suspense."""
    payment = open_one(company, another=True)
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    outcome = Succeeded(
        f"pay_{payment.id.hex}", 9_999, "USD", payment.id, Card("visa", "4242", 12, 2030), None
    )
    return settle(company.account.id, payment.id, outcome, Cause.PAGE, NOON)


def unknown_charge(gateway_ref: str = "pay_x", payment_id: object = None) -> ReconciliationBreak:
    GatewayMovement.objects.create(gateway="sandbox", cursor=uuid4().hex, kind="charge", gateway_ref=gateway_ref, payment_id=payment_id, amount_minor=500, currency="USD", at=NOON)  # fmt: skip
    report_unknown_charge("sandbox", gateway_ref, "500 USD", NOON)
    return ReconciliationBreak.objects.get(gateway_ref=gateway_ref)


def end(found: ReconciliationBreak, who: User) -> None:
    resolve.end(found.pk, "dealt with", Who(who.id, "finance"), LATER)


def is_open(found: ReconciliationBreak) -> bool:
    found.refresh_from_db()
    return found.resolved_at is None


def test_the_page_says_what_is_wrong_how_old_it_is_and_what_to_do(company: Company, finance: User) -> None:
    payment = review(company)
    unknown_charge()
    ReconciliationBreak.objects.filter(payment_id=payment.id).update(
        seen_at=timezone.now() - timedelta(hours=5)
    )
    client = signed_in(finance)
    page = client.get(PAGE).context["page"]
    unknown, suspended = page.open
    assert (unknown.account_id, unknown.asked, unknown.detail, unknown.is_overdue) == (
        None,
        None,
        "500 USD",
        True,
    )
    assert (suspended.account, suspended.payment_id, suspended.state) == (
        "Falcon Trading",
        payment.id,
        "review",
    )
    assert suspended.asked is not None
    assert suspended.captured is not None
    assert (suspended.asked.micros, suspended.captured.micros) == (100_000_000, 99_990_000)
    assert (suspended.is_overdue, suspended.owner) == (True, "")
    text = client.get(PAGE).content.decode()
    for part in (
        "99.99",
        "100.00",
        "5\xa0hours",
        "It cannot be released to the customer from here yet",
        str(payment.id),
    ):
        assert part in text

    assert client.post(reverse("backoffice:break_take", args=[suspended.id]), follow=True).status_code == 200
    (_, taken) = client.get(PAGE).context["page"].open
    assert (taken.owner, taken.is_mine, taken.is_overdue) == ("Huda", True, False)
    ReconciliationBreak.objects.filter(id=taken.id).update(seen_at=timezone.now() - timedelta(days=3))
    (old, _) = client.get(PAGE).context["page"].open
    assert old.is_overdue


def test_finance_ends_a_break_with_a_reason_and_it_is_written_down(company: Company, finance: User) -> None:
    payment = open_one(company)
    report(BreakKind.FOREIGN_REFERENCE, payment, "pay_other", "told by page", NOON)
    found = ReconciliationBreak.objects.get()
    client, url = signed_in(finance), reverse("backoffice:break_end", args=[found.pk])

    answer = client.post(url, {"reason": " "})
    assert (answer.status_code, is_open(found)) == (422, True)
    assert answer.content.decode().count(f'id="id_break_{found.pk}_reason"') == 1

    before = read.balances(company.account.id)
    assert client.post(url, {"reason": "Refunded at the gateway, case 7"}).headers["Location"] == PAGE
    assert not is_open(found)
    assert (found.resolved_by, found.owner_id, found.reason) == (
        finance.id,
        finance.id,
        "Refunded at the gateway, case 7",
    )
    (entry,) = AuditEntry.objects.filter(account_id=company.account.id, action="break_ended")
    assert (entry.actor_id, entry.actor_role, entry.object_id, entry.before, entry.after, entry.reason) == (
        finance.id,
        "finance",
        str(found.pk),
        {"open": True},
        {"open": False},
        "Refunded at the gateway, case 7",
    )
    # A second press changes nothing, and no money or payment moved by any of it.
    client.post(url, {"reason": "again"})
    assert AuditEntry.objects.filter(account_id=company.account.id, action="break_ended").count() == 1
    assert read.balances(company.account.id) == before
    payment.refresh_from_db()
    assert payment.state == State.CREATED
    page = client.get(PAGE).context["page"]
    assert [(line.ended_by, line.reason) for line in page.ended] == [
        ("Huda", "Refunded at the gateway, case 7")
    ]
    assert page.open == ()


def test_a_break_of_no_account_is_written_down_with_the_operators_house(finance: User) -> None:
    end(unknown_charge(), finance)
    assert OperatorAuditEntry.objects.get(action="break_ended").reason == "dealt with"


def test_support_sees_breaks_and_cannot_end_or_take_one(company: Company) -> None:
    review(company)
    found = ReconciliationBreak.objects.get()
    client = signed_in(make_user("support@operator.test", staff_role=StaffRole.SUPPORT))
    assert "End the break" not in client.get(PAGE).content.decode()
    for name in ("break_take", "break_end"):
        answer = client.post(reverse(f"backoffice:{name}", args=[found.pk]), {"reason": "x"})
        assert answer.status_code == 403
    assert is_open(found)
    assert found.owner_id is None
    assert signed_in(company.admin).get(PAGE).status_code == 403


def test_a_break_that_is_not_over_opens_again_with_its_age(company: Company, finance: User) -> None:
    payment = review(company)
    found = ReconciliationBreak.objects.get()
    end(found, finance)
    assert resolve.reopen(LATER) == 1
    assert is_open(found)
    assert (found.seen_at, found.reopened, found.owner_id, found.reason) == (
        NOON,
        1,
        finance.id,
        "dealt with",
    )
    assert (resolve.reopen(LATER), ReconciliationBreak.objects.count()) == (0, 1)
    # News of the same kind opens it again as well, rather than a young one beside it.
    end(found, finance)
    report(BreakKind.UNEXPECTED_CAPTURE, payment, payment.gateway_ref, "told again", LATER)
    assert (is_open(found), found.reopened, ReconciliationBreak.objects.count()) == (True, 2, 1)


def test_a_break_that_is_over_stays_ended(company: Company, finance: User) -> None:
    payment = open_one(company)
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    report(BreakKind.UNRESOLVED, payment, "", "Unknown", NOON)
    report(BreakKind.FOREIGN_REFERENCE, payment, "pay_other", "told by page", NOON)
    unresolved, foreign = ReconciliationBreak.objects.order_by("kind").reverse()
    for one in (unresolved, foreign):
        end(one, finance)
    assert resolve.reopen(LATER) == 1
    assert (is_open(unresolved), is_open(foreign)) == (True, False)
    move(payment, State.FAILED, Cause.RECONCILE, LATER)
    end(unresolved, finance)
    assert (resolve.reopen(LATER), is_open(unresolved)) == (0, False)


def stuck(company: Company, finance: User) -> tuple[Refund, ReconciliationBreak]:
    """A refund of 40 of 100 USD, ordered at noon, of which the gateway knows nothing."""
    payment = open_one(company)
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    outcome = Succeeded(
        f"pay_{payment.id.hex}", 10_000, "USD", payment.id, Card("visa", "4242", 12, 2030), None
    )
    payment = settle(company.account.id, payment.id, outcome, Cause.PAGE, NOON)
    found = open_refund(
        RefundCommand(
            account_id=company.account.id,
            payment_id=payment.id,
            client_key=uuid4(),
            amount=Money(40_000_000, "USD"),
            reason="asked for",
            actor=Who(finance.id, "finance"),
        ),
        NOON,
    )
    found.submitted_at = NOON
    found.save(update_fields=["submitted_at"])
    refund_states.move(found, RefundState.SUBMITTED, Cause.STAFF, NOON)
    report(BreakKind.UNRESOLVED, payment, str(found.id), "refund is submitted: NotFound", NOON)
    return found, ReconciliationBreak.objects.get(gateway_ref=str(found.id))


def test_the_break_of_a_stuck_refund_opens_again_until_the_refund_is_over(
    company: Company, finance: User
) -> None:
    refund, of_refund = stuck(company, finance)
    # That of the payment itself, which is over.
    report(BreakKind.UNRESOLVED, refund.payment, "", "Unknown", NOON)
    of_payment = ReconciliationBreak.objects.get(gateway_ref="")
    for one in (of_payment, of_refund):
        end(one, finance)
    assert resolve.reopen(LATER) == 1
    assert (is_open(of_refund), of_refund.reopened, is_open(of_payment)) == (True, 1, False)
    Refund.objects.filter(account_id=refund.account_id, id=refund.id).update(state="failed")
    end(of_refund, finance)
    assert (resolve.reopen(LATER), is_open(of_refund)) == (0, False)


def test_a_refund_that_was_never_made_goes_back_into_the_balance_once(
    company: Company, finance: User
) -> None:
    refund, found = stuck(company, finance)
    by, url = Who(finance.id, "finance"), reverse("backoffice:break_refund_not_made", args=[found.pk])
    taken = read.balances(company.account.id)
    # While it could be sent again, the gateway is asked and nobody else.
    with pytest.raises(resolve.RefundNotStuck):
        resolve.refund_not_made(found.pk, "case 7", by, NOON + timedelta(hours=22))
    client = signed_in(finance)
    Refund.objects.filter(account_id=refund.account_id, id=refund.id).update(submitted_at=timezone.now())
    assert "The refund was not made" not in client.get(PAGE).content.decode()
    client.post(url, {"reason": "case 7"})
    assert (read.balances(company.account.id), is_open(found)) == (taken, True)

    long_ago = timezone.now() - timedelta(hours=24)
    Refund.objects.filter(account_id=refund.account_id, id=refund.id).update(submitted_at=long_ago)
    assert url in client.get(PAGE).content.decode()
    assert client.post(url, {"reason": " "}).status_code == 422
    assert signed_in(make_user("s@operator.test", staff_role=StaffRole.SUPPORT)).post(url).status_code == 403
    assert read.balances(company.account.id) == taken
    for _ in range(2):
        assert client.post(url, {"reason": "case 7"}).headers["Location"] == PAGE
    assert not is_open(found)
    assert customer_balance(company) == Money(100_000_000, "USD")
    refund.refresh_from_db()
    refund.payment.refresh_from_db()
    assert (refund.state, refund.payment.refunded_minor) == ("failed", 0)
    acts = AuditEntry.objects.filter(account_id=company.account.id, action="refund_not_made")
    assert [(one.actor_id, one.object_id, one.reason) for one in acts] == [
        (finance.id, str(refund.id), "case 7")
    ]
    assert (resolve.reopen(timezone.now()), is_open(found)) == (0, False)
    assert resolve.stuck_refund(found, timezone.now()) is None


def test_an_unknown_charge_is_over_when_the_list_shows_its_refund_in_full(
    company: Company, finance: User
) -> None:
    found = unknown_charge()
    known = unknown_charge("pay_known", open_one(company).id)
    for one in (found, known):
        end(one, finance)
    assert (resolve.reopen(LATER), is_open(found), is_open(known)) == (1, True, False)
    for minor, still_open in ((499, True), (1, False)):
        GatewayMovement.objects.create(gateway="sandbox", cursor=uuid4().hex, kind="refund", gateway_ref="pay_x", amount_minor=minor, currency="USD", at=LATER)  # fmt: skip
        end(found, finance)
        resolve.reopen(LATER)
        assert is_open(found) is still_open


def test_the_checks_of_the_books_are_shown(finance: User) -> None:
    client = signed_in(finance)
    assert client.get(PAGE).content.decode().count("Not yet") == 2
    for accounts, found in ((None, []), (3, ["I4 account=x: the balance is <1>"])):
        BooksCheck.objects.create(
            at=NOON, accounts=accounts, milliseconds=10, violations=len(found), found=found
        )
    text = client.get(PAGE).content.decode()
    assert "I4 account=x: the balance is &lt;1&gt;" in text
    assert ("1 violation" in text, "Clean" in text) == (True, True)


def test_every_kind_of_break_has_its_words() -> None:
    assert set(breaks.NAMES) == set(breaks.ADVICE) == set(BreakKind)
