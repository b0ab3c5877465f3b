"""Billing details: what the account's Admins change themselves, and what staff change when they are asked to.

Papers that are issued carry a copy and never change by what is done here. Each change is in the audit log with what was
before and after, and told to the Admins; an address that no longer gets the papers is told so itself.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from raseed.accounts import people
from raseed.accounts.countries import country_name
from raseed.accounts.members import ChangedMeanwhile
from raseed.accounts.models import BillingDetails, ChangeRequest, RequestState
from raseed.accounts.notices import Notice, tell_admins
from raseed.accounts.onboarding import COUNTRIES, NoBillingEmail, UnknownCountry
from raseed.accounts.tax_ids import read_tax_id
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.db.queue import defer
from raseed.db.transactions import atomic
from raseed.errors import RaseedError

BILLING_EMAILS_MAX: Final = 10
REGISTRATION_LENGTH_MAX: Final = 40
REASON_LENGTH_MAX: Final = 500
ADDRESS_REMOVED_JOB: Final = "notifications.mail_address_removed"

# What each field is called, in the audit log's names.
LABELS: Final[dict[str, str | Promise]] = {
    "vat_id": _("Tax number"),
    "registration_number": _("Registration number"),
    "billing_emails": _("Billing e-mails"),
    "billing_name": _("Billing name"),
    "address": _("Billing address"),
    "country": _("Billing country"),
}


class TooManyEmails(RaseedError):
    """More addresses than papers are mailed to."""

    code = "billing_emails_too_many"
    status = 422
    field = "billing_emails"
    message = _("Enter at most %(limit)s addresses.")


class RequestOpen(RaseedError):
    """One request at a time: staff look at it as a whole."""

    code = "request_open"
    status = 409
    message = _("A change is already asked for and not answered yet. Nothing was sent.")


class NothingAsked(RaseedError):
    """The request asks for what is there already."""

    code = "request_empty"
    status = 422
    message = _("Nothing in the form differs from what is kept. Change what should be different.")


class RequestEnded(RaseedError):
    """Somebody answered the request meanwhile, or there is none."""

    code = "request_ended"
    status = 409
    message = _("This request is not open any more. Nothing was changed.")


@dataclass(frozen=True, slots=True)
class OwnDetails:
    """What Admins change."""

    vat_id: str
    registration_number: str
    billing_emails: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptDetails:
    """What staff keep: whom the papers are made out to."""

    billing_name: str
    address: str
    country: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a request: what it was when it was asked for, and what it should be. Countries by their names."""

    label: str | Promise
    before: str
    after: str


def changes_of(request: ChangeRequest) -> tuple[FieldChange, ...]:
    """What a request asks for, field by field."""
    return tuple(
        FieldChange(LABELS[name], _shown(name, request.before[name]), _shown(name, value))
        for name, value in request.wanted.items()
    )


def _shown(name: str, value: str) -> str:
    return country_name(value) if name == "country" else value


def details_of(account_id: UUID) -> BillingDetails:
    """The account's row."""
    return BillingDetails.objects.get(account_id=account_id)


def own(details: BillingDetails) -> OwnDetails:
    """What Admins change, as it is."""
    return OwnDetails(details.vat_id, details.registration_number, tuple(details.billing_emails))


def kept(details: BillingDetails) -> KeptDetails:
    """What staff keep, as it is."""
    return KeptDetails(details.billing_name, details.address, details.country)


def change_own(account_id: UUID, seen: OwnDetails, wanted: OwnDetails, by: Who, now: datetime) -> bool:
    """Write what an Admin typed; False if it is so already.

    Raises WrongTaxId, NotAnEmail, NoBillingEmail, TooManyEmails or ChangedMeanwhile; then nothing changed.
    """
    emails = tuple(dict.fromkeys(people.read_email(address) for address in wanted.billing_emails))
    if not emails:
        raise NoBillingEmail
    if len(emails) > BILLING_EMAILS_MAX:
        raise TooManyEmails(limit=BILLING_EMAILS_MAX)
    with atomic():
        details = BillingDetails.objects.select_for_update().get(account_id=account_id)
        there = own(details)
        # A number that stands there already is not judged again: the format may have been unknown then.
        vat_id = (
            there.vat_id if wanted.vat_id == there.vat_id else read_tax_id(wanted.vat_id, details.country)
        )
        new = OwnDetails(vat_id, wanted.registration_number.strip(), emails)
        if new == there:
            return False
        if there != seen:
            raise ChangedMeanwhile
        details.vat_id, details.registration_number = new.vat_id, new.registration_number
        details.billing_emails = list(new.billing_emails)
        details.save(update_fields=["vat_id", "registration_number", "billing_emails"])
        changed = _record(details, "details_changed", by, now, _facts(there), _facts(new))
        tell_admins(account_id, Notice.DETAILS_CHANGED, now, {"fields": ",".join(changed)})
        for address in set(there.billing_emails) - set(new.billing_emails):
            defer(ADDRESS_REMOVED_JOB, account_id=account_id, address=address, at=now.isoformat())
    return True


