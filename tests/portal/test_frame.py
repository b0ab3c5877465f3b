"""What surrounds the pages: words and amounts in both scripts, theme and language, menus, the demo's mailbox."""

import os
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from people import Company, open_one
from raseed.accounts.models import User
from raseed.gateways.port import DeclineCode
from raseed.money import Money
from raseed.payments.states import State
from raseed.payments.wording import DECLINES, card_name
from raseed.portal import navigation
from raseed.portal.templatetags import portal_text

STATIC = Path(portal_text.__file__).parents[1] / "static" / "portal"
TEMPLATES = Path(portal_text.__file__).parents[1] / "templates"
MOMENT = datetime(2026, 11, 23, 15, 2, tzinfo=UTC)


def drawn(source: str, **context: object) -> str:
    return Template("{% load portal_text %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (1_284_500_000, "1,284.50 USD"),
        (-3_100_000, "−3.10 USD"),
        (-3_109_999, "−3.11 USD"),
        (9_999, "0.00 USD"),
    ],
)
def test_an_amount_stands_between_isolates(micros: int, shown: str) -> None:
    assert drawn("{{ m|money }}", m=Money(micros, "USD")) == (
        f'<span class="amount" dir="ltr">\u2066{shown}\u2069</span>'
    )


@pytest.mark.parametrize(
    ("micros", "currency", "shown"),
    [
        (12_345_678, "USD", "12.345678"),
        (12_340_000, "USD", "12.34"),
        (12_000_000, "USD", "12.00"),
        (12_345_600, "USD", "12.3456"),
        (1_234_000_001, "JOD", "1,234.000001"),
        (5_000_000, "JOD", "5.000"),
        (-87_654_322, "USD", "−87.654322"),
    ],
)
def test_a_term_is_shown_to_the_millionth(micros: int, currency: str, shown: str) -> None:
    assert drawn("{{ m|exact }}", m=Money(micros, currency)) == (
        f'<span class="amount" dir="ltr">\u2066{shown}\u2069</span>'
    )


@pytest.mark.parametrize(
    ("zone", "language", "shown"),
    [
        ("Asia/Riyadh", "en", "23 Nov 2026, 18:02 \u2066GMT+3\u2069"),
        ("Asia/Riyadh", "ar", "23 نوفمبر 2026، 18:02 \u2066GMT+3\u2069"),
        ("Asia/Kolkata", "en", "23 Nov 2026, 20:32 \u2066GMT+5:30\u2069"),
        ("America/New_York", "en", "23 Nov 2026, 10:02 \u2066GMT-5\u2069"),
        ("UTC", "en", "23 Nov 2026, 15:02 \u2066GMT\u2069"),
    ],
)
def test_a_time_names_its_zone_and_carries_the_moment(zone: str, language: str, shown: str) -> None:
    with timezone.override(ZoneInfo(zone)), translation.override(language):
        html = drawn("{{ t|when }}", t=MOMENT)

    assert html == (
        f'<time datetime="2026-11-23T15:02:00+00:00" title="2026-11-23 15:02:00 UTC">{shown}</time>'
    )


def test_every_state_and_every_decline_has_its_words() -> None:
    assert set(portal_text.LOOKS) == set(State)
    assert set(DECLINES) == set(DeclineCode)
    for state in State:
        assert str(state.label) in drawn("{% state_badge s %}", s=state.value)


@pytest.mark.parametrize(
    ("brand", "last4", "shown"),
    [
        ("visa", "4242", "Visa •••• 4242"),
        ("amex", "0005", "American Express •••• 0005"),
        ("newcard", "1", "Newcard •••• 1"),
        ("visa", "", "card"),
    ],
)
def test_a_card_is_named_by_brand_and_last_four(brand: str, last4: str, shown: str) -> None:
    assert card_name(brand, last4).replace("\u00a0", " ") == shown


