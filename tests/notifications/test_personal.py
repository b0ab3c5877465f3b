"""Invitations and password resets: the link is made when the mail is sent and is kept nowhere."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.db import connection

from people import NOON, Company, make_company, make_operator, make_user
from post_office import PostOffice
from raseed.accounts import email_change, links
from raseed.accounts.links import Purpose
from raseed.accounts.models import StaffRole, User
from raseed.audit.log import Who
from raseed.notifications.mails import mail_email_change, mail_invitation, mail_password_reset
from raseed.notifications.models import PersonalKind, PersonalMail
from raseed.notifications.send import WAITS_S, queue_overdue, send_personal_mail

Jobs = Callable[[str], list[dict[str, str]]]


def invited(name: str = "Sara", **fields: object) -> User:
    user = make_user("sara@falcon.test", name, **fields)
    user.set_unusable_password()
    user.save()
    return user


def link_in(office: PostOffice, index: int = -1) -> str:
    text = office.messages()[index].get_body(("plain",)).get_content()
    [link] = re.findall(r"http://localhost:8000/\S+", text)
    assert link in office.messages()[index].get_body(("html",)).get_content()
    return str(link)


def purpose_of(user: User, link: str, now: datetime) -> Purpose | None:
    return links.purpose_of(user, urlsplit(link).path.rstrip("/").rpartition("/")[2], now)


def everything_stored() -> str:
    """All rows of the tables that a mail passes through, as text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(row::text, ' ') FROM ("
            " SELECT to_jsonb(p) AS row FROM notifications_personalmail p"
            " UNION ALL SELECT to_jsonb(j) FROM procrastinate_jobs j) AS rows"
        )
        return str(cursor.fetchone()[0])


def test_an_invitation_brings_a_link_that_works_and_is_kept_nowhere(
    company: Company, post_office: PostOffice, jobs: Jobs
) -> None:
    user = invited(account=company.account)
    mail = mail_invitation(user.id, NOON)
    assert mail is not None
    assert jobs("notifications.send_personal_mail") == [{"mail_id": str(mail.id)}]
    send_personal_mail(mail.id, NOON)
    send_personal_mail(mail.id, NOON)

    [read] = post_office.messages()
    assert read["To"] == "sara@falcon.test"
    assert read["Message-ID"] == mail.message_id
    assert "Falcon Trading" in read.get_body(("plain",)).get_content()
    link = link_in(post_office)
    assert purpose_of(user, link, NOON) is Purpose.INVITATION
    assert link.rpartition("/")[2] not in everything_stored()
    token = urlsplit(link).path.rstrip("/").rpartition("/")[2]
    assert len(token) > 20
    assert token not in everything_stored()


def test_staff_are_invited_too(company: Company, post_office: PostOffice) -> None:
    user = invited(staff_role=StaffRole.SUPPORT)
    mail = mail_invitation(user.id, NOON)
    assert mail is not None
    send_personal_mail(mail.id, NOON)
    assert purpose_of(user, link_in(post_office), NOON) is Purpose.INVITATION
    assert "staff of" in post_office.messages()[0].get_body(("plain",)).get_content()


def test_a_try_made_later_brings_a_fresh_link_under_the_same_id(
    company: Company, post_office: PostOffice
) -> None:
    user = invited(account=company.account)
    mail = mail_invitation(user.id, NOON)
    assert mail is not None
    post_office.hang_up_after_data = True
    send_personal_mail(mail.id, NOON)
    post_office.hang_up_after_data = False
    later = NOON + timedelta(seconds=WAITS_S[0])
    send_personal_mail(mail.id, later)
    first, second = post_office.messages()
    assert first["Message-ID"] == second["Message-ID"]
    assert link_in(post_office, 0) != link_in(post_office, 1)
    assert purpose_of(user, link_in(post_office), later + timedelta(hours=71)) is Purpose.INVITATION
    assert PersonalMail.objects.get().sent_at == later


def test_asking_twice_within_a_minute_is_one_mail(company: Company, jobs: Jobs) -> None:
    first = mail_password_reset(company.admin.id, NOON)
    again = mail_password_reset(company.admin.id, NOON + timedelta(seconds=59))
    assert first == again
    assert len(jobs("notifications.send_personal_mail")) == 1


def test_asking_again_while_it_waits_is_one_mail_and_after_it_was_sent_another(
    company: Company, post_office: PostOffice, jobs: Jobs
) -> None:
    first = mail_password_reset(company.admin.id, NOON)
    assert first is not None
    assert mail_password_reset(company.admin.id, NOON + timedelta(minutes=5)) == first
    send_personal_mail(first.id, NOON + timedelta(minutes=5))
    second = mail_password_reset(company.admin.id, NOON + timedelta(minutes=7))
    assert second is not None
    assert second != first
    assert len(jobs("notifications.send_personal_mail")) == 2


def test_a_reset_brings_a_link_that_sets_a_new_password(company: Company, post_office: PostOffice) -> None:
    mail = mail_password_reset(company.admin.id, NOON)
    assert mail is not None
    send_personal_mail(mail.id, NOON)
    assert post_office.messages()[0]["Subject"] == "Set a new password"
    assert purpose_of(company.admin, link_in(post_office), NOON) is Purpose.RESET


