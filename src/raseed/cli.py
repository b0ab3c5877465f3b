"""The `raseed` command: each sub-command sets Django up and calls one use-case."""

import os
from typing import Annotated

import django
import typer

app = typer.Typer(
    name="raseed",
    help="Raseed, a prepaid billing portal: top up, balance, receipt vouchers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raseed.config.settings")
    django.setup()


@app.command()
def migrate(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless it fails.")] = False,
) -> None:
    """Bring the database to this version's schema, as the owner role (DATABASE_OWNER_URL)."""
    _set_up()
    from django.core.management import call_command  # noqa: PLC0415 - needs the settings that _set_up checks

    from raseed.db import privileges  # noqa: PLC0415

    call_command("migrate", database="owner", interactive=False, verbosity=0 if quiet else 1)
    privileges.grant()


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
