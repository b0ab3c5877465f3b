"""Alarms by mail to the operator's own people: what must not wait for somebody to open a page.

An alarm is made once a day for the same matter, however often it is raised: its id is made of the person, the day and the
matter. It names rules and counts and no customer.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from uuid import uuid5
from zoneinfo import ZoneInfo

from raseed.accounts.models import Operator, StaffRole, User
from raseed.notifications.mails import mail_notice
from raseed.notifications.models import PersonalKind

logger = logging.getLogger(__name__)


def books_broken(counts: Mapping[str, int], now: datetime) -> int:
    """Tell finance staff which rules of the books are broken, and how often each; how many people are told or have been.

    Once a day (the operator's) for the same set of rules.
    """
    operator = Operator.objects.first()
    people = [
        user
        for user in User.objects.filter(staff_role=StaffRole.FINANCE, is_active=True).order_by("email")
        if user.has_usable_password()
    ]
    if operator is None or not people:
        logger.error("books broken, and nobody of finance is there to be told by mail")
        return 0
    day = now.astimezone(ZoneInfo(operator.time_zone)).date()
    rules = sorted(counts)
    facts = {
        "at": now.isoformat(),
        "rules": ", ".join(f"{rule}: {counts[rule]}" for rule in rules),
    }
    for user in people:
        mail_id = uuid5(user.id, f"{PersonalKind.BOOKS_BROKEN} {day} {' '.join(rules)}")
        mail_notice(mail_id, user.id, PersonalKind.BOOKS_BROKEN, user.email, facts, now)
    return len(people)
