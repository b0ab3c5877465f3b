"""Issue papers: number and frozen copy in one transaction, then the file, once.

A repeated job, or twenty at the same time, issue one paper: the payment's row is locked first, and the number is taken
only when no paper is there yet. The file is made from the frozen copy alone, outside of any transaction; the bytes that
were stored first are the paper's for ever. Nothing here may change or remove a paper.
Lock order: payment, number counter.
"""

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import Locale
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, BillingDetails, Mode, Operator, User
from raseed.db.guard import across_accounts
from raseed.db.queue import defer
from raseed.db.transactions import atomic, begun_again
from raseed.db.uuids import new_id
from raseed.documents.copies import RECEIPT_VOUCHER_SCHEMA, Language, Method, PartyCopy, ReceiptVoucherCopy
from raseed.documents.models import Document, DocumentFile, IssuedNumber, PaperKind
from raseed.documents.numbering import Taken, take
from raseed.documents.render import render_receipt_voucher
from raseed.errors import RaseedError
from raseed.failpoints import failpoint
from raseed.payments.models import OfflineMethod, Payment, Purpose
from raseed.payments.states import State

logger = logging.getLogger(__name__)

# Sweeps leave a job this long to run by itself, look back this far, and take so many at a time.
SWEEP_AFTER: Final = timedelta(seconds=15)
SWEEP_BACK: Final = timedelta(days=7)
SWEEP_MAX: Final = 500


class PaymentNotFinal(RaseedError):
    """A voucher was asked for a payment that has not succeeded."""

    code = "payment_not_final"
    status = 409
    message = _("A receipt voucher is issued as soon as the payment has succeeded. This one has not.")


class PaperFile(NamedTuple):
    """A paper's file: its bytes, their SHA-256 in hexadecimal, and the name to save it by."""

    content: bytes
    sha256: str
    filename: str


@begun_again
def issue_receipt_voucher(account_id: UUID, payment_id: UUID, now: datetime) -> Document:
    """Issue the voucher of a payment, or give the one that it has. Queues `documents.render` with a new one.

    Raises PaymentNotFinal unless the payment has succeeded, and Payment.DoesNotExist for one of another account.
    """
    with atomic():
        rows = Payment.objects.select_for_update(of=("self",)).select_related("account")
        payment = rows.get(account_id=account_id, id=payment_id)
        issued = voucher_of(account_id, payment_id)
        if issued is not None:
            return issued
        if payment.state != State.SUCCEEDED:
            raise PaymentNotFinal(f"payment {payment_id} is {payment.state}")
        return _issue(payment, now)


def _issue(payment: Payment, now: datetime) -> Document:
    account = payment.account
    operator = Operator.objects.get()
    billing = BillingDetails.objects.filter(account_id=account.id).first()
    document_id = new_id()
    # Queued before the number is taken: the lock on the counter is the last, and the shortest.
    defer("documents.render", account_id=account.id, document_id=document_id)
    taken = take(PaperKind.RECEIPT_VOUCHER, ZoneInfo(operator.time_zone), now)
    failpoint("KP06", payment.id)
    IssuedNumber.objects.create(
        document_id=document_id,
        account_id=account.id,
        series=taken.series,
        number=taken.number,
        issued_on=taken.issued_on,
    )
    return Document.objects.create(
        id=document_id,
        account_id=account.id,
        kind=PaperKind.RECEIPT_VOUCHER,
        series=taken.series,
        number=taken.number,
        display_number=taken.display,
        issued_at=taken.issued_at,
        issued_on=taken.issued_on,
        payment_id=payment.id,
        language=account.language,
        copy=_voucher_copy(taken, payment, account, operator, billing),
    )


def _voucher_copy(
    taken: Taken, payment: Payment, account: Account, operator: Operator, billing: BillingDetails | None
) -> ReceiptVoucherCopy:
    return ReceiptVoucherCopy(
        schema=RECEIPT_VOUCHER_SCHEMA,
        number=taken.display,
        issued_at=taken.issued_at.isoformat(),
        received_at=(payment.final_at or taken.issued_at).isoformat(),
        time_zone=operator.time_zone,
        amount_minor=payment.captured_minor or 0,
        currency=payment.captured_currency,
        operator=PartyCopy(
            name=operator.name,
            name_ar=operator.name_ar,
            address=operator.address,
            address_ar=operator.address_ar,
            country=_country(operator.country, "en"),
            country_ar=_country(operator.country, "ar"),
            tax_number=operator.tax_number,
            registration_number=operator.registration_number,
        ),
        received_from=_payer(account, billing),
        method=_method(payment),
        card_brand=payment.card_brand,
        card_last4=payment.card_last4,
        payment_reference=str(payment.id),
        gateway_reference=payment.gateway_ref,
        purpose="prepaid_balance" if account.mode == Mode.PREPAID else "amount_due",
        account_reference=str(account.id),
        received_by=_receiver(payment),
    )


def _method(payment: Payment) -> Method:
    """How the money came: by card, unless staff recorded it."""
    if payment.purpose != Purpose.OFFLINE:
        return "card"
    return "transfer" if payment.gateway == OfflineMethod.TRANSFER else "cash"


