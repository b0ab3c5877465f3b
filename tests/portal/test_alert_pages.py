"""E-mail alerts on the pages: set, refused at the field, stale; the banners of what stands and of the time of grace."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from people import Company
from raseed.accounts.models import Operator
from raseed.balance import alerts
from raseed.balance.alerts import settings_of, watched_by
from raseed.balance.deduct import deduct
from raseed.balance.models import AlertSettings
from raseed.ledger.chart import EntryKind, Kind
from raseed.ledger.post import NewEntry, Transfer, post
from recharging import usage, usd

FORM = {
    "version": "0",
    "is_on": "on",
    "low_balance": "25",
    "low_days": "3",
    "consumption_limit": "1,400.50",
    "addresses": "cfo@falcon.test\nops@falcon.test",
}


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


def fund(company: Company, amount: str) -> None:
    entry = NewEntry(
        account_id=company.account.id,
        kind=EntryKind.TOPUP_CASH,
        operation_key="cash",
        transfers=(Transfer(Kind.CASH, Kind.CUSTOMER, usd(amount)),),
        at=timezone.now(),
    )
    post(entry)


def test_what_was_typed_is_saved_and_shown(company: Company, admin: Client) -> None:
    assert 'name="low_days"' in text(admin.get(reverse("portal:alerts")))
    answer = admin.post(reverse("portal:alerts"), FORM)
    assert answer.headers["Location"] == reverse("portal:balance")
    watched = watched_by(company.account, settings_of(company.account.id))
    assert (watched.low_balance, watched.low_days, watched.consumption_limit) == (
        usd("25"),
        3,
        usd("1400.50"),
    )
    assert watched.addresses == ("cfo@falcon.test", "ops@falcon.test")
    shown = text(admin.get(reverse("portal:balance")))
    assert "1,400.50 USD" in shown
    assert "ops@falcon.test" in shown


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("low_balance", "-5", "Enter the amount without a plus or minus sign"),
        ("low_balance", "0", "Enter an amount above zero, or leave the field empty."),
        ("consumption_limit", "10.005", "decimal"),
        ("low_days", "soon", "Enter a number of days from 1 to 60"),
        ("low_days", "61", "Enter a number of days from 1 to 60"),
        ("addresses", "nobody", "is not a whole e-mail address"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field_and_nothing_is_saved(
    company: Company, admin: Client, field: str, typed: str, said: str
) -> None:
    answer = admin.post(reverse("portal:alerts"), FORM | {field: typed})
    assert answer.status_code == 422
    shown = text(answer)
    error = shown[shown.index(f'id="id_{field}_error"') :]
    assert said in error[: error.index("</div>")]
    assert not AlertSettings.objects.filter(account_id=company.account.id).exists()


def test_a_stale_page_is_refused_and_shows_what_is_there(company: Company, admin: Client) -> None:
    admin.post(reverse("portal:alerts"), FORM)
    answer = admin.post(reverse("portal:alerts"), FORM | {"low_balance": "999"})
    assert answer.status_code == 409
    assert "Another Admin has changed these settings meanwhile" in text(answer)
    assert 'value="25.00"' in text(answer)


def test_a_warning_stands_on_the_page_until_things_are_clear(company: Company, admin: Client) -> None:
    fund(company, "20")
    admin.post(reverse("portal:alerts"), FORM)
    alerts.look(company.account.id, timezone.now())
    shown = text(admin.get(reverse("portal:balance")))
    assert "The balance is low" in shown
    assert "came down to \u206620.00 USD\u2069; your limit is \u206625.00 USD\u2069" in shown


def test_the_time_of_grace_says_until_when(company: Company, admin: Client) -> None:
    Operator.objects.update(grace_hours=24)
    fund(company, "20")
    now = timezone.now()
    deduct(usage(company.account.id, usd("20"), now), now)
    shown = text(admin.get(reverse("portal:balance")))
    assert "The balance has run out" in shown
    assert (now + timedelta(hours=24)).isoformat() in shown
    assert "Service is suspended" not in shown
