"""Production starts with settings that are whole and safe, or not at all."""

import os
import subprocess
import sys

import pytest

SAFE = {
    "RASEED_ENV": "production",
    "DATABASE_URL": "postgresql://raseed_app:secret@db.example/raseed",
    "SECRET_KEY": "x" * 50,
    "FACTOR_KEYS": "y" * 50,
    "PUBLIC_URL": "https://billing.example.com",
    "ALLOWED_HOSTS": "billing.example.com",
    "SMTP_URL": "smtp+starttls://user:secret@mail.example:587",
    "GATEWAY": "sandbox",
    "SANDBOX_URL": "https://bank.example",
    "SANDBOX_SECRET_KEY": "key",
    "SANDBOX_WEBHOOK_SECRET": "secret",
}

LIVE: dict[str, str | None] = {
    "GATEWAY": "stripe",
    "STRIPE_SECRET_KEY": "rk_live_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "SANDBOX_URL": None,
    "SANDBOX_SECRET_KEY": None,
    "SANDBOX_WEBHOOK_SECRET": None,
}

MOYASAR: dict[str, str | None] = LIVE | {
    "GATEWAY": "moyasar",
    "MOYASAR_SECRET_KEY": "sk_live_1",
    "MOYASAR_WEBHOOK_SECRET": "a-secret-of-our-own",
    "STRIPE_SECRET_KEY": None,
    "STRIPE_WEBHOOK_SECRET": None,
}


