"""The Arabic catalogue is whole, and the check that says so notices what is not."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog

TOOL = Path(__file__).parents[2] / "tools" / "messages.py"


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("raseed_messages", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_message_of_the_code_has_its_arabic(messages: ModuleType) -> None:
    assert list(messages.faults("ar")) == []


def test_extracting_again_changes_nothing(messages: ModuleType, tmp_path: Path) -> None:
    before = messages.catalogue_path("ar").read_text("utf-8")
    catalogue = messages.load("ar")
    catalogue.update(messages.gather(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    messages.LOCALES, kept = tmp_path, messages.LOCALES
    try:
        messages.save(catalogue, "ar")
        assert messages.catalogue_path("ar").read_text("utf-8") == before
    finally:
        messages.LOCALES = kept


@pytest.mark.parametrize(
    ("original", "translation", "fault"),
    [
        ("Pay %(amount)s", "", "not translated"),
        ("Pay %(amount)s", "ادفع", "placeholders [] instead of ['amount']"),
        ("Pay %(amount)s", "ادفع %(amuont)s", "placeholders ['amuont'] instead of ['amount']"),
        ("Pay %(amount)s", "ادفع %(amount)s", None),
        (
            ("%(n)s of %(name)s", "%(n)s of %(name)s"),
            ("واحد من %(name)s",) * 5 + ("%(n)s من",),
            "placeholders ['n'] instead of ['n', 'name']",
        ),
        (("%(n)s mail", "%(n)s mails"), ("", "واحدة", "اثنتان", "%(n)s", "%(n)s", "%(n)s"), "not translated"),
        (("%(n)s mail", "%(n)s mails"), ("لا", "واحدة", "اثنتان", "%(n)s", "%(n)s", "%(n)s"), None),
    ],
)
def test_a_faulty_translation_is_named(
    messages: ModuleType, original: str | tuple[str, str], translation: object, fault: str | None
) -> None:
    catalogue = Catalog(locale="ar")
    message = catalogue.add(original, translation)

    assert list(messages.faults_of(message)) == ([fault] if fault else [])


def test_a_guess_is_a_fault(messages: ModuleType) -> None:
    message = Catalog(locale="ar").add("Pay", "ادفع", flags=["fuzzy"])

    assert list(messages.faults_of(message)) == ["fuzzy"]


def test_templates_are_read_too(messages: ModuleType) -> None:
    gathered = messages.gather()

    assert gathered.get("Pay %(amount)s") is not None
    assert gathered.get("Raseed", "product name") is not None
