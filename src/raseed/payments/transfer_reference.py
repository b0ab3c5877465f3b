"""The reference that an account's people write on a bank transfer: ISO 11649, "RF", two check digits and ten digits.

A mistyped digit, or two that were swapped, is found before a look into any table. A reference never changes and never moves
to another account.
"""

import secrets
import unicodedata
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError
from raseed.payments.models import TransferReference

_DIGITS: Final = 10
# "RF" and the two zeros, letters as numbers (A is 10), that the check digits are reckoned with.
_RF_AS_NUMBER: Final = "271500"
TRIES_MAX: Final = 5


class ReferenceNotRight(RaseedError):
    """No account's reference: mistyped, or somebody else's."""

    code = "transfer_reference_not_right"
    status = 422
    field = "reference"
    message = _("This is not the reference of an account. Look at it again, digit by digit.")


def reference_of(account_id: UUID) -> str:
    """The account's reference, made at the first use, in the groups of four in which it is written."""
    for _try in range(TRIES_MAX):
        TransferReference.objects.bulk_create(
            [TransferReference(reference=_made(), account_id=account_id)], ignore_conflicts=True
        )
        found = TransferReference.objects.filter(account_id=account_id).first()
        if found is not None:
            return " ".join(found.reference[at : at + 4] for at in range(0, len(found.reference), 4))
    raise LookupError(f"no free transfer reference in {TRIES_MAX} tries")


def account_of_reference(text: str) -> UUID:
    """The account whose reference this is, however it is spaced and in whichever digits. Raises ReferenceNotRight."""
    typed = "".join(
        str(unicodedata.digit(one)) if unicodedata.digit(one, None) is not None else one.upper()
        for one in text
        if not one.isspace()
    )
    body = typed[4:]
    right = typed == f"RF{_check_digits(body)}{body}" if body.isdecimal() else False
    found = TransferReference.objects.filter(reference=typed).first() if right else None
    if found is None:
        raise ReferenceNotRight(typed[:40])
    return found.account_id


def _made() -> str:
    body = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
    return f"RF{_check_digits(body)}{body}"


def _check_digits(body: str) -> str:
    """ISO 7064, modulus 97-10, over the digits with "RF00" behind them."""
    return f"{98 - int(body + _RF_AS_NUMBER) % 97:02d}"
