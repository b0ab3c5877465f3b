"""`python -m raseed.bench.visitor URL COOKIE`: somebody who opens a page ten times a second until standard input ends.

A process of its own, so that the measurement's own work does not delay its watch. Prints one line of JSON: the time of each answer
in milliseconds, and how many were not 200.
"""

import http.client
import json
import select
import sys
import time
from urllib.parse import urlsplit

PAUSE_S = 0.1
TIMEOUT_S = 30


def main(url: str, cookie: str) -> None:
    """Visit until told to stop."""
    parts = urlsplit(url)
    times_ms: list[float] = []
    errors = 0
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        began = time.perf_counter()
        try:
            connection.request("GET", parts.path, headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            errors += answer.status != http.HTTPStatus.OK
        except OSError:
            errors += 1
        finally:
            connection.close()
        times_ms.append((time.perf_counter() - began) * 1000)
    print(json.dumps({"times_ms": times_ms, "errors": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
