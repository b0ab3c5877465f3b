"""`python -m raseed.sandbox`: the bank by itself. Secrets come from the environment, never from flags."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from raseed.sandbox.faults import parse_mix
from raseed.sandbox.server import run
from raseed.sandbox.settings import LOCAL_ORIGINS, SandboxSettings


def main(arguments: list[str]) -> int:
    """Parse, check and serve; exit code 2 with one sentence for what cannot be used."""
    parser = argparse.ArgumentParser(
        prog="raseed.sandbox",
        description="A bank that does not exist. Needs SANDBOX_SECRET_KEY and SANDBOX_WEBHOOK_SECRET.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one and prints it")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the book is kept")
    parser.add_argument("--webhook-url", required=True, help="where events are posted")
    parser.add_argument("--seed", type=int, default=0, help="deals the behaviours of --mix")
    parser.add_argument("--mix", default="", help="weights of charges, e.g. G1=70,G5=10,G9=20")
    parser.add_argument("--mix-open", default="", help="weights of opening a payment without a card")
    parser.add_argument("--mix-refund", default="", help="weights of refunds, e.g. G1=90,G16=10")
    parser.add_argument("--mix-webhook", default="", help="weights of letters, e.g. G1=90,G18-twice=10")
    parser.add_argument(
        "--return-origin", action="append", default=[], help="may be repeated; :* is any port"
    )
    parser.add_argument("--public-url", default="", help="origin of the pages, where it is not host:port")
    parser.add_argument("--merchant-name", default=SandboxSettings.merchant_name)
    parser.add_argument("--merchant-name-ar", default=SandboxSettings.merchant_name_ar)
    parser.add_argument("--hang-s", type=float, default=SandboxSettings.hang_s)
    parser.add_argument("--late-s", type=float, default=SandboxSettings.late_s)
    parser.add_argument("--refund-s", type=float, default=SandboxSettings.refund_s)
    parser.add_argument("--dispute-s", type=float, default=SandboxSettings.dispute_s)
    parser.add_argument("--list-lag-s", type=float, default=SandboxSettings.list_lag_s)
    parser.add_argument("--busy-s", type=int, default=SandboxSettings.busy_s, help="Retry-After of G11")
    parser.add_argument("--key-horizon-s", type=float, default=SandboxSettings.key_horizon_s)
    parser.add_argument("--key-horizon-short-s", type=float, default=SandboxSettings.key_horizon_short_s)
    parser.add_argument("--webhook-backoff-s", type=float, default=SandboxSettings.webhook_backoff_s)
    parser.add_argument("--webhook-attempts-max", type=int, default=SandboxSettings.webhook_attempts_max)
    parser.add_argument("--webhook-drop-percent", type=int, default=SandboxSettings.webhook_drop_percent)
    parser.add_argument("--webhook-late-s", type=float, default=SandboxSettings.webhook_late_s)
    parser.add_argument(
        "--repeat-references",
        dest="unique_references",
        action="store_false",
        help="charge one reference under two keys, as most real gateways would",
    )
    given = vars(parser.parse_args(arguments))
    origins = tuple(given.pop("return_origin")) or LOCAL_ORIGINS
    try:
        given |= {name: parse_mix(text) for name, text in given.items() if name.startswith("mix")}
        settings = SandboxSettings(
            **given,
            return_origins=origins,
            secret_key=os.environ.get("SANDBOX_SECRET_KEY", ""),
            webhook_secret=os.environ.get("SANDBOX_WEBHOOK_SECRET", ""),
        )
    except ValueError as error:
        parser.error(str(error))
    run(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
