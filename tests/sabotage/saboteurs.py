"""The saboteurs: one guard each taken out, and the scene in which that must show.

A saboteur that gets away means that a guard could be lost in a change and no test would say so.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import connections

from conftest import RealDatabase
from raseed.db.transactions import atomic
from raseed.documents.models import PaperKind
from raseed.documents.numbering import Taken, take
from raseed.ledger.post import NewEntry
from raseed.ledger.reversal import reversal_of
from sabotage import drills, drills_afterwards
from sabotage.range import Range
from sabotage.removal import Cut, CutSql, Drop, DropIndex, Removal, Swap


@dataclass(frozen=True)
class Saboteur:
    """`name` says which guard is gone; `drill` returns what is wrong at its end."""

    name: str
    drill: Callable[[Range], list[str]]
    removals: tuple[Removal, ...]

    @contextmanager
    def at_work(self, database: RealDatabase) -> Iterator[None]:
        """The guard is gone meanwhile, in this process and in this database."""
        with ExitStack() as stack:
            for removal in self.removals:
                stack.enter_context(removal.out(database))
            yield


def take_apart(kind: PaperKind, zone: ZoneInfo, now: datetime) -> Taken:
    """A number taken and committed by itself, before its paper exists: what a sequence would do."""
    taken: list[Taken] = []

    def run() -> None:
        try:
            with atomic():
                taken.append(take(kind, zone, now))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return taken[0]


def _reversed_under_a_new_key(*given: Any, **named: Any) -> NewEntry:
    return reversal_of(*given, **(named | {"operation_key": uuid4().hex}))


_PORT = '__import__("raseed.gateways.port", fromlist=["port"])'
_NEW_ID = '__import__("uuid").uuid4().hex'
_LOCK = Cut("raseed.payments.settle:_locked", 'select_for_update(of=("self",)).', "")
_LOOK_AGAIN = "if payment.state == State.SUCCEEDED or payment.captured_minor is not None:"
_SEND_AGAIN = "if isinstance(outcome, NotFound) and not payment.gateway_ref and age < KEY_HORIZON:"
_RECHARGE_LOCKS = (
    Cut("raseed.payments.recharge.consider:_turn", "select_for_update(no_key=True).", ""),
    Cut("raseed.payments.recharge.series:locked", "select_for_update().", ""),
)
_NEW_TRY = Cut(
    "raseed.payments.recharge.consider:_intent",
    'uuid5(here.account.id, f"recharge:{number}:{card.id}")',
    '__import__("uuid").uuid4()',
)
# The books themselves reverse an entry once.
_REVERSED_AGAIN = (
    CutSql("ledger_post", "AND operation_key <> _operation_key", "AND false"),
    DropIndex("ledger_entry_reversed_once"),
)

SABOTEURS = (
    Saboteur("settle_without_lock", drills.news_from_three_roads, (_LOCK,)),
    Saboteur(
        "operation_key_random",
        drills.news_from_three_roads,
        (_LOCK, Cut("raseed.payments.settle:_top_up", 'f"payment:{payment.id}:captured"', _NEW_ID)),
    ),
    Saboteur(
        "settle_without_second_look",
        drills.news_from_three_roads,
        (Cut("raseed.payments.settle:_succeed", _LOOK_AGAIN, "if False:"),),
    ),
    Saboteur(
        "inbox_not_unique", drills.news_comes_twice, (Drop("payments_inboxevent", "payments_inbox_once"),)
    ),
    Saboteur(
        "new_key_at_resend",
        drills.a_charge_lands_late,
        (
            Cut(
                "raseed.payments.paynow:send", "idempotency_key=str(payment.id)", f"idempotency_key={_NEW_ID}"
            ),
        ),
    ),
    Saboteur(
        "not_found_is_not_charged",
        drills.a_charge_lands_late,
        (
            Cut(
                "raseed.payments.reconcile:_ask",
                _SEND_AGAIN,
                'if isinstance(outcome, NotFound):\n        return Refused("not found")\n    if False:',
            ),
        ),
    ),
    Saboteur(
        "client_key_not_unique",
        drills.a_form_is_sent_twice,
        (
            Cut(
                "raseed.payments.paynow:_earlier",
                "Payment.objects.filter(account_id=command.account_id, client_key=command.client_key).first()",
                "None",
            ),
            Drop("payments_payment", "payments_payment_client_key"),
        ),
    ),
    Saboteur(
        "second_tab_not_asked",
        drills.a_second_tab,
        (Cut("raseed.payments.paynow:open_payment", "if not command.another:", "if False:"),),
    ),
    Saboteur(
        "webhook_signature_not_checked",
        drills.a_forged_letter,
        (
            Cut(
                "raseed.gateways.sandbox:SandboxGateway._verified_timestamp",
                "if not any([hmac.compare_digest(right, match[2]) for right in rights]):",
                "if False:",
            ),
        ),
    ),
    Saboteur(
        "webhook_believed_without_asking",
        drills.a_letter_says_what_is_not,
        (
            Cut(
                "raseed.payments.inbox:_look_at_payment",
                "outcome = gateway(letter.gateway).fetch(letter.gateway_ref)",
                "event = InboxEvent.objects.get(id=letter.id); "
                'told = __import__("json").loads(bytes(event.body))["object"]; '
                f'outcome = {_PORT}.Succeeded(event.gateway_ref, told["captured_amount"],'
                ' told["captured_currency"], event.payment_id, None, None)',
            ),
        ),
    ),
    Saboteur(
        "asked_amount_credited",
        drills.another_amount_is_captured,
        (
            Cut(
                "raseed.payments.settle:_succeed",
                "if (outcome.captured_minor, outcome.captured_currency) != (payment.charge_minor, payment.currency):",
                "if False:",
            ),
        ),
    ),
    Saboteur(
        "gateway_reference_not_unique",
        drills.anothers_reference,
        (Drop("payments_gatewayreference", "payments_reference_once"),),
    ),
    Saboteur(
        "charge_left_with_another",
        drills.our_charge_is_named_to_another,
        (
            Cut(
                "raseed.payments.ties:settle_and_untie",
                "if payment.gateway_ref or payment.captured_minor is not None:",
                "if True:",
            ),
        ),
    ),
    Saboteur(
        "anothers_payment_believed",
        drills.anothers_payment,
        (Cut("raseed.payments.settle:_succeed", "outcome.payment_id != payment.id or ", ""),),
    ),
    Saboteur(
        "late_success_ignored",
        drills.a_late_success,
        (
            Cut(
                "raseed.payments.settle:_succeed", _LOOK_AGAIN, 'if payment.state in {"failed", "succeeded"}:'
            ),
        ),
    ),
    Saboteur(
        "list_passed_unconfirmed",
        drills.the_walk_stumbles,
        (
            Cut(
                "raseed.payments.walk:_settle_charge",
                "return _Line.UNCONFIRMED",
                "return _Line.KNOWN",
            ),
        ),
    ),
    Saboteur(
        "open_circuit_fails_payments",
        drills.five_silences,
        (
            Cut(
                "raseed.payments.paynow:_submit",
                "breaker.record(payment.gateway, outcome, now)",
                "breaker.record(payment.gateway, outcome, now)\n    if breaker.is_open(payment.gateway):\n"
                f'        outcome = {_PORT}.Refused("the circuit is open")',
            ),
        ),
    ),
    Saboteur(
        "canceled_here_only",
        drills.nobody_comes_back,
        (
            Cut(
                "raseed.payments.reconcile:_ask",
                "return bank.cancel(payment.gateway_ref)",
                f"return {_PORT}.Canceled(payment.gateway_ref)",
            ),
        ),
    ),
    Saboteur(
        "resend_past_the_horizon",
        drills.a_day_of_silence,
        (
            Cut(
                "raseed.payments.reconcile:_ask",
                _SEND_AGAIN,
                _SEND_AGAIN.replace(" and age < KEY_HORIZON", ""),
            ),
        ),
    ),
    Saboteur(
        "number_taken_apart",
        drills.a_number_is_given_back,
        (Swap("raseed.documents.issue", "take", take_apart),),
    ),
    Saboteur(
        "voucher_issued_without_a_look",
        drills.a_voucher_is_asked_for_twice,
        (Cut("raseed.documents.issue:issue_receipt_voucher", "if issued is not None:", "if False:"),),
    ),
    Saboteur(
        "message_id_new_each_time",
        drills.a_mail_goes_twice,
        (
            Cut(
                "raseed.notifications.send:_message",
                "mail.message_id,",
                f'"<" + {_NEW_ID} + "@raseed.test>",',
            ),
        ),
    ),
    Saboteur(
        "job_queued_after_the_commit",
        drills.the_process_dies_at_the_commit,
        (
            Cut(
                "raseed.payments.settle:_succeed",
                'defer("documents.issue_receipt_voucher", account_id=payment.account_id, payment_id=payment.id)',
                "transaction.on_commit(lambda: None)",
            ),
        ),
    ),
    Saboteur(
        "floor_not_in_the_update",
        drills.two_refunds,
        (
            CutSql("ledger_post", "balance_micros - held_micros + _side.micros >= floor_micros", "true"),
            Drop("ledger_transfer", "ledger_transfer_floor_held"),
        ),
    ),
    Saboteur(
        "recharge_open_twice",
        drills_afterwards.many_hear_of_one_fall,
        (*_RECHARGE_LOCKS, _NEW_TRY, DropIndex("payments_one_open_recharge")),
    ),
    Saboteur(
        "recharge_without_cooldown",
        drills_afterwards.a_declined_card_is_left_alone,
        (
            Cut(
                "raseed.payments.recharge.guards:not_backing_off",
                "if series.next_try_at is not None and here.now < series.next_try_at and not series.is_trying:",
                "if False:",
            ),
        ),
    ),
    Saboteur(
        "recharge_without_day_cap",
        drills_afterwards.drained_past_the_days_cap,
        (Cut("raseed.payments.recharge.guards:under_day_cap", "if here.charged_today >= cap", "if False"),),
    ),
    Saboteur(
        "recharge_without_month_cap",
        drills_afterwards.drained_past_the_months_cap,
        (
            Cut(
                "raseed.payments.recharge.guards:under_month_cap",
                "if here.charged_month_micros + quoted.charge.micros <= cap:",
                "if True:",
            ),
        ),
    ),
    Saboteur(
        "refund_without_payment_lock",
        drills_afterwards.two_clerks,
        (
            Cut("raseed.payments.refund:open_refund", "select_for_update().", ""),
            Drop("payments_payment", "payments_payment_given_back"),
        ),
    ),
    Saboteur(
        "refund_new_key_at_resend",
        drills_afterwards.a_refund_is_sent_again,
        (
            Cut(
                "raseed.payments.refund:send",
                "idempotency_key=str(refund.id)",
                f"idempotency_key={_NEW_ID}",
            ),
        ),
    ),
    Saboteur(
        "failed_refund_put_back_twice",
        drills_afterwards.a_refund_fails_and_is_told_twice,
        (
            Cut(
                "raseed.payments.settle_refund:_fail",
                "if RefundState.FAILED not in MOVES[RefundState(refund.state)]:",
                "if False:",
            ),
            Cut("raseed.payments.refund_states:move", "if to not in MOVES[source]:", "if False:"),
            Swap("raseed.payments.settle_refund", "reversal_of", _reversed_under_a_new_key),
            Drop("payments_payment", "payments_payment_given_back"),
            *_REVERSED_AGAIN,
        ),
    ),
    Saboteur(
        "dispute_reinstated_twice",
        drills_afterwards.a_dispute_is_won_and_told_twice,
        (
            Cut(
                "raseed.payments.dispute:settle_dispute",
                "if told.state not in {DisputeState.OPEN, found.state}:",
                "if told.state != DisputeState.OPEN:",
            ),
            Cut("raseed.payments.dispute:_end", "if dispute.state == DisputeState.WON:", "if False:"),
            Cut("raseed.payments.dispute:_reinstate", 'f"dispute:{dispute.id}:reinstated"', _NEW_ID),
            *_REVERSED_AGAIN,
        ),
    ),
    Saboteur(
        "dispute_debited_twice",
        drills_afterwards.a_dispute_is_told_by_two_roads,
        (
            Cut("raseed.payments.dispute:settle_dispute", "select_for_update().", ""),
            Drop("payments_paymentdispute", "payments_dispute_part_once"),
        ),
    ),
)
