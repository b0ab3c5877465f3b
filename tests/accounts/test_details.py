"""Billing details: what Admins change, what they ask for, and what staff answer; tax numbers by country."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
from django.db import IntegrityError, connection
from procrastinate.contrib.django.models import ProcrastinateJob

from conftest import RealDatabase
from people import NOON, Company, make_company, make_operator
from raseed.accounts import details
from raseed.accounts.details import (
    KeptDetails,
    NothingAsked,
    OwnDetails,
    RequestEnded,
    RequestOpen,
    TooManyEmails,
)
from raseed.accounts.members import ChangedMeanwhile
from raseed.accounts.models import BillingDetails, ChangeRequest
from raseed.accounts.onboarding import NoBillingEmail, UnknownCountry
from raseed.accounts.people import NotAnEmail
from raseed.accounts.tax_ids import TaxIdTooLong, WrongTaxId, is_checked, read_tax_id
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry
from raseed.errors import RaseedError
from raseed.notifications.mails import mail_address_removed
from raseed.notifications.models import MailRecipient

STAFF = Who(UUID(int=5), "support", "198.51.100.1")


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


def by(company: Company) -> Who:
    return Who(company.admin.id, "admin", "203.0.113.7")


def there(company: Company) -> OwnDetails:
    return details.own(details.details_of(company.account.id))


def kept(company: Company) -> KeptDetails:
    return details.kept(details.details_of(company.account.id))


def jobs(name: str) -> list[dict[str, object]]:
    return [one.args for one in ProcrastinateJob.objects.filter(task_name=name).order_by("id")]


# -- tax numbers


@pytest.mark.parametrize(
    ("country", "typed", "number"),
    [
        ("SA", "3000 0000 0000 003", "300000000000003"),
        ("SA", "٣٠٠٠٠٠٠٠٠٠٠٠٠٠٣", "300000000000003"),
        ("AE", "100-1234-5670-0003", "100123456700003"),
        ("OM", "om1100000000", "OM1100000000"),
        ("JO", "12345678", "12345678"),
        ("DE", "136 695 976", "DE136695976"),
        ("FR", "FR 40 303 265 045", "FR40303265045"),
        ("GR", "EL 094259216", "EL094259216"),
        ("GB", "980 7806 84", "GB980780684"),
        ("EG", "100-531-385", "100531385"),
        ("TR", "4540536920", "4540536920"),
        ("BH", " any  text ", "any text"),
        ("SA", "", ""),
    ],
)
def test_a_right_number_is_kept_in_one_way(country: str, typed: str, number: str) -> None:
    assert read_tax_id(typed, country) == number


@pytest.mark.parametrize(
    ("country", "typed"),
    [
        ("SA", "300000000000004"),
        ("SA", "30000000000003"),
        ("AE", "300000000000003"),
        ("AE", "100000000000004"),
        ("OM", "1100000000"),
        ("JO", "JO1"),
        ("DE", "DE136695977"),
        ("DE", "FR40303265045"),
        ("GB", "GB980780685"),
        ("EG", "1"),
        ("TR", "4540536921"),
    ],
)
def test_a_wrong_number_is_refused_with_an_example(country: str, typed: str) -> None:
    with pytest.raises(WrongTaxId) as raised:
        read_tax_id(typed, country)
    assert raised.value.field == "vat_id"
    assert "should look like" in str(raised.value.message)


def test_where_no_format_is_known_the_length_is_all(company: Company) -> None:
    assert not is_checked("BH")
    with pytest.raises(TaxIdTooLong):
        read_tax_id("x" * 41, "BH")


# -- what Admins change


def test_a_change_is_written_down_told_to_admins_and_to_the_address_that_goes(company: Company) -> None:
    old = there(company)
    wanted = OwnDetails(
        "300000000000003", " 1010 ", ("Money@Falcon.test", "books@falcon.test", "money@falcon.test")
    )

    assert details.change_own(company.account.id, old, wanted, by(company), NOON)

    new = ("money@falcon.test", "books@falcon.test")
    assert there(company) == OwnDetails("300000000000003", "1010", new)
    [entry] = AuditEntry.objects.filter(account_id=company.account.id)
    assert (entry.action, entry.actor_id, entry.ip) == ("details_changed", company.admin.id, "203.0.113.7")
    assert entry.before["billing_emails"] == list(old.billing_emails)
    assert entry.after == {
        "vat_id": "300000000000003",
        "registration_number": "1010",
        "billing_emails": list(new),
    }
    [told] = jobs("notifications.mail_notice")
    assert (told["kind"], told["address"]) == ("details_changed", company.admin.email)
    [gone] = jobs("notifications.mail_address_removed")
    assert gone["address"] == old.billing_emails[0]
    assert not details.change_own(company.account.id, there(company), there(company), by(company), NOON)


def test_the_mail_to_the_old_address_goes_there_alone_and_once(company: Company) -> None:
    for _ in range(2):
        mail = mail_address_removed(company.account.id, "old@falcon.test", NOON, NOON)
    rows = MailRecipient.objects.filter(account_id=company.account.id)
    assert [row.address for row in rows] == ["old@falcon.test"]
    assert "old@falcon.test" in mail.text
    assert "Falcon Trading" in mail.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"vat_id": "1"}, WrongTaxId),
        ({"billing_emails": ()}, NoBillingEmail),
        ({"billing_emails": ("no address",)}, NotAnEmail),
        ({"billing_emails": tuple(f"a{n}@falcon.test" for n in range(11))}, TooManyEmails),
    ],
)
def test_what_cannot_be_changes_nothing(
    company: Company, changes: dict[str, object], error: type[RaseedError]
) -> None:
    old = there(company)
    with pytest.raises(error):
        details.change_own(company.account.id, old, replace(old, **changes), by(company), NOON)  # type: ignore[arg-type]
    assert there(company) == old
    assert not AuditEntry.objects.filter(account_id=company.account.id).exists()
    assert not ProcrastinateJob.objects.exists()


def test_a_stale_page_does_not_undo_anothers_change(company: Company) -> None:
    old = there(company)
    details.change_own(company.account.id, old, replace(old, registration_number="1"), by(company), NOON)
    with pytest.raises(ChangedMeanwhile):
        details.change_own(company.account.id, old, replace(old, registration_number="2"), by(company), NOON)
    assert there(company).registration_number == "1"


def test_a_number_that_stands_already_does_not_stop_other_changes(company: Company) -> None:
    BillingDetails.objects.filter(account=company.account).update(vat_id="of old times")
    old = there(company)
    assert details.change_own(
        company.account.id, old, replace(old, registration_number="7"), by(company), NOON
    )


# -- what they ask for


def asked(company: Company, **changes: str) -> ChangeRequest:
    wanted = replace(kept(company), **(changes or {"billing_name": "Falcon New LLC"}))
    return details.ask(company.account.id, wanted, "We were renamed", by(company), NOON)


def test_a_request_keeps_what_differs_and_changes_nothing(company: Company) -> None:
    before = kept(company)
    request = asked(company)
    assert (request.before, request.wanted) == (
        {"billing_name": before.billing_name},
        {"billing_name": "Falcon New LLC"},
    )
    assert kept(company) == before
    with pytest.raises(RequestOpen):
        asked(company, country="AE")
    assert ChangeRequest.objects.filter(account_id=company.account.id).count() == 1
    with pytest.raises(IntegrityError):
        ChangeRequest.objects.create(account=company.account, asked_at=NOON, why="", before={}, wanted={})


def test_what_asks_for_nothing_or_nowhere_is_refused(company: Company) -> None:
    with pytest.raises(NothingAsked):
        details.ask(company.account.id, kept(company), "?", by(company), NOON)
    with pytest.raises(UnknownCountry):
        asked(company, country="XX")
    assert details.last_request(company.account.id) is None


def test_approved_it_is_done_written_down_and_told(company: Company) -> None:
    before = kept(company)
    request = asked(company, billing_name="Falcon New LLC", country="AE")
    details.approve(company.account.id, request.id, STAFF, NOON)
    assert kept(company) == KeptDetails("Falcon New LLC", before.address, "AE")
    entry = AuditEntry.objects.get(account_id=company.account.id, action="change_approved")
    assert (entry.before, entry.after) == (
        {"billing_name": before.billing_name, "country": "SA"},
        {"billing_name": "Falcon New LLC", "country": "AE"},
    )
    assert (entry.actor_id, entry.actor_role) == (STAFF.user_id, "support")
    assert [one["kind"] for one in jobs("notifications.mail_notice")] == ["request_approved"]
    for again in (details.approve, lambda *facts: details.refuse(*facts[:2], "late", *facts[2:])):
        with pytest.raises(RequestEnded):
            again(company.account.id, request.id, STAFF, NOON)
    assert asked(company, country="SA").state == "open", "the next one may come"


def test_refused_it_changes_nothing_and_says_why(company: Company) -> None:
    before, request = kept(company), asked(company)
    details.refuse(company.account.id, request.id, "No paper was sent", STAFF, NOON)
    assert kept(company) == before
    last = details.last_request(company.account.id)
    assert last is not None
    assert (last.state, last.answer, last.answered_by) == ("refused", "No paper was sent", STAFF.user_id)
    [told] = jobs("notifications.mail_notice")
    assert told["facts"]["thing"] == "No paper was sent"  # type: ignore[index]


def test_two_who_answer_at_once_end_it_once(real_db: RealDatabase) -> None:
    make_operator()
    company = make_company()
    request = asked(company)

    def answer(n: int) -> str:
        try:
            if n % 2:
                details.refuse(company.account.id, request.id, "no", STAFF, NOON)
            else:
                details.approve(company.account.id, request.id, STAFF, NOON)
        except RequestEnded:
            return "late"
        else:
            return "refused" if n % 2 else "approved"
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(answer, range(6)))

    assert ends.count("late") == 5
    last = details.last_request(company.account.id)
    assert last is not None
    assert last.state in ends
    assert (kept(company).billing_name == "Falcon New LLC") is ("approved" in ends)
    assert AuditEntry.objects.filter(account_id=company.account.id).count() == 2