def test_every_icon_is_in_the_sprite() -> None:
    recipe = (Path(__file__).parents[2] / "tools" / "build_assets.py").read_text("utf-8")
    sprite = set(re.findall(r'^    "([a-z0-9-]+)",$', recipe, re.MULTILINE))
    sources = [*TEMPLATES.rglob("*.html"), TEMPLATES.parent / "navigation.py"]
    text = "".join(path.read_text("utf-8") for path in sources)
    used = set(re.findall(r'{% icon "([a-z0-9-]+)"', text))
    used |= {look.icon for look in portal_text.LOOKS.values()}
    used |= {
        place.icon for place in (*navigation.SIDE, *navigation.STAFF_SIDE, *navigation.PERSON) if place.icon
    }

    assert used <= sprite
    assert sprite - used == set()


def test_pages_hold_no_inline_script_or_style() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(
            r"\sstyle=|\son[a-z]+=|<style|<script(?! nonce=\"{{ request.csp_nonce }}\" src=)", text
        ), path
        assert not re.search(r"https?://", text), path


def test_our_styles_mirror_by_themselves() -> None:
    css = (STATIC / "portal.css").read_text("utf-8")

    assert not re.search(
        r"(margin|padding|border)-(left|right)\b|(?<![-\w])(left|right)\s*:|text-align:\s*(left|right)", css
    )


def test_arabic_pages_run_from_right_to_left(admin: Client) -> None:
    admin.post("/preferences/language", {"language": "ar"})

    page = admin.get("/settings/billing/balance").content.decode()

    assert '<html lang="ar" dir="rtl"' in page
    assert "bootstrap.rtl.min.css" in page
    assert "ادفع الآن" in page
    assert "الرصيد المتاح" in page


def test_the_language_stays_with_the_person(admin: Client, company: Company) -> None:
    answer = admin.post(
        "/preferences/language",
        {"language": "ar"},
        headers={"Referer": "http://testserver/settings/billing/invoices?tab=payments"},
    )

    assert answer.headers["Location"] == "/settings/billing/invoices?tab=payments"
    assert User.objects.get(id=company.admin.id).language == "ar"
    admin.post("/preferences/language", {"language": "xx"})
    assert User.objects.get(id=company.admin.id).language == "ar"


@pytest.mark.parametrize(
    "referer", ["https://evil.test/x", "", "http://testserver//evil.test", "javascript:x"]
)
def test_a_choice_leads_back_to_our_pages_only(client: Client, db: None, referer: str) -> None:
    answer = client.post("/preferences/theme", {"theme": "dark"}, headers={"Referer": referer})

    assert answer.headers["Location"] == "/"


def test_the_theme_is_in_the_first_byte_of_the_page(client: Client, db: None) -> None:
    assert "data-bs-theme" not in client.get("/login").content.decode()[:300]
    client.post("/preferences/theme", {"theme": "dark"})
    assert 'data-bs-theme="dark"' in client.get("/login").content.decode()[:300]
    client.post("/preferences/theme", {"theme": "pink"})
    assert 'data-bs-theme="dark"' in client.get("/login").content.decode()[:300]


def test_menus_show_only_what_is_there_and_allowed() -> None:
    every = navigation.links(navigation.SIDE, "portal:pay", lambda _route: True)
    none = navigation.links(navigation.SIDE, "portal:pay", lambda _route: False)
    billing = every[2].children[0].children[1]

    assert [str(one.label) for one in every] == ["Home", "Users", "Settings", "Help", "Demo mailbox"]
    assert (billing.url, billing.current) == ("/settings/billing/balance", True)
    assert none == ()
    assert navigation.tabs("portal:home", lambda _route: True) == ()
    assert [str(one.label) for one in navigation.tabs("portal:pay", lambda _route: True)] == [
        "Balance Details",
        "Billing Details",
        "Invoices & Payments",
    ]


