"""Output encoding: whatever people and companies are called, it is text, on every page, in every mail, on every paper.

One set of hostile names for all. A page with one must have the same tags and attributes as the page with a plain name;
a mail the same headers and parts; a paper shows the letters and does what none of them says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import psycopg
import pypdfium2
import pytest
from django.apps import apps
from django.db import models
from django.utils import timezone
from psycopg import sql

from conftest import RealDatabase
from doors.places import pages_of, queries
from doors.reading import Page, faults_of, is_html
from doors.rows import Copies
from doors.test_forms import forms_of
from doors.world import World, _paid
from raseed.accounts.access import Role
from raseed.accounts.models import Account, Operator, User
from raseed.documents.issue import file_of, issue_receipt_voucher
from raseed.money import Money
from raseed.notifications import compose, send
from raseed.notifications.compose import Written
from raseed.notifications.mails import mail_receipt
from raseed.notifications.models import Mail

OVERRIDE, ISOLATE = "\u202e", "\u2066"
NAMES = {
    "script": '<script>alert("x")</script><img src=x onerror=alert(1)>',
    "attribute": '" autofocus onfocus="alert(1)" x=\'',
    "closing": "</title></textarea></script><svg onload=alert(1)>",
    "template": "{{777*777}}{% debug %}{# x #}${777*777}%(x)s{0}",
    "typst": '#read("/etc/passwd") $x$ \\ @ref `raw` *b* #panic("x")',
    "headers": "Evil\r\nBcc: victim@evil.test\r\n\r\n<b>body</b>",
    "override": f"abc{OVERRIDE}gpj.exe\u2066\u2069",
    "sql": "'; DROP TABLE accounts_user; -- javascript:alert(1)//https://evil.test",
}
# Fields that hold what people typed, by name, in any model: a new one with such a name is covered at once.
TYPED = frozenset(
    {
        "name", "name_ar", "address", "address_ar", "billing_name", "vat_id", "tax_number", "registration_number",
        "support_contact", "brand", "card_brand", "note", "reason", "detail", "subject", "text", "fault", "bounce_reason",
        "label", "title", "nickname", "description", "device", "user_agent",
    }
)  # fmt: skip
REFUSED_TO_AGENTS = "/settings/billing/balance"


def call_everything(database: RealDatabase, name: str) -> int:
    """Write `name` into every field that people's text is in, as far as it fits; how many fields."""
    count = 0
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for model in apps.get_models():
            for one in model._meta.get_fields():
                if (
                    isinstance(one, models.CharField | models.TextField)
                    and not isinstance(one, models.EmailField)
                    and one.name in TYPED
                    and not one.choices
                ):
                    owner.execute(
                        sql.SQL("UPDATE {} SET {} = %s").format(
                            sql.Identifier(model._meta.db_table), sql.Identifier(one.column)
                        ),
                        [name[: one.max_length or 2000]],
                    )
                    count += 1
    return count


def seen_by_all(world: World) -> Iterator[tuple[str, int, Page | None, list[str]]]:
    """Every page of one account's Admin and Agent and of staff: address, status, page, faults."""
    # All sign in before any page is drawn: the Users page says when somebody did last.
    for who, client in [(who, who.client()) for who in (world.visitors()[n] for n in (1, 3, 7))]:
        for url in (*pages_of(who, world), *([REFUSED_TO_AGENTS] if who.role is Role.AGENT else [])):
            # A file, and a link of one use that is another each time and shows no name.
            if "/voucher" in url or "/profile/email/" in url:
                continue
            answer = client.get(url)
            page = Page(answer.content.decode()) if is_html(answer) else None
            yield f"{who.name} {url}", answer.status_code, page, list(faults_of("", answer))


def _tags(page: Page | None) -> list[tuple[str, tuple[str, ...]]] | None:
    """All tags: in no order, for lists are sorted by names; without ends of lines, for a name may have several."""
    return sorted(one for one in page.skeleton if one[0] != "br") if page else None


