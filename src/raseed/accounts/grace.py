"""How long an account whose balance ran out goes on before it is suspended: the operator's choice, for all accounts."""

from datetime import datetime
from typing import Final

from django.utils.translation import gettext_lazy as _

from raseed.accounts.models import Operator
from raseed.audit import log
from raseed.audit.log import Who
from raseed.db.transactions import atomic
from raseed.errors import RaseedError

# A month: beyond it, it is no grace but credit.
HOURS_MAX: Final = 744


class GraceOutOfRange(RaseedError):
    """A number of hours that makes no sense."""

    code = "grace_out_of_range"
    status = 422
    field = "hours"
    message = _("Enter a number of hours from 0 to %(most)s.")


def change_grace(hours: int, by: Who, now: datetime) -> bool:
    """Set the time of grace; False if it is so already. What runs already keeps its end. Raises GraceOutOfRange."""
    if not 0 <= hours <= HOURS_MAX:
        raise GraceOutOfRange(most=HOURS_MAX)
    with atomic():
        operator = Operator.objects.select_for_update().get()
        if operator.grace_hours == hours:
            return False
        Operator.objects.filter(id=operator.id).update(grace_hours=hours)
        log.record(
            by,
            "grace_changed",
            account_id=None,
            object_kind="operator",
            object_id=operator.id,
            at=now,
            before={"grace_hours": operator.grace_hours},
            after={"grace_hours": hours},
        )
    return True
