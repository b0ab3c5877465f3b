"""Card testing, simulated: many stolen cards from many addresses on a few accounts, beside honest customers who pay.

It calls the real use-cases in this process, and the bank is a real one. Nothing about the limits is known here: attackers go on
whatever they are told and solve no puzzle; or, as clever ones, they solve each. Honest customers pay once, half of them
with a saved card, half with a new one whose puzzle, if there is one, their browser solves.

"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Final
from uuid import UUID, uuid4

from django.db import connection

from raseed.accounts.models import Account
from raseed.errors import RaseedError
from raseed.money import Money
from raseed.payments import paynow, reconcile
from raseed.payments.cards import limits, puzzle
from raseed.payments.cards.watch import watch
from raseed.payments.models import Payment
from raseed.payments.paynow import PayNow
from raseed.payments.states import Cause, State

THREADS: Final = 8
REACHED: Final = "reached"
PAID: Final = "paid"
WATCH_EVERY_S: Final = 10


@dataclass(frozen=True, slots=True)
class Scenario:
    """How many try what. `type_card(reference, number)` acts as the customer on the bank's page."""

    accounts: Sequence[Account]
    honest: Sequence[tuple[Account, UUID | None]]
    attempts: int
    places: int
    is_clever: bool
    type_card: Callable[[str, str], object]
    began_at: datetime
    # The attack lasts so long: attempts are spread evenly over it.
    lasts: timedelta = timedelta(seconds=50)


Act = Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `attackers` and `honest` count what each act ended with: REACHED and PAID, else the refusal's code.

    `alarm_after_s` counts from the first attempt, by the clock of the scenario; None if there was none.
    """

    attackers: Counter[str]
    honest: Counter[str]
    alarm_after_s: float | None

    @property
    def hindered(self) -> int:
        """How many honest customers did not pay."""
        return self.honest.total() - self.honest[PAID]


def play(scenario: Scenario, seed: int = 7) -> Outcome:
    """Play it."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    turns: dict[int, list[tuple[timedelta, bool, Act]]] = {}

    def plan(at: timedelta, act: Act, *, is_honest: bool) -> None:
        turns.setdefault(int(at.total_seconds() // WATCH_EVERY_S), []).append((at, is_honest, act))

    for n in range(scenario.attempts):
        place = f"198.51.{n % scenario.places // 200}.{n % scenario.places % 200 + 1}"
        account = scenario.accounts[n % len(scenario.accounts)]
        plan(
            scenario.lasts * n / scenario.attempts,
            _attack(scenario, account, place, declined_number(chance)),
            is_honest=False,
        )
    for n, (account, method_id) in enumerate(scenario.honest):
        at = scenario.lasts * n / len(scenario.honest)
        plan(at, _pay_honestly(scenario, account, method_id, f"203.0.113.{n % 200 + 1}"), is_honest=True)
    attackers: Counter[str] = Counter()
    honest: Counter[str] = Counter()
    alarm_after_s = None
    with ThreadPoolExecutor(THREADS) as pool:
        for turn in sorted(turns):
            due = sorted(turns[turn], key=lambda one: one[0])
            ends = pool.map(_run, [one[2] for one in due], [scenario.began_at + one[0] for one in due])
            for (_at, is_honest, _act), end in zip(due, ends, strict=True):
                (honest if is_honest else attackers)[end] += 1
            passed = timedelta(seconds=(turn + 1) * WATCH_EVERY_S)
            if watch(scenario.began_at + passed) and alarm_after_s is None:
                alarm_after_s = passed.total_seconds()
    return Outcome(attackers, honest, alarm_after_s)


def _run(act: Act, now: datetime) -> str:
    try:
        return act(now)
    except RaseedError as refused:
        return refused.code
    finally:
        connection.close()


def _attack(scenario: Scenario, account: Account, place: str, number: str) -> Act:
    def act(now: datetime) -> str:
        key = uuid4()
        solution = _solved(account, key, now) if scenario.is_clever else ""
        payment = paynow.open_payment(_order(account, key, None, place, solution), now)
        payment = _asked(account, payment, now)
        scenario.type_card(payment.gateway_ref, number)
        reconcile.follow(account.id, payment.id, Cause.RECONCILE, now + timedelta(seconds=2))
        return REACHED

    return act


def _pay_honestly(scenario: Scenario, account: Account, method_id: UUID | None, place: str) -> Act:
    def act(now: datetime) -> str:
        key = uuid4()
        solution = "" if method_id else _solved(account, key, now)
        payment = paynow.open_payment(_order(account, key, method_id, place, solution), now)
        payment = _asked(account, payment, now)
        if payment.state == State.ACTION_REQUIRED:
            scenario.type_card(payment.gateway_ref, "4242424242424242")
            payment = reconcile.follow(account.id, payment.id, Cause.RECONCILE, now + timedelta(seconds=2))
        return PAID if payment.state == State.SUCCEEDED else payment.state

    return act


def _asked(account: Account, payment: Payment, now: datetime) -> Payment:
    """Ask the bank, not as a page does: how many threads of one process may wait is no part of this."""
    return paynow.submit(account.id, payment.id, now, Cause.RECONCILE)


def _order(account: Account, key: UUID, method_id: UUID | None, place: str, solution: str) -> PayNow:
    return PayNow(
        account_id=account.id,
        client_key=key,
        credit=Money(50_000_000, account.currency),
        method_id=method_id,
        save_method=False,
        actor_user_id=uuid4(),
        language="en",
        another=True,
        ip=place,
        solution=solution,
    )


def _solved(account: Account, key: UUID, now: datetime) -> str:
    """What a browser brings: the puzzle's number, if the form had one."""
    if not limits.needs_puzzle(account.id, now):
        return ""
    seed, bits = puzzle.seed(key, now), limits.limits().puzzle_bits
    return str(next(number for number in count() if puzzle.is_answer(seed, number, bits)))


def declined_number(chance: random.Random) -> str:
    """A card number whose check digit is right and which the sandbox bank declines: it knows none that begins so."""
    body = "44" + "".join(str(chance.randrange(10)) for _ in range(13))
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)
