"""Take a guard out of the product while it runs: a piece of a function, an attribute, a constraint of the database.

Nothing of it is in the product. A guard that is not found where the saboteur looks for it is an error: so a guard
that moves takes its saboteur with it, or the suite says so.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from conftest import RealDatabase


class GuardNotThere(AssertionError):
    """The text that was to be taken out does not stand there exactly once."""


class Removal(Protocol):
    """One guard that can be taken out."""

    def out(self, database: RealDatabase) -> Any:
        """A context in which the guard is missing."""


@dataclass(frozen=True)
class Cut:
    """`guard`, a piece of the source of `function` ("module:name" or "module:Class.name"), is replaced by `instead`.

    The function keeps its identity, so that whoever imported it by name runs the sabotaged one too.
    """

    function: str
    guard: str
    instead: str = ""

    @contextmanager
    def out(self, database: RealDatabase) -> Iterator[None]:
        function, module = self._found()
        source = textwrap.dedent(inspect.getsource(function))
        if source.count(self.guard) != 1:
            raise GuardNotThere(f"{self.guard!r} in {self.function}")
        tree = ast.parse(source.replace(self.guard, self.instead))
        defined = tree.body[0]
        assert isinstance(defined, ast.FunctionDef)
        defined.decorator_list = []
        names = dict(vars(module))
        exec(compile(tree, f"<sabotaged {self.function}>", "exec"), names)
        kept, function.__code__ = function.__code__, names[defined.name].__code__
        try:
            yield
        finally:
            function.__code__ = kept

    def _found(self) -> tuple[Any, Any]:
        name, _, path = self.function.partition(":")
        found = module = import_module(name)
        for part in path.split("."):
            found = getattr(found, part)
        return inspect.unwrap(found), module


@dataclass(frozen=True)
class Swap:
    """The attribute `name` of `module` is another thing."""

    module: str
    name: str
    other: Any

    @contextmanager
    def out(self, database: RealDatabase) -> Iterator[None]:
        module = import_module(self.module)
        kept = getattr(module, self.name)
        setattr(module, self.name, self.other)
        try:
            yield
        finally:
            setattr(module, self.name, kept)


@dataclass(frozen=True)
class Drop:
    """A constraint of a table is dropped, in the saboteur's own database."""

    table: str
    constraint: str

    @contextmanager
    def out(self, database: RealDatabase) -> Iterator[None]:
        with database.owner() as owner:
            owner.execute(f"ALTER TABLE {self.table} DROP CONSTRAINT {self.constraint}")  # type: ignore[call-overload]
        yield


@dataclass(frozen=True)
class DropIndex:
    """A unique index is dropped, in the saboteur's own database: a constraint that counts for some rows only is one."""

    name: str

    @contextmanager
    def out(self, database: RealDatabase) -> Iterator[None]:
        with database.owner() as owner:
            owner.execute(f"DROP INDEX {self.name}")  # type: ignore[call-overload]
        yield


@dataclass(frozen=True)
class CutSql:
    """`guard`, a piece of a function of the database, is replaced by `instead`, in the saboteur's own database."""

    function: str
    guard: str
    instead: str

    @contextmanager
    def out(self, database: RealDatabase) -> Iterator[None]:
        with database.owner() as owner:
            row = owner.execute(
                "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s", [self.function]
            ).fetchone()
            assert row is not None
            source = str(row[0])
            if source.count(self.guard) != 1:
                raise GuardNotThere(f"{self.guard!r} in {self.function}")
            owner.execute(source.replace(self.guard, self.instead))  # type: ignore[call-overload]
        yield
