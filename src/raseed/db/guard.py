"""Watches, in the tests, that every statement on an account's table names the account.

On a database distributed by account a statement without it goes to every shard; with FOR UPDATE it is refused there.
The catalogue cannot show that, so the statements themselves are read as they are sent. The guard reads SQL by
pattern, not by grammar: what it cannot follow it refuses, with the statement. It must never change one.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from raseed.db.catalogue import ACCOUNT_TABLE, owned_tables


class AccountMissing(AssertionError):
    """A statement on an account's table does not say which account."""


_reason: ContextVar[str] = ContextVar("across_accounts", default="")


@contextmanager
def across_accounts(reason: str) -> Iterator[None]:
    """Allow reads over all accounts inside, for `reason`: a sweep, a check of all books, a list for staff.

    Writes and locks stay refused: a sweep reads which accounts to visit, then visits each by its id.
    """
    if not reason:
        raise ValueError("say why all accounts are read")
    token = _reason.set(reason)
    try:
        yield
    finally:
        _reason.reset(token)


def install(connection: BaseDatabaseWrapper) -> None:
    """Read every statement of `connection` from now on. Installing it twice is installing it once."""
    if _refuse not in connection.execute_wrappers:
        connection.execute_wrappers.append(_refuse)


def watch(connection: BaseDatabaseWrapper) -> None:
    """`install` on this connection and on all that threads open later under its alias. For the tests' set-up only."""
    install(connection)
    alias = connection.alias

    def _on_open(connection: BaseDatabaseWrapper, **_: object) -> None:
        if connection.alias == alias:
            install(connection)

    connection_created.connect(_on_open, weak=False, dispatch_uid=f"raseed.db.guard.{alias}")


def _refuse(
    execute: Callable[..., Any],
    sql: Any,
    params: Any,
    many: bool,  # noqa: FBT001 - Django's own signature
    context: dict[str, Any],
) -> Any:
    text = sql if isinstance(sql, str) else sql.as_string(None)
    fault = fault_of(text, across=bool(_reason.get()))
    if fault:
        raise AccountMissing(f"{fault}: {text}")
    return execute(sql, params, many, context)


_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_VERB: Final = re.compile(
    r"\s*\(*\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|DECLARE|EXPLAIN|COPY)\b", re.IGNORECASE
)
_WRITE: Final = re.compile(
    r"\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|UPDATE\s+(?:ONLY\s+)?[\w\".]+\s+(?:AS\s+\w+\s+)?SET)\b",
    re.IGNORECASE,
)
_LOCK: Final = re.compile(r"\bFOR\s+(?:UPDATE|NO\s+KEY\s+UPDATE|SHARE|KEY\s+SHARE)\b", re.IGNORECASE)
_NOT_AN_ALIAS: Final = frozenset(
    {
        "where",
        "set",
        "on",
        "using",
        "inner",
        "left",
        "right",
        "full",
        "cross",
        "join",
        "natural",
        "order",
        "group",
        "having",
        "limit",
        "offset",
        "for",
        "returning",
        "values",
        "union",
        "except",
        "intersect",
        "default",
        "window",
        "fetch",
        "tablesample",
    }
)
_INSERT: Final = re.compile(r"\bINSERT\s+INTO\s+\"?(\w+)\"?\s*(?:AS\s+\w+\s*)?\(([^)]*)\)", re.IGNORECASE)
_ON_CONFLICT: Final = re.compile(r"\bON\s+CONFLICT\b.*?\bDO\b", re.IGNORECASE | re.DOTALL)
# What stands for a given account: a placeholder, a literal, or a variable of a function.
_VALUE: Final = r"(?:%s|%\(\w+\)s|\$\d+|''|ANY\s*\(\s*(?:%s|%\(\w+\)s|\$\d+|''|ARRAY))"


@lru_cache(maxsize=4096)
def fault_of(sql: str, *, across: bool) -> str:
    """What is wrong with the statement, or "". Pure, so that it can be shown on strings.

    `across`: reads over all accounts are allowed.
    """
    text = _COMMENT.sub(" ", _LITERAL.sub("''", sql))
    if not _VERB.match(text):
        return ""
    tables = owned_tables() | {ACCOUNT_TABLE}
    named = [table for table in tables if re.search(rf"\b{table}\b", text)]
    if not named:
        return ""
    if across and not _WRITE.search(text) and not _LOCK.search(text):
        return ""
    inserted = _INSERT.search(text)
    if inserted and inserted[1] in tables:
        column = _account_column(inserted[1])
        if column not in {name.strip().strip('"') for name in inserted[2].split(",")}:
            return f"INSERT INTO {inserted[1]} gives no {column}"
        text = _ON_CONFLICT.sub(" ", text[: inserted.start()] + " " + text[inserted.end() :])
    return _unscoped(text, tables)


def _account_column(table: str) -> str:
    return "id" if table == ACCOUNT_TABLE else "account_id"


def _unscoped(text: str, tables: frozenset[str]) -> str:
    """The first table of the statement whose rows are not tied to an account, in words, or ""."""
    found = list(_occurrences(text, tables))
    if not found:
        return ""
    # Only what follows WHERE or ON restricts; the list of columns and SET name the account without asking for it.
    conditions = " ".join(re.split(r"\b(?:WHERE|ON)\b", text, flags=re.IGNORECASE)[1:])
    tied: set[str] = set()
    for alias, table in found:
        if re.search(
            _column(alias, table, alone=len(found) == 1) + rf"\s*(?:=\s*|IN\s*\(\s*){_VALUE}",
            conditions,
            re.IGNORECASE,
        ):
            tied.add(alias)
    grown = True
    while grown:
        grown = False
        for alias, table in found:
            if alias not in tied and any(
                _joined(conditions, (alias, table), other) for other in found if other[0] in tied
            ):
                tied.add(alias)
                grown = True
    for alias, table in found:
        if alias not in tied:
            return f"{table} ({alias}) is not tied to an account"
    return ""


def _occurrences(text: str, tables: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(alias, table) for each place where a table is read or written."""
    names = "|".join(sorted(tables, key=len, reverse=True))
    pattern = rf"(?:\b(?:FROM|JOIN|UPDATE|INTO|USING|ONLY)|,)\s*\(*\s*(?:\"?public\"?\.)?\"?({names})\"?(?![\w.\"])(?:\s+(?:AS\s+)?\"?(\w+)\"?)?"
    for match in re.finditer(pattern, text, re.IGNORECASE):
        alias = match[2] if match[2] and match[2].lower() not in _NOT_AN_ALIAS else match[1]
        yield alias, match[1]


def _column(alias: str, table: str, *, alone: bool) -> str:
    qualified = rf'"?\b{alias}\b"?\."?{_account_column(table)}"?'
    return rf'(?:{qualified}|(?<![.\w"])"?{_account_column(table)}"?)' if alone else qualified


def _joined(conditions: str, one: tuple[str, str], other: tuple[str, str]) -> bool:
    left, right = _column(*one, alone=False), _column(*other, alone=False)
    return bool(re.search(rf"{left}\s*=\s*\(?{right}|{right}\s*=\s*\(?{left}", conditions, re.IGNORECASE))
