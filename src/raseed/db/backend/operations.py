"""Points Django at our SQL compilers."""

from django.db.backends.postgresql import operations


class DatabaseOperations(operations.DatabaseOperations):
    """Django's PostgreSQL operations, with the compilers of `raseed.db.backend.compiler`."""

    compiler_module = "raseed.db.backend.compiler"
