"""`python -m raseed.mailbox`: the demo's mail server by itself."""

import argparse
import ipaddress
import sys
from pathlib import Path

from raseed.mailbox.server import run


def main(arguments: list[str]) -> int:
    """Parse, check and serve; exit code 2 with one sentence for what cannot be used."""
    parser = argparse.ArgumentParser(
        prog="raseed.mailbox",
        description="A mail server that keeps every mail in a folder and sends none on.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one and prints it")
    parser.add_argument("--directory", type=Path, required=True, help="where the mails are kept")
    given = parser.parse_args(arguments)
    if not _is_loopback(given.host):
        parser.error(f"--host {given.host}: only a loopback address, as 127.0.0.1")
    run(given.host, given.port, given.directory)
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
