"""Which factors a person has. It reads and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from raseed.accounts.factors.models import AuthenticatorApp, Passkey, RecoveryCode
from raseed.accounts.models import User


@dataclass(frozen=True, slots=True)
class Held:
    """What a user has beside the password. Recovery codes are no factor of their own: they replace a lost one."""

    app: AuthenticatorApp | None
    passkeys: Sequence[Passkey]
    codes_left: int

    @property
    def count(self) -> int:
        """How many factors."""
        return len(self.passkeys) + (self.app is not None)


def of(user_id: UUID) -> Held:
    """All that the user has, passkeys oldest first."""
    return Held(
        app=AuthenticatorApp.objects.filter(user_id=user_id).first(),
        passkeys=list(Passkey.objects.filter(user_id=user_id).order_by("created_at", "id")),
        codes_left=RecoveryCode.objects.filter(user_id=user_id, used_at__isnull=True).count(),
    )


def has_any(user_id: UUID) -> bool:
    """Whether the user has a second factor."""
    return (
        AuthenticatorApp.objects.filter(user_id=user_id).exists()
        or Passkey.objects.filter(user_id=user_id).exists()
    )


def is_due(user: User) -> bool:
    """Whether the user must have a factor: staff, unless the installation is for trying only."""
    return bool(user.staff_role) and settings.STAFF_SECOND_FACTOR_REQUIRED


def is_missing(user: User) -> bool:
    """Whether the user must have a factor and has none."""
    return is_due(user) and not has_any(user.id)
