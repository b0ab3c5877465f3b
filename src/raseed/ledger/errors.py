"""What the books refuse, each with the SQLSTATE by which the SQL function says so."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError


class OperationKeyReused(RaseedError):
    """The operation key belongs to an entry that moves something else; nothing was written."""

    code = "operation_key_reused"
    status = 422
    message = _("This request was already used for something else. Start again from a fresh page.")


class InsufficientBalance(RaseedError):
    """A guarded entry would take the available balance below the floor; nothing was written."""

    code = "insufficient_balance"
    status = 409
    field = "amount"
    message = _("The available balance is too small for this amount.")


class BalanceCurrencyMismatch(RaseedError):
    """The account's balance is kept in another currency; nothing was written."""

    code = "balance_currency_mismatch"
    status = 422
    field = "currency"
    message = _("The balance of this account is kept in another currency.")


class NothingToReverse(RaseedError):
    """The account has no entry of that id; nothing was written."""

    code = "nothing_to_reverse"
    status = 404
    message = _("The entry to be reversed was not found.")


class NotTheMirror(RaseedError):
    """A reversal must move exactly what its entry moved, back, and cannot be reversed itself; nothing was written."""

    code = "not_the_mirror"
    status = 422
    message = _("A reversal must give back exactly what the entry moved.")


class AlreadyReversed(RaseedError):
    """The entry was reversed before, under another operation key; nothing was written."""

    code = "already_reversed"
    status = 409
    message = _("This entry has been reversed already.")


class UnknownAccount(RaseedError):
    """There is no such account; nothing was written."""

    code = "account_unknown"
    status = 404
    message = _("The account was not found.")


BY_SQLSTATE: Final[dict[str, type[RaseedError]]] = {
    "LG001": OperationKeyReused,
    "LG002": InsufficientBalance,
    "LG003": BalanceCurrencyMismatch,
    "LG004": NothingToReverse,
    "LG005": NotTheMirror,
    "LG006": AlreadyReversed,
    "LG007": UnknownAccount,
}
