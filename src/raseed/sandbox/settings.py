"""What the sandbox bank is started with. Every limit it keeps is here, with its unit in its name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from raseed.sandbox.faults import AT_STAGE, Behaviour, Stage

LOCAL_ORIGINS = ("http://localhost:*", "http://127.0.0.1:*")


@dataclass(frozen=True)
class SandboxSettings:
    """Raises ValueError naming the field where a value cannot be used.

    `mix` weighs the behaviours of charges, `mix_open` those of opening a payment without a card, `mix_refund` and
    `mix_webhook` those of refunds and letters; all are drawn by `seed` and our reference, so that a run can be
    repeated. An empty mix means that all goes well.
    `unique_references` False lets one reference be charged under two keys, as most real gateways do.
    """

    data_dir: Path
    webhook_url: str
    secret_key: str
    webhook_secret: str
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    public_url: str = ""
    return_origins: tuple[str, ...] = LOCAL_ORIGINS
    merchant_name: str = "Raseed demo"
    merchant_name_ar: str = "رصيد التجريبي"
    mix: Mapping[Behaviour, int] = field(default_factory=dict)
    mix_open: Mapping[Behaviour, int] = field(default_factory=dict)
    mix_refund: Mapping[Behaviour, int] = field(default_factory=dict)
    mix_webhook: Mapping[Behaviour, int] = field(default_factory=dict)
    unique_references: bool = True
    hang_s: float = 30.0
    late_s: float = 4.0
    refund_s: float = 0.2
    dispute_s: float = 2.0
    list_lag_s: float = 4.0
    busy_s: int = 2
    key_horizon_s: float = 86_400.0
    key_horizon_short_s: float = 5.0
    webhook_timeout_s: float = 5.0
    webhook_backoff_s: float = 0.5
    webhook_backoff_s_max: float = 60.0
    webhook_attempts_max: int = 12
    webhook_drop_percent: int = 0
    webhook_late_s: float = 2.0

    @property
    def mixes(self) -> Mapping[Stage, Mapping[Behaviour, int]]:
        """The weights of each step."""
        return {
            Stage.CHARGE: self.mix,
            Stage.OPEN: self.mix_open,
            Stage.REFUND: self.mix_refund,
            Stage.WEBHOOK: self.mix_webhook,
        }

    def __post_init__(self) -> None:
        """Refuse what would make the bank unsafe or untrue."""
        if not self.secret_key:
            raise ValueError("secret_key is empty: set SANDBOX_SECRET_KEY")
        if not self.webhook_secret:
            raise ValueError("webhook_secret is empty: set SANDBOX_WEBHOOK_SECRET")
        if not ipaddress.ip_address(self.host).is_loopback:
            raise ValueError(f"host must be a loopback address, not {self.host}: this bank is for tests only")
        if urlsplit(self.webhook_url).scheme not in {"http", "https"}:
            raise ValueError(f"webhook_url must begin with http:// or https://, not {self.webhook_url!r}")
        if not self.return_origins:
            raise ValueError("return_origins is empty: name where customers may be sent back to")
        if not 0 <= self.webhook_drop_percent <= 100:
            raise ValueError("webhook_drop_percent must be 0 to 100")
        for stage, weights in self.mixes.items():
            if not weights.keys() <= AT_STAGE[stage]:
                raise ValueError(f"the mix of {stage} may name only {', '.join(sorted(AT_STAGE[stage]))}")
            if any(weight < 0 for weight in weights.values()) or (weights and not sum(weights.values())):
                raise ValueError("weights of a mix must not be negative, nor all zero")


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of an absolute http(s) URL, else ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("an absolute http or https URL without credentials is needed")
    port = "" if parts.port is None else f":{parts.port}"  # reading it is what checks it
    return f"{parts.scheme}://{parts.hostname}{port}"


def origin_allowed(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether `url` leads to one of the origins; an allowed origin may end in `:*`, any port."""
    try:
        origin = origin_of(url)
        bare = f"{urlsplit(url).scheme}://{urlsplit(url).hostname}"
    except ValueError:
        return False
    return any(origin == one or (one.endswith(":*") and bare == one[:-2]) for one in allowed)
