"""The bank's memory: one SQLite file that survives `kill -9`, and the only module that speaks SQL here.

`book` is append-only, by triggers too. Current state (payments, keys, letters to send) stands beside it and is
written in the same transaction, before any answer leaves. It must never hold a card number.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from raseed.sandbox.rows import BookEntry, Dispute, KeyRecord, Letter, Payment, Refund, SavedCard, Setup

Row = TypeVar("Row")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    ref TEXT PRIMARY KEY, reference TEXT NOT NULL, customer TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL, description TEXT NOT NULL, return_url TEXT NOT NULL, language TEXT NOT NULL,
    save_card INTEGER NOT NULL, unattended INTEGER NOT NULL, idempotency_key TEXT NOT NULL, created_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requires_action', 'processing', 'succeeded', 'failed', 'canceled')),
    step TEXT NOT NULL, profile TEXT NOT NULL, brand TEXT NOT NULL, last4 TEXT NOT NULL, exp_month INTEGER NOT NULL,
    exp_year INTEGER NOT NULL, fingerprint TEXT NOT NULL, card_ref TEXT NOT NULL, captured_amount INTEGER,
    captured_currency TEXT, decline_code TEXT NOT NULL, hidden INTEGER NOT NULL, due_at REAL);
CREATE INDEX IF NOT EXISTS payments_reference ON payments (reference);
CREATE INDEX IF NOT EXISTS payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS book (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, payment TEXT NOT NULL, reference TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, detail TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS book_reference ON book (reference);
CREATE TRIGGER IF NOT EXISTS book_no_update BEFORE UPDATE ON book BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS book_no_delete BEFORE DELETE ON book BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER, body TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS cards (
    ref TEXT PRIMARY KEY, customer TEXT NOT NULL, profile TEXT NOT NULL, brand TEXT NOT NULL, last4 TEXT NOT NULL,
    exp_month INTEGER NOT NULL, exp_year INTEGER NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setups (
    ref TEXT PRIMARY KEY, reference TEXT NOT NULL UNIQUE, customer TEXT NOT NULL, currency TEXT NOT NULL,
    return_url TEXT NOT NULL, language TEXT NOT NULL, created_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requires_action', 'succeeded', 'failed', 'canceled')),
    step TEXT NOT NULL, profile TEXT NOT NULL, brand TEXT NOT NULL, last4 TEXT NOT NULL, exp_month INTEGER NOT NULL,
    exp_year INTEGER NOT NULL, fingerprint TEXT NOT NULL, card_ref TEXT NOT NULL, decline_code TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refunds (
    ref TEXT PRIMARY KEY, payment TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), currency TEXT NOT NULL,
    state TEXT NOT NULL, due_at REAL NOT NULL, created_at REAL NOT NULL, reference TEXT NOT NULL DEFAULT '',
    fails INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS letters (
    event_id TEXT PRIMARY KEY, payload TEXT NOT NULL, attempts INTEGER NOT NULL, next_at REAL, delivered_at REAL);
CREATE INDEX IF NOT EXISTS letters_next ON letters (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS fates (event_id TEXT PRIMARY KEY, fate TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS disputes (
    ref TEXT PRIMARY KEY, payment TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), currency TEXT NOT NULL,
    state TEXT NOT NULL, ends TEXT NOT NULL, due_at REAL, created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS disputes_due ON disputes (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS struck (
    payment TEXT PRIMARY KEY, behaviour TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS dealt (
    reference TEXT NOT NULL, stage TEXT NOT NULL, behaviour TEXT NOT NULL, PRIMARY KEY (reference, stage));
CREATE TABLE IF NOT EXISTS controls (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


# Columns that files of earlier versions lack.
_LATER = {
    "refunds": {"reference": "TEXT NOT NULL DEFAULT ''", "fails": "INTEGER NOT NULL DEFAULT 0"},
}


class Store:
    """One connection, one thread. Writes must stand inside `transaction()`."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; sqlite3.Error where that is not possible."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # FULL: an answer that left the bank must be in the file even if the machine dies next.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)
        for table, columns in _LATER.items():
            there = {row["name"] for row in self._db.execute(f"PRAGMA table_info({table})")}
            for name in columns.keys() - there:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {columns[name]}")

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, on disk when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- payments

    def add_payment(self, payment: Payment) -> None:
        """Insert a new payment."""
        self._insert("payments", payment)

    def change_payment(self, payment: Payment, **changes: Any) -> Payment:
        """Write the changed columns and give the payment as it is now."""
        columns = ", ".join(f"{name} = ?" for name in changes)
        self._db.execute(f"UPDATE payments SET {columns} WHERE ref = ?", (*changes.values(), payment.ref))  # noqa: S608
        return replace(payment, **changes)

    def payment(self, ref: str) -> Payment | None:
        """By the bank's reference."""
        return self._one(Payment, "SELECT * FROM payments WHERE ref = ?", ref)

    def payment_by_reference(self, reference: str) -> Payment | None:
        """By the merchant's reference, unless still hidden or only in the list; a charged one first, then the latest."""
        return self._one(
            Payment,
            "SELECT * FROM payments WHERE reference = ? AND NOT hidden"
            " AND ref NOT IN (SELECT payment FROM struck WHERE behaviour = 'G12')"
            " ORDER BY state = 'succeeded' DESC, created_at DESC LIMIT 1",
            reference,
        )

    def reference_taken(self, reference: str) -> bool:
        """Whether any payment, hidden or not, bears this reference; one that only the list knows does not count."""
        row = self._db.execute(
            "SELECT 1 FROM payments WHERE reference = ?"
            " AND ref NOT IN (SELECT payment FROM struck WHERE behaviour = 'G12')",
            (reference,),
        )
        return row.fetchone() is not None

    def paid_by_another(self, customer: str) -> Payment | None:
        """The latest charged payment of any other customer."""
        return self._one(
            Payment,
            "SELECT * FROM payments WHERE customer <> ? AND state = 'succeeded' ORDER BY created_at DESC LIMIT 1",
            customer,
        )

    def payments_due(self, now: float) -> list[Payment]:
        """Late ones whose time has come, oldest first."""
        return self._all(Payment, "SELECT * FROM payments WHERE due_at <= ? ORDER BY due_at", now)

    def payments(self) -> list[Payment]:
        """Every payment, oldest first."""
        return self._all(Payment, "SELECT * FROM payments ORDER BY created_at")

    # -- the book

    def write_book(self, kind: str, payment: Payment, amount: int, *, detail: str, at: float) -> None:
        """Append one line, in the currency that was captured, or asked for where nothing was."""
        currency = payment.captured_currency or payment.currency
        self._db.execute(
            "INSERT INTO book (kind, payment, reference, amount, currency, detail, at) VALUES (?,?,?,?,?,?,?)",
            (kind, payment.ref, payment.reference, amount, currency, detail, at),
        )

    def book(self, after: int, limit: int) -> list[BookEntry]:
        """Lines after a cursor, in order; `limit` -1 for all."""
        return self._all(
            BookEntry, "SELECT * FROM book WHERE cursor > ? ORDER BY cursor LIMIT ?", after, limit
        )

    def listed(self, after: int, limit: int, now: float) -> list[BookEntry]:
        """As `book`, less the lines of payments that come late into the list (G15)."""
        return self._all(
            BookEntry,
            "SELECT * FROM book WHERE cursor > ? AND payment NOT IN"
            " (SELECT payment FROM struck WHERE behaviour = 'G15' AND until > ?) ORDER BY cursor LIMIT ?",
            after,
            now,
            limit,
        )

    def list_lags(self, now: float) -> bool:
        """Whether any line is still missing from the list."""
        row = self._db.execute("SELECT 1 FROM struck WHERE behaviour = 'G15' AND until > ?", (now,))
        return row.fetchone() is not None

    # -- idempotency keys

    def key(self, key: str) -> KeyRecord | None:
        """What is known of a key."""
        return self._one(KeyRecord, "SELECT * FROM keys WHERE key = ?", key)

    def put_key(self, record: KeyRecord) -> None:
        """Remember a key and its answer, or that it is running."""
        self._db.execute("DELETE FROM keys WHERE key = ?", (record.key,))
        self._insert("keys", record)

    def prune_keys(self, before: float) -> int:
        """Forget answered keys that are older; says how many."""
        return self._db.execute("DELETE FROM keys WHERE at < ? AND status IS NOT NULL", (before,)).rowcount

    # -- cards and refunds

    def add_card(self, card: SavedCard) -> None:
        """Keep a card for its customer."""
        self._insert("cards", card)

    def card(self, ref: str) -> SavedCard | None:
        """A kept card."""
        return self._one(SavedCard, "SELECT * FROM cards WHERE ref = ?", ref)

    def forget_card(self, ref: str) -> bool:
        """Delete a kept card; says whether there was one."""
        return self._db.execute("DELETE FROM cards WHERE ref = ?", (ref,)).rowcount > 0

    def add_setup(self, setup: Setup) -> None:
        """Insert a new setup."""
        self._insert("setups", setup)

    def change_setup(self, setup: Setup, **changes: Any) -> Setup:
        """Write the changed columns and give the setup as it is now."""
        columns = ", ".join(f"{name} = ?" for name in changes)
        self._db.execute(f"UPDATE setups SET {columns} WHERE ref = ?", (*changes.values(), setup.ref))  # noqa: S608
        return replace(setup, **changes)

    def setup(self, ref: str) -> Setup | None:
        """By the bank's reference."""
        return self._one(Setup, "SELECT * FROM setups WHERE ref = ?", ref)

    def setup_by_reference(self, reference: str) -> Setup | None:
        """By the merchant's reference."""
        return self._one(Setup, "SELECT * FROM setups WHERE reference = ?", reference)

    def setups(self) -> list[Setup]:
        """Every setup, oldest first."""
        return self._all(Setup, "SELECT * FROM setups ORDER BY created_at")

    def add_refund(self, refund: Refund) -> None:
        """Insert a new refund."""
        self._insert("refunds", refund)

    def refund(self, ref: str) -> Refund | None:
        """By the bank's reference."""
        return self._one(Refund, "SELECT * FROM refunds WHERE ref = ?", ref)

    def refund_by_reference(self, reference: str) -> Refund | None:
        """By the merchant's reference, the first of them."""
        return self._one(
            Refund,
            "SELECT * FROM refunds WHERE reference = ? AND reference <> '' ORDER BY created_at LIMIT 1",
            reference,
        )

    def refunded(self, payment_ref: str) -> int:
        """Minor units given or being given back of a payment."""
        row = self._db.execute(
            "SELECT COALESCE(SUM(amount), 0) FROM refunds WHERE payment = ? AND state <> 'failed'",
            (payment_ref,),
        )
        return int(row.fetchone()[0])

    def refunds_due(self, now: float) -> list[Refund]:
        """Pending ones whose time has come."""
        return self._all(Refund, "SELECT * FROM refunds WHERE state = 'pending' AND due_at <= ?", now)

    def finish_refund(self, ref: str, state: str) -> None:
        """Move pending to succeeded or failed."""
        self._db.execute("UPDATE refunds SET state = ? WHERE ref = ?", (state, ref))

    def refunds(self) -> list[Refund]:
        """Every refund, oldest first."""
        return self._all(Refund, "SELECT * FROM refunds ORDER BY created_at")

    # -- disputes

    def add_dispute(self, dispute: Dispute) -> None:
        """Insert one that is coming."""
        self._insert("disputes", dispute)

    def disputes_of(self, payment_ref: str) -> list[Dispute]:
        """Those of a payment that have opened, oldest first."""
        return self._all(
            Dispute,
            "SELECT * FROM disputes WHERE payment = ? AND state IN ('open', 'won', 'lost') ORDER BY created_at",
            payment_ref,
        )

    def disputes_ahead(self, payment_ref: str) -> list[Dispute]:
        """Those of a payment that have a step before them, oldest first."""
        return self._all(
            Dispute,
            "SELECT * FROM disputes WHERE payment = ? AND due_at IS NOT NULL ORDER BY created_at",
            payment_ref,
        )

    def disputes_due(self, now: float) -> list[Dispute]:
        """Those whose next step has come."""
        return self._all(Dispute, "SELECT * FROM disputes WHERE due_at <= ? ORDER BY due_at", now)

    def change_dispute(
        self, dispute: Dispute, state: str, due_at: float | None, amount: int | None = None
    ) -> Dispute:
        """Move it on, and set its amount where one is given; the dispute as it is now."""
        amount = dispute.amount if amount is None else amount
        self._db.execute(
            "UPDATE disputes SET state = ?, due_at = ?, amount = ? WHERE ref = ?",
            (state, due_at, amount, dispute.ref),
        )
        return replace(dispute, state=state, due_at=due_at, amount=amount)

    def disputes(self) -> list[Dispute]:
        """Every dispute, oldest first."""
        return self._all(Dispute, "SELECT * FROM disputes ORDER BY created_at")

    # -- letters

    def add_letter(self, letter: Letter) -> None:
        """Queue a webhook."""
        self._insert("letters", letter)

    def letter(self, event_id: str) -> Letter | None:
        """A webhook by its event id."""
        return self._one(Letter, "SELECT * FROM letters WHERE event_id = ?", event_id)

    def set_fate(self, event_id: str, fate: str) -> None:
        """How a letter will travel, where it is not once and well."""
        self._db.execute("INSERT INTO fates VALUES (?, ?)", (event_id, fate))

    def fate(self, event_id: str) -> str:
        """How a letter travels; "" for once and well."""
        row = self._db.execute("SELECT fate FROM fates WHERE event_id = ?", (event_id,)).fetchone()
        return "" if row is None else str(row[0])

    def letters_due(self, now: float, limit: int) -> list[Letter]:
        """Webhooks to send now, oldest first."""
        return self._all(
            Letter, "SELECT * FROM letters WHERE next_at <= ? ORDER BY next_at LIMIT ?", now, limit
        )

    def mark_letter(
        self, event_id: str, attempts: int, next_at: float | None, delivered_at: float | None
    ) -> None:
        """Record an attempt."""
        self._db.execute(
            "UPDATE letters SET attempts = ?, next_at = ?, delivered_at = ? WHERE event_id = ?",
            (attempts, next_at, delivered_at, event_id),
        )

    def letters(self) -> list[Letter]:
        """Every webhook, oldest first."""
        return self._all(Letter, "SELECT * FROM letters ORDER BY rowid")

    # -- the weather

    def was_dealt(self, reference: str, stage: str) -> bool:
        """Whether this reference has had its behaviour at this stage."""
        row = self._db.execute("SELECT 1 FROM dealt WHERE reference = ? AND stage = ?", (reference, stage))
        return row.fetchone() is not None

    def deal(self, reference: str, stage: str, behaviour: str) -> None:
        """A fault strikes a reference once per stage, so that asking again can end well."""
        self._db.execute("INSERT OR IGNORE INTO dealt VALUES (?, ?, ?)", (reference, stage, behaviour))

    def take_back(self, reference: str, stage: str) -> None:
        """Let a fault strike again."""
        self._db.execute("DELETE FROM dealt WHERE reference = ? AND stage = ?", (reference, stage))

    def dealt(self) -> list[tuple[str, str, str]]:
        """Every reference and stage with the behaviour that it met, oldest first."""
        rows = self._db.execute("SELECT reference, stage, behaviour FROM dealt ORDER BY rowid")
        return [(row["reference"], row["stage"], row["behaviour"]) for row in rows]

    def strike(self, payment: Payment, behaviour: str, until: float = 0.0) -> None:
        """Remember a behaviour that stays with a payment after its answer."""
        self._db.execute("INSERT OR REPLACE INTO struck VALUES (?, ?, ?)", (payment.ref, behaviour, until))

    def struck(self, payment: Payment) -> str:
        """The behaviour that stays with a payment, "" for none."""
        row = self._db.execute("SELECT behaviour FROM struck WHERE payment = ?", (payment.ref,)).fetchone()
        return "" if row is None else str(row[0])

    def control(self, name: str) -> Any:
        """A setting made by the admin endpoint (JSON), None if there is none."""
        row = self._db.execute("SELECT value FROM controls WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_control(self, name: str, value: Any) -> None:
        """Keep a setting; None forgets it."""
        self._db.execute("DELETE FROM controls WHERE name = ?", (name,))
        if value is not None:
            self._db.execute("INSERT INTO controls VALUES (?, ?)", (name, json.dumps(value)))

    def clear_controls(self) -> None:
        """Forget every setting made by the admin endpoint."""
        self._db.execute("DELETE FROM controls")

    # -- rows

    def _insert(self, table: str, row: Any) -> None:
        names = [field.name for field in fields(row)]
        marks = ", ".join("?" for _ in names)
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - names are our own
            tuple(getattr(row, name) for name in names),
        )

    def _one(self, shape: type[Row], sql: str, *args: object) -> Row | None:
        found = self._all(shape, sql, *args)
        return found[0] if found else None

    def _all(self, shape: type[Row], sql: str, *args: object) -> list[Row]:
        return [shape(**dict(row)) for row in self._db.execute(sql, args)]
