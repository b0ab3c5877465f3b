"""What the application's role may do to each table: stated by the models, granted after every migration.

The owner role runs migrations and owns the tables; the application connects as another role, which gets
exactly the verbs of `app_privileges` (a class attribute of the model, default: read and write). Append-only
tables say "SELECT, INSERT"; the ledger says "SELECT" and is written by its SQL function alone.
"""

from typing import Final

from django.apps import apps
from django.db import connections
from django.db.models import Model

READ_AND_WRITE: Final = "SELECT, INSERT, UPDATE, DELETE"


def app_role() -> str:
    """The role of DATABASE_URL, to which the owner grants."""
    return str(connections["default"].settings_dict["USER"])


def stated(model: type[Model]) -> frozenset[str]:
    """The verbs that the application's role has on the model's table, by the model's own word."""
    verbs: str = getattr(model, "app_privileges", READ_AND_WRITE)
    return frozenset(verb.strip() for verb in verbs.split(","))


def grant() -> None:
    """Make the database's grants equal to what the models state. Run as the owner, in one transaction."""
    owner = connections["owner"]
    role = owner.ops.quote_name(app_role())
    with owner.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        cursor.execute(f"GRANT {READ_AND_WRITE} ON ALL TABLES IN SCHEMA public TO {role}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
        cursor.execute(f"REVOKE ALL ON django_migrations FROM {role}")
        cursor.execute(f"GRANT SELECT ON django_migrations TO {role}")
        for model in apps.get_models():
            verbs = stated(model)
            if model._meta.proxy or not model._meta.managed or verbs == frozenset(READ_AND_WRITE.split(", ")):
                continue
            table = owner.ops.quote_name(model._meta.db_table)
            cursor.execute(f"REVOKE ALL ON {table} FROM {role}")
            cursor.execute(f"GRANT {', '.join(sorted(verbs))} ON {table} TO {role}")
        # The functions that write where the role may not: another role in DATABASE_URL needs them as well.
        cursor.execute(
            "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        )
        for (function,) in cursor.fetchall():
            cursor.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
        cursor.execute("COMMIT")
