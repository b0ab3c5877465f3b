"""What a person holds beside the password. Global tables, by a plain `user_id`: staff have no account.

No row alone lets anybody in: the app's secret is sealed with a key from the environment, recovery codes are kept as
Argon2id digests, and of a passkey only the public key is here.
"""

from django.db import models

from raseed.db.uuids import new_id


class AuthenticatorApp(models.Model):
    """The one authenticator app of a user (TOTP, RFC 6238). A row is there only once a code has confirmed it."""

    user_id = models.UUIDField(primary_key=True)
    sealed_secret = models.TextField()
    # The time step of the last code that was taken: no code of it or before it is taken again.
    last_step = models.BigIntegerField()
    created_at = models.DateTimeField()


class RecoveryCode(models.Model):
    """One code that stands in for a lost factor, once. All codes of a set share the salt."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user_id = models.UUIDField()
    salt = models.BinaryField(max_length=16)
    digest = models.BinaryField(max_length=32)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "digest"], name="factors_recoverycode_digest"),
        ]


class Passkey(models.Model):
    """A passkey (WebAuthn credential): it signs in alone, because it checks finger, face or PIN itself."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user_id = models.UUIDField()
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(max_length=1023, unique=True)
    # Authenticator model, credential id and public key as WebAuthn lays them out (attested credential data).
    credential = models.BinaryField()
    # What the passkey counted last; stays 0 where it does not count.
    signature_count = models.BigIntegerField()
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user_id"], name="factors_passkey_user")]
