"""What happens to a saboteur: scenes that go right with the product as it is and wrong without one of its guards.

Each returns what is wrong at its end, nothing if all is well.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from unittest.mock import patch
from uuid import uuid4

from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from bank import eventually
from raseed.documents import issue
from raseed.documents.models import Document
from raseed.errors import RaseedError
from raseed.gateways.port import Card, DeclineCode, Declined, GatewayUnavailable, Succeeded, Unknown
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money
from raseed.notifications import mails, send
from raseed.notifications.models import Mail
from raseed.payments import inbox, paynow, walk
from raseed.payments import settle as settling
from raseed.payments.models import InboxEvent, Payment, PaymentMove
from raseed.payments.states import Cause, State
from sabotage.range import Range

SOON, DAY = timedelta(seconds=5), timedelta(hours=24)
CARD = Card("visa", "4242", 12, 2030)


class Died(BaseException):
    """The process is gone at this line: nothing after it runs, and nobody catches it."""


@contextmanager
def _until_it_dies() -> Iterator[None]:
    """The process of these lines ends at Died, if it comes; its connection goes with it."""
    try:
        yield
    except Died:
        connection.close()


def _die_if_anything_waits_for_the_commit() -> None:
    if connection.run_on_commit:
        raise Died


def _without(found: list[str], *beginnings: str) -> list[str]:
    """What the scene itself brings about is not a finding."""
    return [one for one in found if not one.startswith(beginnings)]


def news_from_three_roads(where: Range) -> list[str]:
    """Page, webhook and reconcile bring the same success at the same moment, each past its first look."""
    where.weather("G6")
    payment = where.press(where.form())
    fetched = where.bank.client.get(f"{where.bank.url}/v1/payments", params={"reference": str(payment.id)})
    told = Succeeded(fetched.json()["id"], 10_000, "USD", payment.id, CARD, None)
    where.together(
        *[
            lambda cause=cause: settling.settle(payment.account_id, payment.id, told, cause, where.now + SOON)
            for cause in (Cause.PAGE, Cause.WEBHOOK, Cause.RECONCILE) * 4
        ]
    )
    moves = PaymentMove.objects.filter(
        account_id=payment.account_id, payment_id=payment.id, target="succeeded"
    )
    where.sees(moves.count() != 1, f"{moves.count()} moves to succeeded")
    return where.found()


def news_comes_twice(where: Range) -> list[str]:
    """The page has settled; then the bank's letter arrives, three times."""
    where.press(where.form())
    for letter in where.letters() * 3:
        inbox.receive("sandbox", *where.signed(letter), where.now)
    copies = InboxEvent.objects.count()
    where.sees(copies != 1, f"{copies} copies of one letter in the inbox")
    return where.found()


def a_charge_lands_late(where: Range) -> list[str]:
    """No answer; a look-up finds nothing; the same key says that it runs; half a second later it is charged."""
    where.weather("G9")
    payment = where.press(where.form())
    where.follow(payment, SOON)
    eventually(lambda: all(one["state"] != "processing" for one in where.bank.dump()["payments"]))
    where.follow(payment, SOON * 2)
    return where.found()


def a_form_is_sent_twice(where: Range) -> list[str]:
    """The browser posts the same form again."""
    form = where.form()
    where.press(form)
    where.press(form, SOON)
    return where.found()


def a_second_tab(where: Range) -> list[str]:
    """Another form, while the first payment is not known to be through: it must ask before it pays."""
    where.weather("G6")
    where.press(where.form())
    try:
        where.press(where.form(another=False), SOON)
    except RaseedError:
        return where.found()
    where.sees(True, "charged twice without being asked")
    return where.found()


def a_forged_letter(where: Range) -> list[str]:
    """Somebody without the secret signs a letter."""
    where.press(where.form())
    (letter,) = where.letters()
    raw, headers = where.signed(letter | {"id": "evt_forged"}, secret="not the bank's")
    try:
        inbox.receive("sandbox", raw, headers, where.now)
    except RaseedError:
        return where.found()
    where.sees(True, "a letter that the bank never sent is in the inbox")
    return where.found()


