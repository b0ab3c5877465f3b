"""Limits on trying cards: each is refused before the bank is asked, moves nothing, says when it ends, and does end.

The bank is not there: nothing here may reach it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import translation
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from conftest import RealDatabase
from people import NOON, Company, command, make_company, make_operator, make_user, save_card
from raseed.accounts.models import Account
from raseed.audit.log import Who
from raseed.config import environment
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.payments.cards import limits, puzzle, setups
from raseed.payments.cards.limits import (
    CardsLocked,
    PlaceLocked,
    PuzzleUnsolved,
    TooManyNewCards,
    TooManyPayments,
)
from raseed.payments.cards.models import CardEnd, CardSetup, CardTesting, TypedCard
from raseed.payments.cards.setups import AddCard
from raseed.payments.cards.watch import watch
from raseed.payments.models import GatewayReference, Payment
from raseed.payments.paynow import open_payment

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HERE = "203.0.113.7"


@pytest.fixture(autouse=True)
def usual_limits(settings: Settings) -> None:
    settings.CARD_LIMITS = environment.CARD_LIMITS | {"puzzle_bits": 8}


@pytest.fixture
def company(db: None) -> Company:
    make_operator()
    return make_company()


def pay(company: Company, now: datetime = NOON, **fields: object) -> Payment:
    return open_payment(command(company, another=True, **({"ip": HERE} | fields)), now)


def wrong_answer(key: UUID) -> str:
    """A number that is no answer to the puzzle of `key`."""
    seed = puzzle.seed(key, NOON)
    return str(next(n for n in count() if not puzzle.is_answer(seed, n, 8)))


def solved(key: UUID, now: datetime = NOON) -> str:
    seed = puzzle.seed(key, now)
    return str(next(n for n in count() if puzzle.is_answer(seed, n, 8)))


def typed(
    company: Company, end: CardEnd, at: datetime = NOON, place: str | None = None, card: str = ""
) -> None:
    """A card that was typed before."""
    TypedCard.objects.create(
        id=uuid4(),
        account_id=company.account.id,
        place=limits.place_hash(place),
        begun_at=at,
        ended_at=None if end is CardEnd.OPEN else at,
        end=end,
        fingerprint=card,
    )


def refused(act: Callable[[], object], error: type[RaseedError]) -> str:
    """Nothing is written by the refusal; the sentence that the person reads, in English."""
    before = [model.objects.count() for model in (TypedCard, GatewayReference, ProcrastinateJob)]
    with pytest.raises(error) as raised:
        act()
    assert [model.objects.count() for model in (TypedCard, GatewayReference, ProcrastinateJob)] == before
    assert raised.value.status in {422, 429}
    with translation.override("en"):
        return str(raised.value.message)


def test_five_declined_cards_lock_new_ones_for_a_day_and_saved_ones_go_on(company: Company) -> None:
    saved = save_card(company, "card_1")
    for minute in range(5):
        typed(company, CardEnd.FAILED, NOON + minute * MINUTE, card="one and the same")
    now = NOON + 10 * MINUTE
    said = refused(lambda: pay(company, now), CardsLocked)
    assert "until 24 November 2026 \u206615:04 GMT+3\u2069" in said, (
        "noon and four minutes is 15:04 in Riyadh"
    )
    by = Who(company.admin.id, "admin", HERE)
    refused(lambda: setups.open_setup(AddCard(company.account.id, uuid4(), by, "en"), now), CardsLocked)
    assert not CardSetup.objects.filter(account_id=company.account.id).exists()

    assert pay(company, now, method_id=saved.id).state == "created"
    # The lock lasts 24 hours from the fifth, although the first is older than a day by then.
    refused(lambda: pay(company, NOON + DAY + 3 * MINUTE), CardsLocked)
    key = uuid4()
    ended = NOON + DAY + 4 * MINUTE
    assert pay(company, ended, client_key=key, solution=solved(key, ended)).state == "created"


def test_four_declined_cards_lock_nothing(company: Company) -> None:
    for minute in range(4):
        typed(company, CardEnd.FAILED, NOON + minute * MINUTE, card="one and the same")
    key, now = uuid4(), NOON + 10 * MINUTE
    assert pay(company, now, client_key=key, solution=solved(key, now)).state == "created"


def test_three_new_cards_a_day_and_one_number_counts_once(company: Company) -> None:
    for hour, card in enumerate(("a", "b", "b", "b")):
        typed(company, CardEnd.PASSED, NOON + hour * HOUR, card=card)
    now = NOON + 5 * HOUR
    third = pay(company, now)
    assert third.state == "created", "two cards were tried"
    limits.note_end(third.id, CardEnd.PASSED, "c", now)
    said = refused(lambda: pay(company, now), TooManyNewCards)
    assert "24 November 2026 \u206615:00 GMT+3\u2069" in said
    assert pay(company, NOON + DAY + MINUTE).state == "created", "the first one is a day old"


def test_a_card_that_is_known_since_yesterday_is_not_new_and_one_that_was_left_does_not_count(
    company: Company,
) -> None:
    for card in "abc":
        typed(company, CardEnd.PASSED, NOON - 2 * DAY, card=card)
        typed(company, CardEnd.PASSED, NOON - HOUR, card=card)
    for _ in range(5):
        typed(company, CardEnd.LEFT, NOON - HOUR)
    assert pay(company).state == "created"


def test_cards_that_are_being_typed_count_until_nobody_comes_back(company: Company) -> None:
    for _ in range(3):
        pay(company)
    refused(lambda: pay(company, NOON + MINUTE), TooManyNewCards)
    for one in Payment.objects.filter(account_id=company.account.id):
        limits.note_end(one.id, CardEnd.LEFT, "", NOON + 31 * MINUTE)
    assert pay(company, NOON + 31 * MINUTE).state == "created"


def test_ten_payments_an_hour_on_saved_cards_too(company: Company) -> None:
    saved = save_card(company, "card_1")
    for minute in range(10):
        pay(company, NOON + minute * MINUTE, method_id=saved.id)
    before = Payment.objects.filter(account_id=company.account.id).count()
    said = refused(lambda: pay(company, NOON + 10 * MINUTE, method_id=saved.id), TooManyPayments)
    assert "23 November 2026 \u206616:00 GMT+3\u2069" in said
    assert Payment.objects.filter(account_id=company.account.id).count() == before
    assert pay(company, NOON + HOUR, method_id=saved.id).state == "created"


def test_ten_declined_cards_from_one_place_stop_new_ones_there_and_nowhere_else(company: Company) -> None:
    for minute in range(10):
        typed(make_company(f"Other {minute}"), CardEnd.FAILED, NOON + minute * MINUTE, place=HERE)
    now = NOON + 20 * MINUTE
    said = refused(lambda: pay(company, now), PlaceLocked)
    assert "23 November 2026 \u206616:00 GMT+3\u2069" in said
    assert pay(company, now, ip="198.51.100.9").state == "created"
    assert pay(company, now, method_id=save_card(company, "card_1").id).state == "created"
    assert pay(company, NOON + HOUR).state == "created"
    assert TypedCard.objects.filter(place__contains="203").count() == 0, "addresses are not kept"


def test_from_the_third_failure_on_a_new_card_needs_the_puzzle(company: Company) -> None:
    for _ in range(2):
        typed(company, CardEnd.FAILED, NOON - HOUR, card="same")
    assert not limits.needs_puzzle(company.account.id, NOON)
    typed(company, CardEnd.FAILED, NOON - HOUR, card="same")
    assert limits.needs_puzzle(company.account.id, NOON)

    key = uuid4()
    said = refused(lambda: pay(company, client_key=key), PuzzleUnsolved)
    assert "Without scripts" in said
    for wrong in ("-1", "x", "1" * 13, "٣", wrong_answer(key)):
        refused(lambda wrong=wrong: pay(company, client_key=key, solution=wrong), PuzzleUnsolved)
    refused(lambda: pay(company, client_key=key, solution=solved(key, NOON - 2 * HOUR)), PuzzleUnsolved)
    assert pay(company, client_key=key, solution=solved(key, NOON - HOUR)).state == "created"
    assert not limits.needs_puzzle(make_company("Hawk").account.id, NOON)


def test_many_declines_everywhere_ask_everybody_and_alarm_once(company: Company, settings: Settings) -> None:
    settings.CARD_LIMITS = settings.CARD_LIMITS | {"alarm_attempts": 10}
    finance = make_user("finance@operator.test", staff_role="finance")
    make_user("support@operator.test", staff_role="support")
    others = [make_company(f"Other {n}") for n in range(5)]
    for n in range(9):
        typed(others[n % 5], CardEnd.FAILED, NOON, card=str(n))
    assert not watch(NOON + MINUTE), "nine are too few"
    typed(others[0], CardEnd.PASSED, NOON, card="good")
    assert watch(NOON + MINUTE)
    assert watch(NOON + 2 * MINUTE)

    mails = ProcrastinateJob.objects.filter(args__kind="card_testing")
    assert [one.args["address"] for one in mails] == [finance.email]
    assert mails[0].args["facts"]["declined"] == "9"
    refused(lambda: pay(company, NOON + 2 * MINUTE), PuzzleUnsolved)
    assert pay(company, NOON + 2 * MINUTE, method_id=save_card(company, "card_1").id).state == "created"
    key = uuid4()
    assert pay(company, client_key=key, solution=solved(key)).state == "created"
    # Ten minutes later it is over by itself, and the next one alarms again.
    assert not watch(NOON + 11 * MINUTE)
    assert CardTesting.objects.get().since is None
    assert pay(make_company("Hawk"), NOON + 11 * MINUTE).state == "created"


@pytest.mark.parametrize(("declined", "alarms"), [(2, False), (3, True)])
def test_a_fifth_of_declines_is_usual(
    company: Company, settings: Settings, declined: int, alarms: bool
) -> None:
    settings.CARD_LIMITS = settings.CARD_LIMITS | {"alarm_attempts": 10}
    for n in range(10):
        typed(company, CardEnd.FAILED if n < declined else CardEnd.PASSED, NOON, card=str(n))
    assert watch(NOON + MINUTE) is alarms


def test_a_form_that_is_sent_again_is_answered_with_its_payment(company: Company) -> None:
    first = command(company, ip=HERE)
    payment = open_payment(first, NOON)
    for minute in range(5):
        typed(company, CardEnd.FAILED, NOON + minute * MINUTE, card="x")
    assert open_payment(first, NOON + 6 * MINUTE).id == payment.id


def test_the_sentences_are_arabic_for_those_who_read_arabic(company: Company) -> None:
    for minute in range(5):
        typed(company, CardEnd.FAILED, NOON + minute * MINUTE, card="x")
    with pytest.raises(CardsLocked) as raised:
        pay(company, NOON + 6 * MINUTE)
    with translation.override("ar"):
        assert "البطاقات الجديدة موقوفة" in str(raised.value.message)
        assert "نوفمبر" in str(raised.value.message)


# -- at the same moment


def test_twelve_at_once_are_three(real_db: RealDatabase) -> None:
    assert _at_once(12) == 3


def test_without_the_accounts_row_held_more_slip_through(real_db: RealDatabase) -> None:
    """The negative control: the same count without the row that makes tabs take turns."""
    assert _at_once(12, held=False) > 3


def _at_once(times: int, *, held: bool = True) -> int:
    make_operator()
    company = make_company()

    def one(_n: int) -> bool:
        try:
            with atomic():
                rows = Account.objects.select_for_update() if held else Account.objects
                account = rows.get(id=company.account.id)
                typing = limits.Typing(uuid4(), uuid4(), HERE, "")
                limits.admit(account, typing, NOON)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.05)")
        except TooManyNewCards:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(times) as pool:
        return sum(pool.map(one, range(times)))
