"""What is still under way, in our books and at the bank: a soak is at rest when all of it is nothing."""

from typing import Any, Final, LiteralString

import psycopg

from soak.recharges import STUCK

_UNREST: Final[dict[str, LiteralString]] = {
    "payments being confirmed": "SELECT count(*) FROM payments_payment WHERE state IN ('created', 'submitted')",
    "payments waiting at the bank": "SELECT count(*) FROM payments_payment WHERE state = 'action_required'",
    "webhooks not applied": "SELECT count(*) FROM payments_inboxevent i JOIN payments_gatewayreference r"
    " USING (payment_id) WHERE i.applied_at IS NULL",
    "vouchers not issued": "SELECT (SELECT count(*) FROM payments_payment WHERE state = 'succeeded')"
    " - (SELECT count(*) FROM documents_document)",
    "files not made": "SELECT (SELECT count(*) FROM documents_document) - (SELECT count(*) FROM documents_documentfile)",
    "mails not sent": "SELECT count(*) FROM notifications_mail WHERE sent_at IS NULL AND gave_up_at IS NULL",
    "files without a mail": "SELECT (SELECT count(*) FROM documents_documentfile) - (SELECT count(*) FROM"
    " notifications_mail WHERE document_id IS NOT NULL)",
    "refunds under way": "SELECT count(*) FROM payments_refund WHERE state IN ('created', 'submitted', 'pending')",
    "disputes open": "SELECT count(*) FROM payments_paymentdispute WHERE state = 'open'",
    "recharges half considered": STUCK,
    "recharges to be considered": "SELECT count(*) FROM procrastinate_jobs WHERE task_name ="
    " 'payments.consider_recharge' AND status IN ('todo', 'doing')",
}


def unrest(owner: psycopg.Connection[Any], dump: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """What is under way, counted by what it is; empty at rest.

    Lines of the bank's book that our copy of its list does not have, and charges that our payments do not know, count only
    when nothing else does.
    """
    # A letter that came while the processes end would be left lying.
    counts = {
        "webhooks on their way": sum(one["next_at"] is not None for one in dump["letters"]),
        "refunds pending at the bank": sum(one["state"] == "pending" for one in dump["refunds"]),
        "disputes running at the bank": sum(one["state"] in {"coming", "open"} for one in dump["disputes"]),
        **{name: count(owner, sql) for name, sql in _UNREST.items()},
    }
    return _some(counts) or _some(_unread(owner, dump["entries"]))


def _unread(owner: psycopg.Connection[Any], entries: list[dict[str, Any]]) -> dict[str, int]:
    copied = {cursor for (cursor,) in owner.execute("SELECT cursor FROM payments_gatewaymovement")}
    captured = {
        str(one)
        for (one,) in owner.execute("SELECT id FROM payments_payment WHERE captured_minor IS NOT NULL")
    }
    return {
        "lines": sum(one["cursor"] not in copied for one in entries),
        "charges": sum(one["kind"] == "charge" and one["reference"] not in captured for one in entries),
    }


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def count(owner: psycopg.Connection[Any], sql: LiteralString) -> int:
    """The one number that `sql` selects."""
    row = owner.execute(sql).fetchone()
    return int(row[0]) if row else 0
