"""What the Requests page is given: what Admins ask staff to change, the oldest first, and what was answered lately. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from raseed.accounts.details import FieldChange, changes_of
from raseed.accounts.models import Account, ChangeRequest, RequestState, User
from raseed.db.guard import across_accounts

OPEN_SHOWN: Final = 100
ANSWERED_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request as staff see it."""

    id: UUID
    account_id: UUID
    account: str
    asked_by: str
    asked_at: datetime
    why: str
    changes: tuple[FieldChange, ...]
    state: str
    answered_by: str
    answered_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class RequestsPage:
    """Open requests, and the latest that were answered."""

    open: tuple[RequestLine, ...]
    answered: tuple[RequestLine, ...]


def requests_page() -> RequestsPage:
    """The page, over all accounts."""
    with across_accounts("staff see the requests of all accounts"):
        waiting = list(
            ChangeRequest.objects.filter(state=RequestState.OPEN).order_by("asked_at")[:OPEN_SHOWN]
        )
        answered = list(
            ChangeRequest.objects.exclude(state=RequestState.OPEN).order_by("-answered_at")[:ANSWERED_SHOWN]
        )
    return RequestsPage(_lines(waiting), _lines(answered))


def open_of(account_id: UUID) -> bool:
    """Whether the account waits for an answer."""
    return ChangeRequest.objects.filter(account_id=account_id, state=RequestState.OPEN).exists()


def _lines(rows: Iterable[ChangeRequest]) -> tuple[RequestLine, ...]:
    found = list(rows)
    with across_accounts("names of the accounts of requests"):
        accounts: dict[UUID, str] = dict(
            Account.objects.filter(id__in={row.account_id for row in found}).values_list("id", "name")
        )
    people = {user for row in found for user in (row.asked_by, row.answered_by) if user}
    names: dict[UUID | None, str] = dict(User.objects.filter(id__in=people).values_list("id", "name"))
    return tuple(
        RequestLine(
            id=row.id,
            account_id=row.account_id,
            account=accounts.get(row.account_id, ""),
            asked_by=names.get(row.asked_by, ""),
            asked_at=row.asked_at,
            why=row.why,
            changes=changes_of(row),
            state=row.state,
            answered_by=names.get(row.answered_by, ""),
            answered_at=row.answered_at,
            answer=row.answer,
        )
        for row in found
    )
