"""Which customer of a gateway an account is: one for each account and gateway, kept for ever.

Only gateways that save cards under a customer of their own need it. It opens no connection to the outside.
"""

from uuid import UUID

from raseed.db.transactions import atomic
from raseed.gateways.models import GatewayCustomer


class Customers:
    """The customers of one gateway."""

    def __init__(self, gateway_name: str) -> None:
        self._gateway = gateway_name

    def of(self, account_id: UUID) -> str | None:
        """The gateway's reference of the account; None if it has none yet."""
        return (
            GatewayCustomer.objects.filter(account_id=account_id, gateway=self._gateway)
            .values_list("reference", flat=True)
            .first()
        )

    def keep(self, account_id: UUID, reference: str) -> str:
        """Keep the reference of an account; the one that is kept, which is another's if another was faster."""
        with atomic():
            GatewayCustomer.objects.bulk_create(
                [GatewayCustomer(account_id=account_id, gateway=self._gateway, reference=reference)],
                ignore_conflicts=True,
            )
            return GatewayCustomer.objects.get(account_id=account_id, gateway=self._gateway).reference
