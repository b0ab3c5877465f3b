"""What makes tests of pages quick where the cost of a hash is not their subject."""

import pytest
from pytest_django import Settings

from raseed.accounts.factors import codes


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Passwords and recovery codes are hashed with little work: one sign-in costs 0.1 s else, a set of codes 0.2 s."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    real = codes.hash_secret_raw

    def cheap(secret: bytes, salt: bytes, **work: int) -> bytes:
        return real(secret, salt, **work | {"time_cost": 1, "memory_cost": 8})

    monkeypatch.setattr(codes, "hash_secret_raw", cheap)
