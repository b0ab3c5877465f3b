"""Warnings: opened at the limit, closed well clear of it, one mail a day at most; for accounts that saved nothing too."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from people import NOON, Company, make_company, make_operator
from raseed.accounts.people import NotAnEmail
from raseed.audit.log import COMMAND_LINE, Who
from raseed.audit.models import AuditEntry
from raseed.balance import alerts, lines
from raseed.balance.alert_settings import (
    AlertLimitNotPositive,
    LowDaysOutOfRange,
    StaleAlertSettings,
    TooManyAddresses,
    change,
)
from raseed.balance.alerts import Watched
from raseed.balance.deduct import deduct
from raseed.balance.models import AlertKind, AlertSettings
from raseed.errors import RaseedError
from raseed.events.models import EventKind, WebhookDelivery
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from raseed.money import Money
from raseed.notifications.webhooks import endpoints
from raseed.notifications.webhooks.endpoints import NewEndpoint
from recharging import usage, usd

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
WANTED = Watched(low_balance=usd("25"), consumption_limit=usd("400"), low_days=None)


@pytest.fixture
def company() -> Company:
    make_operator()
    return make_company()


def give(company: Company, amount: str, key: str = "cash") -> None:
    entry = NewEntry(
        account_id=company.account.id,
        kind=EntryKind.TOPUP_CASH,
        operation_key=key,
        transfers=(Transfer(Kind.CASH, Kind.CUSTOMER, usd(amount)),),
        at=NOON,
    )
    post(entry)
    lines.arm(company.account.id)


def save(company: Company, wanted: Watched, version: int = 0) -> AlertSettings:
    return change(company.account, version, wanted, Who(company.admin.id, "admin"), NOON)


def use(company: Company, amount: str, now: object = NOON) -> None:
    deduct(usage(company.account.id, usd(amount), now), now)  # type: ignore[arg-type]


def hears(*kinds: EventKind) -> None:
    """An endpoint of the operator's that is told of `kinds`."""
    wanted = NewEndpoint("https://service.example.com/hooks", kinds, None, "the switch")
    endpoints.create(wanted, COMMAND_LINE, NOON)


def count(company: Company, job: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND args ->> 'account_id' = %s",
            [job, str(company.account.id)],
        )
        return int(cursor.fetchone()[0])


def standing(company: Company) -> list[str]:
    return [str(one.kind) for one in alerts.open_alerts(company.account.id)]


def test_a_deduction_that_comes_to_the_line_asks_for_a_warning(company: Company) -> None:
    give(company, "100")
    save(company, WANTED)
    use(company, "74.99")
    assert count(company, "balance.warn_low") == 0
    use(company, "0.01")
    assert count(company, "balance.warn_low") == 1
    alerts.warn_low(company.account.id, NOON)
    (alert,) = alerts.open_alerts(company.account.id)
    assert (alert.kind, alert.limit, alert.found) == ("low_balance", 25_000_000, 25_000_000)
    assert count(company, "notifications.mail_alert") == 1


def test_hovering_at_the_line_is_one_mail(company: Company) -> None:
    give(company, "25")
    save(company, WANTED)
    for step in range(10):
        use(company, "0.50")
        alerts.look(company.account.id, NOON + step * timedelta(minutes=5))
        give(company, "1", f"cash {step}")
        alerts.look(company.account.id, NOON + step * timedelta(minutes=5))
    assert count(company, "notifications.mail_alert") == 1


def test_well_clear_closes_it_and_a_second_fall_within_the_day_mails_after_it(company: Company) -> None:
    give(company, "20")
    save(company, WANTED)
    alerts.look(company.account.id, NOON)
    give(company, "7.50", "not clear")
    alerts.look(company.account.id, NOON)
    assert standing(company) == ["low_balance"]
    give(company, "0.01", "clear")
    alerts.look(company.account.id, NOON)
    assert standing(company) == []
    use(company, "20", NOON + timedelta(hours=2))
    alerts.warn_low(company.account.id, NOON + timedelta(hours=2))
    assert standing(company) == ["low_balance"]
    assert count(company, "notifications.mail_alert") == 1
    alerts.sweep(NOON + timedelta(hours=23))
    assert count(company, "notifications.mail_alert") == 1
    alerts.sweep(NOON + DAY + timedelta(seconds=1))
    alerts.sweep(NOON + DAY + timedelta(minutes=2))
    assert count(company, "notifications.mail_alert") == 2


def test_the_months_consumption_is_cut_in_the_accounts_zone_and_warned_of_once_a_month(
    company: Company,
) -> None:
    give(company, "5000")
    save(company, WANTED)
    # Riyadh is three hours ahead: this is the 1st of November there, and the last of October in UTC.
    first = NOON.replace(day=1, hour=0) - timedelta(hours=2)
    use(company, "150", first)
    use(company, "900", first - timedelta(hours=1, seconds=1))
    alerts.sweep(NOON)
    assert standing(company) == []
    use(company, "250", NOON)
    alerts.sweep(NOON + timedelta(minutes=2))
    alerts.sweep(NOON + timedelta(minutes=4))
    (alert,) = alerts.open_alerts(company.account.id)
    assert (alert.kind, alert.found) == ("consumption", 400_000_000)
    assert count(company, "notifications.mail_alert") == 1
    december = NOON + 10 * DAY
    alerts.sweep(december)
    assert standing(company) == []


