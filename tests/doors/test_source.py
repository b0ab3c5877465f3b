"""Habits that the source must keep, because no page shows when one is lost."""

import ast
import re
from collections.abc import Iterator

import pytest
from django.conf import settings

from raseed.accounts.models import User
from raseed.config.environment import PROJECT_DIR

SOURCE = PROJECT_DIR / "src" / "raseed"
MODULES = sorted(SOURCE.rglob("*.py"))
TEMPLATES = sorted(SOURCE.rglob("templates/**/*.*"))
# Marks text as HTML without escaping it; `format_html` escapes what it is given and stays allowed.
UNESCAPED = {"mark_safe", "SafeString", "SafeText", "html_safe", "Markup"}
# Put names of tables, columns, roles and databases into SQL, which no parameter can carry: names of our own, from models
# and from the catalogue. Values are parameters there too.
NAMES_TABLES = ("db/", "payments/cardscan.py", "sandbox/store.py")
# Renders a template out of a text: what a person typed must never be one.
RUNS = {"eval", "exec", "from_string", "Template", "compile_command"}
ESCAPES_OFF = re.compile(r"\|\s*(?:safe|safeseq)\b|{%-?\s*autoescape\s+(?:off|false)|{%-?\s*debug")


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call by the last word of what is called."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func
            yield (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")), node


def faults(source: str) -> list[str]:
    """Calls that mark text as HTML, run text, or build SQL out of values."""
    found = []
    for name, call in calls(source):
        if name in UNESCAPED | RUNS:
            found.append(f"{name} in line {call.lineno}")
        if name == "format_html" and not (call.args and isinstance(call.args[0], ast.Constant)):
            found.append(f"format_html of a text that is not written there, line {call.lineno}")
        if (
            name in {"execute", "executemany", "raw", "RawSQL", "extra"}
            and call.args
            and _is_built(call.args[0])
        ):
            found.append(f"SQL built from values, line {call.lineno}")
    return found


def _is_built(node: ast.expr) -> bool:
    """Whether a text is put together from values when it runs; constants put together are a constant."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) or _is_built(node.left) or _is_built(node.right)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def test_no_text_is_marked_as_html_or_run_or_put_into_sql() -> None:
    found = {str(path.relative_to(SOURCE)): faults(path.read_text("utf-8")) for path in MODULES}
    kept = {
        name: [one for one in said if not (name.startswith(NAMES_TABLES) and one.startswith("SQL"))]
        for name, said in found.items()
    }
    assert {name: said for name, said in kept.items() if said} == {}


def test_templates_escape_unless_they_are_plain_text() -> None:
    for path in TEMPLATES:
        if path.suffix != ".txt":
            assert not ESCAPES_OFF.search(path.read_text("utf-8")), path


@pytest.mark.parametrize(
    "source",
    [
        "mark_safe(user.name)",
        "safestring.SafeString(name)",
        "format_html(f'<b>{name}</b>')",
        "Template(account.name).render(context)",
        "cursor.execute(f'SELECT 1 FROM t WHERE name = {name}')",
        "cursor.execute('SELECT 1 FROM t WHERE name = %s' % name)",
        "cursor.execute('SELECT ' + 'a'.format(x))",
        "User.objects.raw(f'SELECT {x}')",
    ],
)
def test_the_checks_see_what_they_are_for(source: str) -> None:
    assert len(faults(source)) == 1


def test_a_fresh_installation_has_no_user_and_shows_no_errors(db: None) -> None:
    assert not User.objects.exists()
    assert settings.DEBUG is False