def a_letter_says_what_is_not(where: Range) -> list[str]:
    """A letter with a right signature says that a payment succeeded whose customer has not even typed a card."""
    payment = where.press(where.form(method_id=None))
    told = {
        "object": "payment",
        "id": payment.gateway_ref,
        "reference": str(payment.id),
        "captured_amount": 10_000,
        "captured_currency": "USD",
    }
    letter = {"id": "evt_untrue", "type": "payment.succeeded", "object": told}
    inbox.receive("sandbox", *where.signed(letter), where.now)
    where.work(SOON)
    where.bank.pay(payment.gateway_ref, "4242424242424242", "cancel")
    where.follow(payment, SOON * 2)
    return where.found()


def another_amount_is_captured(where: Range) -> list[str]:
    """Asked for 100, the bank takes 50: nothing may be credited before a person has looked."""
    where.weather("G13")
    payment = where.press(where.form())
    where.sees(payment.state == State.SUCCEEDED, "paid, although another amount was captured")
    return where.found()


def anothers_reference(where: Range) -> list[str]:
    """The bank answers with a charge that is another payment's."""
    first = where.press(where.form())
    second = paynow.open_payment(where.form("50"), where.now)
    told = Succeeded(first.gateway_ref, 5_000, "USD", second.id, CARD, None)
    with patch.object(paynow, "send", lambda _payment: told):
        paynow.submit(second.account_id, second.id, where.now)
    return _without(where.found(timedelta()), "unresolved")


def our_charge_is_named_to_another(where: Range) -> list[str]:
    """The bank takes our money in silence, then names our charge in its answer to another customer, who is tied to it."""
    form = where.form_of_another()
    where.weather("G6")
    ours = where.press(where.form())
    where.weather("G14")
    where.press(form)
    where.follow(ours, SOON)
    return where.found()


def anothers_payment(where: Range) -> list[str]:
    """The bank answers with a charge of its own that it holds under another payment's id."""
    first = paynow.open_payment(where.form(), where.now)
    told = Succeeded("pay_anothers", 10_000, "USD", uuid4(), CARD, None)
    with patch.object(paynow, "send", lambda _payment: told):
        paynow.submit(first.account_id, first.id, where.now)
    return _without(where.found(timedelta()), "unresolved")


def a_late_success(where: Range) -> list[str]:
    """We were told of a decline; then the bank's own list says that it charged."""
    where.weather("G6")
    payment = where.press(where.form())
    declined = Declined(None, DeclineCode.GENERIC, retryable=True)
    settling.settle(payment.account_id, payment.id, declined, Cause.PAGE, where.now)
    # That we said "not charged" is the bank's doing here.
    return _without(where.found(), "denied")


def five_silences(where: Range) -> list[str]:
    """The bank charges five times and its answers are lost: the circuit opens, and nothing is given up for it."""
    for _ in range(5):
        where.weather("G6")
        where.press(where.form("20"))
    for payment in Payment.objects.filter(account_id=where.company.account.id, state=State.SUBMITTED):
        where.follow(payment, SOON)
    return where.found()


def nobody_comes_back(where: Range) -> list[str]:
    """The card page is left for half an hour; the payment is over; then the customer types the card after all."""
    payment = where.press(where.form(method_id=None))
    where.follow(payment, timedelta(minutes=31))
    where.bank.pay(payment.gateway_ref, "4242424242424242")
    return where.found(timedelta(minutes=60))


def a_day_of_silence(where: Range) -> list[str]:
    """Nothing was charged and nobody knows; a day later the bank has forgotten the key: nothing may be sent."""
    where.weather("G8")
    payment = where.press(where.form())
    where.follow(payment, DAY)
    charged = len(where.charges())
    where.sees(charged > 0, f"{charged} charge, a day after the customer pressed Pay")
    return where.found(DAY)


