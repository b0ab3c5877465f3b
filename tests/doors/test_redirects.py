"""Nobody is led away: whatever is given as the next page, as the page before, or as our own host."""

import re
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client, RequestFactory
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from bank import RunningBank
from doors.reading import Page
from doors.world import World
from people import PASSWORD
from raseed.accounts import links
from raseed.accounts.access import Role
from raseed.accounts.origin import client_ip

HERE = "http://testserver"
AWAY = [
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r/evil.test",
    "/\x00/evil.test",
    "\t//evil.test",
    " //evil.test",
    "https:evil.test",
    "https:/evil.test",
    "https://evil.test",
    "http:///evil.test",
    "HTTPS://EVIL.TEST",
    "//evil.test\\@testserver",
    "//testserver@evil.test",
    "https://testserver.evil.test/",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "evil.test",
    "../evil.test",
    "/%5cevil.test/..//evil.test",
    "/x\r\nLocation: https://evil.test",
    "/x\r\nSet-Cookie: sessionid=stolen",
    "%2f%2fevil.test",
    "%5c%5cevil.test",
    "/%0d%0aLocation:%20https://evil.test",
    "/\u2028/evil.test",
    "//\u3002evil.test",
    "/.//evil.test",
    "/..//evil.test",
    "?next=//evil.test",
    "#//evil.test",
    "@evil.test",
]
# Pieces of which most tricks are made.
PIECES = [
    "/",
    "\\",
    "//",
    "evil.test",
    "@",
    ":",
    "https:",
    "http://",
    "javascript:",
    "\t",
    "\n",
    "\r",
    "%2f",
    "%5c",
    ".",
]


def stays(location: str) -> bool:
    """Whether a browser that follows `location` is still here: read as the WHATWG's URL standard reads it."""
    assert not re.search(r"[\r\n\x00]", location), location
    plain = re.sub(r"[\t\r\n]", "", location).strip("".join(map(chr, range(0x21)))).replace("\\", "/")
    target = urlsplit(urljoin(f"{HERE}/login", plain))
    return (target.scheme, target.netloc) == ("http", "testserver")


def test_the_judge_sees_who_is_led_away() -> None:
    for location in (
        "//evil.test",
        "/\\evil.test",
        "https://evil.test",
        "/\t/evil.test",
        "javascript:x",
        "\\\\evil.test",
    ):
        assert not stays(location)
    assert stays("/home")
    assert stays("/settings/billing/invoices?tab=payments")


@pytest.fixture
def admin(world: World) -> Client:
    return world.visitors()[1].client()


def led_to(client: Client, text: str) -> list[str]:
    """Where every door leads that is told by its visitor where to go on."""
    answers = [
        client.get(f"/login?next={quote(text)}"),
        client.get("/login", {"next": text}),
        client.post(
            "/preferences/theme", {"theme": "dark", "next": text}, headers={"Referer": _header(text)}
        ),
        client.post("/preferences/language", headers={"Referer": _header(HERE + text)}),
    ]
    asked = Client().get(
        "/settings/billing/balance/pay", headers={"HX-Request": "true", "HX-Current-URL": _header(text)}
    )
    before = urlsplit(asked.headers["HX-Redirect"])
    assert (before.netloc, before.path) == ("", "/login")
    return [one.headers["Location"] for one in answers]


def _header(text: str) -> str:
    """As far as a header can carry it."""
    return re.sub(r"[\x00-\x08\x0a-\x1f]", "", text).encode("utf-8").decode("latin-1")


def test_no_next_page_leads_away(admin: Client) -> None:
    for text in AWAY:
        for location in led_to(admin, text):
            assert stays(location), f"{text!r} led to {location!r}"


def test_made_up_next_pages_do_not_either(admin: Client) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        derandomize=True,
    )
    @given(
        st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), min_size=1, max_size=6).map("".join)
    )
    def try_one(text: str) -> None:
        location = admin.get("/login", {"next": text}).headers["Location"]
        assert stays(location), f"{text!r} led to {location!r}"

    try_one()


def test_the_sign_in_itself_leads_only_here(world: World) -> None:
    user = world.a.people[Role.ADMIN]
    for text, location in (
        ("//evil.test", "/settings/billing/balance"),
        ("/x\r\nSet-Cookie: a=b", "/settings/billing/balance"),
        ("/settings/billing/invoices?tab=payments", "/settings/billing/invoices?tab=payments"),
    ):
        answer = Client().post("/login", {"username": user.email, "password": PASSWORD, "next": text})
        assert answer.status_code == 302
        assert stays(answer.headers["Location"])
        assert answer.headers["Location"] == location or "evil" not in answer.headers["Location"]


def test_a_forged_host_is_in_no_link(world: World, tmp_path: Path, settings: Settings) -> None:
    # As if the list of hosts were left open: what leads back to us is made from PUBLIC_URL all the same.
    settings.ALLOWED_HOSTS = ["*"]
    forged = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Server": "evil.test"}
    assert links.make(world.a.waiting, timezone.now()).url.startswith(django_settings.PUBLIC_URL)
    admin = world.visitors()[1].client()
    with RunningBank(tmp_path / "bank", webhook_attempts_max=1) as bank:
        settings.SANDBOX_URL = bank.url
        (form,) = (
            one
            for one in Page(admin.get("/settings/billing/balance/pay").content.decode()).forms
            if "client_key" in one.fields
        )
        told = {"amount": "100", "method": "new", "beside": world.a.secrets["open"]}
        wanted = {"return_url": "https://evil.test/", "next": "https://evil.test/"}
        answer = admin.post(form.action, form.fields | told | wanted, headers=forged)
        assert answer.headers["Location"].startswith(f"{bank.url}/pay/")
        assert "evil.test" not in str(bank.dump())
    page = Client().get("/login", headers=forged).content.decode()
    assert "evil.test" not in page


def test_the_clients_word_on_its_own_address_counts_only_as_far_as_our_proxies_wrote_it(
    settings: Settings, rf: RequestFactory
) -> None:
    claimed = "6.6.6.6, 203.0.113.7, 10.0.0.2"
    for proxies, believed in (
        (0, "127.0.0.1"),
        (1, "10.0.0.2"),
        (2, "203.0.113.7"),
        (3, "6.6.6.6"),
        (4, "127.0.0.1"),
    ):
        settings.PROXIES_IN_FRONT = proxies
        request = rf.get(
            "/", headers={"X-Forwarded-For": claimed, "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
        )
        assert client_ip(request) == believed, proxies
    settings.PROXIES_IN_FRONT = 1
    assert client_ip(rf.get("/", headers={"X-Forwarded-For": "not an address\r\n"})) is None
