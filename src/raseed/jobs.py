"""The jobs: each calls one use-case. A job may run twice and acts once; what it needs is in its arguments.

The worker imports this module; everybody else queues a job by its name (db/queue.py).
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from raseed import verify
from raseed.accounts import attempts
from raseed.documents import issue
from raseed.gateways.port import GatewayUnavailable
from raseed.notifications import mails, send
from raseed.payments import inbox, reconcile, resolve, walk
from raseed.payments.cards import expiry, forgetting, setups, watch
from raseed.payments.states import Cause

logger = logging.getLogger(__name__)

# A job that raises is tried again: after 2, 4, 8 … seconds, ten times; then it stays failed and is seen by a person.
AGAIN = RetryStrategy(max_attempts=10, exponential_wait=2)
STALLED_AFTER = timedelta(seconds=30)


@app.task(name="payments.follow", retry=AGAIN, priority=5)
def follow_payment(account_id: str, payment_id: str) -> None:
    """Ask about a payment whose outcome is open."""
    reconcile.follow(UUID(account_id), UUID(payment_id), Cause.RECONCILE, timezone.now())


@app.task(name="payments.follow_setup", retry=AGAIN, priority=5)
def follow_setup(account_id: str, setup_id: str) -> None:
    """Ask about a card setup whose outcome is open."""
    setups.follow(UUID(account_id), UUID(setup_id), Cause.RECONCILE, timezone.now())


@app.task(name="payments.forget_card", retry=AGAIN)
def forget_card(account_id: str, method_id: str) -> None:
    """Have the gateway forget a card that was removed."""
    forgetting.forget(UUID(account_id), UUID(method_id), timezone.now())


@app.task(name="documents.issue_receipt_voucher", retry=AGAIN, priority=10)
def issue_receipt_voucher(account_id: str, payment_id: str) -> None:
    """Number and freeze the voucher of a payment."""
    issue.issue_receipt_voucher(UUID(account_id), UUID(payment_id), timezone.now())


@app.task(name="documents.render", retry=AGAIN)
def render_document(account_id: str, document_id: str) -> None:
    """Make and store a paper's PDF."""
    issue.render_document(UUID(account_id), UUID(document_id), timezone.now())


@app.task(name="notifications.mail_receipt", retry=AGAIN)
def mail_receipt(account_id: str, document_id: str) -> None:
    """Write the mail that brings a voucher."""
    mails.mail_receipt(UUID(account_id), UUID(document_id), timezone.now())


@app.task(name="notifications.mail_service_restored", retry=AGAIN)
def mail_service_restored(account_id: str, at: str) -> None:
    """Write the mail that says that service is back."""
    mails.mail_service_restored(UUID(account_id), datetime.fromisoformat(at), timezone.now())


@app.task(name="notifications.mail_address_removed", retry=AGAIN)
def mail_address_removed(account_id: str, address: str, at: str) -> None:
    """Tell an address that it gets no more papers."""
    mails.mail_address_removed(UUID(account_id), address, datetime.fromisoformat(at), timezone.now())


@app.task(name="notifications.mail_invitation", retry=AGAIN)
def mail_invitation(user_id: str) -> None:
    """Write the mail with the link to choose a first password."""
    mails.mail_invitation(UUID(user_id), timezone.now())


@app.task(name="notifications.mail_password_reset", retry=AGAIN)
def mail_password_reset(user_id: str) -> None:
    """Write the mail with the link to choose a new password."""
    mails.mail_password_reset(UUID(user_id), timezone.now())


@app.task(name="notifications.mail_notice", retry=AGAIN)
def mail_notice(mail_id: str, user_id: str, kind: str, address: str, facts: dict[str, str]) -> None:
    """Tell a person of a change to their sign-in."""
    mails.mail_notice(UUID(mail_id), UUID(user_id), kind, address, facts, timezone.now())


@app.task(name="notifications.send_mail", retry=AGAIN)
def send_mail(account_id: str, mail_id: str) -> None:
    """Hand a mail of an account to the mail server."""
    send.send_mail(UUID(account_id), UUID(mail_id), timezone.now())


@app.task(name="notifications.send_personal_mail", retry=AGAIN)
def send_personal_mail(mail_id: str) -> None:
    """Hand a mail to one person to the mail server."""
    send.send_personal_mail(UUID(mail_id), timezone.now())


# The sixth field of a schedule is the second. No lock but the queue's: a killed worker's turn must not stop the next.
@app.periodic(cron="* * * * * *")
@app.task(name="payments.apply_webhooks", queueing_lock="payments.apply_webhooks", priority=15)
def apply_webhooks(timestamp: int) -> None:  # noqa: ARG001 - procrastinate passes when it was due
    """Take a turn at the webhooks that wait."""
    inbox.apply_waiting(timezone.now())


