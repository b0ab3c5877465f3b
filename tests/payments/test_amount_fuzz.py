"""Over a thousand hostile amounts in every currency: a clear refusal that writes nothing, or exactly what was meant.

What was meant is read here a second time, by an oracle that shares no code with the product: a plain or well
grouped decimal, in one script of digits. Everything else must be refused.
"""

import random
import re
from decimal import Decimal, localcontext
from uuid import uuid4

import pytest

from people import NOON, Company, make_company, make_operator
from raseed.accounts.models import AmountPolicy
from raseed.errors import RaseedError
from raseed.money import CURRENCIES
from raseed.payments.amounts import read_amount
from raseed.payments.models import GatewayReference, Payment
from raseed.payments.paynow import PayNow, open_payment

MINIMUM, MAXIMUM = Decimal(5), Decimal(5_000)
ARABIC, PERSIAN = "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"
PIECES = [
    *"0123456789",
    *"0123456789",
    *",.,.٬٫ '’_·",
    *ARABIC,
    *PERSIAN,
    *"+-−eEx%$€﷼/\\()",
    *[
        "\u200f",
        "\u00a0",
        "\u202f",
        "\t",
        "\n",
        "\0",
        "0x",
        "1e",
        "NaN",
        "inf",
        "USD",
        "१",
        "５",
        "½",
        "²",
        "十",
    ],
]
EXACT = [
    *[
        "0",
        "0.00",
        "-1",
        "-100",
        "−100",
        "NaN",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "1e9",
        "1E3",
        "1e-3",
        "+100",
    ],
    *[
        "0.001",
        "10.005",
        "1,000.50",
        "1٬000٫50",
        "١٠٠",
        "١٬٠٠٠٫٥٠",
        "۱۰۰",
        "1,00",
        "10,00",
        "1,0000",
        "10,000,00",
    ],
    *[
        "1,000,00.5",
        "1.000,50",
        "1.000",
        "1,000",
        "0,100",
        "100,",
        ",100",
        "1,,000",
        "100.",
        ".5",
        "1 000",
        "1'000",
    ],
    *[
        "",
        " ",
        "\u200f",
        "100 USD",
        "$100",
        "0x64",
        "1_000",
        "१००",
        "１００",
        "1٠0",
        "٣,000",
        "10.5.5",
        "1٫5٫5",
    ],
    *[
        "99999999999999999999",
        "9" * 31,
        "9223372036854775807",
        "1000000000000.00",
        "1e400",
        "0b11",
        "½",
        "²",
        "5000.01",
    ],
    *[
        "4.99",
        "5",
        "5.00",
        "5000",
        "5,000.00",
        "12.3456789",
        "1.234",
        "100.010",
        "100.015",
        "100.001",
        "--5",
        "5-",
    ],
    *[
        "100\0",
        "100;DROP TABLE payments_payment",
        "100'--",
        "<b>100</b>",
        "{{100}}",
        "%s",
        "\u202e001",
        "\ufeff100",
    ],
]
TYPED = re.compile(
    r"[\s\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]*(.*?)[\s\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]*",
    re.DOTALL,
)
NUMBER = re.compile(r"(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,2}(?:٬[0-9]{3})+)(?:[.٫][0-9]+)?")


def hostile(seed: int) -> list[str]:
    """The named cases and a thousand made from pieces, the same for the same seed."""
    chance = random.Random(seed)
    made = ["".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(700)]
    # Near misses: a good amount with one character put in, taken out or changed.
    for _ in range(500):
        good = chance.choice(["1,000.50", "250", "49.99", "1٬234٫50", "١٢٣٫٥٠", "1234.560", "5,000"])
        place = chance.randrange(len(good))
        made.append(good[:place] + chance.choice(["", *PIECES]) + good[place + chance.randint(0, 1) :])
    return EXACT + made


