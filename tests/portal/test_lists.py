"""Balance Details and the Payments tab: exact amounts, whole days of the account's zone, and what an empty list says."""

import re
from datetime import UTC, datetime, timedelta

from django.test import Client

from people import NOON, Company, make_company, make_user, open_one
from raseed.accounts.models import Membership
from raseed.balance.models import Reason, Suspension
from raseed.documents.issue import issue_receipt_voucher
from raseed.gateways.port import Card, Succeeded
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money
from raseed.notifications.models import Mail, MailRecipient
from raseed.payments.models import Payment
from raseed.payments.settle import settle
from raseed.payments.states import Cause, State, move
from raseed.portal.views import payments as payment_views

BALANCE = "/settings/billing/balance"
LIST = "/settings/billing/invoices"


def pay(company: Company, amount: str, at: datetime = NOON) -> Payment:
    """A payment that succeeded at `at`."""
    payment = open_one(company, amount, now=at, another=True)
    move(payment, State.SUBMITTED, Cause.PAGE, at)
    card = Card("visa", "4242", 12, 2030)
    outcome = Succeeded(f"ref_{payment.id}", payment.charge_minor, "USD", payment.id, card, None)
    return settle(company.account.id, payment.id, outcome, Cause.WEBHOOK, at)


def words(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200
    plain = re.sub(r"<[^>]+>|[\u2066\u2069]", " ", answer.content.decode())
    return re.sub(r"\s+", " ", plain).replace("\u00a0", " ")


def listed(client: Client, **query: str) -> list[str]:
    """The amounts of the rows, in their order."""
    page = client.get(LIST, {"tab": "payments", **query}).content.decode()
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r"\u2066([\d,.]+) USD\u2069", body)


def test_the_balance_is_shown_with_the_terms_that_make_it(admin: Client, company: Company) -> None:
    pay(company, "100")
    used = Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, Money(12_345_678, "USD"))
    post(NewEntry(company.account.id, EntryKind.USAGE, "usage:1", (used,), NOON))

    page = words(admin, BALANCE)

    assert "Available balance 87.65 USD" in page
    assert "+ Payments 100.00" in page
    assert "− Invoiced 0.00" in page
    assert "− Uninvoiced amount 12.345678" in page
    assert "= Available balance 87.654322 USD" in page
    assert "Refunds" not in page


def test_a_payment_under_way_is_shown_wherever_the_page_is_opened(admin: Client, company: Company) -> None:
    payment = open_one(company, "50")

    assert f'id="payment-{payment.id}"' in admin.get(BALANCE).content.decode()


def test_a_final_payment_is_shown_only_when_it_was_just_made(admin: Client, company: Company) -> None:
    payment = pay(company, "50")

    assert "Paid. Your balance" not in words(admin, BALANCE)
    assert "Paid. Your balance is 50.00 USD" in words(admin, BALANCE, payment=str(payment.id))
    assert "Paid. Your balance" not in words(admin, BALANCE, payment="nonsense")


def test_a_suspension_that_paying_does_not_lift_says_whom_to_ask(admin: Client, company: Company) -> None:
    for reason in (Reason.BALANCE, Reason.STAFF, Reason.DISPUTE):
        Suspension.objects.create(account_id=company.account.id, reason=reason, since=NOON)

    page = words(admin, BALANCE)

    assert "by our staff. A payment does not lift this suspension. Please ask support@operator.test" in page
    assert "because a card payment is disputed." in page
    assert "smallest payment" not in page


def test_payments_are_listed_newest_first_with_their_vouchers(admin: Client, company: Company) -> None:
    first = pay(company, "50", NOON)
    pay(company, "1000.50", NOON + timedelta(hours=1))
    document = issue_receipt_voucher(company.account.id, first.id, NOON)

    page = words(admin, LIST, tab="payments")

    assert listed(admin) == ["1,000.50", "50.00"]
    assert document.display_number in page
    assert "Being issued" in page
    assert "23 Nov 2026, 15:00 GMT+3" in page
    assert "Paid in what is shown 1,050.50 USD" in page