def test_the_help_of_pay_now_is_one_press_away_from_it(admin: Client, company: Company) -> None:
    form = admin.get("/settings/billing/balance/pay").content.decode()

    for address in ("/help/pay-now", "/help/pay-now/faq"):
        assert f'href="{address}"' in form
        assert admin.get(address).status_code == 200


def test_names_of_people_are_never_markup(admin: Client, company: Company) -> None:
    User.objects.filter(id=company.admin.id).update(name="<script>alert(1)</script>")
    open_one(company)

    assert "<script>alert" not in admin.get("/settings/billing/balance").content.decode()


def test_there_is_no_mailbox_outside_the_demo(client: Client, db: None, settings: Settings) -> None:
    settings.MAILBOX_DIR = None
    for address in ("", "/k", "/k/html", "/k/files/0"):
        assert client.get(f"/demo/mailbox{address}").status_code == 404
    assert "/demo/mailbox" not in client.get("/login").content.decode()


@pytest.fixture
def mailbox(tmp_path: Path, settings: Settings, db: None) -> Path:
    settings.MAILBOX_DIR = tmp_path
    message = EmailMessage()
    message["From"], message["To"] = "billing@operator.test", "finance@falcon.test"
    message["Subject"] = "سند قبض RV-2026-000001"
    message.set_content("Thank you. <b>100.00 USD</b>")
    message.add_alternative('<p style="color:red">Thank you</p><script>x</script>', subtype="html")
    message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename='a"/../RV-1.pdf')
    (tmp_path / "one.eml").write_bytes(message.as_bytes())
    old = tmp_path / "zero.eml"
    old.write_bytes(b"Subject: <i>old</i>\n\nold text\n")
    os.utime(old, (1, 1))
    return tmp_path


def test_the_mailbox_lists_the_newest_first_and_shows_a_mail(client: Client, mailbox: Path) -> None:
    listed = client.get("/demo/mailbox").content.decode()
    assert listed.index("سند قبض RV-2026-000001") < listed.index("&lt;i&gt;old&lt;/i&gt;")

    shown = client.get("/demo/mailbox/one").content.decode()
    assert "Thank you. &lt;b&gt;100.00 USD&lt;/b&gt;" in shown
    assert 'sandbox src="/demo/mailbox/one/html"' in shown
    assert "old text" in client.get("/demo/mailbox/zero").content.decode()


@pytest.mark.parametrize(("language", "unit"), [("en", "KB"), ("ar", "كيلوبايت")])
def test_the_size_of_a_mails_file_is_written_as_other_figures(
    client: Client, mailbox: Path, language: str, unit: str
) -> None:
    message = EmailMessage()
    message.add_attachment(b"x" * 1_578_000, maintype="application", subtype="pdf", filename="RV-1.pdf")
    (mailbox / "large.eml").write_bytes(message.as_bytes())
    client.cookies["language"] = language
    shown = client.get("/demo/mailbox/large").content.decode()
    assert f"\u20661,541.0\u2069 {unit}" in shown


def test_a_mails_html_may_do_nothing(client: Client, mailbox: Path) -> None:
    answer = client.get("/demo/mailbox/one/html")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert client.get("/demo/mailbox/zero/html").status_code == 404


def test_a_mails_file_is_saved_under_a_plain_name(client: Client, mailbox: Path) -> None:
    answer = client.get("/demo/mailbox/one/files/0")

    assert answer.content == b"%PDF-1"
    name = re.fullmatch(r'attachment; filename="([\w.\- ]+)"', answer.headers["Content-Disposition"])
    assert name
    assert name[1].endswith("RV-1.pdf")
    for index in ("1", "-1", "x", "²"):
        assert client.get(f"/demo/mailbox/one/files/{index}").status_code == 404


@pytest.mark.parametrize("key", ["nobody", "..", "%2e%2e", ".one", "one.eml", "a" * 200])
def test_a_key_leads_nowhere_else(client: Client, mailbox: Path, key: str) -> None:
    assert client.get(f"/demo/mailbox/{key}").status_code == 404