def start(changes: dict[str, str | None]) -> subprocess.CompletedProcess[str]:
    """Start the product with SAFE and changes; None unsets."""
    settings = {name: value for name, value in (SAFE | changes).items() if value is not None}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "raseed.cli", "verify"],
        env=kept | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"DATABASE_URL": None}, "DATABASE_URL: Field required"),
        ({"SECRET_KEY": None}, "SECRET_KEY: Field required"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: needs at least 40 characters"),
        ({"FACTOR_KEYS": None}, "FACTOR_KEYS: Field required"),
        ({"FACTOR_KEYS": "y" * 50 + ",short"}, "FACTOR_KEYS: each needs at least 40 characters"),
        ({"FACTOR_KEYS": "x" * 50}, "FACTOR_KEYS: must be another than SECRET_KEY"),
        ({"STAFF_SECOND_FACTOR": "optional"}, "STAFF_SECOND_FACTOR: staff need a second factor"),
        ({"STAFF_SECOND_FACTOR": "no"}, "STAFF_SECOND_FACTOR"),
        ({"PUBLIC_URL": "http://billing.example.com"}, "PUBLIC_URL: must begin with https://"),
        ({"PUBLIC_URL": "billing.example.com"}, "PUBLIC_URL: must be the address of the portal"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS: must name the hosts"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS: must name at least one host"),
        ({"FAILPOINTS": "1"}, "FAILPOINTS: kill points are for tests"),
        ({"MAILBOX_DIR": "/tmp/mail"}, "MAILBOX_DIR: shows everybody's mail"),
        ({"WEBHOOK_NETWORKS": "10.1.0.0/16,169.254.0.0/16"}, "WEBHOOK_NETWORKS: must not reach this machine"),
        ({"WEBHOOK_NETWORKS": "10.1.2.3/16"}, "WEBHOOK_NETWORKS: 10.1.2.3/16 has host bits set"),
        ({}, "GATEWAY: the sandbox bank moves no real money"),
        (LIVE | {"STRIPE_SECRET_KEY": "sk_test_1"}, "STRIPE_SECRET_KEY: is no live key"),
        (LIVE | {"STRIPE_SECRET_KEY": None}, "STRIPE_SECRET_KEY: is missing or empty"),
        (LIVE | {"STRIPE_WEBHOOK_SECRET": " "}, "STRIPE_WEBHOOK_SECRET: is missing or empty"),
        (LIVE | {"STRIPE_WEBHOOK_SECRET_BEFORE": " "}, "STRIPE_WEBHOOK_SECRET_BEFORE: is missing or empty"),
        (LIVE | {"STRIPE_API_BASE": "http://127.0.0.1:1"}, "STRIPE_API_BASE: is for tests"),
        (
            LIVE | {"STRIPE_PAGE": "element", "STRIPE_JS_ORIGIN": "https://js.evil.test"},
            "STRIPE_PUBLISHABLE_KEY: is missing or empty",
        ),
        (
            LIVE
            | {
                "STRIPE_PAGE": "element",
                "STRIPE_PUBLISHABLE_KEY": "pk_live_1",
                "STRIPE_JS_ORIGIN": "https://js.evil.test",
            },
            "STRIPE_JS_ORIGIN: is for tests; unset it to load Stripe's script from https://js.stripe.com",
        ),
        (LIVE | {"STRIPE_PUBLISHABLE_KEY": "pk_test_1"}, "STRIPE_PUBLISHABLE_KEY: is no live key"),
        (LIVE | {"STRIPE_PAGE": "elements"}, "STRIPE_PAGE: "),
        (LIVE | {"CARD_PAGE": "iframe"}, "CARD_PAGE: Stripe's card page cannot stand in a frame"),
        # Of one start each, since each takes a second: faults are named all at once.
        (
            MOYASAR | {"MOYASAR_SECRET_KEY": "sk_test_1", "MOYASAR_API_BASE": "http://127.0.0.1:1"},
            "MOYASAR_SECRET_KEY: is no live key: it must begin with sk_live_; MOYASAR_API_BASE: is for tests",
        ),
        (
            MOYASAR
            | {
                "MOYASAR_SECRET_KEY": None,
                "MOYASAR_WEBHOOK_SECRET": " ",
                "MOYASAR_WEBHOOK_SECRET_BEFORE": " ",
            },
            "MOYASAR_WEBHOOK_SECRET: is missing or empty; MOYASAR_WEBHOOK_SECRET_BEFORE: is missing or empty",
        ),
        (MOYASAR | {"CARD_PAGE": "iframe"}, "CARD_PAGE: Moyasar's card page cannot stand in a frame"),
        ({"GATEWAY": "nobody"}, "GATEWAY: 'nobody' is not known"),
        ({"SANDBOX_WEBHOOK_SECRET": "", "RASEED_ENV": "demo"}, "SANDBOX_WEBHOOK_SECRET: is missing or empty"),
        (
            {"SANDBOX_WEBHOOK_SECRET": "  ", "RASEED_ENV": "demo"},
            "SANDBOX_WEBHOOK_SECRET: is missing or empty",
        ),
        (
            {"SANDBOX_WEBHOOK_SECRET_BEFORE": " ", "RASEED_ENV": "demo"},
            "SANDBOX_WEBHOOK_SECRET_BEFORE: is missing",
        ),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL: must be a URL"),
        ({"GATEWAY_TIMEOUT_S": "0"}, "GATEWAY_TIMEOUT_S"),
    ],
)
def test_a_missing_or_unsafe_setting_is_named_and_nothing_starts(
    changes: dict[str, str | None], named: str
) -> None:
    done = start(changes)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_all_faults_are_named_at_once() -> None:
    done = start({"SECRET_KEY": "short", "ALLOWED_HOSTS": "*"})
    assert done.returncode == 1
    assert "SECRET_KEY" in done.stderr
    assert "ALLOWED_HOSTS" in done.stderr


def test_no_secret_is_printed() -> None:
    done = start({"SECRET_KEY": "hunter2-hunter2"})
    assert "hunter2" not in done.stderr


def test_production_starts_with_stripe_alone() -> None:
    assert "the settings are not complete" not in start(LIVE).stderr


@pytest.mark.parametrize(
    ("live", "printed"),
    [
        (LIVE, "['https://checkout.stripe.com', 'https://hooks.stripe.com'] stripe"),
        (MOYASAR, "['https://checkout.moyasar.com', 'https://api.moyasar.com'] moyasar"),
    ],
    ids=["stripe", "moyasar"],
)
def test_the_pages_may_send_the_browser_to_the_gateway_and_to_nobody_else(
    live: dict[str, str | None], printed: str
) -> None:
    given = {name: value for name, value in (SAFE | live).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", "from raseed.config import settings as s; print(s.BANK_ORIGINS, s.GATEWAY)"],
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == printed, done.stderr
