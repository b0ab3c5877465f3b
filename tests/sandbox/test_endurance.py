"""What must outlive the process: the book, the keys, late charges and letters."""

import json
import threading
from pathlib import Path
from uuid import uuid4

import httpx

from bank import Postbox, RunningBank, eventually


def test_kill_under_load_loses_no_answered_charge_and_doubles_none(tmp_path: Path) -> None:
    with RunningBank(tmp_path) as bank:
        card = bank.save_card()
        answered: list[str] = []
        asked: list[str] = []

        def customer() -> None:
            while True:
                reference = str(uuid4())
                asked.append(reference)
                try:
                    bank.create(reference=reference, saved_reference=card).raise_for_status()
                except httpx.TransportError:
                    return
                answered.append(reference)

        customers = [threading.Thread(target=customer) for _ in range(8)]
        for one in customers:
            one.start()
        eventually(lambda: len(answered) > 100)
        bank.kill()
        for one in customers:
            one.join()
        bank.start()
        for reference in asked:
            assert bank.create(reference=reference, saved_reference=card).json()["state"] == "succeeded"
        charged = [one["reference"] for one in bank.book() if one["kind"] == "charge"]
        assert sorted(charged[1:]) == sorted(asked)  # the first saved the card
        assert set(answered) <= set(charged)


def test_book_keys_cards_and_cursor_survive_a_kill(tmp_path: Path) -> None:
    with RunningBank(tmp_path) as bank:
        card, reference = bank.save_card(), str(uuid4())
        first = bank.create(reference=reference, saved_reference=card).json()
        before = bank.dump()
        bank.kill()
        bank.start()
        assert bank.dump()["entries"] == before["entries"]
        assert bank.create(reference=reference, saved_reference=card).json() == first
        bank.create(saved_reference=card)
        assert [one["cursor"] for one in bank.book()] == ["1", "2", "3"]


def test_late_charge_lands_after_a_kill(tmp_path: Path) -> None:
    with RunningBank(tmp_path, late_s=1) as bank:
        card, reference = bank.save_card(), str(uuid4())
        bank.behaviour(reference=reference, behaviour="G9")
        try:
            bank.create(reference=reference, saved_reference=card)
        except httpx.TransportError:
            bank.kill()
        assert bank.process is None
        bank.start()
        eventually(lambda: bank.charges(reference) == [1000])


def test_ordered_weather_survives_a_kill(tmp_path: Path) -> None:
    with RunningBank(tmp_path) as bank:
        card = bank.save_card()
        bank.behaviour(next="G4")
        bank.kill()
        bank.start()
        assert bank.create(saved_reference=card).status_code == 402


def test_letters_continue_after_a_kill(tmp_path: Path) -> None:
    with Postbox() as postbox, RunningBank(tmp_path, webhook_backoff_s=0.1) as bank:
        reference = bank.create().json()
        bank.pay(reference["id"])
        bank.kill()
        bank.webhook_url = postbox.url
        bank.start()
        ((_, body),) = postbox.wait_for(1)
        assert json.loads(body)["object"]["id"] == reference["id"]


def test_stop_is_orderly_even_while_an_answer_hangs(tmp_path: Path) -> None:
    with RunningBank(tmp_path, hang_s=60) as bank:
        card = bank.save_card()
        bank.behaviour(next="G5")
        ended = threading.Event()

        def customer() -> None:
            try:
                bank.create(saved_reference=card)
            except httpx.TransportError:
                ended.set()

        thread = threading.Thread(target=customer)
        thread.start()
        with httpx.Client(headers=bank.client.headers) as other:
            eventually(lambda: len(other.get(f"{bank.url}/v1/book").json()["entries"]) == 2)
        assert bank.stop() == 0
        thread.join()
        assert ended.is_set()
