"""Lists by pages: the cursor is the place of the last row, so that a page keeps its place whatever is written meanwhile.

To its reader a cursor is a word to be sent back as it is. It gives no right: the list it continues is that of the key.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Generic, TypeVar

from django.utils.translation import gettext_lazy as _
from ninja import Query, Schema
from pydantic import Field

from raseed.errors import RaseedError

LIMIT_MAX: Final = 200
CURSOR_LENGTH_MAX: Final = 200

Item = TypeVar("Item")
Row = TypeVar("Row")
Place = TypeVar("Place")


class CursorInvalid(RaseedError):
    """The cursor is none that this list has given."""

    code = "cursor_invalid"
    status = 422
    field = "cursor"
    message = _("This cursor is not one that the list gave. Begin without one.")


class PageQuery(Schema):
    """How much of a list, and from where on."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX, description="Rows in the page.")] = 50
    cursor: Annotated[
        str, Field(max_length=CURSOR_LENGTH_MAX, description="next_cursor of the page before.")
    ] = ""


Asked = Query[PageQuery]


class Page(Schema, Generic[Item]):
    """One page of a list, newest first. `next_cursor` is null on the last one."""

    data: list[Item]
    next_cursor: str | None


def place_of(cursor: str, read: Callable[[str], Place]) -> Place | None:
    """Where the page begins; None for the first. Raises CursorInvalid."""
    if not cursor:
        return None
    try:
        return read(urlsafe_b64decode(cursor.encode()).decode())
    except ValueError as error:
        raise CursorInvalid from error


def page_of(
    rows: Sequence[Row], limit: int, item: Callable[[Row], Item], place: Callable[[Row], str]
) -> Page[Item]:
    """The page out of `limit` + 1 rows: the one more says that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > len(shown)
    return Page(
        data=[item(row) for row in shown],
        next_cursor=urlsafe_b64encode(place(shown[-1]).encode()).decode() if more else None,
    )
