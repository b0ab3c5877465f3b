"""What only the passing of time ends: done at a moved clock, when a soak comes to rest."""

from datetime import timedelta
from typing import Any

import psycopg
from django.utils import timezone

from bank import RunningBank
from raseed.payments import reconcile
from raseed.payments.follow_refund import follow_refund
from raseed.payments.models import Payment
from raseed.payments.settle_refund import REFUSAL_HOLDS_AFTER
from raseed.payments.states import Cause

A_MINUTE = timedelta(minutes=1)


def give_up_abandoned(owner: psycopg.Connection[Any], bank: RunningBank, dump: dict[str, Any]) -> None:
    """Cancel what nobody ended on the bank's page. Some complete 3-D Secure after that all the same, and are charged (G10)."""
    waiting = owner.execute(
        "SELECT account_id, id FROM payments_payment WHERE state = 'action_required'"
    ).fetchall()
    at_bank = {one["reference"]: one["id"] for one in dump["payments"] if one["state"] == "requires_action"}
    late = dealt(dump, "G10")
    for account_id, payment_id in waiting:
        reference = str(payment_id)
        if reference in at_bank:
            payment = Payment.objects.get(account_id=account_id, id=payment_id)
            moved = timezone.now() + reconcile.patience(payment) + A_MINUTE
            reconcile.follow(account_id, payment_id, Cause.RECONCILE, moved)
            if reference in late:
                bank.pay(at_bank[reference])


def believe_refusals(owner: psycopg.Connection[Any], dump: dict[str, Any]) -> None:
    """Ask a quarter of an hour later about refunds that the bank does not have: only then is its refusal taken for the truth."""
    known = {one["reference"] for one in dump["refunds"]}
    silent = owner.execute(
        "SELECT account_id, id FROM payments_refund WHERE state = 'submitted' AND asks > 1 AND part_ref = ''"
    ).fetchall()
    for account_id, refund_id in silent:
        if str(refund_id) not in known:
            moved = timezone.now() + REFUSAL_HOLDS_AFTER + A_MINUTE
            follow_refund(account_id, refund_id, Cause.RECONCILE, moved)


def dealt(dump: dict[str, Any], behaviour: str) -> set[str]:
    """The references that met it."""
    return {one["reference"] for one in dump["dealt"] if one["behaviour"] == behaviour}
