"""`Owned`: the base of every table whose rows belong to one account, so that the database can be cut by account.

To Django such a row has an ordinary UUID primary key. In the database the key is (account_id, id), written by
`raseed.db.operations.AccountKey`, and every statement names the account: on a database distributed by account
a statement without it goes to every shard, or is refused. This module must never import another room.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from django.db import models, router

from raseed.db.uuids import new_id


class Owned(models.Model):
    """A row of one account. Subclasses get `id` (UUIDv7) and `account`; references go by both columns:

        invoice_id = models.UUIDField()
        invoice = models.ForeignObject(Invoice, models.DO_NOTHING, related_name="lines",
                                       from_fields=("account", "invoice_id"), to_fields=("account", "id"))

    Queries name the account (`.filter(account_id=…)`); saving, refreshing and deleting one row do so by themselves.
    """

    # What the application's role may do to the table; append-only tables narrow it.
    app_privileges: ClassVar[str] = "SELECT, INSERT, UPDATE, DELETE"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # AccountKey writes the foreign key and the index: Django's own would be deferrable and lead with the wrong column.
    account = models.ForeignKey(
        "accounts.Account", models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        abstract = True

    def _do_update(self, base_qs: Any, *rest: Any, **named: Any) -> Any:
        # Django's own hook; its later arguments are its own business and change with its versions.
        return super()._do_update(base_qs.filter(account_id=self.account_id), *rest, **named)

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: "models.QuerySet[Self] | None" = None,
    ) -> None:
        """Read the row again. Raises DoesNotExist if it is gone, or belongs to another account."""
        if from_queryset is None:
            from_queryset = type(self)._base_manager.db_manager(using or self._state.db).all()
        # While `account_id` itself is being loaded (it was deferred) reading it here would call this method again.
        if "account_id" not in self.get_deferred_fields():
            from_queryset = from_queryset.filter(account_id=self.account_id)
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)

    def delete(
        self,
        using: str | None = None,
        keep_parents: bool = False,  # noqa: FBT001, FBT002, ARG002 - Django's own
    ) -> tuple[int, dict[str, int]]:
        """Delete the row. Rows that refer to it make the database refuse: nothing cascades."""
        using = using or router.db_for_write(type(self), instance=self)
        rows = type(self)._base_manager.using(using).filter(account_id=self.account_id, pk=self.pk)
        return rows.delete()
