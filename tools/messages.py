"""The message catalogues: gathered from the code, checked, compiled; no gettext binaries needed.

    python tools/messages.py extract    # bring new messages into the .po files, drop those that are gone
    python tools/messages.py check      # fail on what is missing, fuzzy or has other placeholders
    python tools/messages.py compile    # write the .mo files, which are not committed

A translation must never lose a placeholder: the check compares them message by message.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "raseed"
LOCALES = SOURCE / "locale"
LANGUAGES = ("ar",)
TEMPLATE_SUFFIXES = {".html", ".txt"}
# The sandbox bank is another house: its pages are a test tool, in English.
FOREIGN = {SOURCE / "sandbox"}

DJANGO_KEYWORDS: dict[str, Any] = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}

PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")
HEADER = "# Arabic of Raseed. Made from the code by tools/messages.py; the translations are ours.\n#"
DROPPED_HEADERS = re.compile(
    r'"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Report-Msgid-Bugs-To|Language-Team|MIME-Version)'
)


def sources() -> Iterator[Path]:
    """Give every Python file and template of the product, in a stable order."""
    for path in sorted(SOURCE.rglob("*")):
        if any(foreign in path.parents for foreign in FOREIGN) or "migrations" in path.parts:
            continue
        if path.suffix == ".py" or (path.suffix in TEMPLATE_SUFFIXES and "templates" in path.parts):
            yield path


def gather() -> Catalog:
    """Read every message of the code into a fresh catalogue."""
    found = Catalog(project="Raseed", header_comment=HEADER)
    for path in sources():
        text = path.read_text("utf-8")
        if path.suffix != ".py":
            text = templatize(text, origin=str(path))
        name = path.relative_to(ROOT).as_posix()
        stream = io.BytesIO(text.encode("utf-8"))
        for _line, message, comments, context in extract("python", stream, keywords=DJANGO_KEYWORDS):
            found.add(message, locations=[(name, None)], auto_comments=comments, context=context)
    return found


def catalogue_path(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "django.po"


def load(language: str) -> Catalog:
    """Read a language's catalogue; an empty one when there is none yet."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language, header_comment=HEADER)
    with path.open("rb") as stream:
        return read_po(stream, locale=language)


def placeholders(texts: object) -> list[set[str]]:
    """Name the placeholders of each form of a message."""
    forms = texts if isinstance(texts, tuple | list) else (texts,)
    return [{a or b for a, b in PLACEHOLDER.findall(form)} for form in forms]


def faults_of(message: Message) -> Iterator[str]:
    """Say what is wrong with one translation."""
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    if not all(forms):
        yield "not translated"
        return
    if message.fuzzy:
        yield "fuzzy"
    wanted = set().union(*placeholders(message.id))
    for form in placeholders(message.string):
        # A plural form may say its number in words; nothing else may be left out, and nothing be made up.
        optional = {"count", "n", "seconds", "number"} if message.pluralizable else set()
        if not (wanted - optional <= form <= wanted):
            yield f"placeholders {sorted(form)} instead of {sorted(wanted)}"


def faults(language: str) -> Iterator[str]:
    """Say everything that keeps a language from being complete."""
    catalogue = load(language)
    for message in gather():
        if not message.id:
            continue
        known = catalogue.get(message.id, message.context)
        name = message.id[0] if isinstance(message.id, tuple | list) else message.id
        if known is None:
            yield f"{language}: {name!r}: not in the catalogue"
            continue
        for fault in faults_of(known):
            yield f"{language}: {name!r}: {fault}"


def save(catalogue: Catalog, language: str) -> None:
    """Write a catalogue so that the same messages always make the same file: no dates, no places."""
    catalogue.fuzzy = False
    catalogue.project, catalogue.version = "Raseed", "1"
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=110, no_location=True, sort_output=True, ignore_obsolete=True)
    head, rest = buffer.getvalue().decode("utf-8").split("\n\n", 1)
    kept = [line for line in head.splitlines() if not DROPPED_HEADERS.match(line)]
    path = catalogue_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(kept) + "\n\n" + rest, "utf-8")


def extract_all() -> int:
    """Merge the code's messages into every catalogue. Nothing is guessed: a changed message is a new one."""
    found = gather()
    for language in LANGUAGES:
        catalogue = load(language)
        catalogue.update(found, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        save(catalogue, language)
    return 0


def check_all() -> int:
    """Print every fault of every language; 1 if there is one."""
    found = [fault for language in LANGUAGES for fault in faults(language)]
    for fault in found:
        print(fault)
    return 1 if found else 0


def compile_all() -> int:
    """Write the .mo files beside the .po files."""
    for language in LANGUAGES:
        with catalogue_path(language).with_suffix(".mo").open("wb") as stream:
            write_mo(stream, load(language))
    return 0


COMMANDS = {"extract": extract_all, "check": check_all, "compile": compile_all}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(__doc__)
        return 2
    if not settings.configured:
        settings.configure(USE_I18N=True)
    return COMMANDS[arguments[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
