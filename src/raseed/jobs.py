"""The jobs: each calls one use-case. A job may run twice and acts once; what it needs is in its arguments.

The worker imports this module; everybody else queues a job by its name (db/queue.py).
"""

import logging
from datetime import datetime, timedelta
from functools import partial
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
from raseed.api import commands
from raseed.balance import alerts, suspension
from raseed.documents import issue
from raseed.gateways.port import GatewayUnavailable
from raseed.notifications import mails, send
from raseed.notifications.webhooks import records, turns
from raseed.payments import follow_refund, inbox, reconcile, resolve, walk
from raseed.payments.cards import expiry, forgetting, setups, watch
from raseed.payments.recharge import consider, series, sweep
from raseed.payments.recharge.reasons import Cause as RechargeCause
from raseed.payments.states import Cause
from raseed.worker import PAPERS, standing_back

logger = logging.getLogger(__name__)

# A job that raises is tried again: after 2, 4, 8 … seconds, ten times; then it stays failed and is seen by a person.
AGAIN = RetryStrategy(max_attempts=10, exponential_wait=2)
STALLED_AFTER = timedelta(seconds=30)


@app.task(name="payments.follow", retry=AGAIN, priority=5)
def follow_payment(account_id: str, payment_id: str) -> None:
    """Ask about a payment whose outcome is open."""
    reconcile.follow(UUID(account_id), UUID(payment_id), Cause.RECONCILE, timezone.now())


# Before all others: service may depend on it.
@app.task(name="payments.consider_recharge", retry=AGAIN, priority=20)
def consider_recharge(account_id: str, cause: str = RechargeCause.CROSSED.value) -> None:
    """Charge an account's card if its balance is low and nothing speaks against it."""
    consider.consider(UUID(account_id), RechargeCause(cause), timezone.now())


@app.task(name="payments.card_changed", retry=AGAIN, priority=20)
def card_changed(account_id: str) -> None:
    """Try at once with the card that was added, or is the default now."""
    series.card_changed(UUID(account_id), timezone.now())


@app.task(name="payments.follow_refund", retry=AGAIN, priority=5)
def ask_about_refund(account_id: str, refund_id: str) -> None:
    """Ask about a refund whose outcome is open."""
    follow_refund.follow_refund(UUID(account_id), UUID(refund_id), Cause.RECONCILE, timezone.now())


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


@app.task(name="documents.render", retry=AGAIN, queue=PAPERS)
def render_document(account_id: str, document_id: str) -> None:
    """Make and store a paper's PDF."""
    standing_back(partial(issue.render_document, UUID(account_id), UUID(document_id), timezone.now()))


@app.task(name="notifications.mail_receipt", retry=AGAIN, queue=PAPERS)
def mail_receipt(account_id: str, document_id: str) -> None:
    """Write the mail that brings a voucher."""
    mails.mail_receipt(UUID(account_id), UUID(document_id), timezone.now())


@app.task(name="notifications.mail_service_restored", retry=AGAIN)
def mail_service_restored(account_id: str, at: str) -> None:
    """Write the mail that says that service is back."""
    mails.mail_service_restored(UUID(account_id), datetime.fromisoformat(at), timezone.now())


@app.task(name="notifications.mail_recharge", retry=AGAIN)
def mail_recharge(account_id: str, consideration_id: str) -> None:
    """Write the mail that says why an automatic recharge was not made."""
    mails.mail_recharge(UUID(account_id), UUID(consideration_id), timezone.now())


@app.task(name="notifications.mail_service_suspended", retry=AGAIN)
def mail_service_suspended(account_id: str, at: str) -> None:
    """Write the mail that says that service has stopped."""
    mails.mail_service_suspended(UUID(account_id), datetime.fromisoformat(at), timezone.now())


@app.task(name="notifications.mail_grace", retry=AGAIN)
def mail_grace(account_id: str, at: str, until: str) -> None:
    """Write the mail that says until when service goes on."""
    mails.mail_grace(
        UUID(account_id), datetime.fromisoformat(at), datetime.fromisoformat(until), timezone.now()
    )


@app.task(name="notifications.mail_alert", retry=AGAIN)
def mail_alert(account_id: str, alert_id: str) -> None:
    """Write the mail that warns of a limit that was reached."""
    mails.mail_alert(UUID(account_id), UUID(alert_id), timezone.now())


