"""Letters: the bank's own are read, everything else is refused."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from bank import Postbox, RunningBank
from raseed.gateways.port import ForgedWebhook, Subject
from raseed.gateways.sandbox import SandboxGateway

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REFERENCE = uuid4()
EVENT = {
    "id": "evt_1",
    "type": "payment.succeeded",
    "object": {"object": "payment", "id": "pay_1", "reference": str(REFERENCE)},
}
RAW = json.dumps(EVENT).encode()


def adapter(secret: str = "whsec") -> SandboxGateway:
    return SandboxGateway(url="http://127.0.0.1:1", secret_key="k", webhook_secrets=[secret], timeout_s=1)


def signed(raw: bytes = RAW, at: datetime = NOW, secret: str = "whsec") -> dict[str, str]:
    stamp = int(at.timestamp())
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()
    return {"Sandbox-Signature": f"t={stamp},v1={mac}"}


def test_a_real_letter_of_the_bank(gateway: SandboxGateway, bank: RunningBank, postbox: Postbox) -> None:
    reference, seen = str(uuid4()), len(postbox.letters)
    opened = bank.create(reference=reference).json()
    bank.pay(opened["id"])
    headers, raw = postbox.wait_for(seen + 1)[-1]
    event = gateway.parse_webhook(raw, headers, datetime.now(UTC))
    assert (event.kind, event.gateway_ref) == ("payment.succeeded", opened["id"])
    assert event.payment_id == UUID(reference)
    assert event.event_id.startswith("evt_")


def test_good_letter_in_any_case_of_the_header() -> None:
    for name in ("Sandbox-Signature", "sandbox-signature", "SANDBOX-SIGNATURE"):
        event = adapter().parse_webhook(RAW, {name: signed()["Sandbox-Signature"]}, NOW)
        assert (event.event_id, event.gateway_ref, event.payment_id) == ("evt_1", "pay_1", REFERENCE)


def test_refund_letter_names_its_payment() -> None:
    body = {"object": "refund", "id": "re_1", "payment": "pay_9", "reference": "not-ours"}
    raw = json.dumps({"id": "evt_2", "type": "refund.succeeded", "object": body}).encode()
    event = adapter().parse_webhook(raw, signed(raw), NOW)
    assert (event.gateway_ref, event.payment_id) == ("pay_9", None)


def test_setup_letter_names_its_setup_and_says_that_it_is_one() -> None:
    body = {"object": "setup", "id": "set_1", "reference": str(REFERENCE)}
    raw = json.dumps({"id": "evt_3", "type": "setup.succeeded", "object": body}).encode()
    event = adapter().parse_webhook(raw, signed(raw), NOW)
    assert (event.subject, event.gateway_ref, event.payment_id) == (Subject.SETUP, "set_1", REFERENCE)
    assert adapter().parse_webhook(RAW, signed(), NOW).subject is Subject.PAYMENT


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_tolerance_includes_its_ends(seconds: int) -> None:
    assert adapter().parse_webhook(RAW, signed(at=NOW + timedelta(seconds=seconds)), NOW).event_id == "evt_1"


@pytest.mark.parametrize("seconds", [-301, 301, -86_400])
def test_stale_and_future_letters_are_refused(seconds: int) -> None:
    with pytest.raises(ForgedWebhook, match="signed"):
        adapter().parse_webhook(RAW, signed(at=NOW + timedelta(seconds=seconds)), NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sandbox-Signature": ""},
        {"Sandbox-Signature": "v1=00"},
        {"Sandbox-Signature": "t=,v1=" + "0" * 64},
        {"Sandbox-Signature": "t=١٢٣,v1=" + "0" * 64},
        {"Sandbox-Signature": signed()["Sandbox-Signature"] + "\n"},
        {"Sandbox-Signature": signed()["Sandbox-Signature"].upper()},
        {"Sandbox-Signature": signed()["Sandbox-Signature"][:-1] + "x"},
        {"Stripe-Signature": signed()["Sandbox-Signature"]},
        signed(secret="of another endpoint"),
        signed(secret=" whsec"),
    ],
)
def test_forged_letters_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedWebhook):
        adapter().parse_webhook(RAW, headers, NOW)


def test_time_is_part_of_what_is_signed() -> None:
    stale = signed(at=NOW - timedelta(hours=1))["Sandbox-Signature"]
    renewed = f"t={int(NOW.timestamp())}," + stale.split(",")[1]
    with pytest.raises(ForgedWebhook):
        adapter().parse_webhook(RAW, {"Sandbox-Signature": renewed}, NOW)


def test_changed_and_reserialised_bodies_are_refused() -> None:
    changed = RAW.replace(b"pay_1", b"pay_2")
    reserialised = json.dumps(json.loads(RAW), separators=(",", ":")).encode()
    assert json.loads(reserialised) == EVENT
    for raw in (changed, reserialised, RAW + b" ", b""):
        with pytest.raises(ForgedWebhook):
            adapter().parse_webhook(raw, signed(), NOW)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"id": 1, "type": "x", "object": {}}'])
def test_signed_nonsense_is_refused(raw: bytes) -> None:
    with pytest.raises(ForgedWebhook, match="not an event"):
        adapter().parse_webhook(raw, signed(raw), NOW)


@pytest.mark.parametrize(("key", "secret"), [("", "w"), ("k", "")])
def test_empty_secrets_are_refused_at_construction(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        SandboxGateway(url="http://127.0.0.1:1", secret_key=key, webhook_secrets=[secret], timeout_s=1)
