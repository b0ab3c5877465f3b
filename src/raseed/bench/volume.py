"""Books of any size, made in the database in one go, so that every rule of `raseed verify` holds of them.

Each account lives the same life: one entry in fifty is a top-up of 100 USD by card, with its payment, its line in the
gateway's list and its numbered voucher; the others are usage, five minutes apart. Written as the owner of the tables:
for a bench's own database and for no other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

import psycopg

TOP_UP_EVERY: Final = 50
MINUTES_APART: Final = 5
AGE_MIN: Final = timedelta(days=1)
SERIES: Final = "RV-2026"

# A UUIDv7 of this moment, as `raseed.db.uuids` makes them: PostgreSQL has a function of its own from 18 on only.
_NEW_ID: Final[LiteralString] = """
CREATE FUNCTION pg_temp.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(
               uuid_send(gen_random_uuid())
               PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
           ), 52, 1), 53, 1), 'hex')::uuid
$$
"""
_LOT: Final[LiteralString] = """
CREATE TEMP TABLE lot ON COMMIT DROP AS
SELECT account_id, n, pg_temp.new_id() AS id, CASE WHEN n %% %(every)s = 1 THEN pg_temp.new_id() END AS payment_id,
       (%(last)s::timestamptz - (%(entries)s - n) * make_interval(mins => %(minutes)s)) AS at,
       CASE WHEN n %% %(every)s = 1 THEN 100000000 ELSE (n %% 97 + 1) * 1000 END::bigint AS micros
  FROM unnest(%(accounts)s::uuid[]) AS account_id, generate_series(1, %(entries)s) AS n