def _receiver(payment: Payment) -> str:
    """Who of the operator's people took the money, where it was not the system."""
    if payment.purpose != Purpose.OFFLINE or payment.actor_user_id is None:
        return ""
    return User.objects.filter(id=payment.actor_user_id).values_list("name", flat=True).first() or ""


def _payer(account: Account, billing: BillingDetails | None) -> PartyCopy:
    country = billing.country if billing else ""
    return PartyCopy(
        name=(billing.billing_name if billing else "") or account.name,
        name_ar="",
        address=billing.address if billing else "",
        address_ar="",
        country=_country(country, "en"),
        country_ar=_country(country, "ar"),
        tax_number=billing.vat_id if billing else "",
        registration_number=billing.registration_number if billing else "",
    )


def _country(code: str, language: Language) -> str:
    """The country's name in that language; a code that is not known is copied as it stands."""
    return str(Locale(language).territories.get(code.upper(), code))


def render_document(account_id: UUID, document_id: UUID, now: datetime) -> PaperFile:
    """Make the paper's file and store it, unless it is there; give what is stored.

    Whoever stores it queues `notifications.mail_receipt` in the same transaction. Two at once may both compile, and
    the first to store wins.
    """
    document = Document.objects.get(account_id=account_id, id=document_id)
    stored = _stored(document)
    if stored is not None:
        return stored
    language: Language = "ar" if document.language == "ar" else "en"
    content = render_receipt_voucher(document.copy, language, settings.FONTS_DIR)
    made = DocumentFile(
        account_id=account_id,
        document_id=document_id,
        language=document.language,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        rendered_at=now,
    )
    failpoint("KP22", document_id)
    with atomic():
        DocumentFile.objects.bulk_create([made], ignore_conflicts=True)
        if DocumentFile.objects.filter(account_id=account_id, id=made.id).exists():
            defer("notifications.mail_receipt", account_id=account_id, document_id=document_id)
    stored = _stored(document)
    if stored is None:
        raise DocumentFile.DoesNotExist(f"the file of document {document_id} was not stored")
    return stored


def _stored(document: Document) -> PaperFile | None:
    found = DocumentFile.objects.filter(
        account_id=document.account_id, document_id=document.id, language=document.language
    ).first()
    if found is None:
        return None
    return PaperFile(bytes(found.content), found.sha256, f"{document.display_number}.pdf")


def voucher_of(account_id: UUID, payment_id: UUID) -> Document | None:
    """The receipt voucher of a payment, or None while none is issued."""
    return Document.objects.filter(
        account_id=account_id, kind=PaperKind.RECEIPT_VOUCHER, payment_id=payment_id
    ).first()


def voucher_numbers(account_id: UUID, payment_ids: list[UUID]) -> dict[UUID, str]:
    """The printed voucher numbers of these payments, by payment; one without a voucher is left out."""
    return dict(
        Document.objects.filter(
            account_id=account_id, kind=PaperKind.RECEIPT_VOUCHER, payment_id__in=payment_ids
        ).values_list("payment_id", "display_number")
    )


def file_of(account_id: UUID, document_id: UUID, now: datetime) -> PaperFile:
    """The paper's file, always the same bytes; made now if its job has not run yet."""
    return render_document(account_id, document_id, now)


def issue_missing(now: datetime) -> int:
    """Issue the vouchers whose job was lost, and queue again the files that were not made; how many of both.

    On a distributed database a payment and its job can part in a crash. One that fails is logged and leaves the
    others alone; `raseed.documents.verify` looks at all of them, however old.
    """
    issued = sum(_issued_or_logged(payment, now) for payment in _without_voucher(now))
    with across_accounts("sweep: papers whose file was not made"):
        unmade = list(
            Document.objects.filter(issued_at__gt=now - SWEEP_BACK, issued_at__lt=now - SWEEP_AFTER)
            .exclude(
                Exists(
                    DocumentFile.objects.filter(account_id=OuterRef("account_id"), document_id=OuterRef("id"))
                )
            )
            .order_by("issued_at")
            .values_list("account_id", "id")[:SWEEP_MAX]
        )
    for account_id, document_id in unmade:
        defer("documents.render", account_id=account_id, document_id=document_id)
    return issued + len(unmade)


def _without_voucher(now: datetime) -> list[Payment]:
    with across_accounts("sweep: succeeded payments without a voucher"):
        return list(
            Payment.objects.filter(
                state=State.SUCCEEDED, final_at__gt=now - SWEEP_BACK, final_at__lt=now - SWEEP_AFTER
            )
            .exclude(
                Exists(
                    Document.objects.filter(
                        account_id=OuterRef("account_id"),
                        kind=PaperKind.RECEIPT_VOUCHER,
                        payment_id=OuterRef("id"),
                    )
                )
            )
            .order_by("final_at")[:SWEEP_MAX]
        )


def _issued_or_logged(payment: Payment, now: datetime) -> bool:
    try:
        issue_receipt_voucher(payment.account_id, payment.id, now)
    except (RaseedError, DatabaseError, Operator.DoesNotExist):
        logger.exception("the voucher of payment %s could not be issued", payment.id)
        return False
    return True
