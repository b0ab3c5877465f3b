"""What must be true of the papers: no number missing or given twice, one voucher a payment, files as they were made.

It reads and must never repair. A series runs over all accounts, so its numbers are looked at whole in every run: the
register is narrow.
"""

# ruff: noqa: S608 - the only text put into these statements is constants

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from raseed.db.invariants import Scope, Violation, invariant, of, violations

VOUCHER_WITHIN: Final = timedelta(seconds=60)

_SERIES = """
WITH register AS (
    SELECT series, count(*) AS papers, min(number) AS first, max(number) AS last
      FROM documents_issuednumber GROUP BY series
)
SELECT coalesce(register.series, counter.series) AS series,
       format('%%s papers numbered %%s to %%s, the counter stands at %%s: there is a gap or a stray number',
              coalesce(papers, 0), first, register.last, counter.last)
  FROM register FULL JOIN documents_numbercounter AS counter USING (series)
 WHERE register.first IS DISTINCT FROM 1 OR register.last IS DISTINCT FROM papers
    OR counter.last IS DISTINCT FROM register.last
 ORDER BY 1
"""

_GAPS = """
SELECT series, number, format('numbers %%s to %%s are missing before it', before + 1, number - 1)
  FROM (SELECT series, number, lag(number, 1, 0) OVER (PARTITION BY series ORDER BY number) AS before
          FROM documents_issuednumber) AS numbered
 WHERE number - before > 1
 ORDER BY series, number
"""

_TWICE = """
SELECT series, number, format('%%s papers bear this number', count(*))
  FROM documents_document
 GROUP BY series, number HAVING count(*) > 1
 ORDER BY series, number
"""

_REGISTER = f"""
SELECT coalesce(paper.account_id, given.account_id) AS account,
       coalesce(paper.id, given.document_id) AS document,
       CASE WHEN paper.id IS NULL THEN format('number %%s of %%s has no paper', given.number, given.series)
            WHEN given.document_id IS NULL THEN format('%%s is not in the register', paper.display_number)
            ELSE format('the paper says %%s of %%s, copied as %%s; the register says %%s of %%s',
                        paper.display_number, paper.issued_on, paper.copy ->> 'number',
                        given.series || '-' || given.number, given.issued_on) END
  FROM (SELECT * FROM documents_document AS own WHERE {of("own")}) AS paper
  FULL JOIN (SELECT * FROM documents_issuednumber AS own WHERE {of("own")}) AS given
    ON given.account_id = paper.account_id AND given.document_id = paper.id
 WHERE paper.id IS NULL OR given.document_id IS NULL
    OR (paper.series, paper.number, paper.issued_on) <> (given.series, given.number, given.issued_on)
    OR paper.display_number IS DISTINCT FROM paper.copy ->> 'number'
    OR paper.display_number <> format('%%s-%%s', paper.series,
           lpad(paper.number::text, greatest(6, length(paper.number::text)), '0'))
 ORDER BY 1, 2
"""

_DAYS = f"""
SELECT paper.account_id AS account, paper.id AS document,
       format('dated %%s, issued at %%s: another day in %%s', issued_on, issued_at, paper.copy ->> 'time_zone')
  FROM documents_document AS paper
 WHERE {of("paper")} AND issued_on <> (issued_at AT TIME ZONE (paper.copy ->> 'time_zone'))::date
 ORDER BY 1, 2
"""

_DATES = """
SELECT series, number, format('dated %%s, and the paper before it %%s', issued_on, before)
  FROM (SELECT series, number, issued_on,
               lag(issued_on) OVER (PARTITION BY series ORDER BY number) AS before
          FROM documents_issuednumber) AS numbered
 WHERE issued_on < before
 ORDER BY series, number
"""

_VOUCHERS = f"""
SELECT payment.account_id AS account, payment.id AS payment,
       CASE count(paper.id) WHEN 0 THEN format('final since %%s and without a receipt voucher', payment.final_at)
            ELSE format('%%s receipt vouchers', count(paper.id)) END
  FROM payments_payment AS payment
  LEFT JOIN documents_document AS paper
    ON paper.account_id = payment.account_id AND paper.payment_id = payment.id
   AND paper.kind = 'receipt_voucher'
 WHERE payment.state = 'succeeded' AND {of("payment")} AND payment.final_at < %(old)s
 GROUP BY payment.account_id, payment.id, payment.final_at
HAVING count(paper.id) <> 1
 ORDER BY payment.final_at
"""

_AMOUNTS = f"""
SELECT paper.account_id AS account, paper.display_number AS voucher, payment.id AS payment,
       format('the voucher says %%s %%s; the payment is %%s with %%s %%s captured',
              paper.copy ->> 'amount_minor', paper.copy ->> 'currency',
              coalesce(payment.state, 'gone'), payment.captured_minor, payment.captured_currency)
  FROM documents_document AS paper
  LEFT JOIN payments_payment AS payment
    ON payment.account_id = paper.account_id AND payment.id = paper.payment_id
 WHERE paper.kind = 'receipt_voucher' AND {of("paper")}
   AND (payment.state IS DISTINCT FROM 'succeeded'
        OR (paper.copy ->> 'amount_minor')::bigint IS DISTINCT FROM payment.captured_minor
        OR paper.copy ->> 'currency' IS DISTINCT FROM payment.captured_currency)
 ORDER BY paper.issued_at
"""

_FILES = f"""
SELECT account_id AS account, document_id AS document,
       format('the file''s SHA-256 is %%s, stored with it is %%s', encode(sha256(content), 'hex'), sha256)
  FROM documents_documentfile AS file
 WHERE {of("file")} AND encode(sha256(content), 'hex') <> sha256
 ORDER BY account_id, document_id
"""


@invariant("I15", "Numbers of a series run from 1 to the counter, without a gap, each given once.")
def numbers_have_no_gap(scope: Scope) -> Iterator[Violation]:
    yield from violations("I15", _SERIES, scope)
    yield from violations("I15", _GAPS, scope)
    yield from violations("I15", _TWICE, scope)


@invariant("I15", "Every number in the register is on exactly the paper that it was given to.")
def register_and_papers_agree(scope: Scope) -> Iterator[Violation]:
    yield from violations("I15", _REGISTER, scope)


@invariant("I15", "Issue dates never go back within a series, and are days of the operator's time zone.")
def dates_never_go_back(scope: Scope) -> Iterator[Violation]:
    yield from violations("I15", _DAYS, scope)
    yield from violations("I15", _DATES, scope)


@invariant("I16", "Every succeeded payment has exactly one receipt voucher within 60 seconds.")
def one_voucher_a_payment(scope: Scope) -> Iterator[Violation]:
    yield from violations("I16", _VOUCHERS, scope, old=scope.now - VOUCHER_WITHIN)


@invariant("I16", "A receipt voucher says what was captured of a payment that succeeded.")
def vouchers_say_what_was_captured(scope: Scope) -> Iterator[Violation]:
    yield from violations("I16", _AMOUNTS, scope)


@invariant("PAPER-SHA256", "A paper's stored file is what was first made.")
def files_are_as_made(scope: Scope) -> Iterator[Violation]:
    yield from violations("PAPER-SHA256", _FILES, scope)
