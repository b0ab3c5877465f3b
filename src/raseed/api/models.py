"""The first answer to each command of the API, kept with what it did. A global table: a command may be the operator's."""

from typing import ClassVar

from django.db import models


class StoredAnswer(models.Model):
    """What a command under an Idempotency-Key was answered. Written in the transaction of what the command did.

    `owner_id` is the account whose key called, or OPERATOR. `sealed_body` opens with FACTOR_KEYS only: an answer may hold a
    secret that is shown once.
    """

    app_privileges: ClassVar[str] = "SELECT, INSERT, DELETE"

    owner_id = models.UUIDField()
    key = models.CharField(max_length=255)
    # SHA-256 of method, address and body.
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    sealed_body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner_id", "key"], name="api_storedanswer_once"),
        ]
        indexes = [models.Index(fields=["created_at"], name="api_storedanswer_old")]
