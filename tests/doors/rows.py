"""Copies of a database that tests may spoil, and what a request has changed in one."""

from uuid import uuid4

import psycopg
from django.db import connections

from conftest import RealDatabase, _attached, _point_django_at
from raseed.db.embedded import OWNER_ROLE


class Copies:
    """Copies of the world: Django works on the latest; `database` names it."""

    def __init__(self, template: str) -> None:
        self._template = template
        self.database: RealDatabase

    def fresh(self) -> RealDatabase:
        """Forget what was done: from now on Django works on an untouched copy."""
        cluster, name = _attached(), f"raseed_{uuid4().hex[:12]}"
        cluster.clone(self._template, name)
        self.drop()
        self.database = RealDatabase(name, cluster.url(database=name), cluster.url(OWNER_ROLE, name))
        _point_django_at(name)
        return self.database

    def drop(self) -> None:
        if hasattr(self, "database"):
            for connection in connections.all(initialized_only=True):
                connection.close()
            _attached().drop(self.database.name)


def rows_of(database: RealDatabase, *but: str) -> dict[str, list[str]]:
    """Every row of every table as text, as the owner sees it; `but` are tables to leave out."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        return read_rows(owner, *but)


def read_rows(connection: psycopg.Connection[tuple[object, ...]], *but: str) -> dict[str, list[str]]:
    """The same as one connection sees it, within its transaction."""
    with connection.cursor() as owner:
        tables = [
            str(one[0])
            for one in owner.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            )
            if one[0] not in but
        ]
        found: dict[str, list[str]] = {name: [] for name in tables}
        every = " UNION ALL ".join(f"SELECT '{name}', t::text FROM \"{name}\" t" for name in tables)
        for name, row in owner.execute(f"SELECT * FROM ({every}) every ORDER BY 1, 2"):  # type: ignore[call-overload]
            found[name].append(row)
        return found


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """Rows that came, by table, with `+`, and rows that went, with `-`."""
    return {
        name: [f"-{row}" for row in sorted(set(before[name]) - set(after[name]))]
        + [f"+{row}" for row in sorted(set(after[name]) - set(before[name]))]
        for name in before
        if before[name] != after[name]
    }
