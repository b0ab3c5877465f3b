"""The bank's letters: signed over the raw body, repeated until taken, bounded, one id per event."""

import asyncio
import hashlib
import hmac
import json
import time
from pathlib import Path

from bank import WEBHOOK_SECRET, Postbox, RunningBank, eventually
from raseed.sandbox.courier import Courier
from raseed.sandbox.settings import SandboxSettings
from raseed.sandbox.store import Store


def test_signature_is_over_the_time_and_the_raw_body(tmp_path: Path) -> None:
    with Postbox() as postbox, RunningBank(tmp_path, postbox.url) as bank:
        opened = bank.create(description="دفعة").json()
        bank.pay(opened["id"])
        ((headers, body),) = postbox.wait_for(1)
        stamp, given = headers["sandbox-signature"].removeprefix("t=").split(",v1=")
        assert (
            given
            == hmac.new(WEBHOOK_SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        )
        assert abs(int(stamp) - time.time()) < 30
        event = json.loads(body)
        assert event["type"] == "payment.succeeded"
        assert event["object"]["reference"] == opened["reference"]


def test_each_final_state_has_its_event(tmp_path: Path) -> None:
    with Postbox() as postbox, RunningBank(tmp_path, postbox.url, refund_s=0) as bank:
        paid, declined, canceled = (bank.create().json()["id"] for _ in range(3))
        bank.pay(paid)
        bank.pay(declined, "4000000000000002")
        bank.pay(canceled, outcome="cancel")
        bank.client.post(
            f"{bank.url}/v1/refunds", json={"payment": paid, "amount": 1}, headers={"Idempotency-Key": "r"}
        )
        events = [json.loads(body) for _, body in postbox.wait_for(4)]
        assert sorted(one["type"] for one in events) == [
            "payment.canceled",
            "payment.failed",
            "payment.succeeded",
            "refund.succeeded",
        ]
        assert len({one["id"] for one in events}) == 4


def test_refused_letters_come_again_with_the_same_id(tmp_path: Path) -> None:
    with (
        Postbox(500, 503, 302) as postbox,
        RunningBank(tmp_path, postbox.url, webhook_backoff_s=0.02) as bank,
    ):
        bank.pay(bank.create().json()["id"])
        letters = postbox.wait_for(4)
        assert len({json.loads(body)["id"] for _, body in letters}) == 1
        eventually(lambda: bank.dump()["letters"][0]["delivered_at"] is not None)
        assert bank.dump()["letters"][0]["attempts"] == 4


def test_tries_are_bounded(tmp_path: Path) -> None:
    with RunningBank(tmp_path, webhook_backoff_s=0.01, webhook_attempts_max=3) as bank:
        bank.pay(bank.create().json()["id"])
        eventually(lambda: bank.dump()["letters"][0]["next_at"] is None)
        letter = bank.dump()["letters"][0]
        assert (letter["attempts"], letter["delivered_at"]) == (3, None)


def test_letters_can_be_lost_on_order(tmp_path: Path) -> None:
    with RunningBank(tmp_path, webhook_drop_percent=100) as bank:
        opened = bank.create().json()
        bank.pay(opened["id"])
        assert bank.dump()["letters"] == []
        assert bank.charges(opened["reference"]) == [1000]
        bank.behaviour(webhook_drop_percent=0)
        bank.pay(bank.create().json()["id"])
        assert len(bank.dump()["letters"]) == 1


def test_courier_ends_when_told_even_as_a_letter_wakes_it(tmp_path: Path) -> None:
    settings = SandboxSettings(tmp_path, "http://127.0.0.1:9/", secret_key="k", webhook_secret="w")
    store = Store(tmp_path / "bank.sqlite3")

    async def wake_and_cancel() -> None:
        courier = Courier(store, settings)
        walk = asyncio.create_task(courier.run())
        await asyncio.sleep(0)  # let it lie down to rest
        await asyncio.sleep(0)
        courier.wake()
        # One turn of the loop: the wake is under way when the cancellation comes.
        await asyncio.sleep(0)
        walk.cancel()
        done, _ = await asyncio.wait([walk], timeout=2)
        assert done == {walk}

    asyncio.run(wake_and_cancel())
    store.close()
