"""A passkey in software, for tests without a browser: it signs what WebAuthn says, or what a test tells it to say wrongly."""

import hashlib
import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftPasskey:
    """One credential. Change a field to make the next answer wrong in that way."""

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    count: int = 0
    flags: int = PRESENT | VERIFIED
    id: bytes = field(default_factory=lambda: token_bytes(16))
    handle: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def attested(self) -> bytes:
        """Model, credential id and public key, as WebAuthn lays them out and as they are kept."""
        public = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        return bytes(16) + struct.pack(">H", len(self.id)) + self.id + public

    def make(self, asked: dict[str, Any]) -> str:
        """The browser's answer to `navigator.credentials.create`."""
        self.handle = unb64(asked["user"]["id"])
        data = self._data(self.flags | ATTESTED) + self.attested
        return self._answer(
            asked,
            "webauthn.create",
            attestationObject=b64(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})),
        )

    def prove(self, asked: dict[str, Any], **change: str) -> str:
        """The browser's answer to `navigator.credentials.get`; `change` puts other values into its response."""
        self.count += 1
        data, client = self._data(self.flags), self._client(asked, "webauthn.get")
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        parts = {"authenticatorData": b64(data), "signature": b64(signed), "userHandle": b64(self.handle)}
        return self._answer(asked, "webauthn.get", **(parts | change))

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, asked: dict[str, Any], kind: str) -> bytes:
        said = {"type": kind, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, asked: dict[str, Any], kind: str, **response: str) -> str:
        response["clientDataJSON"] = b64(self._client(asked, kind))
        whole = {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
        return json.dumps(whole | {"clientExtensionResults": {}})
