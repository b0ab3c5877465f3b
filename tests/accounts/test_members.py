"""The users of an account: each act once, written down, told; an account keeps an Admin, whoever presses when."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from uuid import UUID, uuid4

import pytest
from django.db import connections
from procrastinate.contrib.django.models import ProcrastinateJob

from people import NOON, Company, make_company, make_operator, make_user
from raseed.accounts import attempts, general, members
from raseed.accounts.general import General
from raseed.accounts.members import (
    AlreadyMember,
    ChangedMeanwhile,
    InvitationOver,
    LastAdmin,
    Member,
    MemberState,
    OwnAccess,
    TooManyInvitations,
    UnknownMember,
)
from raseed.accounts.models import Account, Language, Membership, Role, User
from raseed.accounts.onboarding import UnknownTimeZone
from raseed.accounts.people import EmailTaken, NewPerson, NotAnEmail
from raseed.audit.log import Who
from raseed.audit.models import AuditEntry
from raseed.errors import RaseedError

PLACE = "192.0.2.7"
OMAR = NewPerson("Omar", "Omar@Falcon.test", Language.ARABIC)
# Long enough for the other thread to arrive if nothing holds it, short enough to wait for when something does.
PATIENCE_S = 0.5


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


@pytest.fixture
def real_company(real_db: object) -> Company:
    make_operator()
    return make_company()


def add(company: Company, role: Role, name: str = "Omar", **fields: object) -> User:
    """One more user of the company, who has chosen a password."""
    user = make_user(f"{uuid4().hex[:8]}@falcon.test", name, account=company.account, **fields)
    Membership.objects.create(account=company.account, user_id=user.id, role=role.value)
    return user


def by(user: User) -> Who:
    return Who(user.id, "admin", PLACE)


def role_of(company: Company, user: User) -> str:
    return Membership.objects.get(account_id=company.account.id, user_id=user.id).role


def written(company: Company) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(account_id=company.account.id).order_by("id"))


def told() -> list[tuple[str, str]]:
    """Which notices are queued, and for which address."""
    jobs = ProcrastinateJob.objects.filter(task_name="notifications.mail_notice").order_by("id")
    return [(job.args["kind"], job.args["address"]) for job in jobs]


def invited_ids() -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name="notifications.mail_invitation").order_by("id")
    return [job.args["user_id"] for job in jobs]


def test_an_invited_user_is_there_written_down_and_mailed(company: Company) -> None:
    user = members.invite(company.account.id, OMAR, Role.SUPERVISOR, by(company.admin), NOON)

    found = members.member(company.account.id, user.id)
    assert (found.user.email, found.user.language, found.role, found.state) == (
        "omar@falcon.test",
        "ar",
        Role.SUPERVISOR,
        MemberState.INVITED,
    )
    [entry] = written(company)
    assert (entry.action, entry.actor_id, entry.actor_role, entry.ip, entry.object_id) == (
        "user_added",
        company.admin.id,
        "admin",
        PLACE,
        str(user.id),
    )
    assert (entry.before, entry.after) == ({}, {"email": "omar@falcon.test", "role": "supervisor"})
    assert invited_ids() == [str(user.id)]


def test_a_taken_address_adds_nobody(company: Company) -> None:
    stranger = make_company("Hawk").admin
    tries = [
        (company.admin.email.upper(), AlreadyMember),
        (stranger.email, EmailTaken),
        ("omar", NotAnEmail),
    ]
    for email, error in tries:
        with pytest.raises(error) as refused:
            members.invite(
                company.account.id,
                NewPerson("Omar", email, Language.ENGLISH),
                Role.AGENT,
                by(company.admin),
                NOON,
            )
        assert refused.value.field == "email"
    assert User.objects.count() == 2
    assert Membership.objects.filter(account_id=company.account.id).count() == 1
    assert (written(company), invited_ids()) == ([], [])


def test_an_invitation_goes_again_to_who_waits_only(company: Company) -> None:
    user = members.invite(company.account.id, OMAR, Role.AGENT, by(company.admin), NOON)
    members.invite_again(company.account.id, user.id, by(company.admin), NOON)
    assert [entry.action for entry in written(company)] == ["user_added", "invited"]
    assert invited_ids() == [str(user.id)] * 2

    members.disable(company.account.id, user.id, by(company.admin), NOON)
    for refused in (user, company.admin):
        with pytest.raises(InvitationOver):
            members.invite_again(company.account.id, refused.id, by(company.admin), NOON)
    with pytest.raises(UnknownMember):
        members.invite_again(company.account.id, make_company("Hawk").admin.id, by(company.admin), NOON)
    assert len(invited_ids()) == 2
    # Who had no access yet is not told that it ended.
    assert told() == []


def test_mail_to_strangers_has_a_limit(company: Company) -> None:
    user = members.invite(company.account.id, OMAR, Role.AGENT, by(company.admin), NOON)
    for _ in range(attempts.INVITATION_AGAIN.tries_max):
        members.invite_again(company.account.id, user.id, by(company.admin), NOON)
    with pytest.raises(TooManyInvitations) as refused:
        members.invite_again(company.account.id, user.id, by(company.admin), NOON)
    assert "Wait 60 min" in str(refused.value.message)

    before = len(invited_ids())
    left = attempts.INVITATIONS.tries_max - before
    for number in range(left + 1):
        person = NewPerson("Omar", f"omar{number}@falcon.test", Language.ENGLISH)
        if number < left:
            members.invite(company.account.id, person, Role.AGENT, by(company.admin), NOON)
        else:
            with pytest.raises(TooManyInvitations):
                members.invite(company.account.id, person, Role.AGENT, by(company.admin), NOON)
    assert len(invited_ids()) == attempts.INVITATIONS.tries_max
    later = NOON + timedelta(hours=1)
    members.invite(company.account.id, person, Role.AGENT, by(company.admin), later)


def test_a_role_is_changed_once_written_down_and_told(company: Company) -> None:
    user = add(company, Role.AGENT)
    change = (company.account.id, user.id, Role.SUPERVISOR, "agent", by(company.admin), NOON)
    assert members.change_role(*change)
    assert not members.change_role(*change)

    assert role_of(company, user) == "supervisor"
    [entry] = written(company)
    assert (entry.action, entry.before, entry.after, entry.ip) == (
        "role_changed",
        {"role": "agent"},
        {"role": "supervisor"},
        PLACE,
    )
    assert told() == [("role_changed", user.email)]


def test_a_role_is_not_changed_on_an_old_page(company: Company) -> None:
    user = add(company, Role.SUPERVISOR)
    with pytest.raises(ChangedMeanwhile):
        members.change_role(company.account.id, user.id, Role.ADMIN, "agent", by(company.admin), NOON)
    assert (role_of(company, user), written(company), told()) == ("supervisor", [], [])


def test_access_ends_and_comes_back(company: Company) -> None:
    user = add(company, Role.AGENT)
    for _ in range(2):
        members.disable(company.account.id, user.id, by(company.admin), NOON)
    ended = members.member(company.account.id, user.id)
    assert (ended.state, ended.user.sessions_valid_from) == (MemberState.DISABLED, NOON)

    later = NOON + timedelta(minutes=1)
    for _ in range(2):
        members.enable(company.account.id, user.id, by(company.admin), later)
    back = members.member(company.account.id, user.id)
    assert (back.state, back.role, back.user.sessions_valid_from) == (MemberState.ACTIVE, Role.AGENT, later)
    assert [(entry.action, entry.before, entry.after) for entry in written(company)] == [
        ("user_disabled", {"is_active": True}, {"is_active": False}),
        ("user_enabled", {"is_active": False}, {"is_active": True}),
    ]
    assert told() == [("access_ended", user.email), ("access_restored", user.email)]


def test_who_never_chose_a_password_is_invited_when_enabled_again(company: Company) -> None:
    user = members.invite(company.account.id, OMAR, Role.AGENT, by(company.admin), NOON)
    members.disable(company.account.id, user.id, by(company.admin), NOON)
    members.enable(company.account.id, user.id, by(company.admin), NOON)
    assert members.member(company.account.id, user.id).state is MemberState.INVITED
    assert (invited_ids(), told()) == ([str(user.id)] * 2, [])


def test_the_last_admin_who_can_sign_in_stays(company: Company) -> None:
    other = add(company, Role.ADMIN)
    members.disable(company.account.id, other.id, by(company.admin), NOON)
    # Neither a disabled Admin nor one who is only invited can look after the account.
    members.invite(company.account.id, OMAR, Role.ADMIN, by(company.admin), NOON)
    entries = len(written(company))

    with pytest.raises(LastAdmin):
        members.change_role(
            company.account.id, company.admin.id, Role.AGENT, "admin", by(company.admin), NOON
        )
    with pytest.raises(LastAdmin):
        members.disable(company.account.id, company.admin.id, by(other), NOON)
    with pytest.raises(OwnAccess):
        members.disable(company.account.id, company.admin.id, by(company.admin), NOON)
    assert members.member(company.account.id, company.admin.id).state is MemberState.ACTIVE
    assert (role_of(company, company.admin), len(written(company))) == ("admin", entries)


def test_another_accounts_user_is_not_there(company: Company) -> None:
    theirs = make_company("Hawk")
    guest = theirs.admin.id
    account, who = company.account.id, by(company.admin)
    acts: list[Callable[[], object]] = [
        lambda: members.member(account, guest),
        lambda: members.change_role(account, guest, Role.AGENT, "admin", who, NOON),
        lambda: members.disable(account, guest, who, NOON),
        lambda: members.enable(account, guest, who, NOON),
        lambda: members.end_sessions(account, guest, who, NOON),
    ]
    for act in acts:
        with pytest.raises(UnknownMember):
            act()
    assert members.member(theirs.account.id, guest).state is MemberState.ACTIVE
    assert (role_of(theirs, theirs.admin), written(theirs), written(company)) == ("admin", [], [])


def two_demote_each_other(
    company: Company, monkeypatch: pytest.MonkeyPatch, act: Callable[[User, User], object]
) -> list[str]:
    """Two Admins act on each other; each waits, having looked who else is Admin, for the other to have looked too."""
    other = add(company, Role.ADMIN)
    both_have_looked = Barrier(2)
    look = members.admins

    def slow(account_id: UUID) -> list[Member]:
        seen = look(account_id)
        # It breaks where something keeps the other from looking.
        with suppress(BrokenBarrierError):
            both_have_looked.wait(PATIENCE_S)
        return seen

    monkeypatch.setattr(members, "admins", slow)

    def one(pair: tuple[User, User]) -> str:
        try:
            act(*pair)
        except RaseedError as refusal:
            return refusal.code
        else:
            return "done"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(one, [(company.admin, other), (other, company.admin)]))


def admins_left(company: Company) -> int:
    rows = Membership.objects.filter(account_id=company.account.id, role="admin", is_active=True)
    return User.objects.filter(id__in=[row.user_id for row in rows], is_active=True).count()


@pytest.mark.parametrize("verb", ["demote", "disable"])
def test_two_admins_who_take_each_other_away_leave_one(
    real_company: Company, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def act(me: User, you: User) -> None:
        if verb == "demote":
            members.change_role(real_company.account.id, you.id, Role.AGENT, "admin", by(me), NOON)
        else:
            members.disable(real_company.account.id, you.id, by(me), NOON)

    assert two_demote_each_other(real_company, monkeypatch, act) == ["done", "last_admin"]
    assert admins_left(real_company) == 1
    assert len(written(real_company)) == len(told()) == 1


def test_without_the_lock_they_leave_nobody(real_company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the test above."""
    monkeypatch.setattr(members, "_lock", lambda _account_id: None)

    def act(me: User, you: User) -> None:
        members.change_role(real_company.account.id, you.id, Role.AGENT, "admin", by(me), NOON)

    assert two_demote_each_other(real_company, monkeypatch, act) == ["done", "done"]
    assert admins_left(real_company) == 0


