"""Which tables belong to an account, which to nobody, and what the database's catalogue must show of both.

A table that is neither owned nor in GLOBAL_TABLES is a mistake: it could not be placed on a database distributed by
account. The rules are read from PostgreSQL's own catalogue, so that they hold for what migrations really made.
This module must never change anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from django.apps import apps

from raseed.db.models import Owned

ACCOUNT_TABLE: Final = "accounts_account"

# Tables of the whole installation, each with the reason why no account owns its rows.
GLOBAL_TABLES: Final[dict[str, str]] = {
    "accounts_amountpolicy": "what may be paid in a currency, for all accounts",
    "accounts_apikey": "a key is looked up before it is known whose it is; the operator's have no account",
    "accounts_attemptcount": "attempts are counted before it is known who makes them",
    "accounts_operator": "the company that runs the installation",
    "accounts_user": "people sign in before their account is known; staff have none",
    "api_storedanswer": "a command may be the operator's, which has no account",
    "audit_bookscheck": "a run of all checks looks at all accounts",
    "audit_operatorauditentry": "acts that concern no account",
    "auth_group": "Django's own, unused",
    "auth_group_permissions": "Django's own, unused",
    "auth_permission": "Django's own, unused",
    "django_content_type": "Django's own",
    "django_migrations": "Django's own",
    "django_session": "a session is there before anybody signs in",
    "cards_cardtesting": "whether cards are being tested anywhere",
    "cards_typedcard": "a card tester uses many accounts from one place",
    "documents_issuednumber": "one series for the whole operator",
    "documents_numbercounter": "one series for the whole operator",
    "events_webhookdelivery": "a queue that workers take from over all accounts; each row names its account",
    "events_webhookendpoint": "an endpoint of the operator's hears of all accounts",
    "factors_authenticatorapp": "people sign in before their account is known; staff have none",
    "factors_passkey": "people sign in before their account is known; staff have none",
    "factors_recoverycode": "people sign in before their account is known; staff have none",
    "gateways_gatewaypace": "one pace for each gateway",
    "notifications_personalmail": "mail to a person, who may have no account",
    "payments_gatewayhealth": "one circuit breaker for each gateway",
    "payments_gatewaymovement": "the gateway's own list, copied as it was read",
    "payments_gatewayreference": "unique for the gateway, whichever account",
    "payments_inboxevent": "a webhook is kept before it is known whose it is",
    "payments_listcursor": "how far a gateway's list was read",
    "payments_reconciliationbreak": "may concern a charge that no account knows",
    "payments_transferreference": "a transfer names its account by nothing else",
    "payments_webhooktally": "counted before it is known whose it is",
    "procrastinate_events": "jobs",
    "procrastinate_jobs": "jobs",
    "procrastinate_periodic_defers": "jobs",
    "procrastinate_workers": "jobs",
}

# Tables whose rows are written once and never again, by nobody: what was said, booked, issued or read stays. The law of
# I23; the models' own `app_privileges` may be stricter and never wider.
APPEND_ONLY: Final = frozenset(
    {
        "audit_auditentry",
        "audit_operatorauditentry",
        "documents_document",
        "documents_documentfile",
        "documents_issuednumber",
        "ledger_entry",
        "ledger_transfer",
        "payments_gatewaymovement",
        "payments_paymentmove",
        "payments_refundmove",
        "recharge_consideration",
    }
)


class Reader(Protocol):
    """A cursor of Django or of psycopg."""

    def execute(self, query: Any, params: Any = ...) -> Any: ...
    def fetchall(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule of the layout that the catalogue shows broken: its number, the table or function, what is wrong."""

    rule: int
    name: str
    detail: str


def owned_tables() -> frozenset[str]:
    """The tables of all models that inherit Owned."""
    return frozenset(model._meta.db_table for model in apps.get_models() if issubclass(model, Owned))


def breaches(cursor: Reader) -> Iterator[Breach]:
    """Every breach in the database that `cursor` reads.

    Rule 0 is that each table is owned or listed as global; 1 to 5: keys, foreign keys, deferring, triggers and
    sequences, functions.
    """
    yield from _unlisted(cursor)
    yield from _keys(cursor)
    yield from _foreign_keys(cursor)
    yield from _triggers_and_sequences(cursor)
    yield from _functions(cursor)


def _rows(cursor: Reader, query: str, *params: object) -> list[Any]:
    cursor.execute(query, list(params))
    return cursor.fetchall()


def _unlisted(cursor: Reader) -> Iterator[Breach]:
    found = _rows(
        cursor,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition ORDER BY relname",
    )
    known = owned_tables() | set(GLOBAL_TABLES) | {ACCOUNT_TABLE}
    for (table,) in found:
        if table not in known:
            yield Breach(0, table, "neither inherits Owned nor is listed in GLOBAL_TABLES")


