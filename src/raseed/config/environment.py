"""What the environment says, read once and checked at the start.

In production nothing has a default that matters: what is missing or unsafe is named, all of it at once, and the
process ends with exit code 1. The demo and the tests fill in what their own supervisor has just made.
"""

import os
import sys
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRET_LENGTH_MIN = 40
# Where Stripe's pages stand: the card page, and the way to a bank's 3-D Secure page.
STRIPE_PAGES = ("https://checkout.stripe.com", "https://hooks.stripe.com")
# Where Stripe's script for a card form within our own page comes from.
STRIPE_JS = "https://js.stripe.com"
# Where Moyasar's pages stand: the page of an invoice, and the way to a bank's 3-D Secure page.
MOYASAR_PAGES = ("https://checkout.moyasar.com", "https://api.moyasar.com")
_GATEWAY_NEEDS = {
    "sandbox": ("sandbox_url", "sandbox_secret_key", "sandbox_webhook_secret"),
    "stripe": ("stripe_secret_key", "stripe_webhook_secret"),
    "moyasar": ("moyasar_secret_key", "moyasar_webhook_secret"),
}
_NOT_FRAMED = {"stripe": "Stripe", "moyasar": "Moyasar"}
PROJECT_DIR = Path(__file__).resolve().parents[3]


class Mode(StrEnum):
    """Where this installation stands. Only production refuses unsafe settings."""

    PRODUCTION = "production"
    DEMO = "demo"
    TEST = "test"


_STAND_INS: dict[str, str] = {
    "DATABASE_URL": "postgresql://raseed_app@127.0.0.1:1/raseed",
    "SECRET_KEY": "not-a-secret-this-installation-holds-no-real-money",
    "FACTOR_KEYS": "not-a-key-this-installation-protects-no-real-person",
    "STAFF_SECOND_FACTOR": "optional",
    "PUBLIC_URL": "http://localhost:8000",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
    "SMTP_URL": "smtp://127.0.0.1:1",
    "GATEWAY": "sandbox",
    "WEBHOOK_NETWORKS": "127.0.0.0/8,::1/128",
    "SANDBOX_URL": "http://127.0.0.1:1",
    "SANDBOX_SECRET_KEY": "sandbox-secret-key-for-demo-and-tests-only",
    "SANDBOX_WEBHOOK_SECRET": "sandbox-webhook-secret-for-demo-and-tests-only",
    # Who tries the test cards, or makes thousands of payments for a measurement, is not a card tester.
    "CARD_LIMITS": "failures=1000000,new_cards=1000000,payments=1000000,place_failures=1000000,accounts=1000000,"
    "puzzle_after=1000000,alarm_attempts=1000000",
}

# How often cards may be tried; what each bounds stands in docs/operators/configure.md. An operator may lower them.
CARD_LIMITS: dict[str, int] = {
    "failures": 5,
    "new_cards": 3,
    "payments": 10,
    "place_failures": 10,
    "accounts": 3,
    "puzzle_after": 3,
    "puzzle_bits": 17,
    "alarm_attempts": 50,
    "alarm_percent": 20,
}