def test_general_settings_change_once_and_only_what_was_seen(company: Company) -> None:
    seen = general.general_of(company.account)
    account, who = company.account.id, by(company.admin)
    assert general.change_general(account, seen, Language.ARABIC, "Asia/Amman", who, NOON)
    # The same again is nothing, also from a page that is old by now.
    assert not general.change_general(account, seen, Language.ARABIC, "Asia/Amman", who, NOON)
    with pytest.raises(ChangedMeanwhile):
        general.change_general(account, seen, Language.ENGLISH, "Asia/Dubai", who, NOON)
    with pytest.raises(UnknownTimeZone):
        general.change_general(account, seen, Language.ENGLISH, "Mars/Olympus", who, NOON)

    now_there = Account.objects.get(id=account)
    assert general.general_of(now_there) == General("ar", "Asia/Amman")
    assert (now_there.name, now_there.currency) == ("Falcon Trading", "USD")
    general.change_general(account, general.general_of(now_there), Language.ARABIC, "Asia/Riyadh", who, NOON)
    assert [(entry.action, entry.before, entry.after) for entry in written(company)] == [
        (
            "settings_changed",
            {"language": "en", "time_zone": "Asia/Riyadh"},
            {"language": "ar", "time_zone": "Asia/Amman"},
        ),
        ("settings_changed", {"time_zone": "Asia/Amman"}, {"time_zone": "Asia/Riyadh"}),
    ]


def test_staff_rename_an_account_as_they_saw_it(company: Company) -> None:
    clerk = Who(None, "support", PLACE)
    assert general.rename(company.account.id, "Falcon Trading", "Falcon", clerk, NOON)
    with pytest.raises(ChangedMeanwhile):
        general.rename(company.account.id, "Falcon Trading", "Hawk", clerk, NOON)
    assert Account.objects.get(id=company.account.id).name == "Falcon"
    [entry] = written(company)
    assert (entry.action, entry.before, entry.after) == (
        "account_renamed",
        {"name": "Falcon Trading"},
        {"name": "Falcon"},
    )
