"""Notices of a change to a sign-in: to the address of then, whatever became of the person, once, and without a secret."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from people import NOON, Company
from post_office import PostOffice
from raseed.accounts import members
from raseed.accounts.models import Language, User
from raseed.accounts.notices import Notice, tell
from raseed.accounts.people import NewPerson
from raseed.audit.log import Who
from raseed.notifications import invitations, mails
from raseed.notifications.invitations import InvitationState
from raseed.notifications.mails import mail_invitation, mail_notice
from raseed.notifications.models import ALARM_KINDS, LINK_KINDS, PersonalKind, PersonalMail
from raseed.notifications.send import send_personal_mail

Jobs = Callable[[str], list[dict[str, Any]]]
FACTS = {
    "at": "2026-11-23T12:00:00+00:00",
    "ip": "192.0.2.7",
    "before": "agent",
    "after": "supervisor",
    "email": "l7@new.test",
}


def sara(email: str) -> NewPerson:
    return NewPerson("Sara", email, Language.ENGLISH)


def send(user: User, kind: Notice, address: str | None = None) -> PersonalMail:
    mail = mail_notice(uuid4(), user.id, kind, address or user.email, FACTS, NOON)
    assert mail is not None
    send_personal_mail(mail.id, NOON)
    return PersonalMail.objects.get(id=mail.id)


def read(office: PostOffice) -> tuple[str, str, str]:
    """To whom, subject and text of the latest mail; the HTML says the same."""
    mail = office.messages()[-1]
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert text.splitlines()[2] in html.replace("\u00a0", " ")
    return str(mail["To"]), str(mail["Subject"]), text


def test_each_notice_has_its_kind() -> None:
    assert {kind.value for kind in PersonalKind if kind not in (*LINK_KINDS, *ALARM_KINDS)} == set(Notice)


def test_who_changed_the_password_is_told_when_and_from_where(
    company: Company, post_office: PostOffice, jobs: Jobs
) -> None:
    tell(company.admin, Notice.PASSWORD_CHANGED, NOON, {"ip": "192.0.2.7"})
    [asked] = jobs("notifications.mail_notice")
    mail = None
    for _ in range(2):
        mail = mail_notice(
            UUID(asked["mail_id"]),
            UUID(asked["user_id"]),
            asked["kind"],
            asked["address"],
            asked["facts"],
            NOON,
        )
    assert mail is not None
    for _ in range(2):
        send_personal_mail(mail.id, NOON)

    # Nobody is told of a person who is not there.
    assert mail_notice(uuid4(), uuid4(), Notice.ACCESS_ENDED, "x@falcon.test", FACTS, NOON) is None
    assert len(post_office.messages()) == PersonalMail.objects.count() == 1
    to, subject, text = read(post_office)
    assert (to, subject) == (company.admin.email, "Your password was changed")
    plain = text.translate({0x2066: None, 0x2068: None, 0x2069: None})
    assert f"The password of {company.admin.email} was changed on 23 November 2026 15:00 UTC+03:00, from the network address 192.0.2.7." in plain  # fmt: skip
    assert "http://localhost:8000/password/reset" in text.splitlines()
    assert "/password/set/" not in text


def test_a_disabled_person_is_told_at_the_old_address_too(company: Company, post_office: PostOffice) -> None:
    old = company.admin.email
    User.objects.filter(id=company.admin.id).update(is_active=False, email="new@falcon.test")
    mail = send(company.admin, Notice.ACCESS_ENDED, old)
    assert mail.sent_at == NOON
    to, subject, text = read(post_office)
    assert (to, subject) == (old, "Your access has ended")
    assert "Falcon Trading" in text
    assert "http" not in text


def test_a_notice_comes_in_the_persons_language_and_each_change_has_its_own(
    company: Company, post_office: PostOffice
) -> None:
    User.objects.filter(id=company.admin.id).update(language="ar", name="<b>Evil</b>\r\nBcc: x@y.test")
    for kind in (*Notice, *Notice):
        send(company.admin, kind)
    read_mails = post_office.messages()
    assert len(read_mails) == len({mail["Message-ID"] for mail in read_mails}) == 2 * len(Notice)
    for mail, kind in zip(read_mails, (*Notice, *Notice), strict=True):
        html = mail.get_body(("html",)).get_content()
        assert (mail["Content-Language"], mail["Bcc"]) == ("ar", None)
        assert '<html lang="ar" dir="rtl">' in html
        assert "<b>Evil" not in html
        assert "مرحبًا" in html
        assert ("كان «موظف» وأصبح «مشرف»" in html) == (kind is Notice.ROLE_CHANGED)
        # Whole, as it would be typed or copied.
        told_the_new = {Notice.EMAIL_CHANGE_ASKED, Notice.EMAIL_CHANGED}
        assert ("\u2066l7@new.test\u2069" in html) == (kind in told_the_new)


def test_what_became_of_an_invitation(company: Company, post_office: PostOffice) -> None:
    who = Who(company.admin.id, "admin")
    person = sara("sara@falcon.test")
    user = members.invite(company.account.id, person, members.Role.AGENT, who, NOON)

    def state(hours: float = 0) -> tuple[InvitationState, object, str]:
        found = invitations.invitations_of([user.id], NOON + timedelta(hours=hours))[user.id]
        return found.state, found.at, found.reason

    assert state() == (InvitationState.ON_ITS_WAY, None, "")
    mail = mail_invitation(user.id, NOON)
    assert mail is not None
    assert state() == (InvitationState.ON_ITS_WAY, None, "")
    send_personal_mail(mail.id, NOON)
    assert state(72) == (InvitationState.SENT, NOON, "")
    assert state(72.01) == (InvitationState.TOO_OLD, NOON, "")

    later = NOON + timedelta(minutes=2)
    post_office.answers[user.email] = "550 no such user"
    again = mail_invitation(user.id, later)
    assert again is not None
    send_personal_mail(again.id, later)
    assert state(1) == (InvitationState.CAME_BACK, later, "550 no such user")
    assert timedelta(minutes=2) > mails.ASKED_AGAIN_WITHIN
