"""Endpoints of the operator's service: make, switch on and off, give another secret, remove. Each act is audited.

A secret is shown once; what is kept of it is sealed. After a change both secrets sign for 24 hours, so that the receiver
changes over without missing anything. Nothing here sends.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from raseed.accounts import sealed
from raseed.accounts.models import Account, StaffRole, User
from raseed.accounts.notices import Notice, tell
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.events.models import EventKind, WebhookDelivery, WebhookEndpoint
from raseed.notifications.webhooks.targets import target_of

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how a secret begins, and none
SECRET_BYTES: Final = 32
# A second press comes within seconds; later a secret is shown to nobody.
SHOWN_AGAIN_FOR: Final = timedelta(minutes=1)
BOTH_SIGN_FOR: Final = timedelta(hours=24)
ENDPOINTS_MAX: Final = 20
WORKER: Final = Who(None, "worker")
_PURPOSE: Final = b"raseed.events.webhooks"
_NOTHING: Final[Facts] = {}


class UnknownEndpoint(RaseedError):
    """There is no such endpoint (any more)."""

    code = "webhook_endpoint_unknown"
    status = 404
    message = _("There is no such webhook endpoint.")


class UnknownAccount(RaseedError):
    """An endpoint for an account that is not there."""

    code = "account_unknown"
    status = 422
    field = "account_id"
    message = _("There is no such account.")


class FormSpent(RaseedError):
    """The form has made its endpoint before, and this is not its second press."""

    code = "webhook_endpoint_form_spent"
    status = 409
    message = _("This form has made its endpoint already. Open the form anew to make another one.")


class TooManyEndpoints(RaseedError):
    """The owner has as many endpoints as one may have."""

    code = "webhook_endpoints_too_many"
    status = 409
    message = _("There are %(limit)s endpoints already. Remove one that is not used any more first.")


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What was asked for. `account_id` None: it hears of all accounts. `client_key` was made when the form was drawn."""

    url: str
    kinds: Sequence[EventKind]
    account_id: UUID | None
    description: str = ""
    client_key: UUID | None = None


@dataclass(frozen=True, slots=True)
class WithSecret:
    """An endpoint with the secret that it has just been given: shown now and never again."""

    endpoint: WebhookEndpoint
    secret: str


def there() -> QuerySet[WebhookEndpoint]:
    """The endpoints that are not removed."""
    return WebhookEndpoint.objects.filter(removed_at__isnull=True)


def endpoint_of(endpoint_id: UUID) -> WebhookEndpoint:
    """One of them. Raises UnknownEndpoint."""
    found = there().filter(id=endpoint_id).first()
    if found is None:
        raise UnknownEndpoint
    return found


def create(asked: NewEndpoint, by: Who, now: datetime) -> WithSecret:
    """Make an endpoint, switched on; the same form sent again within SHOWN_AGAIN_FOR gives the same one and its secret.

    Raises UrlRefused, UnknownAccount, TooManyEndpoints, FormSpent; then nothing changed.
    """
    target_of(asked.url)
    if asked.account_id is not None and not Account.objects.filter(id=asked.account_id).exists():
        raise UnknownAccount
    earlier = _earlier(asked, now)
    if earlier is not None:
        return earlier
    secret = _new_secret()
    endpoint = WebhookEndpoint(
        client_key=asked.client_key,
        account_id=asked.account_id,
        url=asked.url,
        description=asked.description,
        kinds=sorted({kind.value for kind in asked.kinds}),
        sealed_secret=sealed.seal(_PURPOSE, secret.encode(), now),
        created_at=now,
    )
    owner = Q(account_id=asked.account_id) if asked.account_id else Q(account_id__isnull=True)
    others = Q(client_key__isnull=True) | ~Q(client_key=asked.client_key)
    try:
        with atomic():
            # Without its own: a second press that comes between must not be told that there is no room for it.
            if there().filter(owner, others).count() >= ENDPOINTS_MAX:
                raise TooManyEndpoints(limit=ENDPOINTS_MAX)
            endpoint.save(force_insert=True)
            after: Facts = {"url": endpoint.url, "kinds": endpoint.kinds}
            _record(endpoint, "webhook_endpoint_made", by, now, after=after)
    except IntegrityError:
        earlier = _earlier(asked, now)
        if earlier is None:
            raise
        return earlier
    return WithSecret(endpoint, secret)


