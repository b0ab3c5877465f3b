"""What a payment on a saved card sends to the database, counted on the wire: a ceiling, so that it does not grow unseen."""

import tempfile
from collections.abc import Callable

from django.db import connection
from psycopg import pq

from bank import RunningBank
from conftest import RealDatabase
from people import NOON, Company, open_one, save_card
from raseed.documents.issue import issue_receipt_voucher
from raseed.payments import paynow
from raseed.payments.models import Payment
from raseed.payments.states import State

# With BEGIN and COMMIT. Opened, submitted and settled: three transactions, and the turn at the gateway in a fourth.
PAYMENT_STATEMENTS_MAX = 34
VOUCHER_STATEMENTS_MAX = 11


def sent(act: Callable[[], object]) -> list[str]:
    """The statements that `act` sends on this thread's connection, as libpq writes them down."""
    connection.ensure_connection()
    line: pq.abc.PGconn = connection.connection.pgconn
    with tempfile.TemporaryFile("r") as trace:
        line.trace(trace.fileno())
        line.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        act()
        line.untrace()
        trace.seek(0)
        return [one for one in trace if one.startswith("F") and one.split("\t")[2] in {"Query", "Execute"}]


def test_a_payment_on_a_saved_card_sends_no_more_than_this(
    real_db: RealDatabase, bank: RunningBank, company: Company
) -> None:
    method = save_card(company, bank.save_card(customer=str(company.account.id)))
    made: list[Payment] = []

    def pay() -> None:
        payment = open_one(company, "100", method.id, another=True)
        made.append(paynow.submit(company.account.id, payment.id, NOON))

    def issue() -> None:
        issue_receipt_voucher(company.account.id, made[-1].id, NOON)

    # The first of an account makes rows that the next ones find.
    pay()
    issue()
    statements = sent(pay)
    assert [one.state for one in made] == [State.SUCCEEDED] * 2
    assert 0 < len(statements) <= PAYMENT_STATEMENTS_MAX, "".join(statements)
    assert 0 < len(statements := sent(issue)) <= VOUCHER_STATEMENTS_MAX, "".join(statements)
