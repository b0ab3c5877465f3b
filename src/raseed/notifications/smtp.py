"""Hand one mail to the mail server and say, address by address, what it answered.

Django's own backend forgets which of several addresses was refused; this keeps it. The From address is the envelope's
sender as well, so that what is sent back comes to the operator. No mail is sent inside a transaction.
"""

import smtplib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.core.mail.message import SafeMIMEMultipart

from raseed.db.transactions import assert_no_transaction

REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of each address: taken, refused for good with the reason, or to be tried again and why."""

    taken: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)


def deliver(mail: EmailMultiAlternatives, addresses: list[str]) -> Delivery:
    """Offer `mail` to the mail server for `addresses`, on one connection. Never raises for what a server answers.

    A connection lost after the text was sent counts as not taken: the mail goes again with the same Message-ID.
    """
    assert_no_transaction()
    # smtplib sends bytes as they are: the ends of lines must be those of SMTP already.
    content = cast("SafeMIMEMultipart", mail.message()).as_bytes(linesep="\r\n")
    backend = EmailBackend(fail_silently=False)
    try:
        backend.open()
        if backend.connection is None:
            raise smtplib.SMTPServerDisconnected("no connection was opened")
        answers = backend.connection.sendmail(mail.from_email, addresses, content)
    except smtplib.SMTPRecipientsRefused as error:
        answers = error.recipients
    except smtplib.SMTPDataError as error:
        # The text itself was refused: that is the same answer for everybody.
        answers = dict.fromkeys(addresses, (error.smtp_code, _bytes(error.smtp_error)))
    except (smtplib.SMTPException, OSError) as error:
        # The server is away, or does not like us (sender, sign-in): that is not the reader's fault.
        return Delivery(later=dict.fromkeys(addresses, _reason(error)))
    finally:
        with suppress(smtplib.SMTPException, OSError):
            backend.close()
    return _sorted(addresses, answers)


def _sorted(addresses: list[str], answers: dict[str, tuple[int, bytes]]) -> Delivery:
    """A 5xx is for good (RFC 5321, 4.2.1); anything else that is no yes may be tried again."""
    said = {address: f"{code} {_decoded(text)}" for address, (code, text) in answers.items()}
    for_good = {address for address, (code, _) in answers.items() if 500 <= code <= 599}
    return Delivery(
        taken=tuple(address for address in addresses if address not in answers),
        refused={address: why for address, why in said.items() if address in for_good},
        later={address: why for address, why in said.items() if address not in for_good},
    )


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_decoded(_bytes(error.smtp_error))}"
    return f"{type(error).__name__}: {error}"[:REASON_LENGTH_MAX]


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _decoded(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:REASON_LENGTH_MAX]
