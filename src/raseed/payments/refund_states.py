"""The states of a refund and the only moves between them. A state is changed by `move` and nowhere else."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.payments.models import Refund, RefundMove
from raseed.payments.states import Cause, IllegalMove


class RefundState(models.TextChoices):
    """Where a refund stands; the words are those that customers and staff read."""

    CREATED = "created", _("Prepared")
    SUBMITTED = "submitted", _("Being confirmed")
    PENDING = "pending", _("On its way back")
    SUCCEEDED = "succeeded", _("Given back")
    FAILED = "failed", _("Not given back")


# A bank may refuse a refund days after it was made; one that failed stays so, and its money is in the balance again.
MOVES: dict[RefundState, frozenset[RefundState]] = {
    RefundState.CREATED: frozenset({RefundState.SUBMITTED}),
    RefundState.SUBMITTED: frozenset({RefundState.PENDING, RefundState.SUCCEEDED, RefundState.FAILED}),
    RefundState.PENDING: frozenset({RefundState.SUCCEEDED, RefundState.FAILED}),
    RefundState.SUCCEEDED: frozenset({RefundState.FAILED}),
    RefundState.FAILED: frozenset(),
}
# Asked about until it leaves these.
OPEN = frozenset({RefundState.CREATED, RefundState.SUBMITTED, RefundState.PENDING})


def move(refund: Refund, to: RefundState, cause: Cause, now: datetime) -> None:
    """Move a refund whose payment the caller has locked, and write the move down. Raises IllegalMove."""
    source = RefundState(refund.state)
    if to not in MOVES[source]:
        raise IllegalMove(f"refund {refund.id}: {source} -> {to} by {cause}")
    refund.state = to
    refund.final_at = None if to in OPEN else now
    refund.save(update_fields=["state", "final_at"])
    RefundMove.objects.create(
        account_id=refund.account_id, refund_id=refund.id, source=source, target=to, cause=cause, at=now
    )
