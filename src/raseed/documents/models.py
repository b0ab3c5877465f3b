"""The papers that were issued, their files, and the numbers that were given out.

A paper never changes: the application may add rows here and not change or remove one. Global tables, because a series
of numbers runs over all accounts: NumberCounter, IssuedNumber. All others belong to an account.
"""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from raseed.db.models import Owned
from raseed.payments.models import Payment


class PaperKind(models.TextChoices):
    """What a paper is."""

    RECEIPT_VOUCHER = "receipt_voucher", _("Receipt voucher")


class Document(Owned):
    """An issued paper: its number, its day in the operator's zone, and the frozen copy of all that it says.

    `issued_on` is the day that `issued_at` falls on in the zone of the copy: the date that is printed.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    kind = models.CharField(max_length=20, choices=PaperKind.choices)
    series = models.CharField(max_length=20)
    number = models.PositiveBigIntegerField()
    display_number = models.CharField(max_length=40)
    issued_at = models.DateTimeField()
    issued_on = models.DateField()
    payment_id = models.UUIDField()
    payment = models.ForeignObject(
        Payment,
        models.DO_NOTHING,
        related_name="documents",
        from_fields=("account", "payment_id"),
        to_fields=("account", "id"),
    )
    language = models.CharField(max_length=2)
    copy = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "payment_id"], name="documents_document_one_a_payment"
            ),
            models.UniqueConstraint(
                fields=["account", "series", "number"], name="documents_document_number_once"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=PaperKind.values), name="documents_document_kind"
            ),
            models.CheckConstraint(condition=models.Q(number__gt=0), name="documents_document_number"),
        ]
        indexes = [models.Index(fields=["issued_at"], name="documents_document_issued")]


class DocumentFile(Owned):
    """The bytes of a paper as they were first made, in hexadecimal their SHA-256. They are served for ever."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    document_id = models.UUIDField()
    document = models.ForeignObject(
        Document,
        models.DO_NOTHING,
        related_name="files",
        from_fields=("account", "document_id"),
        to_fields=("account", "id"),
    )
    language = models.CharField(max_length=2)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    rendered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "document_id", "language"], name="documents_file_one_a_language"
            ),
        ]


class NumberCounter(models.Model):
    """The last number given in a series, and the latest moment and day that one of its papers bears."""

    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE"

    series = models.CharField(max_length=20, primary_key=True)
    last = models.PositiveBigIntegerField()
    issued_at = models.DateTimeField()
    issued_on = models.DateField()


class IssuedNumber(models.Model):
    """Which paper got which number: the register of a series, written with the paper."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    document_id = models.UUIDField(primary_key=True)
    account_id = models.UUIDField()
    series = models.CharField(max_length=20)
    number = models.PositiveBigIntegerField()
    issued_on = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "number"], name="documents_issuednumber_once"),
        ]
