"""Accounts to post for, and short words for entries."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from raseed.accounts.models import Account

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def make_account() -> Callable[..., UUID]:
    """Make an account and give its id; the database fixture is the test's own choice."""

    def make(currency: str = "USD") -> UUID:
        account = Account.objects.create(
            name="Test", currency=currency, time_zone="Asia/Riyadh", created_at=NOW
        )
        return account.id

    return make
