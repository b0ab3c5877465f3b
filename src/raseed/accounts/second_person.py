"""Above which amount a payment that staff record by hand needs a second one of them: the operator's choice, by currency."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import AmountPolicy
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError
from raseed.money import Money, format_money


class CurrencyNotTaken(RaseedError):
    """A currency in which the operator takes no payments."""

    code = "currency_not_taken"
    status = 422
    field = "currency"
    message = _("No payments are taken in %(currency)s.")


class LimitTooHigh(RaseedError):
    """A limit above the largest payment, with which four eyes would see less than without one."""

    code = "second_person_limit_too_high"
    status = 422
    field = "limit"
    message = _("Enter at most the largest payment of the currency, %(most)s.")


def change_second_person(currency: str, limit: Money | None, by: Who, now: datetime) -> bool:
    """Set what one person may record alone; None: up to the largest payment. False if it is so already.

    What waits for a second person goes on waiting. Raises CurrencyNotTaken and LimitTooHigh; then nothing changed.
    """
    with atomic():
        policy = AmountPolicy.objects.select_for_update().filter(currency=currency).first()
        if policy is None:
            raise CurrencyNotTaken(currency=currency)
        micros = None if limit is None else limit.micros
        if micros is not None and micros > policy.maximum_micros:
            raise LimitTooHigh(most=format_money(Money(policy.maximum_micros, currency)))
        before, policy.second_person_micros = policy.second_person_micros, micros
        if before == micros:
            return False
        policy.save(update_fields=["second_person_micros"])
        log.record(
            by,
            "second_person_changed",
            account_id=None,
            object_kind="amount_policy",
            object_id=currency,
            at=now,
            before={"second_person_micros": before},
            after={"second_person_micros": micros},
        )
    return True