def test_nobody_is_invited_who_has_a_password_or_is_disabled(company: Company, jobs: Jobs) -> None:
    assert mail_invitation(company.admin.id, NOON) is None
    disabled = invited(account=company.account, is_active=False)
    assert mail_invitation(disabled.id, NOON) is None
    assert mail_password_reset(disabled.id, NOON) is None
    assert PersonalMail.objects.count() == 0
    assert jobs("notifications.send_personal_mail") == []


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"email": "elsewhere@falcon.test"}], ids=["disabled", "moved"]
)
def test_a_user_who_changed_meanwhile_gets_no_link(
    company: Company, post_office: PostOffice, change: dict[str, object]
) -> None:
    mail = mail_password_reset(company.admin.id, NOON)
    assert mail is not None
    User.objects.filter(id=company.admin.id).update(**change)
    send_personal_mail(mail.id, NOON)
    assert post_office.offered == []
    assert PersonalMail.objects.get().gave_up_at == NOON


def test_an_invitation_is_not_sent_to_who_has_chosen_a_password(
    company: Company, post_office: PostOffice
) -> None:
    user = invited(account=company.account)
    mail = mail_invitation(user.id, NOON)
    assert mail is not None
    user.set_password("correct horse battery staple")
    user.save()
    send_personal_mail(mail.id, NOON)
    assert post_office.offered == []
    assert PersonalMail.objects.get().gave_up_at == NOON


def test_a_refused_address_is_recorded(company: Company, post_office: PostOffice) -> None:
    post_office.answers[company.admin.email] = "550 no such user"
    mail = mail_password_reset(company.admin.id, NOON)
    assert mail is not None
    send_personal_mail(mail.id, NOON)
    refused = PersonalMail.objects.get()
    assert (refused.bounced_at, refused.bounce_reason) == (NOON, "550 no such user")
    assert refused.gave_up_at == NOON


def test_a_reset_is_not_tried_for_longer_than_its_asker_waits(
    company: Company, post_office: PostOffice, jobs: Jobs
) -> None:
    post_office.answers[company.admin.email] = "451 later"
    mail = mail_password_reset(company.admin.id, NOON)
    assert mail is not None
    now = NOON
    for _ in range(9):
        send_personal_mail(mail.id, now)
        now = PersonalMail.objects.get().next_try_at
    last = PersonalMail.objects.get()
    assert last.tries == 5
    assert last.gave_up_at == NOON + timedelta(seconds=sum(WAITS_S[:4]))


def test_the_sweep_queues_a_personal_mail_that_lost_its_job(company: Company, jobs: Jobs) -> None:
    mail_password_reset(company.admin.id, NOON)
    assert queue_overdue(NOON + timedelta(seconds=59)) == 0
    assert queue_overdue(NOON + timedelta(seconds=61)) == 1
    assert len(jobs("notifications.send_personal_mail")) == 2


def test_hostile_names_stay_names(real_db: object, post_office: PostOffice) -> None:
    make_operator()
    company = make_company("<b>Evil</b>\r\nBcc: x@y.test")
    user = invited("<script>alert(1)</script>\r\nX: y", account=company.account)
    mail = mail_invitation(user.id, NOON)
    assert mail is not None
    send_personal_mail(mail.id, NOON)
    [read] = post_office.messages()
    assert (read["Bcc"], read["X"]) == (None, None)
    html = read.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "<b>" not in html


def test_a_new_address_gets_a_link_that_works_and_is_kept_nowhere(
    company: Company, post_office: PostOffice, jobs: Jobs
) -> None:
    email_change.ask(company.admin, "Lina@New.test", Who(company.admin.id, "admin"), NOON)
    [asked] = jobs("notifications.mail_email_change")
    arguments = (UUID(asked["mail_id"]), UUID(asked["user_id"]), asked["address"], asked["since"], NOON)
    for _ in range(2):
        mail = mail_email_change(*arguments)
        assert mail is not None
        send_personal_mail(mail.id, NOON)

    [read] = post_office.messages()
    assert (read["To"], read["Subject"]) == ("lina@new.test", "Confirm your new e-mail address")
    token = urlsplit(link_in(post_office)).path.rpartition("/")[2]
    user = User.objects.get(id=company.admin.id)
    assert links.new_email_of(user, token, NOON) == "lina@new.test"
    assert token not in everything_stored()
    # Two addresses one after the other are two links: the first may be the one that was mistyped.
    assert mail_email_change(uuid4(), user.id, "lina@newer.test", asked["since"], NOON) is not None
    assert PersonalMail.objects.filter(kind=PersonalKind.EMAIL_CHANGE).count() == 2
    assert mail_email_change(uuid4(), uuid4(), "x@new.test", asked["since"], NOON) is None


def test_no_link_goes_out_to_an_address_once_the_sign_in_has_changed(
    company: Company, post_office: PostOffice
) -> None:
    since = company.admin.sessions_valid_from.isoformat()
    mail = mail_email_change(uuid4(), company.admin.id, "lina@new.test", since, NOON)
    assert mail is not None
    User.objects.filter(id=company.admin.id).update(sessions_valid_from=NOON)
    send_personal_mail(mail.id, NOON)
    kept = PersonalMail.objects.get(id=mail.id)
    assert (kept.sent_at, kept.bounce_reason) == (None, "the sign-in has changed since")
    assert post_office.messages() == []