@app.task(name="balance.warn_low", retry=AGAIN)
def warn_low(account_id: str) -> None:
    """Warn that the balance came down to its line."""
    alerts.warn_low(UUID(account_id), timezone.now())


@app.task(name="balance.look_at_alerts", retry=AGAIN)
def look_at_alerts(account_id: str) -> None:
    """Hold an account against its limits: they were changed."""
    alerts.look(UUID(account_id), timezone.now())


@app.periodic(cron="* * * * * */20")
@app.task(name="balance.suspend_due", queueing_lock="balance.suspend_due")
def suspend_due(timestamp: int) -> None:  # noqa: ARG001
    """Suspend those whose time of grace is over, and those whose balance ran out unseen."""
    suspension.sweep(timezone.now())


@app.periodic(cron="* * * * *")
@app.task(name="balance.sweep_alerts", queueing_lock="balance.sweep_alerts")
def sweep_alerts(timestamp: int) -> None:  # noqa: ARG001
    """Look at consumption that is watched and at warnings that stand."""
    alerts.sweep(timezone.now())


@app.periodic(cron="7 * * * *")
@app.task(name="balance.sweep_forecasts", queueing_lock="balance.sweep_forecasts")
def sweep_forecasts(timestamp: int) -> None:  # noqa: ARG001
    """Look how long balances last."""
    alerts.sweep_forecasts(timezone.now())


@app.task(name="notifications.mail_refund", retry=AGAIN)
def mail_refund(account_id: str, refund_id: str, state: str) -> None:
    """Write the mail that says where a refund stands."""
    mails.mail_refund(UUID(account_id), UUID(refund_id), state, timezone.now())


@app.task(name="notifications.mail_dispute", retry=AGAIN)
def mail_dispute(account_id: str, dispute_id: str, state: str) -> None:
    """Write the mails that say where a dispute stands: to the account, and to staff."""
    mails.mail_dispute(UUID(account_id), UUID(dispute_id), state, timezone.now())


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


@app.task(name="notifications.mail_email_change", retry=AGAIN)
def mail_email_change(mail_id: str, user_id: str, address: str, since: str) -> None:
    """Write the mail with the link that confirms a new address."""
    mails.mail_email_change(UUID(mail_id), UUID(user_id), address, since, timezone.now())


@app.task(name="notifications.mail_notice", retry=AGAIN)
def mail_notice(mail_id: str, user_id: str, kind: str, address: str, facts: dict[str, str]) -> None:
    """Tell a person of a change to their sign-in."""
    mails.mail_notice(UUID(mail_id), UUID(user_id), kind, address, facts, timezone.now())


@app.task(name="notifications.send_mail", retry=AGAIN, queue=PAPERS)
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


@app.periodic(cron="* * * * * *")
@app.task(name="payments.ask_silent", queueing_lock="payments.ask_silent", priority=5)
def ask_silent(timestamp: int) -> None:  # noqa: ARG001
    """Ask about every payment that is due: a new one whose process died, and one whose own job was lost."""
    reconcile.ask_silent(timezone.now())
    follow_refund.ask_silent(timezone.now())


@app.periodic(cron="* * * * * */30")
@app.task(name="payments.sweep_recharges", queueing_lock="payments.sweep_recharges")
def sweep_recharges(timestamp: int) -> None:  # noqa: ARG001
    """Find recharges that are due, and those that an event missed."""
    sweep.sweep(timezone.now())


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


@app.periodic(cron="* * * * * */2")
@app.task(name="notifications.deliver_webhooks", queueing_lock="notifications.deliver_webhooks")
def deliver_webhooks(timestamp: int) -> None:  # noqa: ARG001
    """Take a turn at the webhooks to the operator's service."""
    turns.deliver_due(timezone.now())


# Without a queueing lock: one that is taken would undo the transaction in which somebody tells.
@app.task(name="notifications.deliver_urgent", priority=12)
def deliver_urgent() -> None:
    """The same at once: service waits for it. Should it fail, the next turn does it."""
    turns.deliver_due(timezone.now())


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
    """Remove sessions, counts of attempts and answers to commands and deliveries of webhooks whose time is over."""
    attempts.forget_old(timezone.now())
    commands.forget_old(timezone.now())
    records.forget_old(timezone.now())
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