def _earlier(asked: NewEndpoint, now: datetime) -> WithSecret | None:
    """What this form has made, with its secret. Raises FormSpent if it is too late, or for something else."""
    if asked.client_key is None:
        return None
    made = WebhookEndpoint.objects.filter(client_key=asked.client_key).first()
    if made is None:
        return None
    is_same = (made.url, made.account_id) == (asked.url, asked.account_id)
    is_untouched = made.removed_at is None and not made.sealed_secret_before
    if not is_same or not is_untouched or now - made.created_at > SHOWN_AGAIN_FOR:
        raise FormSpent(f"endpoint {made.id}")
    return WithSecret(made, sealed.unseal(_PURPOSE, made.sealed_secret).decode())


def rotate(endpoint_id: UUID, by: Who, now: datetime) -> WithSecret:
    """Give it another secret; the one before signs too for 24 hours. Raises UnknownEndpoint."""
    secret = _new_secret()
    with atomic():
        endpoint = _locked(endpoint_id)
        endpoint.sealed_secret_before = endpoint.sealed_secret
        endpoint.secret_before_until = now + BOTH_SIGN_FOR
        endpoint.sealed_secret = sealed.seal(_PURPOSE, secret.encode(), now)
        endpoint.save(update_fields=["sealed_secret_before", "secret_before_until", "sealed_secret"])
        _record(endpoint, "webhook_secret_changed", by, now)
    return WithSecret(endpoint, secret)


def switch_on(endpoint_id: UUID, by: Who, now: datetime) -> bool:
    """Have it told again, and what waits for it delivered; False if it was on. Raises UnknownEndpoint."""
    with atomic():
        endpoint = _locked(endpoint_id)
        if endpoint.is_enabled:
            return False
        endpoint.is_enabled, endpoint.failing_since, endpoint.rests_until, endpoint.failures = (
            True,
            None,
            None,
            0,
        )
        endpoint.save(update_fields=["is_enabled", "failing_since", "rests_until", "failures"])
        _record(endpoint, "webhook_endpoint_on", by, now, before={"on": False}, after={"on": True})
    return True


def switch_off(endpoint_id: UUID, by: Who, now: datetime) -> bool:
    """Send nothing there any more, and put nothing into the outbox for it; False if it was off. Raises UnknownEndpoint."""
    with atomic():
        endpoint = _locked(endpoint_id)
        if not endpoint.is_enabled:
            return False
        endpoint.is_enabled = False
        endpoint.save(update_fields=["is_enabled"])
        _record(endpoint, "webhook_endpoint_off", by, now, before={"on": True}, after={"on": False})
    return True


def stop_failing(endpoint: WebhookEndpoint, now: datetime) -> None:
    """Switch off what has taken nothing for too long, and tell all staff by mail."""
    with atomic():
        if not switch_off(endpoint.id, WORKER, now):
            return
        for person in User.objects.filter(is_active=True).exclude(staff_role=StaffRole.NONE).order_by("id"):
            tell(person, Notice.WEBHOOKS_STOPPED, now, {"thing": endpoint.url})


def remove(endpoint_id: UUID, by: Who, now: datetime) -> None:
    """Remove it for good: what waits for it is given up, its log stays. Raises UnknownEndpoint."""
    with atomic():
        endpoint = _locked(endpoint_id)
        endpoint.is_enabled, endpoint.removed_at = False, now
        endpoint.save(update_fields=["is_enabled", "removed_at"])
        WebhookDelivery.objects.filter(endpoint_id=endpoint.id, next_try_at__isnull=False).update(
            next_try_at=None, gave_up_at=now, fault="the endpoint was removed"
        )
        _record(endpoint, "webhook_endpoint_removed", by, now, before={"url": endpoint.url})


def signing_secrets(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The secrets that sign at `now`, the newest first."""
    texts = [endpoint.sealed_secret]
    if endpoint.secret_before_until is not None and endpoint.secret_before_until > now:
        texts.append(endpoint.sealed_secret_before)
    return [sealed.unseal(_PURPOSE, text).decode() for text in texts]


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _locked(endpoint_id: UUID) -> WebhookEndpoint:
    found = there().select_for_update().filter(id=endpoint_id).first()
    if found is None:
        raise UnknownEndpoint
    return found


def _record(
    endpoint: WebhookEndpoint,
    action: str,
    by: Who,
    now: datetime,
    *,
    before: Facts = _NOTHING,
    after: Facts = _NOTHING,
) -> None:
    log.record(
        by,
        action,
        account_id=endpoint.account_id,
        object_kind="webhook_endpoint",
        object_id=endpoint.id,
        at=now,
        before=before,
        after=after,
    )
