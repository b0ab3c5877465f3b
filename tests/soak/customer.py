"""A customer with a browser: signs in, draws the form, presses Pay, types a card, loses patience, comes back or not."""

import contextlib
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from bank import RunningBank

PAY = "/settings/billing/balance/pay"
TRIES_MAX = 240
PAUSE_S = 0.25
LOOKS_MAX = 4
GIVES_UP = 0.3
_FIELDS = {
    name: re.compile(rf'name="{name}" value="([^"]+)"')
    for name in ("csrfmiddlewaretoken", "client_key", "beside")
}
_PAYMENT = re.compile(r"/settings/billing/payments/[0-9a-f-]{36}")
NEW_CARDS = {
    "4242424242424242": 14,
    "4000002760003184": 4,
    "4000000000009995": 1,
    "4000000000000002": 1,
}
AT_THE_BANK = {"complete": 16, "fail": 1, "abandon": 2, "cancel": 1}


class Unexpected(AssertionError):
    """The portal answered with something that no customer should see."""


def drawn(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def _said(page: str) -> str:
    """What a page says, without its head and tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page[page.find("<main") :]))[:1500]


@dataclass
class Customer:
    """An Admin at a browser. `saved` are ids of saved cards; `keys` collects the key of every form that was pressed."""

    portal: str
    bank: RunningBank
    email: str
    password: str
    saved: list[str]
    chance: random.Random
    keys: list[str] = field(default_factory=list)
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def pay(self, times: int) -> None:
        """Pay so many times, one payment after the other; sign in first unless this browser still is."""
        with self._at_a_browser() as browser:
            for _ in range(times):
                answer = self._press(browser, self._form(browser))
                if answer is None:
                    continue
                location = answer.headers["Location"]
                if location.startswith(self.bank.url):
                    self._act_at_the_bank(browser, location)
                else:
                    self._look(browser, location)

    def press_and_leave(self, times: int) -> None:
        """Pay with the first saved card so many times, and never look what became of it."""
        with self._at_a_browser() as browser:
            for _ in range(times):
                form = self._form(browser)
                form.pop("save_card", None)
                self._press(browser, form | {"method": self.saved[0]})

    @contextlib.contextmanager
    def _at_a_browser(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.portal, timeout=30, trust_env=False, cookies=self.cookies) as browser:
            self._sign_in(browser)
            self.cookies = browser.cookies
            yield browser

    def _sign_in(self, browser: httpx.Client) -> None:
        for _ in range(TRIES_MAX):
            page = self._get(browser, "/login")
            if page.status_code == 302:
                return
            form = {
                "csrfmiddlewaretoken": _found("csrfmiddlewaretoken", page),
                "username": self.email,
                "password": self.password,
            }
            # Somebody else's payment may kill the portal under this request: then it is sent again.
            with contextlib.suppress(httpx.TransportError):
                answer = browser.post("/login", data=form)
                if answer.status_code not in {302, 500, 503}:
                    raise Unexpected(f"{self.email} could not sign in: {answer.status_code}")
            time.sleep(PAUSE_S)
        raise Unexpected(f"{self.email} could not sign in")

    def _form(self, browser: httpx.Client) -> dict[str, str]:
        page = self._get(browser, PAY)
        form = {name: _found(name, page) for name in ("csrfmiddlewaretoken", "client_key")}
        self.keys.append(form["client_key"])
        form["amount"] = f"{self.chance.randint(5, 900)}.{self.chance.randint(0, 99) // 10}0"
        form["method"] = self.chance.choice(self.saved) if self.chance.random() < 0.5 else "new"
        if form["method"] == "new" and self.chance.random() < 0.2:
            form["save_card"] = "1"
        return form

    def _press(self, browser: httpx.Client, form: dict[str, str]) -> httpx.Response | None:
        """Post the form until it is answered, the same form each time; None for one who does not come back."""
        for _ in range(TRIES_MAX):
            try:
                answer = browser.post(PAY, data=form)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 302:
                return answer
            if answer is not None and answer.status_code == 409:
                # The other payment may have ended while this page was made: then there is nothing to say yes to.
                if beside := _FIELDS["beside"].search(answer.text):
                    form["beside"] = beside[1]
                continue
            if answer is not None and answer.status_code < 500:
                raise Unexpected(f"{answer.status_code} for {form}: {_said(answer.text)}")
            # 503 says that payments are not offered now, and to try again: nobody leaves because of that.
            if (answer is None or answer.status_code != 503) and self.chance.random() < GIVES_UP:
                return None
            time.sleep(PAUSE_S)
        raise Unexpected(f"no answer to {form['client_key']} after {TRIES_MAX} tries")

    def _act_at_the_bank(self, browser: httpx.Client, url: str) -> None:
        ref = url.rstrip("/").rsplit("/", 1)[1]
        card, outcome = drawn(self.chance, NEW_CARDS), drawn(self.chance, AT_THE_BANK)
        for _ in range(3):
            answer = self.bank.pay(ref, card, outcome)
            if answer["payment"]["state"] != "requires_action" or outcome == "abandon":
                break
        if answer["redirect"] is None or self.chance.random() < GIVES_UP:
            return
        self._look(browser, answer["redirect"])

    def _look(self, browser: httpx.Client, location: str) -> None:
        """Follow the payment for a moment; go to the bank if it turns out to wait there."""
        path = _PAYMENT.search(location)
        if path is None:
            raise Unexpected(f"sent to {location}")
        if location.endswith("/return"):
            self._get(browser, location)
        for _ in range(LOOKS_MAX):
            page = self._get(browser, path[0])
            at_bank = re.search(rf'href="({re.escape(self.bank.url)}/[^"]+)"', page.text)
            if at_bank:
                self._act_at_the_bank(browser, at_bank[1])
                return
            if "data-final" in page.text:
                return
            time.sleep(PAUSE_S)

    def _get(self, browser: httpx.Client, path: str) -> httpx.Response:
        for _ in range(TRIES_MAX):
            try:
                answer = browser.get(path)
            except httpx.TransportError:
                time.sleep(PAUSE_S)
                continue
            if answer.status_code in {200, 302}:
                if path == PAY and 'name="client_key"' not in answer.text:
                    time.sleep(PAUSE_S)
                    continue
                return answer
            if answer.status_code < 500:
                raise Unexpected(f"{answer.status_code} for {path}")
            time.sleep(PAUSE_S)
        raise Unexpected(f"{path} did not answer")


def _found(name: str, page: httpx.Response) -> str:
    match = _FIELDS[name].search(page.text)
    if match is None:
        raise Unexpected(f"no {name} on {page.url} ({page.status_code})")
    return match[1]