# -- asking staff


def ask(account_id: UUID, wanted: KeptDetails, why: str, by: Who, now: datetime) -> ChangeRequest:
    """Ask staff for another name, address or country.

    Raises UnknownCountry, NothingAsked or RequestOpen; then nothing was sent.
    """
    if wanted.country not in COUNTRIES:
        raise UnknownCountry(country=wanted.country)
    with atomic():
        details = BillingDetails.objects.select_for_update().get(account_id=account_id)
        there = _facts(kept(details))
        fields = {name: value for name, value in _facts(wanted).items() if value != there[name]}
        if not fields:
            raise NothingAsked
        if ChangeRequest.objects.filter(account_id=account_id, state=RequestState.OPEN).exists():
            raise RequestOpen(f"account {account_id}")
        request = ChangeRequest.objects.create(
            account_id=account_id,
            asked_by=by.user_id,
            asked_at=now,
            why=why,
            before={name: there[name] for name in fields},
            wanted=fields,
        )
        _record_request(request, "change_asked", by, now, before=request.before, after=fields, reason=why)
    return request


def approve(account_id: UUID, request_id: UUID, by: Who, now: datetime) -> ChangeRequest:
    """Make the change that was asked for, and tell the Admins. Raises RequestEnded."""
    with atomic():
        request = _open(account_id, request_id)
        details = BillingDetails.objects.select_for_update().get(account_id=account_id)
        there = _facts(kept(details))
        for name, value in request.wanted.items():
            setattr(details, name, value)
        details.save(update_fields=list(request.wanted))
        _close(request, RequestState.APPROVED, by, now, "")
        before = {name: there[name] for name in request.wanted}
        _record_request(request, "change_approved", by, now, before=before, after=request.wanted)
        tell_admins(account_id, Notice.REQUEST_APPROVED, now, {"fields": ",".join(request.wanted)})
    return request


def refuse(account_id: UUID, request_id: UUID, reason: str, by: Who, now: datetime) -> ChangeRequest:
    """End a request without the change, and tell the Admins why. Raises RequestEnded."""
    with atomic():
        request = _open(account_id, request_id)
        _close(request, RequestState.REFUSED, by, now, reason)
        _record_request(request, "change_refused", by, now, reason=reason)
        tell_admins(account_id, Notice.REQUEST_REFUSED, now, {"thing": reason})
    return request


def last_request(account_id: UUID) -> ChangeRequest | None:
    """The latest request of the account, whatever became of it."""
    return ChangeRequest.objects.filter(account_id=account_id).order_by("-asked_at").first()


def _open(account_id: UUID, request_id: UUID) -> ChangeRequest:
    request = (
        ChangeRequest.objects.select_for_update()
        .filter(account_id=account_id, id=request_id, state=RequestState.OPEN)
        .first()
    )
    if request is None:
        raise RequestEnded(f"request {request_id}")
    return request


def _close(request: ChangeRequest, state: RequestState, by: Who, now: datetime, reason: str) -> None:
    request.state, request.answered_by, request.answered_at, request.answer = state, by.user_id, now, reason
    request.save(update_fields=["state", "answered_by", "answered_at", "answer"])


def _facts(part: OwnDetails | KeptDetails) -> dict[str, str | list[str]]:
    if isinstance(part, OwnDetails):
        return {
            "vat_id": part.vat_id,
            "registration_number": part.registration_number,
            "billing_emails": list(part.billing_emails),
        }
    return {"billing_name": part.billing_name, "address": part.address, "country": part.country}


def _record(
    details: BillingDetails, action: str, by: Who, now: datetime, before: Facts, after: Facts
) -> list[str]:
    """Write down the fields that changed, and no others; their names."""
    changed = [name for name in after if before[name] != after[name]]
    log.record(
        by,
        action,
        account_id=details.account_id,
        object_kind="billing_details",
        object_id=details.id,
        at=now,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return changed


def _record_request(
    request: ChangeRequest,
    action: str,
    by: Who,
    now: datetime,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
    reason: str = "",
) -> None:
    log.record(
        by,
        action,
        account_id=request.account_id,
        object_kind="change_request",
        object_id=request.id,
        at=now,
        before=before or {},
        after=after or {},
        reason=reason,
    )
