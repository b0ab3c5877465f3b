"""Broken books are told to finance staff by mail: once a day for the same rules, and to nobody else."""

import logging
from datetime import timedelta

import pytest

from conftest import RealDatabase
from people import NOON, Company, make_user, spend
from post_office import PostOffice
from raseed import jobs
from raseed.accounts.models import StaffRole, User
from raseed.notifications.alarms import books_broken
from raseed.notifications.models import PersonalMail
from raseed.notifications.send import send_personal_mail


@pytest.fixture
def finance(company: Company) -> User:
    return make_user("finance@operator.test", "Noura", staff_role=StaffRole.FINANCE)


def told() -> list[str]:
    """What was kept to be sent: to whom and with which counts."""
    mails = PersonalMail.objects.order_by("created_at", "address")
    return [f"{mail.address} {mail.facts['rules']}" for mail in mails]


def test_the_workers_check_mails_what_it_found_once(
    company: Company, finance: User, real_db: RealDatabase, post_office: PostOffice
) -> None:
    make_user("support@operator.test", staff_role=StaffRole.SUPPORT)
    spend(company, "1.00")
    jobs.check_all(0)
    assert told() == []

    with real_db.owner() as owner:
        owner.execute("UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE kind = 'customer'")
    for _ in range(3):
        jobs.check_changed(0)

    assert told() == ["finance@operator.test I3: 1, I4: 1"]
    [mail] = PersonalMail.objects.all()
    send_personal_mail(mail.id, mail.created_at)
    [read] = post_office.messages()
    text = read.get_body(("plain",)).get_content().translate({0x2066: None, 0x2068: None, 0x2069: None})
    assert (read["To"], read["Subject"]) == ("finance@operator.test", "The books do not add up")
    assert "Broken rules, and how often each: I3: 1, I4: 1." in text
    assert "http://localhost:8000/backoffice/breaks" in text.splitlines()
    assert "finance staff" in text
    assert str(company.account.id) not in text


def test_another_day_and_other_rules_are_told_anew_and_everybody_in_their_language(
    company: Company, finance: User, post_office: PostOffice
) -> None:
    make_user("huda@operator.test", staff_role=StaffRole.FINANCE, language="ar")
    # Midnight at the operator's, in Riyadh, is 21:00 UTC.
    steps = [
        ({"I3": 1}, NOON, 2),
        ({"I3": 4}, NOON + timedelta(hours=8, minutes=59), 0),
        ({"I3": 4, "I26": 1}, NOON + timedelta(hours=1), 2),
        ({"I3": 4}, NOON + timedelta(hours=9), 2),
    ]
    for counts, at, new in steps:
        before = PersonalMail.objects.count()
        assert books_broken(counts, at) == 2
        assert PersonalMail.objects.count() == before + new, counts
    mail = PersonalMail.objects.filter(address="huda@operator.test").earliest("created_at")
    send_personal_mail(mail.id, NOON)
    [read] = post_office.messages()
    assert (read["Content-Language"], read["Subject"].strip()) == ("ar", "الدفاتر غير متطابقة")
    assert "\u2066I3: 1\u2069" in read.get_body(("plain",)).get_content()


def test_who_cannot_sign_in_is_not_told_and_that_nobody_can_is_in_the_log(
    company: Company, finance: User, caplog: pytest.LogCaptureFixture
) -> None:
    invited = make_user("invited@operator.test", staff_role=StaffRole.FINANCE)
    invited.set_unusable_password()
    invited.save()
    User.objects.filter(id=finance.id).update(is_active=False)
    with caplog.at_level(logging.ERROR):
        assert books_broken({"I3": 1}, NOON) == 0
    assert told() == []
    assert "nobody of finance" in caplog.text
