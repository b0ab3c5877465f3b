"""The users of an account: invite them, change their role, end and restore their access.

An account always keeps an Admin who can sign in. Whoever takes an Admin away holds the account's row while looking, so
that two Admins who demote each other at the same moment cannot both succeed. Each act is one transaction with one
entry of the audit log; a user of another account is not there. Nothing here may set a password.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from raseed.accounts import attempts, people
from raseed.accounts.models import Account, Membership, Role, User
from raseed.accounts.notices import Notice, tell
from raseed.accounts.people import NewPerson
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError


class UnknownMember(RaseedError):
    """No user of this account has this id."""

    code = "user_unknown"
    status = 404
    message = _("There is no such user in this account.")


class AlreadyMember(RaseedError):
    """The address is a user of this very account."""

    code = "user_already_here"
    status = 409
    field = "email"
    message = _("%(email)s is a user of this account already: look for it in the list.")


class LastAdmin(RaseedError):
    """The account would be left without an Admin who can sign in."""

    code = "last_admin"
    status = 409
    message = _(
        "%(name)s is the last Admin who can sign in. Make somebody else an Admin first; whoever is only invited does not count yet."
    )


class OwnAccess(RaseedError):
    """Nobody ends their own access."""

    code = "own_access"
    status = 409
    message = _("You cannot disable yourself. Ask another Admin to do it.")


class ChangedMeanwhile(RaseedError):
    """What the page showed is not what is there any more."""

    code = "changed_meanwhile"
    status = 409
    message = _("Somebody else changed this meanwhile. Look at what is here now, and decide again.")


class InvitationOver(RaseedError):
    """Only somebody who has no password yet, and is not disabled, can be invited."""

    code = "invitation_over"
    status = 409
    message = _("%(name)s needs no invitation. Nothing was sent.")


class TooManyInvitations(RaseedError):
    """Mail to strangers in the operator's name has a limit."""

    code = "too_many_invitations"
    status = 429
    message = _("Too many invitations in a short time. Wait %(minutes)s min and try again.")


class MemberState(StrEnum):
    """Whether a user can sign in: not yet, yes, or not any more."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Member:
    """A user with their role in the account."""

    user: User
    membership: Membership

    @property
    def role(self) -> Role:
        """What the user is, or would be if enabled."""
        return Role(self.membership.role)

    @property
    def state(self) -> MemberState:
        """Disabled wins over invited: the link of a disabled person does not work."""
        if not (self.user.is_active and self.membership.is_active):
            return MemberState.DISABLED
        return MemberState.ACTIVE if self.user.has_usable_password() else MemberState.INVITED


def member(account_id: UUID, user_id: UUID) -> Member:
    """A user of the account. Raises UnknownMember."""
    membership = Membership.objects.filter(account_id=account_id, user_id=user_id).first()
    user = User.objects.filter(id=user_id, account_id=account_id).first()
    if membership is None or user is None:
        raise UnknownMember(f"user {user_id} of account {account_id}")
    return Member(user, membership)


def admins(account_id: UUID) -> list[Member]:
    """The account's Admins, whatever their state, by name."""
    rows = Membership.objects.filter(account_id=account_id, role=Role.ADMIN.value)
    return _with_users(account_id, {row.user_id: row for row in rows}, None, len(rows))


def members(account_id: UUID, after: UUID | None, count_max: int) -> list[Member]:
    """The account's users, whatever their state, by name: at most `count_max`, from behind the user `after` on."""
    rows = Membership.objects.filter(account_id=account_id)
    return _with_users(account_id, {row.user_id: row for row in rows}, after, count_max)


def _with_users(
    account_id: UUID, rows: dict[UUID, Membership], after: UUID | None, count_max: int
) -> list[Member]:
    # By the ids of the memberships: the table of users is everybody's and has no index by account.
    users = User.objects.filter(id__in=list(rows), account_id=account_id)
    last = users.filter(id=after).first() if after else None
    if last is not None:
        users = users.filter(Q(name__gt=last.name) | Q(name=last.name, id__gt=last.id))
    return [Member(user, rows[user.id]) for user in users.order_by("name", "id")[:count_max]]


def invite(account_id: UUID, person: NewPerson, role: Role, by: Who, now: datetime) -> User:
    """Add a user and have the invitation mailed. Call it outside a transaction: the count of tries must stay.

    Raises TooManyInvitations, NotAnEmail, AlreadyMember or EmailTaken; then nobody was added.
    """
    _limit(attempts.take(attempts.INVITATIONS, str(account_id), now))
    address = people.read_email(person.email)
    if User.objects.filter(email=address, account_id=account_id).exists():
        raise AlreadyMember(email=address)
    with atomic():
        user = people.add_member(account_id, person, role, by, now)
        people.mail_invitation(user)
    return user


