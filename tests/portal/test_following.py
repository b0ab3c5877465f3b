"""A payment's page follows it: it asks again, and is told only what is new; nobody sees another account's."""

from datetime import timedelta

from django.test import Client

from people import NOON, Company, make_company, open_one
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, DeclineCode, Declined, Succeeded
from raseed.payments.models import Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move
from raseed.portal import reading
from raseed.portal.wording import case_number

HTMX = {"HX-Request": "true"}
VISA = Card("visa", "4242", 12, 2030)


def submitted(company: Company, amount: str = "100") -> Payment:
    payment = open_one(company, amount)
    move(payment, State.SUBMITTED, Cause.PAGE, NOON)
    return payment


def paid(company: Company, amount: str = "100") -> Payment:
    payment = submitted(company, amount)
    outcome = Succeeded("ref_1", payment.charge_minor, "USD", payment.id, VISA, None)
    return settle(company.account.id, payment.id, outcome, Cause.WEBHOOK, NOON)


def at(payment: Payment) -> str:
    return f"/settings/billing/payments/{payment.id}"


def test_nothing_new_is_an_empty_answer_and_news_is_a_fragment(admin: Client, company: Company) -> None:
    payment = submitted(company)
    seen = reading.payment_status(company.account, payment, NOON).seen
    seen_now = f"submitted.10.{''}"
    assert seen == "submitted.1."

    unchanged = admin.get(at(payment), {"seen": seen_now}, headers=HTMX)
    assert (unchanged.status_code, unchanged.content) == (204, b"")

    outcome = Succeeded("ref_1", payment.charge_minor, "USD", payment.id, VISA, None)
    settle(company.account.id, payment.id, outcome, Cause.WEBHOOK, NOON)
    news = admin.get(at(payment), {"seen": seen_now}, headers=HTMX)
    assert news.status_code == 200
    assert "Paid." in news.content.decode()
    assert 'id="available-balance" class="hero-figure" hx-swap-oob="true"' in news.content.decode()


def test_looks_grow_rarer_and_end(company: Company) -> None:
    payment = submitted(company)

    def pause(after: timedelta) -> int:
        return reading.payment_status(company.account, payment, NOON + after).poll_s

    assert [pause(timedelta(seconds=s)) for s in (0, 29, 30, 299, 300, 86_400)] == [1, 1, 3, 3, 10, 10]
    move(payment, State.REVIEW, Cause.RECONCILE, NOON)
    assert pause(timedelta(0)) == 30
    move(payment, State.FAILED, Cause.STAFF, NOON)
    assert pause(timedelta(0)) == 0


def test_a_paid_payment_is_followed_until_its_voucher_is_there(company: Company) -> None:
    payment = paid(company)
    waiting = reading.payment_status(company.account, payment, NOON)
    assert (waiting.voucher_number, waiting.poll_s) == ("", 1)
    assert reading.payment_status(company.account, payment, NOON + timedelta(minutes=2)).poll_s == 0

    document = issue_receipt_voucher(company.account.id, payment.id, NOON)

    issued = reading.payment_status(company.account, payment, NOON)
    assert (issued.voucher_number, issued.poll_s) == (document.display_number, 0)


def test_a_decline_nobody_can_act_on_shares_one_sentence(admin: Client, company: Company) -> None:
    payment = submitted(company)
    declined = Declined("ref_1", DeclineCode.GENERIC, retryable=False, card=VISA)
    settle(company.account.id, payment.id, declined, Cause.WEBHOOK, NOON)

    page = admin.get(at(payment)).content.decode()

    assert "Declined: your bank did not accept the card. Use another card, or ask your bank." in page


def test_a_review_names_its_case(admin: Client, company: Company) -> None:
    payment = submitted(company)
    move(payment, State.REVIEW, Cause.RECONCILE, NOON)

    assert case_number(payment.id) in admin.get(at(payment)).content.decode()
    assert len(case_number(payment.id)) == 8


def test_without_script_the_pages_ask_again_by_themselves(admin: Client, company: Company) -> None:
    refresh = '<noscript><meta http-equiv="refresh" content="12"></noscript>'
    balance = "/settings/billing/balance"
    assert 'http-equiv="refresh"' not in admin.get(balance).content.decode()

    page = at(submitted(company))

    assert refresh in admin.get(page).content.decode()
    assert refresh in admin.get(balance).content.decode()


def test_another_accounts_payment_is_not_there(company: Company) -> None:
    payment = paid(company)
    issue_receipt_voucher(company.account.id, payment.id, NOON)
    stranger = Client()
    stranger.force_login(make_company("Hawk").admin)

    for address in (at(payment), f"{at(payment)}/return", f"{at(payment)}/voucher"):
        assert stranger.get(address).status_code == 404
        assert stranger.get(address, headers=HTMX).status_code == 404
    shown = stranger.get("/settings/billing/balance", {"payment": str(payment.id)})
    assert "Paid." not in shown.content.decode()


def test_the_voucher_is_a_pdf_to_keep_and_absent_until_issued(admin: Client, company: Company) -> None:
    payment = paid(company)
    assert admin.get(f"{at(payment)}/voucher").status_code == 404

    document = issue_receipt_voucher(company.account.id, payment.id, NOON)
    first, second = (admin.get(f"{at(payment)}/voucher") for _ in range(2))

    assert first.headers["Content-Type"] == "application/pdf"
    assert first.headers["Content-Disposition"] == f'attachment; filename="{document.display_number}.pdf"'
    assert first.content == second.content
    assert first.content.startswith(b"%PDF")
