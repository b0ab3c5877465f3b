"""Automatic recharge on the pages: set up with consent to the sentence that was read, change, switch off, and the history."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from factors import prove_now
from people import Company, open_one, save_card
from raseed.payments.models import Payment, PaymentMethod, Purpose
from raseed.payments.recharge import change, history, series
from raseed.payments.recharge.change import settings_of
from raseed.payments.recharge.history import Seen
from raseed.payments.recharge.models import Consideration, RechargeSettings
from raseed.payments.recharge.reasons import Cause, Reason
from raseed.payments.states import State
from recharging import CONSENT, WANTED

FORM = {
    "version": "0",
    "threshold": "25",
    "mode": "target",
    "target": "500",
    "fixed": "",
    "day_cap": "3",
    "month_cap": "2000",
    "consent": "1",
}
READ = (
    "When the available balance reaches \u206625.00 USD\u2069 we charge your \u2066Visa\xa0••••\xa04242\u2069 so that it is"
    " \u2066500.00 USD\u2069 again; about \u2066475.00 USD\u2069. At most \u20662,000.00 USD\u2069 a month; charges a day: at most"
    " \u20663\u2069. If the card is declined, the next saved card is charged."
)


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


@pytest.fixture
def proved(company: Company, admin: Client) -> Client:
    prove_now(admin, timezone.now())
    return admin


def on(company: Company, version: int = 0) -> RechargeSettings:
    return change.switch_on(
        company.account, version, WANTED, CONSENT, change.Who(company.admin.id, "admin"), timezone.now()
    )


def test_an_old_proof_is_asked_for_again_before_recharge_is_changed_and_never_to_switch_it_off(
    company: Company, admin: Client
) -> None:
    save_card(company, "card_1")
    on(company)
    form, off = reverse("portal:recharge"), reverse("portal:recharge_off")
    asked = admin.get(form)
    assert asked.headers["Location"].startswith(reverse("portal:confirm"))
    assert admin.post(form, FORM | {"read": READ}).headers["Location"].startswith(reverse("portal:confirm"))
    assert admin.post(off, {"version": "1"}).headers["Location"] == reverse("portal:balance")
    row = settings_of(company.account.id)
    assert row is not None
    assert (row.is_on, row.version) == (False, 2)


def test_set_up_with_the_sentence_that_was_read(company: Company, proved: Client) -> None:
    save_card(company, "card_1")
    drawn = text(proved.get(reverse("portal:recharge")))
    assert 'name="threshold"' in drawn
    assert READ in drawn, "what is proposed is the usual case, said exactly"
    answer = proved.post(reverse("portal:recharge"), FORM | {"read": READ})
    assert answer.headers["Location"] == reverse("portal:balance")
    row = settings_of(company.account.id)
    assert row is not None
    assert (row.is_on, row.threshold_micros, row.target_micros) == (True, 25_000_000, 500_000_000)
    assert (row.consent_by, row.consent_version) == (company.admin.id, "2026-11")
    assert row.consent_text.startswith(READ)
    page = text(proved.get(reverse("portal:balance")))
    assert "Automatic recharge is on." in page
    assert "Visa\xa0••••\xa04242" in page


def test_consent_to_another_sentence_is_none(company: Company, proved: Client) -> None:
    save_card(company, "card_1")
    answer = proved.post(reverse("portal:recharge"), FORM | {"read": READ, "target": "600"})
    assert answer.status_code == 422
    assert "The sentence above has changed" in text(answer)
    assert "about \u2066575.00 USD\u2069" in text(answer)
    assert settings_of(company.account.id) is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"consent": ""}, "Agree that the card is charged automatically"),
        ({"target": "25"}, "Recharge to more than the threshold"),
        ({"target": "26"}, "the smallest payment is 5.00"),
        ({"threshold": "abc"}, "recharge-threshold-error"),
        ({"day_cap": "0"}, "from 1 to 20"),
        ({"month_cap": "100"}, "at least one recharge"),
        ({"mode": "fixed", "fixed": "1"}, "recharge-fixed-error"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(
    company: Company, proved: Client, typed: dict[str, str], said: str
) -> None:
    save_card(company, "card_1")
    answer = proved.post(reverse("portal:recharge"), FORM | {"read": READ} | typed)
    assert answer.status_code == 422
    assert said in text(answer)
    assert settings_of(company.account.id) is None


def test_without_a_card_the_page_says_so(company: Company, proved: Client) -> None:
    said = "There is no saved card that can be charged automatically."
    assert said in text(proved.get(reverse("portal:recharge")))
    answer = proved.post(reverse("portal:recharge"), FORM | {"read": ""})
    assert answer.status_code == 422
    assert said in text(answer)


def test_a_stale_form_shows_what_the_other_admin_saved(company: Company, proved: Client) -> None:
    save_card(company, "card_1")
    on(company)
    answer = proved.post(reverse("portal:recharge"), FORM | {"read": READ, "target": "600"})
    assert answer.status_code == 409
    drawn = text(answer)
    assert "Another Admin has changed these settings meanwhile." in drawn
    assert 'name="version" value="1"' in drawn
    assert 'value="500.00"' in drawn
    assert "Changed by" in drawn
    row = settings_of(company.account.id)
    assert row is not None
    assert row.target_micros == 500_000_000


def test_the_sentence_is_drawn_while_somebody_types(company: Company, admin: Client) -> None:
    save_card(company, "card_1")
    said = text(admin.get(reverse("portal:recharge_promise"), FORM))
    assert READ in said
    assert "Recharge to more than the threshold" in text(
        admin.get(reverse("portal:recharge_promise"), FORM | {"target": "20"})
    )


REASONS = {
    Reason.SWITCHED_OFF: "automatic recharge was switched off",
    Reason.NO_CARD: "no saved card that can be charged automatically",
    Reason.IN_FLIGHT: "a recharge is under way",
    Reason.PAUSED: "automatic recharge is paused",
    Reason.BACKING_OFF: "the last try failed",
    Reason.DAY_CAP: "the day’s cap of",
    Reason.MONTH_CAP: "the month’s cap of",
    Reason.GATEWAY_DOWN: "card payments are not available",
    Reason.PENDING: "is being confirmed",
    Reason.ABOVE_THRESHOLD: "above the threshold again",
    Reason.SUSPENDED: "suspended by support",
    Reason.NOT_OFFERED: "not set up",
    Reason.CLOSED: "the account is closed",
    Reason.NO_CONSENT: "nobody has agreed yet",
}


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_no_has_its_sentence(company: Company, admin: Client, language: str) -> None:
    now = timezone.now()
    for minute, reason in enumerate(REASONS):
        history.refused(
            company.account,
            Cause.CROSSED,
            reason,
            Seen(25_000_000, 100_000_000, 25_000_000),
            now + timedelta(minutes=minute),
            next_at=now,
            cap=3_000_000,
        )
    admin.post(reverse("portal:set_language"), {"language": language, "next": "/"})
    page = text(admin.get(reverse("portal:recharge_history")))
    assert Consideration.objects.filter(account_id=company.account.id).count() == len(REASONS)
    assert page.count("<li class=") >= len(REASONS)
    for said in REASONS.values():
        assert (said in page) == (language == "en"), said
    assert "%(" not in page


def test_paused_and_no_card_are_banners(company: Company, admin: Client) -> None:
    save_card(company, "card_1")
    on(company)
    page = text(admin.get(reverse("portal:balance")))
    assert "Automatic recharge is paused" not in page
    tries = series.locked(company.account.id)
    tries.paused_at = timezone.now()
    tries.save()
    assert "Automatic recharge is paused" in text(admin.get(reverse("portal:balance")))
    PaymentMethod.objects.filter(account_id=company.account.id).update(removed_at=timezone.now())
    assert "Automatic recharge has no card to charge" in text(admin.get(reverse("portal:balance")))


def test_a_charge_that_an_admin_confirmed_is_told_as_one_charge(company: Company, admin: Client) -> None:
    save_card(company, "card_1")
    payment = open_one(company)
    now = timezone.now()
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(
        purpose=Purpose.RECHARGE, state=State.ACTION_REQUIRED
    )
    payment.refresh_from_db()
    history.charged(payment, Cause.CROSSED, 1, "", Seen(0), now)
    history.became(payment, Reason.AUTHENTICATION, 1, Seen(0), now, next_at=now + timedelta(hours=24))
    assert "wants you to confirm" in text(admin.get(reverse("portal:recharge_history")))
    Payment.objects.filter(account_id=company.account.id, id=payment.id).update(
        state=State.SUCCEEDED, captured_minor=10_000, captured_currency="USD"
    )
    page = text(admin.get(reverse("portal:recharge_history")))
    assert "That was done, and it was charged" in page
    assert page.count("because the balance came to") == 1
