"""Reading a typed card: every field's errors, every way to write the same thing."""

from datetime import date

import pytest

from raseed.sandbox.cards import PROFILES, TEST_CARDS, CardErrors, TypedCard, luhn_valid, read_card

TODAY = date(2026, 11, 23)


def read(number: str = "4242 4242 4242 4242", expiry: str = "11/26", cvc: str = "123") -> TypedCard:
    return read_card(number, expiry, cvc, today=TODAY, key="key")


def test_every_test_card_is_luhn_valid_and_has_a_profile() -> None:
    for number, profile in TEST_CARDS.items():
        assert luhn_valid(number), number
        assert profile in PROFILES


@pytest.mark.parametrize(
    "number",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        " 4242-4242-4242-4242 ",
        "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢",
        "۴۲۴۲۴۲۴۲۴۲۴۲۴۲۴۲",
    ],
)
def test_number_is_read_however_it_is_spaced_or_written(number: str) -> None:
    card = read(number)
    assert (card.brand, card.last4, card.profile) == ("visa", "4242", "good")


@pytest.mark.parametrize(
    ("number", "error"),
    [
        ("", "number_missing"),
        ("   ", "number_missing"),
        ("424242424242", "number_length"),
        ("4" * 20, "number_length"),
        ("4242 4242 4242 424x", "number_length"),
        ("4242 4242 4242 4241", "number_wrong"),
    ],
)
def test_number_errors(number: str, error: str) -> None:
    with pytest.raises(CardErrors) as caught:
        read(number)
    assert caught.value.fields == {"number": error}


@pytest.mark.parametrize("expiry", ["11/26", "11/2026", "1126", "11 / 26", "11-26", "١١/٢٦", "112026"])
def test_expiry_of_this_month_is_good_in_every_form(expiry: str) -> None:
    card = read(expiry=expiry)
    assert (card.exp_month, card.exp_year) == (11, 2026)


@pytest.mark.parametrize(
    ("expiry", "error"),
    [
        ("", "expiry_missing"),
        ("10/26", "expiry_past"),
        ("13/27", "expiry_wrong"),
        ("00/27", "expiry_wrong"),
        ("11", "expiry_wrong"),
        ("11/47", "expiry_wrong"),
        ("next year", "expiry_wrong"),
    ],
)
def test_expiry_errors(expiry: str, error: str) -> None:
    with pytest.raises(CardErrors) as caught:
        read(expiry=expiry)
    assert caught.value.fields == {"expiry": error}


@pytest.mark.parametrize(("cvc", "error"), [("", "cvc_missing"), ("12", "cvc_wrong"), ("12a", "cvc_wrong")])
def test_cvc_errors(cvc: str, error: str) -> None:
    with pytest.raises(CardErrors) as caught:
        read(cvc=cvc)
    assert caught.value.fields == {"cvc": error}


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(CardErrors) as caught:
        read("", "", "")
    assert set(caught.value.fields) == {"number", "expiry", "cvc"}


def test_a_card_nobody_knows_is_declined_and_its_number_is_not_kept() -> None:
    card = read("4111 1111 1111 1111")
    assert card.profile == "declined"
    assert "4111111111111111" not in repr(card)


def test_fingerprint_tells_cards_apart_and_needs_the_key() -> None:
    same, other = read().fingerprint, read("5555 5555 5555 4444").fingerprint
    assert read().fingerprint == same != other
    assert read_card("4242424242424242", "11/26", "123", today=TODAY, key="another").fingerprint != same
