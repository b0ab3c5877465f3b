"""The line itself: what it does to a request, it does to that one and to no other."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from bank import RunningBank
from line import Fate, Line


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBank]:
    with RunningBank(tmp_path_factory.mktemp("bank")) as running, Line(lambda: running.port) as line:
        running.line = line  # type: ignore[attr-defined]
        yield running


def test_what_a_line_can_do(bank: RunningBank) -> None:
    line: Line = bank.line  # type: ignore[attr-defined]
    order = {
        "customer": "c",
        "amount": 1000,
        "currency": "USD",
        "description": "",
        "return_url": "http://localhost/",
    }
    with httpx.Client(base_url=line.url, headers=bank.client.headers, timeout=1, trust_env=False) as client:

        def post(key: str) -> httpx.Response:
            return client.post(
                "/v1/payments", json={**order, "reference": key}, headers={"Idempotency-Key": key}
            )

        key = str(uuid4())
        assert post(key).status_code == 200
        assert client.get("/v1/payments", params={"reference": key}).status_code == 200
        assert [(one.method, one.key) for one in line.sent(key)] == [("POST", key), ("GET", "")]

        for fate, error in (
            (Fate.RESET, httpx.ReadError),
            (Fate.CUT, httpx.RemoteProtocolError),
            (Fate.HANG, httpx.ReadTimeout),
        ):
            key = str(uuid4())
            line.strike(key, fate)
            with pytest.raises(error):
                post(key)
            assert post(key).status_code == 200, "once, and the bank had it the first time"
            assert len(line.sent(key)) == 2

        with line.down():
            with pytest.raises(httpx.TransportError):
                client.get("/healthz")
            with pytest.raises(httpx.TransportError):
                client.get("/healthz")
        line.delay_s = 0.3
        assert client.get("/healthz").elapsed.total_seconds() >= 0.3
        line.delay_s = 0