def test_days_are_those_of_the_accounts_zone(admin: Client, company: Company) -> None:
    pay(company, "50", datetime(2026, 11, 22, 20, 59, tzinfo=UTC))  # 23:59 in Riyadh
    pay(company, "60", datetime(2026, 11, 22, 21, 0, tzinfo=UTC))  # midnight
    pay(company, "70", datetime(2026, 11, 23, 20, 59, tzinfo=UTC))
    pay(company, "80", datetime(2026, 11, 23, 21, 0, tzinfo=UTC))

    assert listed(admin, **{"from": "2026-11-23", "to": "2026-11-23"}) == ["70.00", "60.00"]
    assert listed(admin, to="2026-11-22") == ["50.00"]
    assert listed(admin, **{"from": "2026-11-24"}) == ["80.00"]


def test_the_state_filters_and_an_unknown_one_does_not(admin: Client, company: Company) -> None:
    pay(company, "50")
    open_one(company, "60", another=True)

    assert listed(admin, state="succeeded") == ["50.00"]
    assert listed(admin, state="created") == ["60.00"]
    assert len(listed(admin, state="' OR 1=1")) == 2


def test_a_wrong_date_is_said_at_its_field(admin: Client) -> None:
    assert "This is not a date. Write it as 2026-11-23." in words(
        admin, LIST, tab="payments", **{"from": "23/11"}
    )
    assert "The last day lies before the first." in words(
        admin, LIST, tab="payments", **{"from": "2026-11-23", "to": "2026-11-22"}
    )


def test_pages_follow_each_other_without_a_gap(admin: Client, company: Company, monkeypatch: object) -> None:
    monkeypatch.setattr(payment_views, "ROWS_PER_PAGE", 2)  # type: ignore[attr-defined]
    for number in range(5):
        pay(company, str(50 + number), NOON)

    seen, address = [], f"{LIST}?tab=payments&state=succeeded"
    while address:
        page = admin.get(address).content.decode()
        body = page.partition("<tbody>")[2].partition("</tbody>")[0]
        seen += re.findall(r"\u2066([\d,.]+) USD\u2069", body)
        more = re.search(r'href="(\?tab=payments[^"]*after=[^"]+)"', page)
        address = LIST + more[1].replace("&amp;", "&") if more else ""
        assert "260.00 USD" in re.sub(r"[\u2066\u2069]", "", page)

    assert sorted(seen) == ["50.00", "51.00", "52.00", "53.00", "54.00"]


def test_an_empty_list_says_what_will_be_here_or_how_to_find_more(admin: Client) -> None:
    assert "Every payment will be listed here with its receipt voucher." in words(admin, LIST, tab="payments")
    assert "No payment matches" in words(admin, LIST, tab="payments", state="succeeded")
    assert "No invoice was issued to this account." in words(admin, LIST)


def test_a_voucher_that_came_back_is_said(admin: Client, company: Company) -> None:
    payment = pay(company, "50")
    document = issue_receipt_voucher(company.account.id, payment.id, NOON)
    mail = Mail.objects.create(
        account_id=company.account.id,
        kind="receipt",
        key=str(document.id),
        subject="s",
        text="t",
        html="h",
        document_id=document.id,
        language="en",
        message_id="<m@x>",
        created_at=NOON,
        next_try_at=NOON,
    )
    recipient = MailRecipient.objects.create(
        account_id=company.account.id, mail_id=mail.id, address="a@b.test"
    )
    assert "The mail came back" not in words(admin, LIST, tab="payments")

    MailRecipient.objects.filter(account_id=company.account.id, id=recipient.id).update(bounced_at=NOON)

    assert "The mail came back: check the billing e-mails." in words(admin, LIST, tab="payments")


def test_nobody_sees_another_accounts_payments(company: Company) -> None:
    pay(company, "50")
    stranger = Client()
    stranger.force_login(make_company("Hawk").admin)

    assert listed(stranger) == []
    assert "+ Payments 0.00" in words(stranger, BALANCE)


def test_others_than_admins_have_a_home_and_no_link_to_billing(company: Company) -> None:
    agent = make_user("agent@falcon.test", name="Omar", account=company.account)
    Membership.objects.create(account=company.account, user_id=agent.id, role="agent")
    client = Client()
    client.force_login(agent)

    home = client.get("/", follow=True)

    assert home.redirect_chain == [("/home", 302)]
    assert "Hello, \u2066Omar\u2069" in home.content.decode()
    assert "/settings/billing" not in home.content.decode()
    assert client.get(BALANCE).status_code == 403