@pytest.fixture(scope="session")
def plain() -> dict[str, Any]:
    """The skeletons of the pages with plain names, kept after they were first drawn."""
    return {}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_is_only_text(world: World, copies: Copies, plain: dict[str, Any], name: str) -> None:
    if not plain:
        call_everything(copies.database, "Plain name")
        for where, status, page, _faults in seen_by_all(world):
            plain[where] = (status, _tags(page))
    assert call_everything(copies.database, name) >= 15
    shown = 0
    visible = name.replace("\r\n", "\n")
    for where, status, page, faults in seen_by_all(world):
        assert (status, _tags(page)) == plain[where], where
        assert faults == [], where
        if page is not None:
            shown += visible in page.text.replace("\r\n", "\n")
            loose = [
                text
                for text, around in page.placed
                if OVERRIDE in text
                and not {"bdi", "title", "option", "textarea"} & set(around)
                and ISOLATE not in text.partition(OVERRIDE)[0]
            ]
            assert loose == [], f"{where}: text that can turn round what stands beside it"
    assert shown >= 10, "the name is to be seen on the pages, or nothing is proved"
    _mails_and_papers(world, name)


def _mails_and_papers(world: World, name: str) -> None:
    now = timezone.now()
    payment = _paid(world.a, "Falcon2")
    document = issue_receipt_voucher(world.a.account_id, payment.id, now)
    paper = file_of(world.a.account_id, document.id, now)
    with pypdfium2.PdfDocument(paper.content) as pdf:
        assert len(pdf) == 1
        text = "".join(page.get_textpage().get_text_range() for page in pdf)
    flat = re.sub(r"\s", "", text)
    assert "root:" not in text
    assert OVERRIDE not in text
    for part in re.findall(r"[\w#/{}%*$@`<>=]{4,20}", name):
        assert part in re.sub(r"[\u200b\u2066-\u2069]", "", flat), f"{part} of {name!r} is not on the paper"

    account, operator = Account.objects.get(id=world.a.account_id), Operator.objects.get()
    user = User.objects.get(id=world.a.people[Role.ADMIN].id)
    kept = mail_receipt(world.a.account_id, document.id, now)
    for written in (
        compose.receipt(document.copy, "en", operator),
        compose.service_restored(account, now, operator),
        compose.service_suspended(account, now, Money(-3_100_000, "USD"), operator),
        compose.grace(account, now, Money(0, "USD"), operator),
        compose.invitation(user, account, "https://x.test/link", operator),
        compose.password_reset(user, "https://x.test/link", operator),
    ):
        _inert(_sent(kept, written), name)


def _sent(kept: Mail, written: Written) -> EmailMessage:
    message = send._message(kept, written, ["money@falcon.test"]).message()
    return cast("EmailMessage", message_from_bytes(message.as_bytes(linesep="\r\n"), policy=policy.default))


def _inert(mail: EmailMessage, name: str) -> None:
    assert set(mail.keys()) == {
        "Content-Type", "MIME-Version", "Subject", "From", "To", "Reply-To", "Message-ID", "Date", "Content-Language", "Auto-Submitted",
    }  # fmt: skip
    assert [one.addr_spec for one in mail["From"].addresses] == ["billing@operator.test"]
    assert [one.addr_spec for one in mail["To"].addresses] == ["money@falcon.test"]
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    words, page = text.get_content(), Page(html.get_content())
    assert OVERRIDE not in words + page.text + str(mail["From"]) + str(mail["Subject"])
    assert not {"script", "img", "svg", "b"} & {tag for tag, _names in page.skeleton}
    assert not [given for _tag, names in page.skeleton for given in names if given.startswith("on")]
    # Long enough not to stand by chance in a reference or a time.
    assert str(777 * 777) not in words if "777*777" in name else True


def test_what_no_field_expects_is_refused_or_kept_as_text(world: World, copies: Copies) -> None:
    """Characters that databases and headers stumble over, in every field of every form, and behind every question mark."""
    broken = "a\x00b\r\nBcc: x@evil.test"
    for one in forms_of(world):
        told = dict.fromkeys(one.form.fields.keys() - {"csrfmiddlewaretoken"}, broken)
        assert one.client().post(one.form.action, told).status_code < 500, one.name
    for who in (world.visitors()[n] for n in (0, 1, 7)):
        client = who.client()
        for url in pages_of(who, world):
            for text in (broken, "'; DROP TABLE accounts_user; --" * 30):
                assert client.get(url, dict.fromkeys(queries(), text)).status_code < 500, (
                    f"{url} with {text!r}"
                )
    assert User.objects.exists()
