"""What people change about themselves: how they are called and in which language they read. Nothing about their rights."""

from datetime import datetime

from raseed.accounts.models import Language, User
from raseed.audit import log
from raseed.audit.log import Facts, Who
from raseed.db.transactions import atomic


def change_profile(user: User, name: str, language: Language, by: Who, now: datetime) -> bool:
    """Write the name and the language, with one entry of the audit log; False if both are so already."""
    with atomic():
        there = User.objects.select_for_update().get(id=user.id)
        wanted: Facts = {"name": name.strip(), "language": language.value}
        before: Facts = {
            field: getattr(there, field) for field in wanted if getattr(there, field) != wanted[field]
        }
        if not before:
            return False
        after: Facts = {field: wanted[field] for field in before}
        User.objects.filter(id=user.id).update(**after)
        log.record(
            by,
            "profile_changed",
            account_id=user.account_id,
            object_kind="user",
            object_id=user.id,
            at=now,
            before=before,
            after=after,
        )
    return True
