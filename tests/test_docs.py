"""What the documents name exists: paths, links, commands, targets, settings, rules. Texts that lie are worse than none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from raseed.cli import app
from raseed.config.environment import Environment
from raseed.db.invariants import registered
from raseed.payments.breaks import BreakKind

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HOMES = ("src", "tests", "tools", "docs")
_PATH = re.compile(rf"(?:{'|'.join(HOMES)})/[\w./-]*\w/?")
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def _in_backticks(text: str) -> Iterator[str]:
    yield from _FENCE.findall(text)
    yield from re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))


def _slug(heading: str) -> str:
    """The anchor that a heading gets, by GitHub's rule."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def paths(text: str) -> set[str]:
    """The paths of this repository that a text names as code: alone in backticks, or within a code block."""
    found = set()
    for code in _in_backticks(text):
        if code.startswith("```"):
            found |= set(_PATH.findall(code))
        elif _PATH.fullmatch(code):
            found.add(code)
    return found


def broken_links(document: Path) -> list[str]:
    """Relative links that lead to no file, or to no heading of it."""
    broken = []
    for link in _LINK.findall(_FENCE.sub("", _text(document))):
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        if not target.exists() or (
            anchor and anchor not in {_slug(h) for h in re.findall(r"^#+ (.+)$", _text(target), re.MULTILINE)}
        ):
            broken.append(link)
    return broken


def _name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_path_that_is_named_exists(document: Path) -> None:
    assert [path for path in sorted(paths(_text(document))) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_the_checks_see_what_is_missing(tmp_path: Path) -> None:
    assert paths("`src/raseed/no.py` and\n```\ncat docs/no.md\n```") == {"src/raseed/no.py", "docs/no.md"}
    document = tmp_path / "one.md"
    document.write_text("# One thing\n[a](no.md) [b](#one-thing) [c](#another)\n")
    assert broken_links(document) == ["no.md", "#another"]


def _commands(group: typer.Typer, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """(name, hidden) of each command."""
    for one in group.registered_commands:
        name = one.name or (one.callback.__name__ if one.callback else "")
        yield f"{prefix}{name}", one.hidden
    for sub in group.registered_groups:
        if sub.typer_instance is not None:
            yield from _commands(sub.typer_instance, f"{sub.name} ")


def test_the_readme_lists_every_command_and_no_other() -> None:
    listed = re.findall(r"^\| `raseed ([\w -]+)` \|", _text(ROOT / "README.md"), re.MULTILINE)
    assert sorted(listed) == sorted(name for name, hidden in _commands(app) if not hidden)


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", _text(ROOT / "Makefile"), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for code in _in_backticks(_text(document))
        for target in re.findall(r"(?:^|\n)make ([a-z0-9-]+)", code)
    }
    assert named - targets == set()
    assert {"demo", "test"} <= named


def test_every_setting_is_explained_once() -> None:
    text = _text(ROOT / "docs" / "operators" / "configure.md")
    explained = re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert sorted(explained) == sorted(name.upper() for name in Environment.model_fields)


def test_every_rule_and_break_has_its_paragraph() -> None:
    headings = re.findall(r"^### (\S+)", _text(ROOT / "docs" / "operators" / "runbook.md"), re.MULTILINE)
    assert sorted(headings) == sorted({one.rule for one in registered()} | {str(kind) for kind in BreakKind})
