"""What is watched on every page that a browser test visits, whatever else the test is about.

Nothing on the console, no script error, no request to another machine, no card number sent to the portal; in each state
that a test stops at: no violation that axe can find, nothing wider than the screen, the right language and direction.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_plus, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

from raseed.config.environment import PROJECT_DIR
from raseed.payments.cardscan import has_check_digit

SHOTS = PROJECT_DIR / "var" / "screenshots"
DESKTOP, PHONE = (1280, 860), (390, 844)
SCHEMES = ("light", "dark")
# axe leaves out the rules of WCAG 2.2 unless it is told; frames of mails run no script, so it cannot look inside.
AXE = {
    "resultTypes": ["violations"],
    "iframes": False,
    "rules": {"target-size": {"enabled": True}},
}
_NUMBER = re.compile(r"(?<![0-9A-Za-z-])\d(?:[ -]?\d){12,18}(?![0-9A-Za-z-])")
_SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass(frozen=True)
class Look:
    """A reader: language, size of the window, and the device's scheme of colours."""

    language: str
    size: tuple[int, int]
    scheme: str

    @property
    def other_size(self) -> tuple[int, int]:
        """The other of desktop and phone."""
        return PHONE if self.size == DESKTOP else DESKTOP


@dataclass
class Watch:
    """Collects what must not be. `forgiven` are parts of console lines that a test brings about on purpose."""

    portal: str
    look: Look
    faults: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    card_numbers_elsewhere: int = 0
    states_seen: int = 0

    def over(self, context: BrowserContext) -> None:
        """Watch every page of this context, now and later."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.faults.append(f"script error: {error.error}"))
        context.on("request", self._asked)

    def verdict(self) -> None:
        """Fail if anything was found."""
        assert not self.faults, "\n".join(self.faults)

    def state(self, page: Page, name: str) -> None:
        """Look at the page as it stands, in light and dark, on its own screen and on the other."""
        self.states_seen += 1
        root = page.locator("html")
        assert root.get_attribute("lang") == self.look.language
        assert root.get_attribute("dir") == ("rtl" if self.look.language == "ar" else "ltr")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.evaluate(_SETTLED)
            self._axe(page, f"{name}, {scheme}")
            self._shoot(page, name, self.look.size, scheme)
        page.emulate_media(color_scheme=self.look.scheme)
        self._fits(page, name)
        page.set_viewport_size(_viewport(self.look.other_size))
        page.evaluate(_SETTLED)
        self._fits(page, name)
        self._shoot(page, name, self.look.other_size, self.look.scheme)
        page.set_viewport_size(_viewport(self.look.size))

    def glance(self, page: Page, name: str) -> None:
        """Look at the page once, in light and dark: what axe finds, whether it fits, and a picture of it."""
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.evaluate(_SETTLED)
            self._axe(page, f"{name}, {scheme}")
        self._shoot(page, name, self.look.size, SCHEMES[-1])
        page.emulate_media(color_scheme=self.look.scheme)
        self._fits(page, name)

    def _axe(self, page: Page, name: str) -> None:
        # Half a megabyte of script, which stays on a page until it is left.
        there = page.evaluate("typeof axe === 'object'")
        found = Axe("0" if there else AXE_SCRIPT).run(page, options=AXE)
        if found.violations_count:
            self.faults.append(f"axe, {name}: {found.generate_report()}")

    def _fits(self, page: Page, name: str) -> None:
        width, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        if width > room:
            self.faults.append(f"{name} is {width} wide on a screen of {room}")

    def _shoot(self, page: Page, name: str, size: tuple[int, int], scheme: str) -> None:
        device = "desktop" if size == DESKTOP else "phone"
        file = SHOTS / f"{name}-{self.look.language}-{device}-{scheme}.png"
        page.screenshot(path=file, full_page=page.locator("dialog[open]").count() == 0)

    def _said(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text}"
        if not any(part in line for part in self.forgiven):
            self.faults.append(f"console of {message.page.url if message.page else '?'}: {line}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in {
            "localhost",
            "127.0.0.1",
        }:
            self.faults.append(f"request to {parts.hostname}: {request.url}")
        sent = unquote_plus(f"{request.url} {request.post_data or ''}")
        if holds_card_number(sent):
            if request.url.startswith(self.portal):
                self.faults.append(f"a card number was sent to the portal: {request.method} {parts.path}")
            else:
                self.card_numbers_elsewhere += 1


def holds_card_number(text: str) -> bool:
    """Whether 13 to 19 digits with a right check digit stand in a text, spaces and dashes between them or not."""
    return any(has_check_digit(re.sub(r"[ -]", "", found)) for found in _NUMBER.findall(text))


def _viewport(size: tuple[int, int]) -> dict[str, int]:  # Playwright's type wants these two keys
    return {"width": size[0], "height": size[1]}
