"""What a log must never hold, and the search for it in all logs of a run."""

import re
from collections.abc import Iterable
from pathlib import Path

from raseed.payments.cardscan import card_numbers

_GROUPED = re.compile(r"(?<=\d)[ -](?=\d)")
_CVC = re.compile(r"""\bcv[cv]2?\b["']?\s*[=:]\s*["']?\d{3,4}\b""", re.IGNORECASE)
# Key and token of a link about a password; token of a link about an address.
_LINK = re.compile(r"\b[0-9a-z]{6,8}(?:-|\.[\w-]+\.)[0-9a-f]{64}\b")


def leaks(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """What of it stands in a text, each named without being repeated: the report is a log too."""
    found = [f"the card number {masked}" for masked in card_numbers(text)]
    found += [f"the card number {masked}, in groups" for masked in card_numbers(_GROUPED.sub("", text))]
    found += ["a CVC" for _ in _CVC.findall(text)]
    found += ["the token of a link" for _ in _LINK.findall(text)]
    found += [f"a secret that ends in {one[-4:]}" for one in set(secrets) if one and one in text]
    return sorted(set(found))


def leaks_of(directory: Path, secrets: Iterable[str] = ()) -> list[str]:
    """What of it stands in the logs of a directory, with the log's name."""
    known = list(secrets)
    return [
        f"{log.name}: {found}"
        for log in sorted(directory.glob("*.log"))
        for found in leaks(log.read_text("utf-8", "replace"), known)
    ]
