"""The database backend that settings name: `ENGINE = "raseed.db.backend"`.

It differs from Django's in two places, `features` and `compiler`, and must never differ in a third without
a reason as good: every difference is a piece of Django that we have to follow.
"""

from django.db.backends.postgresql import base

from raseed.db.backend.features import DatabaseFeatures
from raseed.db.backend.operations import DatabaseOperations


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL, with our features and operations."""

    features_class = DatabaseFeatures
    ops_class = DatabaseOperations
