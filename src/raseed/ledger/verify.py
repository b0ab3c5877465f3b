"""The books added up again, set by set, against what the posting function keeps; and who could have changed them.

Each check is one statement over all accounts of the scope, inside the snapshot of `raseed.db.invariants.run`. What the
tables' constraints forbid is checked all the same: a constraint can be dropped, and the books must still be able to say so.
"""

# ruff: noqa: S608 - the only text put into these statements is constants

from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections

from raseed.db.catalogue import APPEND_ONLY
from raseed.db.invariants import Scope, Violation, invariant, of, violations
from raseed.db.privileges import stated
from raseed.ledger.chart import GUARDED, Kind

# Every side of every transfer: what it added to which ledger account.
_SIDES: Final = f"""
    SELECT account_id, entry_id, debit AS kind, currency, -amount_micros AS micros FROM ledger_transfer d WHERE {of("d")}
    UNION ALL
    SELECT account_id, entry_id, credit, currency, amount_micros FROM ledger_transfer c WHERE {of("c")}
"""
_BALANCES: Final = f"(SELECT * FROM ledger_account b WHERE {of('b')})"


@invariant("I1", "Every entry has transfers, each with two sides, and every transfer has its entry.")
def entries_are_whole(scope: Scope) -> Iterator[Violation]:
    """An entry without transfers, a transfer without its entry or with one side twice."""
    yield from violations(
        "I1",
        "SELECT e.account_id AS account, e.id AS entry, 'an entry without transfers, key ' || e.operation_key AS detail"
        f"  FROM ledger_entry e WHERE {of('e')} AND NOT EXISTS (SELECT FROM ledger_transfer t"
        f"   WHERE {of('t')} AND t.account_id = e.account_id AND t.entry_id = e.id)",
        scope,
    )
    yield from violations(
        "I1",
        "SELECT t.account_id AS account, t.entry_id AS entry, t.id AS transfer,"
        "       'a transfer of ' || t.amount_micros || ' ' || t.currency || ' without its entry' AS detail"
        f"  FROM ledger_transfer t WHERE {of('t')} AND NOT EXISTS (SELECT FROM ledger_entry e"
        f"   WHERE {of('e')} AND e.account_id = t.account_id AND e.id = t.entry_id)",
        scope,
    )
    yield from violations(
        "I1",
        "SELECT account_id AS account, entry_id AS entry, id AS transfer,"
        "       'debit and credit are both ' || debit AS detail FROM ledger_transfer t"
        f" WHERE {of('t')} AND debit = credit",
        scope,
    )


@invariant("I1", "A reversal moves back exactly what its entry moved, once, and is not reversed itself.")
def reversals_are_mirrors(scope: Scope) -> Iterator[Violation]:
    """A reversal whose transfers, side by side, are not those of its entry swapped."""
    yield from violations(
        "I1",
        f"""
        SELECT r.account_id AS account, r.id AS entry, r.reverses_id AS reverses, 'not the mirror of its entry' AS detail
          FROM ledger_entry r
         WHERE {of("r")} AND r.reverses_id IS NOT NULL
           AND (SELECT array_agg((t.line, t.debit, t.credit, t.currency, t.amount_micros)::text ORDER BY t.line)
                  FROM ledger_transfer t WHERE t.account_id = r.account_id AND t.entry_id = r.id)
               IS DISTINCT FROM
               (SELECT array_agg((t.line, t.credit, t.debit, t.currency, t.amount_micros)::text ORDER BY t.line)
                  FROM ledger_transfer t WHERE t.account_id = r.account_id AND t.entry_id = r.reverses_id)
        """,
        scope,
    )
    yield from violations(
        "I1",
        f"""
        SELECT r.account_id AS account, r.id AS entry, r.reverses_id AS reverses,
               CASE WHEN e.reverses_id IS NOT NULL THEN 'the reversal of a reversal' ELSE 'reversed twice' END AS detail
          FROM ledger_entry r JOIN ledger_entry e ON e.account_id = r.account_id AND e.id = r.reverses_id
         WHERE {of("r")} AND (e.reverses_id IS NOT NULL
            OR EXISTS (SELECT FROM ledger_entry o
                        WHERE o.account_id = r.account_id AND o.reverses_id = r.reverses_id AND o.id <> r.id))
        """,
        scope,
    )


@invariant("I2", "Every transfer moves more than nothing.")
def amounts_are_above_zero(scope: Scope) -> Iterator[Violation]:
    """An amount of 0 or less. That it is whole micros is the column's type."""
    yield from violations(
        "I2",
        "SELECT account_id AS account, entry_id AS entry, id AS transfer,"
        "       'amount ' || amount_micros || ' ' || currency AS detail FROM ledger_transfer t"
        f" WHERE {of('t')} AND amount_micros <= 0",
        scope,
    )


