"""How the tests of the doors read an answer: its headers, the skeleton of its HTML, its forms, its words."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser

from django.conf import settings
from django.http import HttpResponse

# A mail of the demo's mailbox is a stranger's page and has a policy of its own, tighter but for its styles.
OWN_POLICY = frozenset({"portal:mail_html"})
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
UNSAFE = ("unsafe-", "*", "http:", "https: ", "data: 'self'")
VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "source", "wbr", "col", "area"})
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/=]{22,})'")
# For the answer's own nonce; no page can know it.
_STAND_IN = secrets.token_urlsafe(16)
# What guards a form against other sites: another in each answer, and letters and digits only.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])")


@dataclass
class Form:
    """A form as a browser would send it untouched: where to, how, and its fields with their types and choices."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The skeleton of a page: every tag with the names of its attributes, scripts, forms and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skeleton: list[tuple[str, tuple[str, ...]]] = []
        self.scripts: list[dict[str, str]] = []
        self.forms: list[Form] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        # Text with the elements around it, the innermost last.
        self.placed: list[tuple[str, tuple[str, ...]]] = []
        self._open: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._in_script = False
        self._textarea = ""
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return "\n".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.skeleton.append((tag, tuple(sorted(given))))
        self.words += list(given.values())
        self._look(tag, given)
        if tag not in VOID:
            self._open.append("bdi" if tag == "bdi" or ("dir" in given and tag != "html") else tag)
        if tag == "script":
            self.scripts.append(given)
            self._in_script = True
        elif tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is not None:
            self._field(tag, given)

    def _look(self, tag: str, given: dict[str, str]) -> None:
        for name, value in given.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                self.faults.append(f"<{tag} {name}=…>")
            # A picture is drawn and never run: the code for an authenticator app stands in the page.
            if tag == "img" and value.startswith("data:image/svg+xml;"):
                continue
            if name in {"href", "src", "action", "formaction"} and re.match(
                r"[\x00-\x20]*(javascript|data|vbscript):", value, re.IGNORECASE
            ):
                self.faults.append(f"<{tag} {name}={value[:40]}>")
        if tag in {"style", "base", "object", "embed"}:
            self.faults.append(f"<{tag}>")

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        name, kind = given.get("name", ""), given.get("type", tag)
        if tag == "option" and self._select:
            if "selected" in given or not self._form.fields[self._select]:
                self._form.fields[self._select] = given.get("value", "")
            return
        if tag not in {"input", "select", "textarea", "button"} or not name:
            return
        self._form.types[name] = kind
        if tag == "select":
            self._select = name
            self._form.fields.setdefault(name, "")
        elif kind in {"radio", "checkbox"}:
            if "checked" in given or (kind == "radio" and name not in self._form.fields):
                self._form.fields[name] = given.get("value", "on")
        elif tag == "textarea":
            self._textarea = name
            self._form.fields[name] = ""
        else:
            self._form.fields[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag not in VOID:
            self._open.pop()
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.faults.append(f"an inline script: {data.strip()[:40]}")
        if self._form is not None and self._textarea:
            self._form.fields[self._textarea] += data
        self.words.append(data)
        self.placed.append((data, tuple(self._open)))


def is_html(answer: HttpResponse) -> bool:
    return answer.headers.get("Content-Type", "").startswith("text/html")


def policy_of(answer: HttpResponse) -> dict[str, list[str]]:
    """The content security policy by directive."""
    parts = (part.split() for part in answer.headers.get("Content-Security-Policy", "").split(";"))
    return {part[0]: part[1:] for part in parts if part}


def faults_of(route: str, answer: HttpResponse) -> Iterator[str]:
    """What an answer lacks in headers, or has in markup, that it must not."""
    for name, value in HEADERS.items():
        if answer.headers.get(name) != value and route not in OWN_POLICY:
            yield f"{name} is {answer.headers.get(name)!r}"
    if "camera=()" not in answer.headers.get("Permissions-Policy", ""):
        yield "no Permissions-Policy"
    if route not in OWN_POLICY:
        yield from _policy_faults(answer)
    for morsel in answer.cookies.values():
        # One that is taken away again carries nothing.
        if morsel["max-age"] == 0:
            continue
        if not morsel["httponly"] or morsel["samesite"] != "Lax" or morsel["domain"]:
            yield f"cookie {morsel.OutputString()}"


def _policy_faults(answer: HttpResponse) -> Iterator[str]:
    policy = policy_of(answer)
    nonces = _NONCE.findall(" ".join(policy.get("script-src", ["?"])))
    expected = {
        "default-src": ["'self'"],
        "script-src": [f"'nonce-{one}'" for one in nonces],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'", *settings.BANK_ORIGINS],
        "form-action": ["'self'", *settings.BANK_ORIGINS],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "report-uri": ["/csp-reports"],
    }
    if policy != expected:
        yield f"policy {policy}"
    if not is_html(answer):
        return
    html = answer.content.decode()
    for nonce in nonces:
        html = html.replace(nonce, _STAND_IN)
    yield from _markup_faults(_TOKEN.sub("", html))


@lru_cache(maxsize=256)
def _markup_faults(html: str) -> tuple[str, ...]:
    """What is wrong in a page whose nonce is the stand-in. Pages that are the same but for it are read once."""
    page = Page(html)
    return *page.faults, *(
        f"script {script}"
        for script in page.scripts
        if script.get("nonce") != _STAND_IN or not script.get("src", "").startswith(settings.STATIC_URL)
    )
