"""What an Admin changes about automatic recharge: switch on with consent, change, switch off. Each change is in the audit log.

Every change carries the version that the page showed; a stale one is refused, so that nobody undoes another Admin's work
unseen. A recharge that is under way is honoured, whatever is changed. Nothing here charges.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Account, Operator
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.balance import lines
from raseed.balance.models import LineKind
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.money import Money, check_chargeable, format_money
from raseed.payments.amounts import Policy, policy_of
from raseed.payments.recharge import cards, series
from raseed.payments.recharge.models import Mode, RechargeSettings
from raseed.payments.recharge.size import size
from raseed.tax.topup import TopUpQuote, quote

CHARGES_PER_DAY_MAX: Final = 20
CHARGES_PER_DAY_USUAL: Final = 3


class TargetNotAboveThreshold(RaseedError):
    """The target would be reached before it is charged."""

    code = "recharge_target_not_above_threshold"
    status = 422
    field = "target"
    message = _("Recharge to more than the threshold of %(threshold)s.")


class ThresholdBelowZero(RaseedError):
    """Nothing is recharged below nothing."""

    code = "recharge_threshold_below_zero"
    status = 422
    field = "threshold"
    message = _("The threshold is zero or more.")


class RechargeBelowMinimum(RaseedError):
    """The usual charge is less than may be paid."""

    code = "recharge_below_minimum"
    status = 422
    field = "target"
    message = _("That would add %(amount)s; the smallest payment is %(minimum)s. Enter a larger amount.")


class RechargeAboveMaximum(RaseedError):
    """The usual charge is more than may be paid."""

    code = "recharge_above_maximum"
    status = 422
    field = "target"
    message = _("That would add %(amount)s; the largest payment is %(maximum)s. Enter a smaller amount.")


class CapBelowCharge(RaseedError):
    """The month's cap would refuse the first recharge."""

    code = "recharge_cap_below_charge"
    status = 422
    field = "month_cap"
    message = _("The month’s cap is at least one recharge: %(charge)s.")


class ChargesOutOfRange(RaseedError):
    """The day's cap is not a number of charges that makes sense."""

    code = "recharge_day_cap_out_of_range"
    status = 422
    field = "day_cap"
    message = _("Enter a number of charges from 1 to %(most)s.")


class NoCardToRecharge(RaseedError):
    """No saved card may be charged unattended."""

    code = "recharge_no_card"
    status = 422
    message = _(
        "There is no saved card that can be charged automatically. Pay once with a card and save it, then come back."
    )


class ConsentMissing(RaseedError):
    """Nobody agreed that the card is charged automatically."""

    code = "recharge_consent_missing"
    status = 422
    field = "consent"
    message = _("Agree that the card is charged automatically, or leave automatic recharge off.")