@invariant(
    "I3", "The balances of an account add up to zero in each currency, and so do all of them together."
)
def trial_balance_is_zero(scope: Scope) -> Iterator[Violation]:
    """An account and currency whose balances do not add up to zero."""
    yield from violations(
        "I3",
        "SELECT account_id AS account, currency, 'the trial balance is ' || sum(balance_micros) || ' micros' AS detail"
        f"  FROM {_BALANCES} a GROUP BY account_id, currency HAVING sum(balance_micros) <> 0",
        scope,
    )


@invariant("I4", "Each balance is the sum of its transfers.")
def balances_add_up(scope: Scope) -> Iterator[Violation]:
    """A balance row that differs from its transfers, or transfers without a balance row."""
    yield from violations(
        "I4",
        f"""
        SELECT account_id AS account, kind, currency,
               'the balance is ' || coalesce(a.balance_micros::text, 'missing') || ', the transfers add up to '
               || coalesce(s.micros, 0) AS detail
          FROM {_BALANCES} a
          FULL JOIN (SELECT account_id, kind, currency, sum(micros) AS micros FROM ({_SIDES}) AS sides
                      GROUP BY account_id, kind, currency) AS s USING (account_id, kind, currency)
         WHERE a.balance_micros IS DISTINCT FROM coalesce(s.micros, 0)
        """,
        scope,
    )


@invariant(
    "I4", "The customer's totals are the sums of the entries of each kind, reversals with what they reverse."
)
def customer_totals_add_up(scope: Scope) -> Iterator[Violation]:
    """A total that differs from its entries, or entries without a total."""
    yield from violations(
        "I4",
        f"""
        SELECT account_id AS account, kind AS entries_of, currency,
               'the total is ' || coalesce(concat_ws('/', c.debit_micros, c.credit_micros, c.entries), '')
               || ' (debit/credit/entries), the entries add up to '
               || coalesce(concat_ws('/', s.debit_micros, s.credit_micros, s.entries), '') AS detail
          FROM (SELECT * FROM ledger_customer_total ct WHERE {of("ct")}) c
          FULL JOIN (
               SELECT t.account_id, coalesce(r.kind, e.kind) AS kind, t.currency,
                      coalesce(sum(t.amount_micros) FILTER (WHERE t.debit = %(customer)s), 0) AS debit_micros,
                      coalesce(sum(t.amount_micros) FILTER (WHERE t.credit = %(customer)s), 0) AS credit_micros,
                      count(DISTINCT t.entry_id) AS entries
                 FROM ledger_transfer t
                 JOIN ledger_entry e ON {of("e")} AND e.account_id = t.account_id AND e.id = t.entry_id
                 LEFT JOIN ledger_entry r ON {of("r")} AND r.account_id = e.account_id AND r.id = e.reverses_id
                WHERE {of("t")} AND %(customer)s IN (t.debit, t.credit)
                GROUP BY t.account_id, coalesce(r.kind, e.kind), t.currency
          ) AS s USING (account_id, kind, currency)
         WHERE (c.debit_micros, c.credit_micros, c.entries) IS DISTINCT FROM (s.debit_micros, s.credit_micros, s.entries)
        """,
        scope,
        customer=Kind.CUSTOMER.value,
    )


@invariant("I5", "The version of each balance is the number of entries that touched it.")
def versions_have_no_hole(scope: Scope) -> Iterator[Violation]:
    """A version that is not the count of entries."""
    yield from violations(
        "I5",
        f"""
        SELECT a.account_id AS account, a.kind, a.currency,
               'version ' || a.version || ' after ' || coalesce(s.entries, 0) || ' entries' AS detail
          FROM {_BALANCES} a
          LEFT JOIN (SELECT account_id, kind, currency, count(DISTINCT entry_id) AS entries FROM ({_SIDES}) AS sides
                      GROUP BY account_id, kind, currency) AS s USING (account_id, kind, currency)
         WHERE a.version <> coalesce(s.entries, 0)
        """,
        scope,
    )


