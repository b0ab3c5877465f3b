"""No card number in any text that we keep: the scan behind invariant I27.

A number is one if it has the length and first digits of a card scheme and the check digit is right (ISO/IEC
7812-1). Saudi tax numbers, fifteen digits from 3 to 3, are none.
"""

import re
from collections.abc import Iterator

from django.db import connection

from raseed.db.invariants import NEW_ROW, Scope, Violation, invariant

_CANDIDATE = re.compile(r"(?<![0-9A-Za-z])\d{13,19}(?![0-9A-Za-z])")
_SCHEME = re.compile(r"4\d{12}|4\d{15}|4\d{18}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}")
_SAUDI_TAX_NUMBER = re.compile(r"3\d{13}3")


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is right by the Luhn formula."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card_numbers(text: str) -> list[str]:
    """The card numbers in a text, masked to their last four digits."""
    return [
        f"•••• {digits[-4:]}"
        for digits in _CANDIDATE.findall(text)
        if _SCHEME.fullmatch(digits) and not _SAUDI_TAX_NUMBER.fullmatch(digits) and has_check_digit(digits)
    ]


@invariant("I27", "No text column holds a card number.")
def no_card_number_is_kept(scope: Scope) -> Iterator[Violation]:
    """Look through every text, JSON and webhook-body column of every table; of an incremental run, in its new rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, array_agg(column_name::text ORDER BY column_name),"
            " array_agg(data_type::text ORDER BY column_name) FROM information_schema.columns"
            " WHERE table_schema = 'public' AND (data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')"
            " OR (table_name, column_name) = ('payments_inboxevent', 'body')) GROUP BY table_name ORDER BY table_name"
        )
        tables = cursor.fetchall()
        for table, columns, kinds in tables:
            texts = [_as_text(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            # One pass a table; CASE, so that the text of old rows is not even looked at.
            cursor.execute(
                f"SELECT {', '.join(texts)} FROM {connection.ops.quote_name(table)}"  # noqa: S608 - from the catalogue
                f" WHERE CASE WHEN {NEW_ROW} THEN concat_ws(' ', {', '.join(texts)}) ~ '[0-9]{{13}}' END",
                scope.parameters(),
            )
            for row in cursor.fetchall():
                for column, text in zip(columns, row, strict=True):
                    for masked in card_numbers(text or ""):
                        yield Violation(
                            "I27", {"table": table, "column": column}, f"holds the card number {masked}"
                        )


def _as_text(column: str, kind: str) -> str:
    name = connection.ops.quote_name(column)
    return f"encode({name}, 'escape')" if kind == "bytea" else f"{name}::text"
