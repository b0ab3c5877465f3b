"""No log of the running product holds a card number, a CVC, a session's id, a password, a key or the token of a link.

One person does, over plain HTTP, all in which such things are sent; what other tests do is looked through at the end of
the run (`whole.py`).
"""

import re
from base64 import b32decode

import httpx
from django.utils import timezone

from factors import code_at
from faults.admin import Admin
from logs import leaks_of
from people import PASSWORD
from raseed.payments.states import State
from whole import Whole, wait

CARD, CVC = "5555555555554444", "737"
WRONG, NEW = "not my password 7391", "a brand new long password 4711"


def page(browser: httpx.Client, path: str) -> tuple[str, dict[str, str]]:
    """The page as it is drawn, and its hidden fields."""
    text = browser.get(path, follow_redirects=True).text
    return text, dict(re.findall(r'name="(csrfmiddlewaretoken|secret)" value="([^"]+)"', text))


def send(browser: httpx.Client, path: str, **typed: str) -> httpx.Response:
    return browser.post(path, data=page(browser, path)[1] | typed)


def link_for(whole: Whole, address: str, start: str) -> str:
    """The path of the link in the mail that has come, or comes, to an address."""

    def found() -> list[str]:
        texts = [mail.get_body(("plain",)).get_content() for mail in whole.mails(address)]
        return re.findall(rf"{whole.portal}({start}/\S+)", "\n".join(texts))

    wait(found, f"a link to {start}")
    return found()[-1]


def test_no_log_holds_what_nobody_may_read(whole: Whole) -> None:
    admin = Admin(whole)
    email, secrets = admin.company.admin.email, {WRONG, PASSWORD, NEW, CARD}
    with httpx.Client(base_url=whole.portal, timeout=30, trust_env=False) as browser:

        def note_session() -> None:
            secrets.update(one.value or "" for one in browser.cookies.jar if one.name == "sessionid")

        assert send(browser, "/login", username=email, password=WRONG).status_code == 401
        assert send(browser, "/login", username=email, password=PASSWORD).status_code == 302
        note_session()

        # A card is typed on the bank's page, and the browser comes back from there.
        payment = admin.pay()
        done = whole.bank.pay(payment.gateway_ref, CARD, cvc=CVC)
        browser.get(done["redirect"])
        wait(lambda: admin.payment().state == State.SUCCEEDED, "the payment")

        text, hidden = page(browser, "/profile/security/app")
        shown = re.search(r'class="secret"[^>]*>([A-Z2-7-]+)<', text)
        assert shown
        code = code_at(b32decode(shown[1].replace("-", "")), timezone.now())
        answer = browser.post("/profile/security/app", data=hidden | {"code": code})
        codes = re.findall(r"<code[^>]*>([0-9A-Z-]{10,})</code>", answer.text)
        assert len(codes) == 10
        secrets.update([shown[1], shown[1].replace("-", ""), hidden["secret"], *codes])
        note_session()

        # A link that still works is refused, as to a program that looks at mail; then it is used, and used again.
        assert send(browser, "/profile/email", email=f"new-{email}").status_code == 302
        asked = link_for(whole, f"new-{email}", "/profile/email")
        assert send(browser, "/password/reset", email=email).status_code == 302
        reset = link_for(whole, email, "/password/set")
        for link in (asked, reset):
            secrets.add(link.rpartition("/")[2])
            assert browser.head(link).status_code == 405
            assert browser.post(link).status_code == 403
        form_at = browser.get(reset).headers["Location"]
        note_session()
        assert send(browser, form_at, new_password1=NEW, new_password2=NEW).status_code == 302
        assert browser.get(reset).status_code == 410
        note_session()
    admin.leave()

    assert leaks_of(whole.directory, {*secrets, *whole.secrets()} - {""}) == []
    # It was these logs in which all of that could have been.
    log = (whole.directory / "portal.log").read_text("utf-8", "replace")
    for said in (
        "sign_in_refused",
        "(HEAD): /password/set/",
        "(HEAD): /profile/email/…",
        "Gone: /password/set/",
    ):
        assert said in log, said