"""

_STEPS: Final[tuple[LiteralString, ...]] = (
    """
    INSERT INTO ledger_account (account_id, id, kind, currency, balance_micros, held_micros, floor_micros, version)
    SELECT account_id, pg_temp.new_id(), side.kind, 'USD', sum(side.micros), 0,
           CASE WHEN side.kind = 'customer' THEN 0 END, count(*)
      FROM lot, LATERAL (VALUES
           ('customer', CASE WHEN payment_id IS NULL THEN -micros ELSE micros END),
           (CASE WHEN payment_id IS NULL THEN 'uninvoiced_revenue' ELSE 'gateway_clearing' END,
            CASE WHEN payment_id IS NULL THEN micros ELSE -micros END)) AS side (kind, micros)
     GROUP BY account_id, side.kind
    """,
    """
    INSERT INTO ledger_entry (account_id, id, kind, operation_key, fingerprint, at, recorded_at, memo)
    SELECT account_id, id, CASE WHEN payment_id IS NULL THEN 'usage' ELSE 'topup_card' END,
           CASE WHEN payment_id IS NULL THEN 'usage:' || n ELSE 'payment:' || payment_id || ':captured' END,
           sha256(id::text::bytea), at, at,
           CASE WHEN payment_id IS NULL THEN '{"service": "calls_out"}'::jsonb
                ELSE jsonb_build_object('payment_id', payment_id) END
      FROM lot
    """,
    """
    INSERT INTO ledger_transfer (account_id, id, entry_id, line, debit, credit, currency, amount_micros)
    SELECT account_id, pg_temp.new_id(), id, 0,
           CASE WHEN payment_id IS NULL THEN 'customer' ELSE 'gateway_clearing' END,
           CASE WHEN payment_id IS NULL THEN 'uninvoiced_revenue' ELSE 'customer' END, 'USD', micros
      FROM lot
    """,
    """
    INSERT INTO ledger_customer_total (account_id, id, kind, currency, debit_micros, credit_micros, entries)
    SELECT account_id, pg_temp.new_id(), CASE WHEN payment_id IS NULL THEN 'usage' ELSE 'topup_card' END, 'USD',
           coalesce(sum(micros) FILTER (WHERE payment_id IS NULL), 0),
           coalesce(sum(micros) FILTER (WHERE payment_id IS NOT NULL), 0), count(*)
      FROM lot GROUP BY account_id, payment_id IS NULL
    """,
    """
    INSERT INTO payments_payment
        (account_id, id, client_key, fingerprint, purpose, state, currency, credit_micros, tax_micros, charge_minor,
         captured_minor, captured_currency, gateway, gateway_ref, save_method, card_brand, card_last4, decline_code,
         action_url, language, created_at, submitted_at, final_at, asks)
    SELECT account_id, payment_id, payment_id, '', 'pay_now', 'succeeded', 'USD', micros, 0, micros / 10000,
           micros / 10000, 'USD', 'sandbox', 'pay_' || payment_id, false, 'visa', '4242', '',
           '', 'en', at, at, at, 1
      FROM lot WHERE payment_id IS NOT NULL
    """,
    """
    INSERT INTO payments_paymentmove (account_id, id, payment_id, source, target, cause, at)
    SELECT account_id, pg_temp.new_id(), payment_id, step.source, step.target, 'page', at
      FROM lot, (VALUES ('created', 'submitted'), ('submitted', 'succeeded')) AS step (source, target)
     WHERE payment_id IS NOT NULL
    """,
    """
    INSERT INTO payments_gatewayreference (payment_id, account_id, gateway, gateway_ref)
    SELECT payment_id, account_id, 'sandbox', 'pay_' || payment_id FROM lot WHERE payment_id IS NOT NULL
    """,
    """
    INSERT INTO payments_gatewaymovement (gateway, cursor, kind, gateway_ref, payment_id, amount_minor, currency, at)
    SELECT 'sandbox', payment_id::text, 'charge', 'pay_' || payment_id, payment_id, micros / 10000, 'USD', at
      FROM lot WHERE payment_id IS NOT NULL
    """,
    """
    INSERT INTO payments_listcursor (gateway, cursor, walked_at) VALUES ('sandbox', '', %(now)s)
    ON CONFLICT DO NOTHING
    """,
    """
    CREATE TEMP TABLE paper ON COMMIT DROP AS
    SELECT account_id, payment_id, at, micros, pg_temp.new_id() AS id,
           coalesce((SELECT last FROM documents_numbercounter WHERE series = %(series)s), 0)
           + row_number() OVER (ORDER BY at, account_id) AS number
      FROM lot WHERE payment_id IS NOT NULL
    """,
    """
    INSERT INTO documents_document
        (account_id, id, kind, series, number, display_number, issued_at, issued_on, payment_id, language, copy)
    SELECT account_id, id, 'receipt_voucher', %(series)s, number, %(series)s || '-' || lpad(number::text, 6, '0'),
           at, (at AT TIME ZONE 'UTC')::date, payment_id, 'en',
           jsonb_build_object('number', %(series)s || '-' || lpad(number::text, 6, '0'), 'time_zone', 'UTC',
                              'amount_minor', micros / 10000, 'currency', 'USD')
      FROM paper
    """,
    """
    INSERT INTO documents_issuednumber (document_id, account_id, series, number, issued_on)
    SELECT id, account_id, %(series)s, number, (at AT TIME ZONE 'UTC')::date FROM paper
    """,
    """
    INSERT INTO documents_numbercounter (series, last, issued_at, issued_on)
    SELECT %(series)s, max(number), max(at), max((at AT TIME ZONE 'UTC')::date) FROM paper HAVING count(*) > 0
    ON CONFLICT (series) DO UPDATE SET last = excluded.last
    """,
)


def fill(owner_url: str, accounts: Sequence[UUID], entries: int, now: datetime) -> int:
    """Give each account so many entries, the last a day ago; returns how many were written."""
    parameters = {
        "accounts": list(accounts),
        "entries": entries,
        "every": TOP_UP_EVERY,
        "minutes": MINUTES_APART,
        "last": now - AGE_MIN,
        "now": now,
        "series": SERIES,
    }
    with psycopg.connect(owner_url, cursor_factory=psycopg.ClientCursor) as owner:
        owner.execute(_NEW_ID)
        owner.execute(_LOT, parameters)
        owner.execute("ANALYZE lot")
        for step in _STEPS:
            owner.execute(step, parameters)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
    return len(accounts) * entries