@invariant(
    "I6", "Transfers are in the currency of their ledger accounts, and the customer's is the account's own."
)
def currencies_agree(scope: Scope) -> Iterator[Violation]:
    """A transfer whose ledger account of that kind and currency is missing; a customer balance in another currency."""
    yield from violations(
        "I6",
        f"""
        SELECT s.account_id AS account, s.entry_id AS entry, s.kind, s.currency,
               'a transfer of ' || abs(s.micros) || ' to or from a ledger account that is not there' AS detail
          FROM ({_SIDES}) AS s
         WHERE NOT EXISTS (SELECT FROM ledger_account a
                WHERE a.account_id = s.account_id AND a.kind = s.kind AND a.currency = s.currency)
        """,
        scope,
    )
    yield from violations(
        "I6",
        "SELECT l.account_id AS account, l.currency, 'the account''s currency is ' || a.currency AS detail"
        "  FROM ledger_account l JOIN accounts_account a ON a.id = l.account_id"
        f" WHERE {of('l')} AND l.kind = %(customer)s AND l.currency <> a.currency",
        scope,
        customer=Kind.CUSTOMER.value,
    )


@invariant(
    "I7", "Guarded entries left the available balance at or above the floor, and holds are never negative."
)
def floor_held(scope: Scope) -> Iterator[Violation]:
    """A guarded debit of the customer without its proof, or with one that shows the floor broken; holds below zero."""
    yield from violations(
        "I7",
        f"""
        SELECT t.account_id AS account, t.entry_id AS entry,
               CASE WHEN t.available_after_micros IS NULL OR t.floor_micros IS NULL
                    THEN e.kind || ' of ' || t.amount_micros || ' without proof that the floor held'
                    ELSE e.kind || ' left ' || t.available_after_micros || ' available, the floor was ' || t.floor_micros
               END AS detail
          FROM ledger_transfer t JOIN ledger_entry e ON {of("e")} AND e.account_id = t.account_id AND e.id = t.entry_id
         WHERE {of("t")} AND t.debit = %(customer)s AND e.kind = ANY (%(guarded)s)
           AND (t.available_after_micros IS NULL OR t.floor_micros IS NULL OR t.available_after_micros < t.floor_micros)
        """,
        scope,
        customer=Kind.CUSTOMER.value,
        guarded=sorted(kind.value for kind in GUARDED),
    )
    yield from violations(
        "I7",
        "SELECT account_id AS account, kind, currency, 'held is ' || held_micros AS detail"
        f"  FROM {_BALANCES} a WHERE held_micros < 0",
        scope,
    )


@invariant("I23", "The application may do to each table what its model states, and not one verb more.")
def privileges_are_as_stated(_scope: Scope) -> Iterator[Violation]:
    """A verb that the application's role has beyond the model's word, on any managed table."""
    tables = {m._meta.db_table: stated(m) for m in apps.get_models() if m._meta.managed and not m._meta.proxy}
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT t.name, v.verb FROM unnest(%s::text[]) AS t (name), unnest(%s::text[]) AS v (verb)"
            " WHERE to_regclass(t.name) IS NOT NULL AND (has_table_privilege(current_user, t.name, v.verb)"
            "    OR (v.verb IN ('INSERT', 'UPDATE') AND has_any_column_privilege(current_user, t.name, v.verb)))",
            [sorted(tables), ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"]],
        )
        found = cursor.fetchall()
    for table, verb in found:
        if verb not in tables[table] or (table in APPEND_ONLY and verb != "INSERT"):
            yield Violation("I23", {"table": table}, f"the application's role may {verb}")


@invariant(
    "I23", "The application is neither owner nor superuser, and the books' functions run as their owner."
)
def roles_are_apart(scope: Scope) -> Iterator[Violation]:
    """Roles and functions that would let the application, or a caller's search path, around the privileges."""
    yield from violations(
        "I23",
        "SELECT rolname AS role, 'the application runs as a superuser, or as one that bypasses row security or makes roles'"
        "   AS detail FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls OR rolcreaterole)",
        scope,
    )
    yield from violations(
        "I23",
        "SELECT c.relname AS table, 'the application''s role owns it, or is a member of its owner' AS detail"
        "  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        "   AND pg_has_role(current_user, c.relowner, 'MEMBER')",
        scope,
    )
    yield from violations(
        "I23",
        """
        SELECT p.proname AS function,
               concat_ws('; ', CASE WHEN r.rolsuper OR r.rolbypassrls THEN 'runs as the powerful role ' || r.rolname END,
                         CASE WHEN NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%%')
                              THEN 'does not set its search_path' END,
                         CASE WHEN EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
                                            WHERE x.grantee = 0)
                              THEN 'everybody may execute it' END) AS detail
          FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
         WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
           AND (r.rolsuper OR r.rolbypassrls
                OR NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%%')
                OR EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
                            WHERE x.grantee = 0))
        """,
        scope,
    )
