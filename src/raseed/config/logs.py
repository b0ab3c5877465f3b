"""What must not reach a log although it stands in an address: the tokens of one-time links, and the client secrets that Stripe
puts there should it send a customer back by itself.

Django names the path of every request that it refuses, and a mail program that looks at a link beforehand may have it
refused while it still works. This module must not import anything of ours: logging is set up before the rest.
"""

import logging
import re
from typing import Final

_TOKEN: Final = re.compile(r"(/password/set/[^/\s]+|/profile/email)/[^/\s]+|(_client_secret=)[^&\s]+")


class WithoutTokens(logging.Filter):
    """Takes the tokens out of a line, wherever a path stands in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: the line is changed and kept."""
        said = record.getMessage()
        if _TOKEN.search(said):
            record.msg, record.args = _TOKEN.sub(_shortened, said), None
        return True


def _shortened(found: re.Match[str]) -> str:
    return f"{found[1]}/…" if found[1] else f"{found[2]}…"