def test_a_reversal_counts_back(company: Company) -> None:
    give(company, "5000")
    save(company, WANTED)
    entry = usage(company.account.id, usd("400"), NOON)
    posted = deduct(entry, NOON)
    post(
        replace(
            entry,
            kind=EntryKind.REVERSAL,
            operation_key="back",
            reverses=posted.entry_id,
            transfers=(Transfer(Kind.UNINVOICED_REVENUE, Kind.CUSTOMER, usd("400")),),
        )
    )
    alerts.sweep(NOON + timedelta(minutes=2))
    assert standing(company) == []


def test_an_account_that_saved_nothing_is_warned_three_days_ahead(company: Company) -> None:
    company.account.created_at = NOON - 30 * DAY
    company.account.save(update_fields=["created_at"])
    give(company, "111")
    for day in range(7):
        use(company, "10", NOON - DAY * day - timedelta(minutes=1))
    assert alerts.sweep_forecasts(NOON) == 1
    assert standing(company) == []
    use(company, "1", NOON - timedelta(seconds=1))
    alerts.sweep_forecasts(NOON)
    (alert,) = alerts.open_alerts(company.account.id)
    # 40.00 left, 71.00 used in seven days.
    assert (alert.kind, alert.limit, alert.found) == ("days_left", 3, 3)
    assert count(company, "notifications.mail_alert") == 1


def test_switched_off_warns_of_nothing_and_closes_what_stood(company: Company) -> None:
    give(company, "20")
    first = save(company, WANTED)
    alerts.look(company.account.id, NOON)
    assert standing(company) == ["low_balance"]
    save(company, replace(WANTED, is_on=False), first.version)
    alerts.look(company.account.id, NOON)
    use(company, "5")
    assert standing(company) == []
    assert count(company, "balance.warn_low") == 1


def test_a_change_is_audited_with_what_changed(company: Company) -> None:
    first = save(company, WANTED)
    save(company, replace(WANTED, low_days=5, addresses=("CFO@falcon.test",)), first.version)
    entry = AuditEntry.objects.filter(account_id=company.account.id, action="alerts_changed").latest(
        "at", "id"
    )
    assert entry.before == {"addresses": [], "low_days": None}
    assert entry.after == {"addresses": ["cfo@falcon.test"], "low_days": 5}


def test_the_same_again_is_no_change(company: Company) -> None:
    first = save(company, WANTED)
    assert save(company, WANTED, first.version).version == first.version
    assert AuditEntry.objects.filter(account_id=company.account.id, action="alerts_changed").count() == 1


def test_a_stale_page_changes_nothing(company: Company) -> None:
    save(company, WANTED)
    with pytest.raises(StaleAlertSettings):
        save(company, replace(WANTED, is_on=False), 0)
    assert AlertSettings.objects.get(account_id=company.account.id).is_on


@pytest.mark.parametrize(
    ("wrong", "error", "field"),
    [
        (replace(WANTED, low_balance=Money.zero("USD")), AlertLimitNotPositive, "low_balance"),
        (replace(WANTED, consumption_limit=usd("0")), AlertLimitNotPositive, "consumption_limit"),
        (replace(WANTED, low_days=0), LowDaysOutOfRange, "low_days"),
        (replace(WANTED, low_days=61), LowDaysOutOfRange, "low_days"),
        (replace(WANTED, addresses=("no address",)), NotAnEmail, None),
        (
            replace(WANTED, addresses=tuple(f"a{n}@falcon.test" for n in range(11))),
            TooManyAddresses,
            "addresses",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_saved(
    company: Company, wrong: Watched, error: type[RaseedError], field: str | None
) -> None:
    with pytest.raises(error) as refused:
        save(company, wrong)
    assert field is None or refused.value.field == field
    assert not AlertSettings.objects.filter(account_id=company.account.id).exists()


def test_another_accounts_limits_are_its_own(company: Company) -> None:
    other = make_company("Hawk Trading")
    give(other, "10")
    save(company, WANTED)
    alerts.sweep(NOON + timedelta(minutes=2))
    assert standing(other) == []
    assert {one.kind for one in alerts.open_alerts(company.account.id)} == {AlertKind.LOW_BALANCE}


def test_the_operators_service_is_told_of_each_warning(company: Company) -> None:
    hears(EventKind.BALANCE_LOW)
    give(company, "20")
    save(company, WANTED)
    alerts.look(company.account.id, NOON)
    (told,) = WebhookDelivery.objects.filter(account_id=company.account.id)
    assert json.loads(told.body)["data"] == {
        "account_id": str(company.account.id),
        "reason": "low_balance",
        "limit": "25.00",
        "found": "20.00",
        "available": "20.00",
        "currency": "USD",
    }


def test_a_credit_that_arms_nothing_leaves_the_next_fall_heard(company: Company) -> None:
    give(company, "30")
    save(company, WANTED)
    use(company, "10")
    alerts.warn_low(company.account.id, NOON)
    assert count(company, "balance.warn_low") == 1
    transfer = Transfer(Kind.BANK, Kind.CUSTOMER, usd("80"))
    post(NewEntry(company.account.id, EntryKind.TOPUP_TRANSFER, "transfer", (transfer,), NOON))
    alerts.sweep(NOON + timedelta(minutes=1))
    assert standing(company) == []
    use(company, "90", NOON + timedelta(hours=1))
    assert count(company, "balance.warn_low") == 2