def meant(text: str, exponent: int, step: Decimal) -> Decimal | None:
    """The amount, if there is just one way to read it and it may be paid."""
    inner = TYPED.fullmatch(text)
    plain = inner[1] if inner else ""
    scripts = [script for script in ("0123456789", ARABIC, PERSIAN) if set(script) & set(plain)]
    if len(scripts) != 1 or len(plain) > 30:
        return None
    latin = plain.translate(str.maketrans(scripts[0], "0123456789"))
    if not latin.isprintable() or not NUMBER.fullmatch(latin) or not latin.isprintable():
        return None
    with localcontext() as exact:
        exact.prec = 60
        amount = Decimal(latin.replace(",", "").replace("٬", "").replace("٫", "."))
        _, _, decimals = latin.replace("٫", ".").partition(".")
        if len(decimals) > exponent or not MINIMUM <= amount <= MAXIMUM or amount % step:
            return None
    return amount


def rows() -> tuple[int, int]:
    return Payment.objects.filter(account_id__in=ACCOUNTS).count(), GatewayReference.objects.count()


ACCOUNTS: list[object] = []


@pytest.fixture
def company(db: None, request: pytest.FixtureRequest) -> Company:
    make_operator()
    AmountPolicy.objects.update_or_create(
        currency=request.param,
        defaults={"minimum_micros": 5_000_000, "maximum_micros": 5_000_000_000, "presets_micros": []},
    )
    made = make_company(currency=request.param)
    ACCOUNTS[:] = [made.account.id]
    return made


def pay(company: Company, text: str) -> Payment:
    """What the portal does with the field's text."""
    credit = read_amount(text, company.account)
    asked = PayNow(company.account.id, uuid4(), credit, None, False, company.admin.id, "en", another=True)
    return open_payment(asked, NOON)


@pytest.mark.parametrize("company", sorted(CURRENCIES), indirect=True)
def test_f18_a_hostile_amount_is_refused_or_exactly_what_was_meant(company: Company) -> None:
    currency = CURRENCIES[company.account.currency]
    step = Decimal(currency.gateway_step).scaleb(-currency.exponent)
    texts, paid, before = hostile(len(currency.code)), 0, rows()
    assert len(texts) > 1_000
    for text in texts:
        amount = meant(text, currency.exponent, step)
        if amount is None:
            with pytest.raises(RaseedError) as refused:
                pay(company, text)
            assert refused.value.field == "amount", text
            assert str(refused.value.message), text
        else:
            payment = pay(company, text)
            paid += 1
            micros = int(amount.scaleb(6))
            minor = int(amount.scaleb(currency.exponent))
            assert (payment.credit_micros, payment.charge_minor, payment.tax_micros) == (micros, minor, 0), (
                text
            )
            assert payment.currency == currency.code
    assert rows() == (before[0] + paid, before[1] + paid), "a refusal wrote something"
    assert paid > 50, "the fuzz must also meet amounts that are right"


@pytest.mark.parametrize("company", ["USD", "JOD"], indirect=True)
@pytest.mark.parametrize(
    ("text", "usd", "jod"),
    [
        ("0", "above zero", "above zero"),
        ("-5", "without a plus or minus sign", "without a plus or minus sign"),
        ("NaN", "in digits", "in digits"),
        ("1e9", "in digits", "in digits"),
        ("1000000000", "largest payment", "largest payment"),
        ("0.001", "at most 2 decimals", "at least 0.010 JOD"),
        ("10.005", "at most 2 decimals", "enter 10.000 JOD or 10.010 JOD"),
        ("1,00", "whole thousands", "whole thousands"),
        ("1.000,50", "whole thousands", "whole thousands"),
        ("1,000.50", 1_000_500_000, 1_000_500_000),
        ("1٬000٫50", 1_000_500_000, 1_000_500_000),
        ("١٠٠", 100_000_000, 100_000_000),
        ("١٬٠٠٠٫٥٠", 1_000_500_000, 1_000_500_000),
    ],
)
def test_f18_the_named_amounts(company: Company, text: str, usd: object, jod: object) -> None:
    expected = usd if company.account.currency == "USD" else jod
    before = rows()
    if isinstance(expected, int):
        assert pay(company, text).credit_micros == expected
        assert rows() == (before[0] + 1, before[1] + 1)
        return
    with pytest.raises(RaseedError) as refused:
        pay(company, text)
    assert expected in str(refused.value.message)
    assert refused.value.field == "amount"
    assert rows() == before