@app.periodic(cron="* * * * * */30")
@app.task(name="payments.wake_webhooks", queueing_lock="payments.wake_webhooks")
def wake_webhooks(timestamp: int) -> None:  # noqa: ARG001
    """Try again the webhooks that came before their payment."""
    inbox.wake_known(timezone.now())


@app.periodic(cron="* * * * * */10")
@app.task(name="payments.ask_silent", queueing_lock="payments.ask_silent")
def ask_silent(timestamp: int) -> None:  # noqa: ARG001
    """Ask about every silence whose own job was lost."""
    reconcile.ask_silent(timezone.now())


@app.periodic(cron="* * * * * */30")
@app.task(name="payments.ask_silent_setups", queueing_lock="payments.ask_silent_setups")
def ask_silent_setups(timestamp: int) -> None:  # noqa: ARG001
    """Ask about every card setup whose own job was lost."""
    setups.ask_silent(timezone.now())


@app.periodic(cron="* * * * * */10")
@app.task(name="payments.watch_cards", queueing_lock="payments.watch_cards", priority=10)
def watch_cards(timestamp: int) -> None:  # noqa: ARG001
    """Look whether stolen cards are being tried."""
    watch.watch(timezone.now())


@app.periodic(cron="23 * * * *")
@app.task(name="payments.forget_overdue", queueing_lock="payments.forget_overdue")
def forget_overdue(timestamp: int) -> None:  # noqa: ARG001
    """Have removed cards forgotten whose job failed, or had to wait for a payment."""
    forgetting.forget_overdue(timezone.now())


# In the morning where most accounts are.
@app.periodic(cron="5 6 * * *")
@app.task(name="payments.tell_of_expiry", queueing_lock="payments.tell_of_expiry")
def tell_of_expiry(timestamp: int) -> None:  # noqa: ARG001
    """Tell Admins of cards that expire in 30 or 7 days."""
    expiry.tell_of_expiry(timezone.now())


@app.periodic(cron="* * * * * */15")
@app.task(name="payments.walk_list", queueing_lock="payments.walk_list", lock="payments.walk_list")
def walk_list(timestamp: int) -> None:  # noqa: ARG001
    """Walk the gateway's own list."""
    try:
        walk.walk_list(settings.GATEWAY, timezone.now())
        resolve.reopen(timezone.now())
    except GatewayUnavailable as error:
        logger.warning("the gateway's list cannot be read now: %s", error)


@app.periodic(cron="* * * * * */30")
@app.task(name="documents.issue_missing", queueing_lock="documents.issue_missing")
def issue_missing(timestamp: int) -> None:  # noqa: ARG001
    """Issue vouchers whose job was lost."""
    issue.issue_missing(timezone.now())


@app.periodic(cron="* * * * * */30")
@app.task(name="notifications.queue_overdue", queueing_lock="notifications.queue_overdue")
def queue_overdue(timestamp: int) -> None:  # noqa: ARG001
    """Queue mails again whose job was lost."""
    send.queue_overdue(timezone.now())


# One lock for both: two checks at once would only slow each other down.
@app.periodic(cron="*/10 * * * *")
@app.task(name="books.check_changed", queueing_lock="books.check_changed", lock="books.check")
def check_changed(timestamp: int) -> None:  # noqa: ARG001
    """Check the books of what was written since the last clean run."""
    verify.alarm(verify.check_changed(timezone.now()))


@app.periodic(cron="37 2 * * *")
@app.task(name="books.check_all", queueing_lock="books.check_all", lock="books.check")
def check_all(timestamp: int) -> None:  # noqa: ARG001
    """Check all books."""
    now = timezone.now()
    verify.alarm(verify.check_all(now))
    verify.forget_old(now)


@app.periodic(cron="17 3 * * *")
@app.task(name="accounts.forget_old", queueing_lock="accounts.forget_old")
def forget_old(timestamp: int) -> None:  # noqa: ARG001
    """Remove sessions and counts of attempts whose time is over."""
    attempts.forget_old(timezone.now())
    call_command("clearsessions")


@app.periodic(cron="* * * * * */20")
@app.task(name="jobs.revive", queueing_lock="jobs.revive")
async def revive(timestamp: int) -> None:  # noqa: ARG001
    """Queue again what a killed worker left behind: such a job stays `doing` and nobody else takes it."""
    now: datetime = timezone.now()
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER.total_seconds()):
        try:
            await app.job_manager.retry_job(job, retry_at=now)
        except UniqueViolation:
            # A sweep whose successor is queued. Left alone it would keep its lock from it, and stop this job, for ever.
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
