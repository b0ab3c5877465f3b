"""How money moves in the demo's past: top-ups through open, submit, settle and the bank's own page; usage by deduction."""

from datetime import datetime, timedelta
from uuid import uuid5

import httpx
from django.conf import settings

from raseed.accounts.models import Account, User
from raseed.balance.deduct import deduct
from raseed.documents.issue import issue_receipt_voucher
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer
from raseed.money import Money
from raseed.payments import paynow, reconcile
from raseed.payments.models import Payment
from raseed.payments.states import Cause


def book(account: Account, service: str, amount: Money, at: datetime) -> None:
    """Book rated usage of a service, through the one door of deductions."""
    deduct(
        NewEntry(
            account_id=account.id,
            kind=EntryKind.USAGE,
            operation_key=f"seed:{service}:{at.isoformat()}",
            transfers=(Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, amount),),
            at=at,
            memo={"service": service},
        ),
        at,
    )


def top_up(account: Account, admin: User, credit: Money, at: datetime, *, save: bool) -> None:
    """A payment on a new card at that time, typed at the sandbox bank, with its voucher."""
    finish(begin(account, admin, credit, at, save=save), at)


def begin(account: Account, admin: User, credit: Money, at: datetime, *, save: bool) -> Payment:
    """A payment that waits at the bank for its card."""
    payment = paynow.open_payment(
        paynow.PayNow(
            account_id=account.id,
            client_key=uuid5(account.id, at.isoformat()),
            credit=credit,
            method_id=None,
            save_method=save,
            actor_user_id=admin.id,
            language=account.language,
            another=True,
        ),
        at,
    )
    return paynow.submit(account.id, payment.id, at)


def finish(payment: Payment, at: datetime) -> None:
    """Type a good card at the bank, and issue the voucher."""
    _type_card(payment.gateway_ref)
    reconcile.follow(payment.account_id, payment.id, Cause.PAGE, at + timedelta(seconds=20))
    issue_receipt_voucher(payment.account_id, payment.id, at + timedelta(seconds=21))


def _type_card(gateway_ref: str) -> None:
    at_the_bank(f"/admin/pay/{gateway_ref}", {"card": "4242424242424242"})


def at_the_bank(door: str, typed: dict[str, str]) -> None:
    """Act as the customer on the bank's pages."""
    answer = httpx.post(
        f"{settings.SANDBOX_URL}{door}",
        headers={"Authorization": f"Bearer {settings.SANDBOX_SECRET_KEY}"},
        json={"outcome": "complete", **typed},
        timeout=10,
        trust_env=False,
    )
    answer.raise_for_status()
