"""The arithmetic of codes: six digits of an authenticator app (RFC 6238) and recovery codes. Pure; it stores nothing.

A code of the app holds for its half minute and the ones beside it, since clocks differ. A recovery code has 59 random bits,
too few for a plain hash, so what is kept is Argon2id; one salt for a person's set, so that a look-up costs one hash.
"""

import hmac
import secrets
import unicodedata
from base64 import b32encode
from datetime import datetime
from typing import Final

import segno
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
SECRET_BYTES: Final = 20
# Without letters and digits that look alike.
ALPHABET: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
RECOVERY_CODES: Final = 10
RECOVERY_LENGTH: Final = 12
RECOVERY_GROUP: Final = 4
SALT_BYTES: Final = 16


def new_secret() -> bytes:
    """A secret for an authenticator app: 160 random bits, as RFC 4226 recommends."""
    return secrets.token_bytes(SECRET_BYTES)


def step_of(secret: bytes, typed: str, now: datetime) -> int | None:
    """The time step that the typed digits are the code of, or None. Digits of any script are read, spaces dropped."""
    digits = _digits(typed)
    if len(digits) != DIGITS:
        return None
    hotp = HOTP(secret, DIGITS, SHA1())  # noqa: S303 - the algorithm that authenticator apps know; a MAC, not a digest
    present = int(now.timestamp()) // STEP_S
    found = None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        # All of them are compared, so that the time taken tells nothing.
        if hmac.compare_digest(hotp.generate(step), digits.encode()):
            found = step
    return found


def setup_url(secret: bytes, email: str, issuer: str) -> str:
    """What the QR code says to the app: whose code it is, and the secret."""
    totp = TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303
    return totp.get_provisioning_uri(email, issuer)


def typed_secret(secret: bytes) -> str:
    """The secret for people who type it: base32 in groups of four."""
    return _grouped(b32encode(secret).decode().rstrip("="))


def qr_image(text: str) -> str:
    """A QR code as an SVG in a data: address, black on white whatever the theme, because that is what cameras read."""
    return segno.make(text, error="m", micro=False).svg_data_uri(
        dark="#000", light="#fff", border=4, omitsize=True
    )


def new_recovery_codes() -> list[str]:
    """A set of codes as they are shown, once."""
    return [
        _grouped("".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_LENGTH)))
        for _ in range(RECOVERY_CODES)
    ]


def new_salt() -> bytes:
    """A salt for a set."""
    return secrets.token_bytes(SALT_BYTES)


def recovery_digest(typed: str, salt: bytes) -> bytes:
    """What is kept of a recovery code: Argon2id with OWASP's smallest parameters, about 20 ms. Dashes and case do not matter."""
    plain = "".join(char for char in typed.upper() if char.isascii() and char.isalnum())
    return hash_secret_raw(
        plain.encode(), salt, time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, type=Type.ID
    )


def _digits(typed: str) -> str:
    kept = [char for char in typed if not char.isspace() and char != "-"]
    values = [unicodedata.digit(char, -1) for char in kept[: DIGITS + 1]]
    return "" if -1 in values or len(kept) > DIGITS else "".join(map(str, values))


def _grouped(text: str) -> str:
    return "-".join(text[at : at + RECOVERY_GROUP] for at in range(0, len(text), RECOVERY_GROUP))
