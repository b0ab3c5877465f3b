"""Passkeys (WebAuthn): what the browser is asked, and whether its answer proves anything. The only importer of fido2.

Person verification (finger, face, PIN) is required every time, which makes a passkey two factors in one. The challenge
waits in the session, is taken out when it is answered, and is worth nothing after five minutes.
"""

import json
import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from raseed.accounts.factors.errors import PasskeyRefused
from raseed.accounts.factors.models import Passkey
from raseed.accounts.models import User

_log = logging.getLogger(__name__)

_CHALLENGE_KEY: Final = "passkey_challenge"
CHALLENGE_FOR: Final = timedelta(minutes=5)
# What parsing a stranger's bytes can raise.
_UNREADABLE: Final = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError, struct.error,
    UnsupportedAlgorithm,
)  # fmt: skip
_PORTS: Final = {"https": 443, "http": 80}

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential that a browser has just made."""

    id: bytes
    data: bytes
    signature_count: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """A proof that was checked: by which passkey, and what that has counted."""

    passkey: Passkey
    signature_count: int


def ask_to_make(session: SessionBase, user: User, there: Sequence[Passkey], now: datetime) -> Options:
    """What the browser needs to make a passkey for `user` (JSON); it refuses to make one where `there` has one."""
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user.id.bytes, name=user.email, display_name=user.name),
        credentials=[_credential(passkey) for passkey in there],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(session, state, "make", now)
    return dict(options.public_key)


def made(session: SessionBase, answer: str, now: datetime) -> NewCredential:
    """The credential that the browser made. Raises PasskeyRefused."""
    state = _take(session, "make", now)
    try:
        data = _server().register_complete(state, json.loads(answer))
        credential = data.credential_data
        if credential is None:
            raise PasskeyRefused("no credential")
        return NewCredential(credential.credential_id, bytes(credential), data.counter)
    except _UNREADABLE as error:
        raise PasskeyRefused(str(error)) from error


def ask_to_prove(session: SessionBase, known: Sequence[Passkey], now: datetime) -> Options:
    """What the browser needs to prove a passkey (JSON): one of `known`, or, if that is empty, whichever it has for us."""
    options, state = _server().authenticate_begin(
        credentials=[_credential(passkey) for passkey in known] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(session, state, "prove", now)
    return dict(options.public_key)


def proved(session: SessionBase, answer: str, now: datetime) -> Assertion:
    """Which passkey the browser has proved. Raises PasskeyRefused."""
    state = _take(session, "prove", now)
    try:
        response = AuthenticationResponse.from_dict(json.loads(answer))
        passkey = Passkey.objects.filter(credential_id=response.raw_id).first()
        if passkey is None:
            raise PasskeyRefused("unknown credential")
        handle = response.response.user_handle
        if handle and handle != passkey.user_id.bytes:
            raise PasskeyRefused("another person's handle")
        _server().authenticate_complete(state, [_credential(passkey)], response)
        return Assertion(passkey, response.response.authenticator_data.counter)
    except _UNREADABLE as error:
        raise PasskeyRefused(str(error)) from error


def of(user_id: UUID) -> list[Passkey]:
    """The passkeys of a user, oldest first."""
    return list(Passkey.objects.filter(user_id=user_id).order_by("created_at", "id"))


def _credential(passkey: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(bytes(passkey.credential))


def _server() -> Fido2Server:
    site = urlsplit(settings.PUBLIC_URL)
    rp = PublicKeyCredentialRpEntity(name="Raseed", id=site.hostname or "")
    return Fido2Server(rp, verify_origin=lambda origin: origin == _origin())


def _origin() -> str:
    """PUBLIC_URL as browsers write an origin: without the port that its scheme implies."""
    site = urlsplit(settings.PUBLIC_URL)
    port = f":{site.port}" if site.port and site.port != _PORTS.get(site.scheme) else ""
    return f"{site.scheme}://{site.hostname}{port}"


def _keep(session: SessionBase, state: Any, purpose: str, now: datetime) -> None:
    session[_CHALLENGE_KEY] = {
        "challenge": state["challenge"],
        "user_verification": str(state["user_verification"].value),
        "purpose": purpose,
        "at": now.isoformat(),
    }


def _take(session: SessionBase, purpose: str, now: datetime) -> dict[str, str]:
    """The challenge, out of the session at once, so that it is answered one time."""
    if _CHALLENGE_KEY not in session:
        # Before anything is written: strangers who post junk must not make us keep a session for each.
        raise PasskeyRefused("no challenge")
    kept: dict[str, str] = session.pop(_CHALLENGE_KEY)
    session.save()
    if kept["purpose"] != purpose:
        raise PasskeyRefused("a challenge for something else")
    if now - datetime.fromisoformat(kept["at"]) > CHALLENGE_FOR:
        raise PasskeyRefused("the challenge is too old")
    return kept