def _keys(cursor: Reader) -> Iterator[Breach]:
    found = _rows(
        cursor,
        """
        SELECT t.relname, i.relname, x.indisprimary,
               ARRAY(SELECT coalesce(a.attname, '(expression)')
                       FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                       LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
                      WHERE k.place <= x.indnkeyatts ORDER BY k.place)
          FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
         WHERE t.relname = ANY (%s) AND t.relnamespace = 'public'::regnamespace
           AND (x.indisunique OR x.indisexclusion)
         ORDER BY t.relname, i.relname
        """,
        sorted(owned_tables()),
    )
    keyed = set()
    for table, index, is_primary, columns in found:
        if is_primary:
            keyed.add(table)
        if is_primary and columns[0] != "account_id":
            yield Breach(
                1, table, f"its primary key {index} ({', '.join(columns)}) does not lead with account_id"
            )
        elif "account_id" not in columns:
            yield Breach(
                1, table, f"its unique or exclusion index {index} ({', '.join(columns)}) lacks account_id"
            )
    for table in sorted(owned_tables() - keyed):
        yield Breach(1, table, "it has no primary key")


def _foreign_keys(cursor: Reader) -> Iterator[Breach]:
    found = _rows(
        cursor,
        """
        SELECT c.conname, f.relname, t.relname, c.condeferrable,
               ARRAY(SELECT a.attname || '=' || b.attname
                       FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (own, other, place)
                       JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own
                       JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.other
                      ORDER BY k.place)
          FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
         WHERE c.contype = 'f' AND (f.relname = ANY (%s) OR t.relname = ANY (%s))
         ORDER BY c.conname
        """,
        sorted(owned_tables()),
        sorted(owned_tables() | {ACCOUNT_TABLE}),
    )
    owned = owned_tables()
    for name, table, target, is_deferrable, pairs in found:
        if table not in owned or (target not in owned and target != ACCOUNT_TABLE):
            yield Breach(
                2, table, f"its foreign key {name} crosses from or to a table that no account owns ({target})"
            )
        elif ("account_id=id" if target == ACCOUNT_TABLE else "account_id=account_id") not in pairs:
            yield Breach(
                2, table, f"its foreign key {name} ({', '.join(pairs)}) does not pair account with account"
            )
        if is_deferrable:
            yield Breach(3, table, f"its foreign key {name} is deferrable")


def _triggers_and_sequences(cursor: Reader) -> Iterator[Breach]:
    tables = sorted(owned_tables() | {ACCOUNT_TABLE})
    for table, trigger in _rows(
        cursor,
        "SELECT c.relname, g.tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid"
        " WHERE NOT g.tgisinternal AND c.relname = ANY (%s) ORDER BY 1, 2",
        tables,
    ):
        yield Breach(4, table, f"it has the trigger {trigger}")
    for table, column in _rows(
        cursor,
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE c.relname = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped"
        "   AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%%nextval(%%') ORDER BY 1, 2",
        tables,
    ):
        yield Breach(4, table, f"its column {column} takes its default from a sequence")


_WRITES: Final = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|MERGE\s+INTO)\b", re.IGNORECASE
)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_INSERT_SELECT: Final = re.compile(
    r"\bINSERT\s+INTO\s+[\w.\"]+\s*(?:\([^)]*\))?\s*(?:\(\s*)?(?:SELECT|WITH)\b", re.IGNORECASE
)


def _functions(cursor: Reader) -> Iterator[Breach]:
    found = _rows(
        cursor,
        """
        SELECT p.proname, p.prosrc, p.prosecdef, coalesce(p.proargnames[1], ''),
               coalesce(p.proargtypes[0]::regtype::text, ''),
               EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%%')
          FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.proname NOT LIKE 'procrastinate%%'
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
         ORDER BY p.proname
        """,
    )
    for name, source, is_definer, first_name, first_type, has_path in found:
        body = _COMMENT.sub(" ", source)
        if not (_WRITES.search(body) or is_definer):
            continue
        if (first_name, first_type) != ("_account_id", "uuid"):
            yield Breach(5, name, "its first argument is not _account_id uuid")
        if not has_path:
            yield Breach(5, name, "it does not set its search_path")
        if _INSERT_SELECT.search(body):
            yield Breach(5, name, "it writes with INSERT … SELECT; use VALUES in a loop")
        for table in sorted(GLOBAL_TABLES):
            if re.search(rf"\b{table}\b", body):
                yield Breach(5, name, f"it names {table}, which no account owns")