def a_number_is_given_back(where: Range) -> list[str]:
    """Issuing a voucher fails after its number was taken, once; then it is issued."""
    payment = where.press(where.form())
    with patch.object(Document.objects, "create", side_effect=Died), _until_it_dies():
        issue.issue_receipt_voucher(payment.account_id, payment.id, where.now)
    return where.found()


def a_voucher_is_asked_for_twice(where: Range) -> list[str]:
    """The job that issues the voucher runs twice."""
    payment = where.press(where.form())
    for _ in range(2):
        where.attempt(
            "the voucher", lambda: issue.issue_receipt_voucher(payment.account_id, payment.id, where.now)
        )
    return where.found()


def a_mail_goes_twice(where: Range) -> list[str]:
    """The mail server took it and the line broke before it said so: the same mail goes again."""
    payment = where.press(where.form())
    document = issue.issue_receipt_voucher(payment.account_id, payment.id, where.now)
    issue.render_document(payment.account_id, document.id, where.now)
    mail = mails.mail_receipt(payment.account_id, document.id, where.now)
    before = len(where.post_office.letters)
    for broken, after in ((True, SOON), (False, timedelta(minutes=10))):
        where.post_office.hang_up_after_data = broken
        send.send_mail(payment.account_id, mail.id, where.now + after)
    ids = {str(one["Message-ID"]) for one in where.post_office.messages()[before:]}
    where.sees(len(where.post_office.letters) - before != 2, "the mail did not go twice")
    where.sees(len(ids) != 1, f"{len(ids)} different mails to the reader's eyes")
    where.sees(
        Mail.objects.get(account_id=mail.account_id, id=mail.id).sent_at is None, "the mail is not sent"
    )
    return where.found()


def the_process_dies_at_the_commit(where: Range) -> list[str]:
    """The credit is committed and the process is gone at that very moment: its voucher must be on its way."""
    payment = paynow.open_payment(where.form(), where.now)
    hooks = patch.object(connection, "run_and_clear_commit_hooks", _die_if_anything_waits_for_the_commit)
    with hooks, _until_it_dies():
        paynow.submit(payment.account_id, payment.id, where.now)
    names = {job.task_name for job in ProcrastinateJob.objects.all()}
    where.sees("documents.issue_receipt_voucher" not in names, "paid, and no voucher on its way")
    return where.found()


def two_refunds(where: Range) -> list[str]:
    """100 are there, and 80 are to be given back twice."""
    where.press(where.form())
    back = Transfer(Kind.CUSTOMER, Kind.ADJUSTMENTS, Money(80_000_000, "USD"))
    for number in range(2):
        entry = NewEntry(where.company.account.id, EntryKind.REFUND, f"refund:{number}", (back,), where.now)
        try:
            with transaction.atomic():
                post(entry)
        except RaseedError:
            continue
    balance = _balance(where)
    where.sees(balance < 0, f"the balance is {balance} micros")
    # The first entry is no refund of ours, and that is told as well.
    return _without(where.found(), "I13: entry refund:")


def the_walk_stumbles(where: Range) -> list[str]:
    """We were told of a decline; the list says charged, and just then the bank does not confirm it."""
    where.weather("G6")
    payment = where.press(where.form())
    declined = Declined(None, DeclineCode.GENERIC, retryable=True)
    settling.settle(payment.account_id, payment.id, declined, Cause.PAGE, where.now)
    deaf = patch.object(type(paynow.gateway("sandbox")), "fetch", lambda *_: Unknown("no answer"))
    with deaf, suppress(GatewayUnavailable):
        walk.walk_list("sandbox", where.now)
    return _without(where.found(), "denied")


def _balance(where: Range) -> int:
    """The customer's ledger balance in micros."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT balance_micros FROM ledger_account WHERE account_id = %s AND kind = 'customer'",
            [where.company.account.id],
        )
        return int(cursor.fetchone()[0])