def invite_again(account_id: UUID, user_id: UUID, by: Who, now: datetime) -> User:
    """Have the invitation mailed once more. Call it outside a transaction: the count of tries must stay.

    Raises UnknownMember, InvitationOver or TooManyInvitations; then nothing is sent.
    """
    found = member(account_id, user_id)
    if found.state is not MemberState.INVITED:
        raise InvitationOver(name=found.user.name)
    _limit(attempts.take(attempts.INVITATION_AGAIN, str(user_id), now))
    _limit(attempts.take(attempts.INVITATIONS, str(account_id), now))
    with atomic():
        people.invite(found.user, by, now)
    return found.user


def change_role(account_id: UUID, user_id: UUID, role: Role, seen: str, by: Who, now: datetime) -> bool:
    """Make the user a `role`; it holds from the next request on. `seen` is the role that the page showed.

    False if the user has the role already. Raises UnknownMember, ChangedMeanwhile or LastAdmin; then nothing changed.
    """
    with atomic():
        _lock(account_id)
        found = member(account_id, user_id)
        if found.role == role:
            return False
        if found.role.value != seen:
            raise ChangedMeanwhile
        if found.role is Role.ADMIN:
            _keep_an_admin(account_id, found)
        before = found.role
        Membership.objects.filter(account_id=account_id, user_id=user_id).update(role=role.value)
        _record(found, "role_changed", by, now, {"role": before.value}, {"role": role.value})
        tell(found.user, Notice.ROLE_CHANGED, now, {"before": before.value, "after": role.value})
    return True


def disable(account_id: UUID, user_id: UUID, by: Who, now: datetime) -> bool:
    """End the user's access: no sign-in, no link, and every session is over at its next request.

    False if it was ended already. Raises UnknownMember, OwnAccess or LastAdmin; then nothing changed.
    """
    if by.user_id == user_id:
        raise OwnAccess
    with atomic():
        _lock(account_id)
        found = member(account_id, user_id)
        if found.state is MemberState.DISABLED:
            return False
        _keep_an_admin(account_id, found)
        _set_active(found, is_active=False, now=now)
        _record(found, "user_disabled", by, now, {"is_active": True}, {"is_active": False})
        # Who never chose a password had no access yet: their link just stops working.
        if found.state is MemberState.ACTIVE:
            tell(found.user, Notice.ACCESS_ENDED, now)
    return True


def enable(account_id: UUID, user_id: UUID, by: Who, now: datetime) -> bool:
    """Give the access back, in the role it had. Sessions of before stay over; who had no password is invited again.

    False if nothing was ended. Raises UnknownMember.
    """
    with atomic():
        _lock(account_id)
        found = member(account_id, user_id)
        if found.state is not MemberState.DISABLED:
            return False
        _set_active(found, is_active=True, now=now)
        _record(found, "user_enabled", by, now, {"is_active": False}, {"is_active": True})
        if found.user.has_usable_password():
            tell(found.user, Notice.ACCESS_RESTORED, now)
        else:
            people.mail_invitation(found.user)
    return True


def end_sessions(account_id: UUID, user_id: UUID, by: Who, now: datetime) -> User:
    """Sign the user out everywhere, at their next request. Raises UnknownMember."""
    with atomic():
        found = member(account_id, user_id)
        people.end_sessions(found.user, by, now)
    return found.user


def _lock(account_id: UUID) -> None:
    """Hold the account's row: role changes of one account happen one after the other. Payments are not held up."""
    Account.objects.select_for_update(no_key=True).get(id=account_id)


def _keep_an_admin(account_id: UUID, leaving: Member) -> None:
    """Raise LastAdmin if no other Admin of the account can sign in. Nobody is missed who could not either."""
    if leaving.role is not Role.ADMIN or leaving.state is not MemberState.ACTIVE:
        return
    others = [one for one in admins(account_id) if one.user.id != leaving.user.id]
    if not any(one.state is MemberState.ACTIVE for one in others):
        raise LastAdmin(name=leaving.user.name)


def _set_active(found: Member, *, is_active: bool, now: datetime) -> None:
    User.objects.filter(id=found.user.id).update(is_active=is_active, sessions_valid_from=now)
    Membership.objects.filter(
        account_id=found.membership.account_id, user_id=found.user.id, is_active=not is_active
    ).update(is_active=is_active)


def _record(found: Member, action: str, by: Who, now: datetime, before: Facts, after: Facts) -> None:
    log.record(
        by,
        action,
        account_id=found.membership.account_id,
        object_kind="user",
        object_id=found.user.id,
        at=now,
        before=before,
        after=after,
    )


def _limit(wait: timedelta | None) -> None:
    if wait:
        raise TooManyInvitations(minutes=attempts.minutes(wait))
