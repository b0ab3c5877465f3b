"""The demo's mailbox, read from the folder into which its mail server puts every mail, one `.eml` file each.

For the demo only: with no MAILBOX_DIR there is no mailbox. It shows mail of everybody to everybody, and never sends
or changes any. What a mail says is not trusted: it is shown as text, or as HTML in a sandbox without script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from raseed.portal.pages import MailLine, MailPage

SHOWN_MAX: Final = 200
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_NAME: Final = re.compile(r"[^\w.\- ]+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail: a name that is safe to save by, its type, its bytes."""

    name: str
    content_type: str
    content: bytes


def mails(folder: Path) -> tuple[MailLine, ...]:
    """The newest mails first."""
    files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return tuple(_line(file, _read(file)) for file in files[:SHOWN_MAX])


def mail(folder: Path, key: str) -> MailPage | None:
    """One mail, or None when there is none of that key."""
    file = _file(folder, key)
    if file is None:
        return None
    message = _read(file)
    files = tuple((index, one.name, len(one.content)) for index, one in enumerate(_attachments(message)))
    return MailPage(_line(file, message), _body(message, "plain"), bool(_body(message, "html")), files)


def html_of(folder: Path, key: str) -> str | None:
    """A mail's HTML, or None when there is none."""
    file = _file(folder, key)
    return (_body(_read(file), "html") or None) if file else None


def attachment(folder: Path, key: str, index: str) -> Attachment | None:
    """A file of a mail by its place, or None when there is none."""
    file = _file(folder, key)
    if file is None or not index.isascii() or not index.isdigit():
        return None
    found = _attachments(_read(file))
    return found[int(index)] if int(index) < len(found) else None


def _file(folder: Path, key: str) -> Path | None:
    """The file of a key; a key is a plain name, so that it cannot lead out of the folder."""
    if not _KEY.fullmatch(key):
        return None
    file = folder / f"{key}.eml"
    return file if file.is_file() else None


def _read(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=policy.default)


def _line(file: Path, message: EmailMessage) -> MailLine:
    return MailLine(
        key=file.stem,
        at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        sender=str(message.get("From", "")),
        recipients=str(message.get("To", "")),
        subject=str(message.get("Subject", "")),
        attachments=sum(1 for _ in message.iter_attachments()),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _attachments(message: EmailMessage) -> list[Attachment]:
    found = []
    for number, part in enumerate(message.iter_attachments(), 1):
        content = part.get_payload(decode=True)
        name = _NAME.sub("_", part.get_filename() or f"file-{number}")
        found.append(
            Attachment(name, part.get_content_type(), content if isinstance(content, bytes) else b"")
        )
    return found
