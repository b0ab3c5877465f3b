"""Amounts in words, English and Arabic, as the papers print them beside the figures.

Pure, and exact to the minor unit. It must never print a digit, never round, and never give two amounts the same words:
the words are what counts when the figures are doubted. The Arabic follows the grammar of counting (gender and number of
the counted noun, the construct state before it) and stands in the nominative, as on a cheque.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raseed.documents.copies import Language
from raseed.money import CURRENCIES, Money


def amount_in_words(money: Money, language: Language) -> str:
    """Write an amount in words with its currency and, if there are any, its minor units.

    ``One hundred US dollars and fifty cents only`` or ``فقط مئة دولار أمريكي وخمسون سنتًا لا غير``. Raises ValueError
    for a negative amount and InexactMinor for one with a part below the minor unit: a paper never rounds.
    """
    minor = money.minor_exact()
    if minor < 0:
        raise ValueError("a paper states no negative amount in words")
    units, subunits = divmod(minor, int(10 ** CURRENCIES[money.currency].exponent))
    if language == "ar":
        return _arabic(units, subunits, money.currency)
    return _english(units, subunits, money.currency)


# -- English -------------------------------------------------------------------------------------------------

_EN_BELOW_TWENTY: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_EN_TENS: Final = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_EN_SCALES: Final = ("", " thousand", " million", " billion", " trillion")


@dataclass(frozen=True, slots=True)
class _EnglishUnit:
    one: str
    many: str


def _same(name: str) -> _EnglishUnit:
    return _EnglishUnit(name, name)


def _regular(name: str) -> _EnglishUnit:
    return _EnglishUnit(name, f"{name}s")


_EN_NAMES: Final[dict[str, tuple[_EnglishUnit, _EnglishUnit]]] = {
    "SAR": (_regular("Saudi riyal"), _regular("halala")),
    "AED": (_regular("UAE dirham"), _same("fils")),
    "EGP": (_regular("Egyptian pound"), _regular("piastre")),
    "QAR": (_regular("Qatari riyal"), _regular("dirham")),
    "USD": (_regular("US dollar"), _regular("cent")),
    "EUR": (_regular("euro"), _regular("cent")),
    "GBP": (_EnglishUnit("pound sterling", "pounds sterling"), _EnglishUnit("penny", "pence")),
    "JOD": (_regular("Jordanian dinar"), _same("fils")),
    "KWD": (_regular("Kuwaiti dinar"), _same("fils")),
    "BHD": (_regular("Bahraini dinar"), _same("fils")),
    "OMR": (_regular("Omani rial"), _same("baisa")),
}


def _english(units: int, subunits: int, currency: str) -> str:
    unit, subunit = _EN_NAMES[currency]
    text = _english_count(units, unit)
    if subunits:
        # The one "and" of the sentence stands between units and subunits, so that it can be read in one way only.
        text = f"{text} and {_english_count(subunits, subunit)}"
    return f"{text[0].upper()}{text[1:]} only"


def _english_count(number: int, unit: _EnglishUnit) -> str:
    return f"{_english_number(number)} {unit.one if number == 1 else unit.many}"


def _english_number(number: int) -> str:
    if number == 0:
        return _EN_BELOW_TWENTY[0]
    groups = _groups(number)
    return " ".join(
        f"{_english_group(group)}{_EN_SCALES[power]}"
        for power, group in reversed(list(enumerate(groups)))
        if group
    )


def _english_group(group: int) -> str:
    hundreds, rest = divmod(group, 100)
    parts = [f"{_EN_BELOW_TWENTY[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        tens, ones = divmod(rest, 10)
        parts.append(f"{_EN_TENS[tens]}-{_EN_BELOW_TWENTY[ones]}" if ones else _EN_TENS[tens])
    elif rest:
        parts.append(_EN_BELOW_TWENTY[rest])
    return " ".join(parts)


def _groups(number: int) -> list[int]:
    """Cut a number into groups of three digits, the lowest first."""
    groups = []
    while number:
        number, group = divmod(number, 1000)
        groups.append(group)
    return groups


# -- Arabic --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ArabicNoun:
    """The forms that a counted noun takes, its adjective with it.

    ``one`` also follows hundreds and thousands (genitive, written alike); ``few`` follows 3 to 10; ``many`` is the
    accusative that follows 11 to 99; ``only`` is the word for "one" that agrees with it.
    """

    one: str
    two: str
    few: str
    many: str
    feminine: bool = False

    @property
    def single(self) -> str:
        return f"{self.one} {'واحدة' if self.feminine else 'واحد'}"


@dataclass(frozen=True, slots=True)
class _ArabicScale:
    """A power of a thousand, itself a masculine noun that is counted; ``two_of`` stands right before what it counts."""

    one: str
    two: str
    two_of: str
    few: str
    many: str


_AR_SCALES: Final = (
    _ArabicScale("ألف", "ألفان", "ألفا", "آلاف", "ألفًا"),
    _ArabicScale("مليون", "مليونان", "مليونا", "ملايين", "مليونًا"),
    _ArabicScale("مليار", "ملياران", "مليارا", "مليارات", "مليارًا"),
    _ArabicScale("تريليون", "تريليونان", "تريليونا", "تريليونات", "تريليونًا"),
)
# Before a masculine noun the numbers 3 to 10 are feminine in form, and the other way round. "ثماني" and "ثمانٍ" are the
# same word before its noun and before "و".
_AR_ONES: Final = ["-", "واحد", "اثنان", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة", "عشرة"]
_AR_ONES_F: Final = ["-", "إحدى", "اثنتان", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثمانٍ", "تسع", "عشر"]
_AR_ONES_F_OF: Final = ["-", "-", "-", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع", "عشر"]
_AR_TEENS: Final = ["أحد", "اثنا", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة"]
_AR_TEENS_F: Final = ["إحدى", "اثنتا", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع"]
_AR_TENS: Final = ["-", "-", "عشرون", "ثلاثون", "أربعون", "خمسون", "ستون", "سبعون", "ثمانون", "تسعون"]
_AR_HUNDREDS: Final = [
    "-",
    "مئة",
    "مئتان",
    "ثلاثمئة",
    "أربعمئة",
    "خمسمئة",
    "ستمئة",
    "سبعمئة",
    "ثمانمئة",
    "تسعمئة",
]
_AR_TWO_HUNDRED_OF: Final = "مئتا"
_AND: Final = " و"

_FILS: Final = _ArabicNoun("فلس", "فلسان", "فلوس", "فلسًا")
_CENT: Final = _ArabicNoun("سنت", "سنتان", "سنتات", "سنتًا")
_AR_NAMES: Final[dict[str, tuple[_ArabicNoun, _ArabicNoun]]] = {
    "SAR": (
        _ArabicNoun("ريال سعودي", "ريالان سعوديان", "ريالات سعودية", "ريالًا سعوديًا"),
        _ArabicNoun("هللة", "هللتان", "هللات", "هللة", feminine=True),
    ),
    "AED": (_ArabicNoun("درهم إماراتي", "درهمان إماراتيان", "دراهم إماراتية", "درهمًا إماراتيًا"), _FILS),
    "EGP": (
        _ArabicNoun("جنيه مصري", "جنيهان مصريان", "جنيهات مصرية", "جنيهًا مصريًا"),
        _ArabicNoun("قرش", "قرشان", "قروش", "قرشًا"),
    ),
    "QAR": (
        _ArabicNoun("ريال قطري", "ريالان قطريان", "ريالات قطرية", "ريالًا قطريًا"),
        _ArabicNoun("درهم", "درهمان", "دراهم", "درهمًا"),
    ),
    "USD": (_ArabicNoun("دولار أمريكي", "دولاران أمريكيان", "دولارات أمريكية", "دولارًا أمريكيًا"), _CENT),
    "EUR": (_ArabicNoun("يورو", "يوروان", "يوروات", "يورو"), _CENT),
    "GBP": (
        _ArabicNoun("جنيه إسترليني", "جنيهان إسترلينيان", "جنيهات إسترلينية", "جنيهًا إسترلينيًا"),
        _ArabicNoun("بنس", "بنسان", "بنسات", "بنسًا"),
    ),
    "JOD": (_ArabicNoun("دينار أردني", "ديناران أردنيان", "دنانير أردنية", "دينارًا أردنيًا"), _FILS),
    "KWD": (_ArabicNoun("دينار كويتي", "ديناران كويتيان", "دنانير كويتية", "دينارًا كويتيًا"), _FILS),
    "BHD": (_ArabicNoun("دينار بحريني", "ديناران بحرينيان", "دنانير بحرينية", "دينارًا بحرينيًا"), _FILS),
    "OMR": (
        _ArabicNoun("ريال عُماني", "ريالان عُمانيان", "ريالات عُمانية", "ريالًا عُمانيًا"),
        _ArabicNoun("بيسة", "بيستان", "بيسات", "بيسة", feminine=True),
    ),
}


def _arabic(units: int, subunits: int, currency: str) -> str:
    unit, subunit = _AR_NAMES[currency]
    text = _arabic_count(units, unit)
    if subunits:
        text = f"{text}{_AND}{_arabic_count(subunits, subunit)}"
    return f"فقط {text} لا غير"


def _arabic_count(number: int, noun: _ArabicNoun) -> str:
    """Count ``number`` of ``noun``."""
    if number == 0:
        return f"صفر {noun.one}"
    groups = _groups(number)
    lowest = next(power for power, group in enumerate(groups) if group)
    parts = [
        _arabic_scale(groups[power], _AR_SCALES[power - 1], before_noun=power == lowest)
        for power in reversed(range(1, len(groups)))
        if groups[power]
    ]
    if lowest:
        # The number ends in ألف or a higher scale, which stands in the construct state before the noun.
        return f"{_AND.join(parts)} {noun.one}"
    parts.append(_arabic_group(groups[0], noun))
    return _AND.join(parts)


def _arabic_group(group: int, noun: _ArabicNoun) -> str:
    """Count the last three digits (1 to 999) with their noun, whose form follows the last number spoken."""
    hundreds, rest = divmod(group, 100)
    if rest == 0:
        return f"{_AR_TWO_HUNDRED_OF if hundreds == 2 else _AR_HUNDREDS[hundreds]} {noun.one}"
    if rest == 1:
        last = noun.single
    elif rest == 2:
        last = noun.two
    elif rest <= 10:
        last = f"{(_AR_ONES_F_OF if noun.feminine else _AR_ONES)[rest]} {noun.few}"
    else:
        last = f"{_arabic_eleven_to_99(rest, feminine=noun.feminine)} {noun.many}"
    return f"{_AR_HUNDREDS[hundreds]}{_AND}{last}" if hundreds else last


def _arabic_scale(group: int, scale: _ArabicScale, *, before_noun: bool) -> str:
    """Count thousands, millions … (1 to 999); ``before_noun``: the counted noun follows at once, not another number."""
    hundreds, rest = divmod(group, 100)
    if rest == 0:
        return f"{_AR_TWO_HUNDRED_OF if hundreds == 2 else _AR_HUNDREDS[hundreds]} {scale.one}"
    if rest == 1:
        last = scale.one
    elif rest == 2:
        last = scale.two_of if before_noun else scale.two
    elif rest <= 10:
        last = f"{_AR_ONES[rest]} {scale.few}"
    else:
        last = f"{_arabic_eleven_to_99(rest, feminine=False)} {scale.one if before_noun else scale.many}"
    if not hundreds:
        return last
    if rest <= 2:
        # "مئة وألف" would be 1,100: the scale is said twice, as in "مئة ألف وألف".
        return f"{_AR_TWO_HUNDRED_OF if hundreds == 2 else _AR_HUNDREDS[hundreds]} {scale.one}{_AND}{last}"
    return f"{_AR_HUNDREDS[hundreds]}{_AND}{last}"


def _arabic_eleven_to_99(number: int, *, feminine: bool) -> str:
    tens, ones = divmod(number, 10)
    if tens == 1:
        return f"{_AR_TEENS_F[ones - 1]} عشرة" if feminine else f"{_AR_TEENS[ones - 1]} عشر"
    if ones == 0:
        return _AR_TENS[tens]
    return f"{(_AR_ONES_F if feminine else _AR_ONES)[ones]}{_AND}{_AR_TENS[tens]}"