class Environment(BaseSettings):
    """Every setting, by the name of its environment variable (docs/operators/configure.md explains each)."""

    model_config = SettingsConfigDict(extra="ignore", env_prefix="", case_sensitive=False)

    raseed_env: Mode = Mode.PRODUCTION
    database_url: str
    database_owner_url: str = ""
    database_pool_max: Annotated[int, Field(ge=1, le=100)] = 12
    secret_key: str
    factor_keys: Annotated[tuple[str, ...], NoDecode, Field(min_length=1)]
    staff_second_factor: Annotated[str, Field(pattern="^(required|optional)$")] = "required"
    public_url: str
    allowed_hosts: Annotated[tuple[str, ...], NoDecode]
    proxies_in_front: Annotated[int, Field(ge=0, le=10)] = 0
    smtp_url: str
    gateway: str
    gateway_timeout_s: Annotated[float, Field(gt=0, le=60)] = 8.0
    gateway_requests_per_s: Annotated[int, Field(ge=2, le=10_000)] = 80
    gateway_waits_max: Annotated[int, Field(ge=1, le=64)] = 4
    sandbox_url: str = ""
    sandbox_public_url: str = ""
    sandbox_secret_key: str = ""
    sandbox_webhook_secret: str = ""
    sandbox_webhook_secret_before: str = ""
    stripe_secret_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_webhook_secret_before: str = ""
    stripe_api_base: str = ""
    stripe_page: Annotated[str, Field(pattern="^(checkout|element)$")] = "checkout"
    stripe_publishable_key: str = ""
    stripe_js_origin: str = STRIPE_JS
    stripe_page_origins: Annotated[tuple[str, ...], NoDecode] = STRIPE_PAGES
    moyasar_secret_key: str = ""
    moyasar_webhook_secret: str = ""
    moyasar_webhook_secret_before: str = ""
    moyasar_api_base: str = ""
    moyasar_page_origins: Annotated[tuple[str, ...], NoDecode] = MOYASAR_PAGES
    webhook_tolerance_s: Annotated[float, Field(ge=30, le=3600)] = 300.0
    webhooks_at_once: Annotated[int, Field(ge=1, le=8)] = 3
    webhook_networks: Annotated[tuple[str, ...], NoDecode] = ()
    api_requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1200
    card_page: Annotated[str, Field(pattern="^(redirect|iframe)$")] = "redirect"
    card_limits: Annotated[dict[str, int], NoDecode, Field(default_factory=dict)]
    static_dir: Path = PROJECT_DIR / "build" / "static"
    fonts_dir: Path = PROJECT_DIR / "build" / "fonts"
    mailbox_dir: Path | None = None
    failpoints: str = ""

    @field_validator("webhook_networks")
    @classmethod
    def _readable_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    @field_validator(
        "allowed_hosts",
        "factor_keys",
        "webhook_networks",
        "stripe_page_origins",
        "moyasar_page_origins",
        mode="before",
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("card_limits", mode="before")
    @classmethod
    def _read_limits(cls, value: object) -> object:
        """`failures=3,new_cards=2`: what is not named keeps its default."""
        if not isinstance(value, str):
            return value
        bounds = dict(CARD_LIMITS)
        for part in filter(None, (one.strip() for one in value.split(","))):
            name, _, number = part.partition("=")
            if name.strip() not in CARD_LIMITS or not number.strip().isdecimal() or int(number) == 0:
                raise ValueError(f"{part!r} is not like failures=3; known: {', '.join(CARD_LIMITS)}")
            bounds[name.strip()] = int(number)
        if not 1 <= bounds["puzzle_bits"] <= 24 or bounds["alarm_percent"] > 100:
            raise ValueError("puzzle_bits must be 1 to 24 and alarm_percent at most 100")
        return bounds

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _readable_database(cls, value: str) -> str:
        if value:
            database_settings(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _absolute_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
            raise ValueError(
                "must be the address of the portal without a path, as https://billing.example.com"
            )
        return value.rstrip("/")

    @model_validator(mode="after")
    def _safe_in_production(self) -> "Environment":
        if self.raseed_env is not Mode.PRODUCTION:
            return self
        unsafe = [
            (self.failpoints == "1", "FAILPOINTS", "kill points are for tests; unset it"),
            (
                len(self.secret_key) < SECRET_LENGTH_MIN,
                "SECRET_KEY",
                f"needs at least {SECRET_LENGTH_MIN} characters",
            ),
            (self.secret_key in _STAND_INS.values(), "SECRET_KEY", "is the public one of the demo"),
            (
                any(len(key) < SECRET_LENGTH_MIN for key in self.factor_keys),
                "FACTOR_KEYS",
                f"each needs at least {SECRET_LENGTH_MIN} characters",
            ),
            (_STAND_INS["FACTOR_KEYS"] in self.factor_keys, "FACTOR_KEYS", "is the public one of the demo"),
            (self.secret_key in self.factor_keys, "FACTOR_KEYS", "must be another than SECRET_KEY"),
            (
                self.staff_second_factor != "required",
                "STAFF_SECOND_FACTOR",
                "staff need a second factor; optional is for the demo",
            ),
            (not self.public_url.startswith("https://"), "PUBLIC_URL", "must begin with https://"),
            ("*" in self.allowed_hosts, "ALLOWED_HOSTS", "must name the hosts, not *"),
            (not self.allowed_hosts, "ALLOWED_HOSTS", "must name at least one host"),
            (
                any(_is_this_machine(text) for text in self.webhook_networks),
                "WEBHOOK_NETWORKS",
                "must not reach this machine itself or link-local addresses",
            ),
            (self.mailbox_dir is not None, "MAILBOX_DIR", "shows everybody's mail; it is for the demo"),
            (
                any(
                    self.card_limits.get(name, 0) > most
                    for name, most in CARD_LIMITS.items()
                    if name != "puzzle_bits"
                ),
                "CARD_LIMITS",
                "may be lowered and not raised",
            ),
            (
                self.gateway == "sandbox",
                "GATEWAY",
                "the sandbox bank moves no real money; name a real gateway",
            ),
            (
                bool(self.stripe_secret_key)
                and not self.stripe_secret_key.startswith(("sk_live_", "rk_live_")),
                "STRIPE_SECRET_KEY",
                "is no live key: it must begin with sk_live_ or rk_live_",
            ),
            (
                bool(self.stripe_publishable_key) and not self.stripe_publishable_key.startswith("pk_live_"),
                "STRIPE_PUBLISHABLE_KEY",
                "is no live key: it must begin with pk_live_",
            ),
            (bool(self.stripe_api_base), "STRIPE_API_BASE", "is for tests; unset it to speak to Stripe"),
            (
                bool(self.moyasar_secret_key) and not self.moyasar_secret_key.startswith("sk_live_"),
                "MOYASAR_SECRET_KEY",
                "is no live key: it must begin with sk_live_",
            ),
            (bool(self.moyasar_api_base), "MOYASAR_API_BASE", "is for tests; unset it to speak to Moyasar"),
        ]
        found = [f"{name}: {why}" for is_unsafe, name, why in unsafe if is_unsafe]
        if found:
            raise ValueError("; ".join(found))
        return self

    @model_validator(mode="after")
    def _whole_gateway(self) -> "Environment":
        needs = _GATEWAY_NEEDS.get(self.gateway)
        if needs is None:
            known = ", ".join(sorted(_GATEWAY_NEEDS))
            raise ValueError(f"GATEWAY: {self.gateway!r} is not known; this version knows: {known}")
        if self.gateway == "stripe" and self.stripe_page == "element":
            needs = (*needs, "stripe_publishable_key")
        missing = [name for name in needs if not getattr(self, name).strip()]
        before = f"{self.gateway}_webhook_secret_before"
        if getattr(self, before) and not getattr(self, before).strip():
            missing.append(before)
        if missing:
            raise ValueError("; ".join(f"{name.upper()}: is missing or empty" for name in missing))
        if self.stripe_js_origin != STRIPE_JS and self.raseed_env is not Mode.TEST:
            # Whoever serves this script reads the cards.
            raise ValueError(
                f"STRIPE_JS_ORIGIN: is for tests; unset it to load Stripe's script from {STRIPE_JS}"
            )
        if self.gateway in _NOT_FRAMED and self.card_page == "iframe":
            owner = _NOT_FRAMED[self.gateway]
            raise ValueError(f"CARD_PAGE: {owner}'s card page cannot stand in a frame; leave it at redirect")
        return self


def _is_this_machine(text: str) -> bool:
    """Whether the network holds loopback or link-local addresses: databases, and the metadata of clouds, listen there."""
    network = ip_network(text)
    inside = ("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "::1/128", "fe80::/10")
    return any(network.version == one.version and network.overlaps(one) for one in map(ip_network, inside))


def load() -> Environment:
    """Read the environment, or name every fault on stderr and exit with 1."""
    mode = os.environ.get("RASEED_ENV", Mode.PRODUCTION)
    stand_ins: dict[str, Any] = {}
    if mode in {Mode.DEMO, Mode.TEST}:
        stand_ins = {name.lower(): value for name, value in _STAND_INS.items() if name not in os.environ}
    try:
        return Environment(**stand_ins)
    except ValidationError as error:
        print("Raseed cannot start; the settings are not complete and safe:", file=sys.stderr)
        for fault in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in fault["loc"]).upper()
            text = fault["msg"].removeprefix("Value error, ")
            print(f"  {name + ': ' if name else ''}{text}", file=sys.stderr)
        raise SystemExit(1) from None


def database_settings(url: str) -> dict[str, Any]:
    """A libpq URL as Django's database settings. Raises ValueError if it is not one or names no role."""
    try:
        parts = conninfo_to_dict(url)
    except Exception as error:
        raise ValueError("must be a URL like postgresql://role:password@host/database") from error
    if not parts.get("user") or not parts.get("dbname"):
        raise ValueError("must name the role and the database: postgresql://role:password@host/database")
    known = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
    settings: dict[str, Any] = {"ENGINE": "raseed.db.backend"}
    settings |= {django: str(parts.get(libpq) or "") for libpq, django in known.items()}
    settings["OPTIONS"] = {name: value for name, value in parts.items() if name not in known}
    return settings
