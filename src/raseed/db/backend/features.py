"""What we tell Django about our tables that it cannot guess."""

from django.db.backends.postgresql import features
from django.db.models import Model


class DatabaseFeatures(features.DatabaseFeatures):
    """Django's PostgreSQL features, less one that our keys do not have."""

    def allows_group_by_selected_pks_on_model(self, model: type[Model]) -> bool:
        """Whether GROUP BY may name Django's primary key only.

        PostgreSQL allows it where that column is the table's key. Account-owned tables have the key
        (account_id, id), so the other columns must be listed. By the column, not by the class: the models that
        migrations see have lost their base class.
        """
        if any(field.column == "account_id" for field in model._meta.concrete_fields):
            return False
        return bool(super().allows_group_by_selected_pks_on_model(model))
