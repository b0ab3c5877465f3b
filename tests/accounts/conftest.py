"""What makes tests of pages quick where the cost of a hash is not their subject."""

import pytest

from raseed.accounts.factors import codes


@pytest.fixture
def cheap_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recovery codes are hashed by the same function with the least work it allows: a set of ten costs 0.2 s else."""
    real = codes.hash_secret_raw

    def cheap(secret: bytes, salt: bytes, **work: int) -> bytes:
        return real(secret, salt, **work | {"time_cost": 1, "memory_cost": 8})

    monkeypatch.setattr(codes, "hash_secret_raw", cheap)
