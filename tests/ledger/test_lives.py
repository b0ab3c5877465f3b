"""Random lives of accounts: after every step the books equal a model of a few dictionaries, and every rule holds."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger_words import NOW, entry, rules_of_the_books
from raseed.accounts.models import Account
from raseed.db.guard import across_accounts
from raseed.db.invariants import Scope
from raseed.ledger.chart import GUARDED, EntryKind, Kind
from raseed.ledger.errors import (
    AlreadyReversed,
    BalanceCurrencyMismatch,
    InsufficientBalance,
    NotTheMirror,
    OperationKeyReused,
)
from raseed.ledger.post import NewEntry, Posted, Transfer, post, set_floor
from raseed.ledger.read import balance_as_of, balances, history, totals
from raseed.ledger.reversal import reversal_of
from raseed.money import Money

# What happens in an account's life: kind, debit, credit.
HAPPENINGS = [
    (EntryKind.TOPUP_CARD, Kind.GATEWAY_CLEARING, Kind.CUSTOMER),
    (EntryKind.TOPUP_TRANSFER, Kind.BANK, Kind.CUSTOMER),
    (EntryKind.USAGE, Kind.CUSTOMER, Kind.UNINVOICED_REVENUE),
    (EntryKind.REFUND, Kind.CUSTOMER, Kind.GATEWAY_CLEARING),
    (EntryKind.DISPUTE, Kind.CUSTOMER, Kind.GATEWAY_CLEARING),
    (EntryKind.INVOICE, Kind.UNINVOICED_REVENUE, Kind.REVENUE),
    (EntryKind.FEE, Kind.FEES, Kind.GATEWAY_CLEARING),
    (EntryKind.ADJUSTMENT, Kind.ADJUSTMENTS, Kind.CUSTOMER),
]
AMOUNTS = st.one_of(st.integers(1, 300), st.integers(1, 10**12))


@dataclass
class Life:
    """What the model knows of one account."""

    account_id: UUID
    currency: str
    floor: int = 0
    sums: dict[tuple[Kind, str], int] = field(default_factory=lambda: defaultdict(int))
    versions: dict[tuple[Kind, str], int] = field(default_factory=lambda: defaultdict(int))
    nets: dict[EntryKind, int] = field(default_factory=lambda: defaultdict(int))
    entries: list[tuple[NewEntry, UUID]] = field(default_factory=list)
    reversed_ids: set[UUID] = field(default_factory=set)

    def apply(self, new: NewEntry, entry_id: UUID, counts_as: EntryKind) -> None:
        touched = set()
        for t in new.transfers:
            for kind, micros in ((t.debit, -t.amount.micros), (t.credit, t.amount.micros)):
                self.sums[kind, t.amount.currency] += micros
                touched.add((kind, t.amount.currency))
                if kind == Kind.CUSTOMER:
                    self.nets[counts_as] += micros
        for key in touched:
            self.versions[key] += 1
        self.entries.append((new, entry_id))


class Lives(RuleBasedStateMachine):
    """Several accounts, everything that the posting function accepts, and everything that it must refuse."""

    lives = Bundle("lives")

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.all: list[Life] = []
        self.number = 0
        # Roles and privileges do not change with what is posted.
        self.checks = [found for found in rules_of_the_books() if found.rule != "I23"]

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    def key(self) -> str:
        self.number += 1
        return f"operation:{self.number}"

    def refused(self, error: type[Exception], new: NewEntry) -> None:
        with pytest.raises(error), transaction.atomic():
            post(new)

    @initialize(target=lives)
    def first_accounts(self) -> Any:
        return multiple(self.new_account("USD"), self.new_account("JOD"))

    def new_account(self, currency: str) -> Life:
        account = Account.objects.create(name="Life", currency=currency, time_zone="UTC", created_at=NOW)
        life = Life(account.id, currency)
        self.all.append(life)
        return life

    @rule(life=lives, happening=st.sampled_from(HAPPENINGS), micros=AMOUNTS, hours=st.integers(0, 100))
    def something_happens(
        self, life: Life, happening: tuple[EntryKind, Kind, Kind], micros: int, hours: int
    ) -> None:
        kind, debit, credit = happening
        new = entry(
            life.account_id,
            self.key(),
            micros,
            kind=kind,
            debit=debit,
            credit=credit,
            currency=life.currency,
            at=NOW + timedelta(hours=hours),
        )
        left = life.sums.get((Kind.CUSTOMER, life.currency), 0) - micros
        if kind in GUARDED and left < life.floor:
            self.refused(InsufficientBalance, new)
        else:
            life.apply(new, post(new).entry_id, kind)

    @rule(life=lives, net=AMOUNTS, tax=AMOUNTS)
    def taxed_usage(self, life: Life, net: int, tax: int) -> None:
        lines = (
            Transfer(Kind.CUSTOMER, Kind.UNINVOICED_REVENUE, Money(net, life.currency)),
            Transfer(Kind.CUSTOMER, Kind.TAX_ACCRUED, Money(tax, life.currency)),
        )
        new = NewEntry(life.account_id, EntryKind.USAGE, self.key(), lines, NOW)
        life.apply(new, post(new).entry_id, EntryKind.USAGE)

    @rule(life=lives, micros=AMOUNTS)
    def capture_in_another_currency(self, life: Life, micros: int) -> None:
        self.refused(BalanceCurrencyMismatch, entry(life.account_id, self.key(), micros, currency="EUR"))
        new = entry(
            life.account_id,
            self.key(),
            micros,
            kind=EntryKind.UNEXPECTED_CAPTURE,
            credit=Kind.SUSPENSE,
            currency="EUR",
        )
        life.apply(new, post(new).entry_id, EntryKind.UNEXPECTED_CAPTURE)

    @rule(life=lives, floor=st.integers(-500, 100))
    def another_floor(self, life: Life, floor: int) -> None:
        set_floor(life.account_id, Money(floor, life.currency))
        life.floor = floor
        # Reading makes the model's row too: the floor stands on the balance row.
        life.sums[Kind.CUSTOMER, life.currency] += 0

    @precondition(lambda self: any(life.entries for life in self.all))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        _, (new, entry_id) = self.pick(data)
        assert post(new) == Posted(entry_id, repeated=True)

    @precondition(lambda self: any(life.entries for life in self.all))
    @rule(data=st.data())
    def repeat_with_another_body(self, data: st.DataObject) -> None:
        life, (new, _) = self.pick(data)
        other = entry(
            life.account_id,
            new.operation_key,
            1 + sum(t.amount.micros for t in new.transfers),
            currency=life.currency,
        )
        self.refused(OperationKeyReused, other)

    @precondition(lambda self: any(life.entries for life in self.all))
    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        life, (old, entry_id) = self.pick(data)
        new = reversal_of(life.account_id, entry_id, operation_key=self.key(), at=NOW, memo={})
        if old.reverses is not None:
            self.refused(NotTheMirror, new)
        elif entry_id in life.reversed_ids:
            self.refused(AlreadyReversed, new)
        else:
            life.apply(new, post(new).entry_id, old.kind)
            life.reversed_ids.add(entry_id)

    def pick(self, data: st.DataObject) -> tuple[Life, tuple[NewEntry, UUID]]:
        life = data.draw(st.sampled_from([life for life in self.all if life.entries]))
        return life, data.draw(st.sampled_from(life.entries))

    @invariant()
    def the_books_equal_the_model(self) -> None:
        for life in self.all:
            found = balances(life.account_id)
            assert {key: row.balance_micros for key, row in found.items()} == dict(life.sums)
            assert {key: row.version for key, row in found.items() if row.version} == dict(life.versions)
            nets = {kind: total.net.micros for kind, total in totals(life.account_id, life.currency).items()}
            assert nets == dict(life.nets)
            assert sum(nets.values()) == life.sums.get((Kind.CUSTOMER, life.currency), 0)
            expected = Money(life.sums.get((Kind.CUSTOMER, life.currency), 0), life.currency)
            assert (
                balance_as_of(life.account_id, Kind.CUSTOMER, life.currency, NOW + timedelta(days=9))
                == expected
            )
            listed = history(life.account_id, life.currency, limit=500)
            assert sum(row.amount.micros for row in listed) == expected.micros

    @invariant()
    def every_rule_holds(self) -> None:
        with across_accounts("the rules of the books"):
            broken = [found for check in self.checks for found in islice(check.check(Scope(NOW)), 5)]
        assert broken == []


@pytest.mark.django_db
def test_random_lives_of_accounts() -> None:
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