class StaleSettings(RaseedError):
    """Another Admin has changed the settings since the page was drawn."""

    code = "recharge_settings_changed"
    status = 409
    message = _(
        "Another Admin has changed these settings meanwhile. Nothing of yours was saved. They are shown as they are now."
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an Admin asks for, in the account's currency. `fixed` counts in the fixed mode, `target` in the other."""

    mode: Mode
    threshold: Money
    target: Money
    fixed: Money
    charges_per_day_max: int
    month_charge_max: Money


@dataclass(frozen=True, slots=True)
class Consent:
    """The sentence that was agreed to, as it was read, and its version."""

    version: str
    text: str


def settings_of(account_id: UUID) -> RechargeSettings | None:
    """The settings as they are; None if recharge was never set up."""
    return RechargeSettings.objects.filter(account_id=account_id).first()


def check_version(account_id: UUID, seen: int) -> None:
    """Raise StaleSettings if these are not the settings that somebody saw; 0 where nothing was set up."""
    there = settings_of(account_id)
    if (there.version if there else 0) != seen:
        raise StaleSettings


def row_of(account_id: UUID, wanted: Wanted) -> RechargeSettings:
    """The settings as a row that is not saved: what the arithmetic of the charge reads."""
    return RechargeSettings(
        account_id=account_id,
        mode=wanted.mode,
        threshold_micros=wanted.threshold.micros,
        # Of the mode that does not count, whatever was typed: it must only not be nonsense.
        target_micros=max(wanted.target.micros, wanted.threshold.micros + 1),
        fixed_micros=max(wanted.fixed.micros, 1),
        charges_per_day_max=wanted.charges_per_day_max,
        month_charge_max_micros=wanted.month_charge_max.micros,
    )


def usual_charge(account: Account, wanted: Wanted) -> TopUpQuote:
    """What is charged when the balance comes exactly to the threshold. Raises CapBelowCharge and what `check_amounts` raises."""
    policy = policy_of(account)
    check_amounts(wanted, policy)
    quoted = quote(Operator.objects.get(), size(row_of(account.id, wanted), wanted.threshold, policy).credit)
    if wanted.month_charge_max < quoted.charge:
        raise CapBelowCharge(charge=format_money(quoted.charge))
    return quoted


def check_amounts(wanted: Wanted, policy: Policy) -> None:
    """Raise the error of the first amount that cannot be."""
    if wanted.threshold.micros < 0:
        raise ThresholdBelowZero
    if wanted.mode == Mode.FIXED:
        check_chargeable(wanted.fixed)
        added = wanted.fixed
    else:
        if wanted.target <= wanted.threshold:
            raise TargetNotAboveThreshold(threshold=format_money(wanted.threshold))
        added = wanted.target - wanted.threshold
    if added < policy.minimum:
        raise RechargeBelowMinimum(amount=format_money(added), minimum=format_money(policy.minimum))
    if policy.maximum < added:
        raise RechargeAboveMaximum(amount=format_money(added), maximum=format_money(policy.maximum))
    if not 1 <= wanted.charges_per_day_max <= CHARGES_PER_DAY_MAX:
        raise ChargesOutOfRange(most=CHARGES_PER_DAY_MAX)


def switch_on(
    account: Account, version_seen: int, wanted: Wanted, consent: Consent | None, by: Who, now: datetime
) -> RechargeSettings:
    """Switch on, or change what is on; the balance is looked at at once, and earlier failures are forgotten.

    `version_seen` is 0 where nothing was set up. Raises StaleSettings, ConsentMissing, NoCardToRecharge, CapBelowCharge and the
    errors of amounts; then nothing changed.
    """
    usual_charge(account, wanted)
    if not cards.usable(account.id, now):
        raise NoCardToRecharge
    if consent is None:
        raise ConsentMissing
    with atomic():
        before = _seen(account.id, version_seen)
        row = row_of(account.id, wanted)
        row.is_on, row.version = True, version_seen + 1
        row.consent_at, row.consent_by = now, by.user_id
        row.consent_version, row.consent_text = consent.version, consent.text
        row.changed_at, row.changed_by = now, by.user_id
        if before is not None:
            row.id = before.id
        row.save(force_insert=before is None, force_update=before is not None)
        tries = series.locked(account.id)
        series.forget_failures(tries)
        tries.save()
        lines.draw(account.id, LineKind.RECHARGE, wanted.threshold, now)
        _record(row, before, by, now)
    return row


def switch_off(account: Account, version_seen: int, by: Who, now: datetime) -> bool:
    """Switch off; False if it is off already. A recharge under way is honoured. Raises StaleSettings."""
    with atomic():
        before = _seen(account.id, version_seen)
        if before is None or not before.is_on:
            return False
        row = RechargeSettings.objects.get(account_id=account.id)
        row.is_on, row.version = False, version_seen + 1
        row.changed_at, row.changed_by = now, by.user_id
        row.save()
        lines.erase(account.id, LineKind.RECHARGE)
        _record(row, before, by, now)
    return True


def _seen(account_id: UUID, version: int) -> RechargeSettings | None:
    """The settings, for us alone. Raises StaleSettings if they are not those that were seen."""
    Account.objects.select_for_update(no_key=True).get(id=account_id)
    check_version(account_id, version)
    return settings_of(account_id)


def _record(after: RechargeSettings, before: RechargeSettings | None, by: Who, now: datetime) -> None:
    """The log keeps the fields that changed, and the consent whenever it was given."""
    then, there = (_facts(before) if before else {}), _facts(after)
    changed = sorted(name for name in there if then.get(name) != there[name])
    log.record(
        by,
        "recharge_settings_changed",
        account_id=after.account_id,
        object_kind="recharge_settings",
        object_id=after.id,
        at=now,
        before={name: then.get(name) for name in changed},
        after={name: there[name] for name in changed},
    )


def _facts(row: RechargeSettings) -> Facts:
    return {
        "is_on": row.is_on,
        "version": row.version,
        "mode": str(row.mode),
        "threshold_micros": row.threshold_micros,
        "target_micros": row.target_micros,
        "fixed_micros": row.fixed_micros,
        "charges_per_day_max": row.charges_per_day_max,
        "month_charge_max_micros": row.month_charge_max_micros,
        "consent_at": row.consent_at.isoformat() if row.consent_at else None,
        "consent_version": row.consent_version,
        "consent_text": row.consent_text,
    }
