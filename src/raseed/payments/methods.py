"""Saved cards of an account, as the gateway keeps them for us."""

import contextlib
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from raseed.gateways.port import SavedReference
from raseed.payments.models import PaymentMethod


def saved_methods(account_id: UUID) -> list[PaymentMethod]:
    """The cards that may be charged, the default first, then the newest."""
    return list(
        PaymentMethod.objects.filter(account_id=account_id, removed_at__isnull=True).order_by(
            "-is_default", "-created_at"
        )
    )


def keep(account_id: UUID, gateway: str, saved: SavedReference, now: datetime) -> PaymentMethod:
    """Keep a card that the customer asked to save; the first one becomes the default. Call inside a transaction.

    Nothing here may make the settling transaction fail: a race for the default is lost quietly.
    """
    PaymentMethod.objects.bulk_create(
        [
            PaymentMethod(
                account_id=account_id,
                gateway=gateway,
                reference=saved.reference,
                brand=saved.card.brand,
                last4=saved.card.last4,
                exp_month=saved.card.exp_month,
                exp_year=saved.card.exp_year,
                fingerprint=saved.card.fingerprint,
                chargeable_unattended=saved.chargeable_unattended,
                created_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    method = PaymentMethod.objects.get(account_id=account_id, gateway=gateway, reference=saved.reference)
    _make_default_if_none(method)
    return method


def _make_default_if_none(method: PaymentMethod) -> None:
    others = PaymentMethod.objects.filter(
        account_id=method.account_id, is_default=True, removed_at__isnull=True
    )
    if others.exists():
        return
    with contextlib.suppress(IntegrityError), transaction.atomic():
        PaymentMethod.objects.filter(account_id=method.account_id, id=method.id).update(is_default=True)
