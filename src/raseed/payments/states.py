"""The states of a payment and the only moves between them.

A state is changed by `move` and nowhere else. Final states are reached with proof; a late success wins over a
failure, because the customer's money has moved.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError
from raseed.payments.models import Payment, PaymentMove


class State(models.TextChoices):
    """Where a payment stands; the words are those that customers and staff read."""

    CREATED = "created", _("Prepared")
    SUBMITTED = "submitted", _("Being confirmed")
    ACTION_REQUIRED = "action_required", _("Waiting for you at the bank")
    REVIEW = "review", _("Under review")
    FAILED = "failed", _("Not charged")
    CANCELED = "canceled", _("Canceled")
    SUCCEEDED = "succeeded", _("Paid")


class Cause(StrEnum):
    """Who brought the news that moved a payment."""

    PAGE = "page"
    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    RECHARGE = "recharge"
    STAFF = "staff"


MOVES: dict[State, frozenset[State]] = {
    State.CREATED: frozenset({State.SUBMITTED, State.CANCELED}),
    State.SUBMITTED: frozenset({State.ACTION_REQUIRED, State.SUCCEEDED, State.FAILED, State.REVIEW}),
    State.ACTION_REQUIRED: frozenset(
        {State.SUBMITTED, State.SUCCEEDED, State.FAILED, State.CANCELED, State.REVIEW}
    ),
    State.REVIEW: frozenset({State.SUCCEEDED, State.FAILED}),
    State.FAILED: frozenset({State.SUCCEEDED, State.REVIEW}),
    State.CANCELED: frozenset({State.SUCCEEDED, State.REVIEW}),
    State.SUCCEEDED: frozenset(),
}
# Nothing more is asked about these; only a late success can still arrive, or a late capture of something else.
FINAL = frozenset({State.FAILED, State.CANCELED, State.SUCCEEDED})
# The outcome is open: these are followed by the page and asked about by reconcile.
OPEN = frozenset({State.CREATED, State.SUBMITTED, State.ACTION_REQUIRED, State.REVIEW})


class IllegalMove(RaseedError):
    """The table has no such move: a mistake in our own code, never the customer's."""

    code = "illegal_move"
    status = 500
    message = _("This payment cannot change in that way. Nothing was changed.")


def move(payment: Payment, to: State, cause: Cause, now: datetime, also: Iterable[str] = ()) -> None:
    """Move a payment that the caller has locked, and write the move down. Raises IllegalMove.

    `also` names fields that the caller has set, to be written with the state.
    """
    source = State(payment.state)
    if to not in MOVES[source]:
        raise IllegalMove(f"payment {payment.id}: {source} -> {to} by {cause}")
    payment.state = to
    payment.final_at = now if to in FINAL else None
    payment.save(update_fields=["state", "final_at", *also])
    PaymentMove.objects.create(
        account_id=payment.account_id,
        payment_id=payment.id,
        source=source,
        target=to,
        cause=cause,
        at=now,
    )
