"""A person is told by mail of each change to their sign-in, once, at the address they had then."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from factors import give_app
from people import NOON, Company, make_operator, make_user
from post_office import PostOffice
from raseed.accounts.factors.notices import NOTICE_JOB, Event
from raseed.accounts.models import Language, StaffRole, User
from raseed.notifications.compose import security_notice
from raseed.notifications.mails import SecurityNotice, mail_security_notice
from raseed.notifications.models import PersonalMail
from raseed.notifications.send import queue_overdue, send_personal_mail


def notice(user: User, event: Event = Event.PASSKEY_ADDED, thing: str = "my phone") -> SecurityNotice:
    return SecurityNotice(uuid4(), user.id, user.email, event, thing, NOON)


def test_each_change_is_one_mail_whatever_happens_in_between(
    company: Company, post_office: PostOffice, jobs: object
) -> None:
    user = company.admin
    give_app(user, NOON)
    [asked] = jobs(NOTICE_JOB)  # type: ignore[operator]
    assert (asked["event"], asked["address"], asked["user_id"]) == ("app_added", user.email, str(user.id))

    first = notice(user)
    second = replace(notice(user, Event.PASSKEY_REMOVED), at=NOON + timedelta(seconds=1))
    # Twice each, as jobs run; a second change within the minute is a second mail all the same.
    made = [mail_security_notice(one, NOON) for one in (first, first, second, second)]
    assert [mail.id for mail in made if mail] == [first.id, first.id, second.id, second.id]
    # The person has another address since, and is disabled: the old one hears of it.
    User.objects.filter(id=user.id).update(email="new@falcon.test", is_active=False)
    for one in (first, first, second):
        send_personal_mail(one.id, NOON)

    sent = post_office.messages()
    assert [str(mail["To"]) for mail in sent] == [first.address] * 2
    assert [str(mail["Subject"]) for mail in sent] == ["A passkey was added", "A passkey was removed"]
    text = sent[0].get_body(("plain",)).get_content()
    assert "The passkey \u2068my phone\u2069 was added." in text
    assert "15:00" in text  # noon in UTC, where the account is
    assert "http://localhost:8000/settings/security" in text
    assert PersonalMail.objects.filter(sent_at=NOON).count() == 2


def test_one_that_lost_its_job_is_found(company: Company) -> None:
    one = notice(company.admin)
    mail_security_notice(one, NOON)
    assert queue_overdue(NOON + timedelta(seconds=59)) == 0
    assert queue_overdue(NOON + timedelta(seconds=61)) == 1


def test_nobody_is_told_of_somebody_who_is_gone(company: Company) -> None:
    gone = replace(notice(company.admin), user_id=uuid4())
    assert mail_security_notice(gone, NOON) is None
    assert not PersonalMail.objects.exists()


@pytest.mark.parametrize("language", Language)
def test_every_event_has_its_words_and_a_hostile_name_stays_a_name(db: None, language: str) -> None:
    operator = make_operator()
    staff = make_user("support@operator.test", staff_role=StaffRole.SUPPORT, language=language)
    subjects = set()
    for event in Event:
        facts = {"event": event, "thing": "<b>a</b>\r\nBcc: x@y.test", "at": NOON.isoformat()}
        mail = PersonalMail(language=language, address=staff.email, facts=facts)
        written = security_notice(staff, mail, None, operator)
        subjects.add(written.subject)
        assert "\n" not in written.subject
        assert "<b>a</b>" not in written.html
        assert "\nBcc" not in written.text
        assert "%(" not in written.text
        assert written.subject.isascii() == (language == "en")
    assert len(subjects) == len(Event)
