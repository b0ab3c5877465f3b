"""Above which amount staff need a second person: set by the operator, written down, never looser than the largest payment."""

import pytest
from typer.testing import CliRunner

from people import NOON, make_operator
from raseed import cli
from raseed.accounts.models import AmountPolicy
from raseed.accounts.second_person import CurrencyNotTaken, LimitTooHigh, change_second_person
from raseed.audit.log import COMMAND_LINE
from raseed.audit.models import OperatorAuditEntry
from raseed.money import Money

pytestmark = pytest.mark.django_db


def limit() -> int | None:
    return AmountPolicy.objects.get(currency="USD").second_person_micros


def test_a_change_is_audited_once() -> None:
    make_operator()
    for _ in range(2):
        change_second_person("USD", Money(500_000_000, "USD"), COMMAND_LINE, NOON)
    assert limit() == 500_000_000
    (entry,) = OperatorAuditEntry.objects.filter(action="second_person_changed")
    assert (entry.object_id, entry.before, entry.after) == (
        "USD",
        {"second_person_micros": None},
        {"second_person_micros": 500_000_000},
    )
    assert change_second_person("USD", None, COMMAND_LINE, NOON)
    assert limit() is None


def test_what_would_loosen_it_or_is_no_currency_of_ours_is_refused() -> None:
    make_operator()
    largest = AmountPolicy.objects.get(currency="USD").maximum_micros
    with pytest.raises(LimitTooHigh):
        change_second_person("USD", Money(largest + 1, "USD"), COMMAND_LINE, NOON)
    AmountPolicy.objects.filter(currency="KWD").delete()
    with pytest.raises(CurrencyNotTaken):
        change_second_person("KWD", None, COMMAND_LINE, NOON)
    assert (limit(), OperatorAuditEntry.objects.count()) == (None, 0)


def test_the_command_reads_an_amount_and_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django is set up already, for the test's own database."""
    make_operator()
    monkeypatch.setattr(cli, "_set_up", lambda: None)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["operator", "second-person", *words])
        return done.exit_code, done.output

    assert (run("usd", "750.50")[0], limit()) == (0, 750_500_000)
    for wrong in (("USD", "-1"), ("USD", "x"), ("XXX", "5"), ("USD", "99999999")):
        assert run(*wrong)[0] != 0
    assert limit() == 750_500_000
    assert (run("USD", "0")[0], limit()) == (0, 0)
    assert (run("USD")[0], limit()) == (0, None)
