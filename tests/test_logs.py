"""The search for what no log may hold finds each kind when it is planted, and the product's filter takes tokens out."""

import logging
from pathlib import Path

import pytest

from logs import leaks, leaks_of
from people import NOON, make_user
from raseed.accounts import links
from raseed.config.logs import WithoutTokens

LINE = "2026-11-24 18:25:13,640 WARNING raseed.x payment=01a20ec8-84c0-74a6-9a3e-14bf54ef3775 ip=192.0.2.1"
SESSION = "k3x0f1z5n9q2b7c8d4e6a1s3w5r7t9y0"


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("card=4242424242424242", ["the card number •••• 4242", "the card number •••• 4242, in groups"]),
        ("card=4242 4242 4242 4242", ["the card number •••• 4242, in groups"]),
        ("card=3782-822463-10005", ["the card number •••• 0005, in groups"]),
        ('{"cvc": "737"}', ["a CVC"]),
        ("cvv=737&x", ["a CVC"]),
        (f"sessionid={SESSION}", ["a secret that ends in t9y0"]),
        ("card=4242424242424241", []),
        ("tax number 300000000000003", []),
        ("cvc_declined after 300 ms", []),
        ("", []),
    ],
)
def test_what_is_planted_is_found(planted: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(f"{LINE}\n{LINE}\n")
    (tmp_path / "portal.log").write_text(f"{LINE}\n{LINE} {planted}\n{LINE}\n")
    assert leaks_of(tmp_path, [SESSION, ""]) == [f"portal.log: {one}" for one in found]


def test_a_link_is_found_and_the_filter_takes_its_token_out(db: None) -> None:
    user = make_user("lina@x.test")
    for url in (links.make(user, NOON).url, links.make_email_change(user, "lina@new.test", NOON).url):
        path = url.removeprefix("http://localhost:8000")
        record = logging.LogRecord("django.request", logging.WARNING, "x", 1, "%s: %s", ("Gone", path), None)
        assert leaks(record.getMessage()) == ["the token of a link"]
        assert WithoutTokens().filter(record)
        assert leaks(record.getMessage()) == []
        assert record.getMessage() == f"Gone: {path.rpartition('/')[0]}/…"
    other = logging.LogRecord("x", logging.INFO, "x", 1, "%s and %d", ("as it was", 7), None)
    assert WithoutTokens().filter(other)
    assert (other.getMessage(), other.args) == ("as it was and 7", ("as it was", 7))
