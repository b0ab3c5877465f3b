"""Who did what to which row, and why. Rows are added and read; nobody changes or removes one.

An act on an account lies with the account (AuditEntry); an act of the operator's own house, or of a person before it
is known whose, is global (OperatorAuditEntry). Secrets never stand here: no password, key, link or cookie. BooksCheck says
when all books were checked, and what was found.
"""

from typing import ClassVar

from django.db import models

from raseed.db.models import Owned
from raseed.db.uuids import new_id


class Facts(models.Model):
    """The facts of an act. `actor_id` is null, and `actor_role` says so, where no user did it: command line, job."""

    at = models.DateTimeField()
    actor_id = models.UUIDField(null=True)
    actor_role = models.CharField(max_length=20)
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=60)
    object_kind = models.CharField(max_length=60)
    object_id = models.CharField(max_length=100)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)

    class Meta:
        abstract = True


class AuditEntry(Facts, Owned):
    """An act on an account or on something that belongs to it."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    class Meta:
        indexes = [models.Index(fields=["account", "-at"], name="audit_auditentry_latest")]


class OperatorAuditEntry(Facts):
    """An act that concerns no account. A global table."""

    app_privileges: ClassVar[str] = "SELECT, INSERT"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        indexes = [models.Index(fields=["-at"], name="audit_operatorentry_latest")]


class BooksCheck(models.Model):
    """A run of `raseed verify`: what it looked at, how long it took, what it found, and where the next may start.

    `accounts` is null where all were looked at. `found` holds the first violations in words, `violations` counts them
    all. `position` is there after a clean run only (raseed.db.position). A global table.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, DELETE"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField()
    accounts = models.PositiveIntegerField(null=True)
    milliseconds = models.PositiveIntegerField()
    violations = models.PositiveIntegerField()
    found = models.JSONField(default=list)
    position = models.JSONField(null=True)

    class Meta:
        indexes = [models.Index(fields=["-at"], name="audit_bookscheck_latest")]
