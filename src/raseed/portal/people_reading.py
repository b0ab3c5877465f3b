"""Reads what the pages about people show: users, invitations, Home. Always for one account; nothing here writes or decides."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from raseed.accounts.access import Action, Actor, account_of
from raseed.accounts.members import Member, MemberState, admins, members
from raseed.balance.suspension import open_suspensions
from raseed.notifications.invitations import invitations_of
from raseed.portal.pages import HomePage, InvitationLine, UserPage, UserRow, UsersPage, Way
from raseed.portal.reading import balance_page

ROWS_PER_PAGE: Final = 50
# Of no use to who does not pay.
_HELP_WITH_PAYING: Final = "portal:help_pay_now"
_WAYS: Final = (
    ("portal:balance", _("Balance Details"), "wallet2", _("What the balance is made of, and Pay Now.")),
    (
        "portal:invoices",
        _("Invoices & Payments"),
        "receipt",
        _("Every payment with its receipt voucher as a PDF."),
    ),
    ("portal:users", _("Users"), "people", _("Invite colleagues, change roles, end access.")),
    ("portal:general", _("General"), "gear", _("Language of papers, time zone.")),
    ("portal:profile", _("Your profile"), "person-circle", _("Your name, language and password.")),
    (
        "portal:help_pay_now",
        _("Help"),
        "question-circle",
        _("How to pay, and answers to what is asked most."),
    ),
)


def users_page(account_id: UUID, reader: UUID, after: UUID | None) -> UsersPage:
    """The account's users by name, from behind the user `after` on."""
    found = members(account_id, after, ROWS_PER_PAGE + 1)
    shown = found[:ROWS_PER_PAGE]
    more = f"?{urlencode({'after': shown[-1].user.id})}" if len(found) > len(shown) else ""
    return UsersPage(tuple(_row(one, reader) for one in shown), more)


def user_page(member: Member, reader: UUID, now: datetime) -> UserPage:
    """One user, and what became of an invitation that is not used yet."""
    line = None
    if member.state is MemberState.INVITED:
        invitation = invitations_of([member.user.id], now)[member.user.id]
        line = InvitationLine(invitation.state, invitation.at, invitation.reason)
    return UserPage(_row(member, reader), member.user.created_at, line)


def home_page(actor: Actor, now: datetime) -> HomePage:
    """Home for this person: with the balance for who may see it, else with whom to ask."""
    account = account_of(actor)
    sees_billing = actor.may(Action.SEE_BILLING)
    return HomePage(
        account=account.name,
        role=actor.role_name,
        suspended=bool(open_suspensions(account.id)),
        balance=balance_page(account, now, may_pay=actor.may(Action.PAY)) if sees_billing else None,
        admins=() if sees_billing else _whom_to_ask(account.id),
        ways=tuple(
            Way(label, reverse(route), icon, what)
            for route, label, icon, what in _WAYS
            if actor.may_open(route) and (sees_billing or route != _HELP_WITH_PAYING)
        ),
    )


def _whom_to_ask(account_id: UUID) -> tuple[str, ...]:
    return tuple(one.user.name for one in admins(account_id) if one.state is MemberState.ACTIVE)


def _row(member: Member, reader: UUID) -> UserRow:
    user = member.user
    return UserRow(
        id=user.id,
        name=user.name,
        email=user.email,
        role=member.role.label,
        state=member.state.value,
        last_sign_in=user.last_login,
        is_reader=user.id == reader,
    )
