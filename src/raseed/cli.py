"""The `raseed` command: each sub-command sets Django up, calls one use-case and says what happened."""

import io
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import django
import typer
from rich.console import Console

app = typer.Typer(
    name="raseed",
    help="Raseed, a prepaid billing portal: top up, balance, receipt vouchers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
operator = typer.Typer(help="The company that runs this installation.", no_args_is_help=True)
app.add_typer(operator, name="operator")
prices = typer.Typer(help="What usage costs.", no_args_is_help=True)
app.add_typer(prices, name="prices")
# Open connections that one process of the portal holds at a time.
CONNECTIONS_MAX = 1024
# Faults of a file that are printed.
FAULTS_SHOWN_MAX = 200
# Soft wrap: addresses and ids stay whole, to be copied.
console = Console(soft_wrap=True)


def _set_up() -> None:
    """Check the environment (exit 1 with every fault named) and set Django up."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "raseed.config.settings"
    django.setup()


@app.command()
def migrate(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless it fails.")] = False,
) -> None:
    """Bring the database to this version's schema, as the owner role (DATABASE_OWNER_URL)."""
    _set_up()
    from django.core.management import call_command

    from raseed.db import privileges

    call_command("migrate", database="owner", interactive=False, verbosity=0 if quiet else 1)
    privileges.grant()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; put a TLS proxy before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of each process.")] = 6,
) -> None:
    """Serve the portal over HTTP. Collects the static files first. A killed process is replaced."""
    _set_up()
    from django.conf import settings
    from django.core.management import call_command
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    if threads <= settings.WEBHOOKS_AT_ONCE:
        raise typer.BadParameter(
            f"webhooks may take {settings.WEBHOOKS_AT_ONCE} (WEBHOOKS_AT_ONCE); leave at least one for people",
            param_hint="--threads",
        )
    call_command("collectstatic", interactive=False, verbosity=0)
    Granian(
        "raseed.config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        respawn_failed_workers=True,
        respawn_interval=0.2,
        # Of connections, not of requests: each open one holds a place, the idle ones of browsers and proxies too.
        backpressure=CONNECTIONS_MAX,
        log_level=LogLevels.warning,
    ).serve()


@app.command()
def worker(
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Jobs about payments at the same time.")
    ] = 4,
) -> None:
    """Run jobs: confirm payments, issue vouchers, send mail; also the schedules. Ctrl-C lets running jobs end."""
    _set_up()
    from raseed.worker import work

    work(concurrency)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks one.")] = 8001,
    data_dir: Annotated[str, typer.Option(help="Where the bank keeps its book.")] = "var/sandbox",
    webhook_url: Annotated[str, typer.Option(help="Where it delivers webhooks.")] = (
        "http://127.0.0.1:8000/webhooks/sandbox"
    ),
    mix: Annotated[str, typer.Option(help="Weights of behaviours, as G1=70,G5=10.")] = "",
    seed: Annotated[int, typer.Option(help="Deals the behaviours.")] = 0,
) -> None:
    """Run a bank that does not exist: card page, 3-D Secure, declines, silence. It moves no real money."""
    from raseed.sandbox.__main__ import main as bank

    flags = {
        "--port": port,
        "--data-dir": data_dir,
        "--webhook-url": webhook_url,
        "--mix": mix,
        "--seed": seed,
    }
    os.environ.setdefault("SANDBOX_SECRET_KEY", "sandbox-secret-key-for-demo-and-tests-only")
    os.environ.setdefault("SANDBOX_WEBHOOK_SECRET", "sandbox-webhook-secret-for-demo-and-tests-only")
    raise SystemExit(bank([part for name, value in flags.items() for part in (name, str(value))]))


@app.command()
def verify(
    at_rest: Annotated[
        bool, typer.Option("--at-rest", help="Nothing is under way: allow nothing its time.")
    ] = False,
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental", help="Only what was written since the last clean run; not instead of a full one."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Re-add everything and compare: the ledger, the payments, the gateway's list, the papers. Exit 1 on any fault."""
    _set_up()
    from raseed.verify import report

    found = report(console, at_rest=at_rest, incremental=incremental, as_json=as_json)
    raise SystemExit(1 if found else 0)


@app.command()
def reconcile() -> None:
    """Ask the gateway about every open payment and walk its own list, once."""
    _set_up()
    from django.utils import timezone

    from raseed.gateways.port import GatewayUnavailable
    from raseed.payments import resolve
    from raseed.payments.reconcile import reconcile as both_roads

    try:
        with console.status("asking the gateway"):
            asked, walked = both_roads(timezone.now())
            resolve.reopen(timezone.now())
    except GatewayUnavailable as error:
        console.print(f"The gateway cannot be reached: {error}. Nothing was lost; run this again.")
        raise SystemExit(1) from error
    console.print(
        f"{asked} open payments asked about; {walked.lines} lines of the gateway's list read,"
        f" {walked.settled} payments settled by it, {walked.unknown} charges unknown to us."
    )
    raise SystemExit(1 if walked.unknown else 0)


@app.command()
def bench(
    name: Annotated[
        str, typer.Argument(help="cardtesting, ledger, page, paynow, rating, recharge, verify or webhooks.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each measurement lasts.")] = 10.0,
    entries: Annotated[
        int, typer.Option(min=100, help="Entries in the books of page and verify.")
    ] = 1_000_000,
    rate: Annotated[
        float,
        typer.Option(min=0, help="webhooks: so many a second for --seconds; 0: as fast as they are taken."),
    ] = 0,
) -> None:
    """Measure on a durable database of its own, which is deleted at the end. Nothing of yours is touched."""
    import json

    from rich.table import Table

    from raseed.bench.registry import BENCHES, measure

    if name not in BENCHES:
        raise typer.BadParameter(f"must be one of {', '.join(BENCHES)}", param_hint="NAME")
    figures = measure(name, Console(stderr=True), seconds=seconds, entries=entries, rate=rate)
    if as_json:
        print(json.dumps(figures))
        return
    table = Table(title=f"raseed bench {name}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in figures.items():
        table.add_row(key, str(value))
    console.print(table)


@app.command()
def healthcheck(
    url: Annotated[str, typer.Option(help="The portal's address.")] = "http://127.0.0.1:8000",
) -> None:
    """Exit 0 if the portal at `url` answers and can work, else 1."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 - an operator's own address
            print(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        print(f"{url} is not ready: {error}", file=sys.stderr)
        raise SystemExit(1) from error


@operator.command("init")
def operator_init(
    name: Annotated[str, typer.Option(prompt=True, help="The company's name, as its papers bear it.")],
    country: Annotated[str, typer.Option(prompt=True, help="ISO 3166 code, as AE or SA.")],
    time_zone: Annotated[str, typer.Option(prompt=True, help="IANA name, as Asia/Riyadh: dates of papers.")],
    email_from: Annotated[str, typer.Option(prompt=True, help="From of all mails.")],
    reply_to: Annotated[str, typer.Option(prompt=True, help="Where answers to mails go.")],
    staff_name: Annotated[str, typer.Option(prompt=True, help="The first staff member.")],
    staff_email: Annotated[str, typer.Option(prompt=True, help="The address that person signs in with.")],
    name_ar: Annotated[str, typer.Option(help="The name in Arabic.")] = "",
    address: Annotated[str, typer.Option(help="The address on papers.")] = "",
    address_ar: Annotated[str, typer.Option(help="The address in Arabic.")] = "",
    tax_number: Annotated[str, typer.Option(help="Tax registration number.")] = "",
    registration_number: Annotated[str, typer.Option(help="Commercial registration number.")] = "",
    tax_mode: Annotated[str, typer.Option(help="on_usage, or on_topup as in Saudi Arabia.")] = "on_usage",
    tax_percent: Annotated[int, typer.Option(min=0, max=100, help="Tax rate in percent, for on_topup.")] = 0,
) -> None:
    """Make the operator and its first staff member, and print the one-time link for that person."""
    _set_up()
    from django.utils import timezone

    from raseed.accounts.models import Language, StaffRole, TaxMode
    from raseed.accounts.onboarding import NewOperator, init_operator
    from raseed.accounts.people import NewPerson
    from raseed.errors import RaseedError

    if tax_mode not in TaxMode.values:
        raise typer.BadParameter(f"must be one of {', '.join(TaxMode.values)}", param_hint="--tax-mode")
    new = NewOperator(
        name=name,
        country=country,
        time_zone=time_zone,
        email_from=email_from,
        email_reply_to=reply_to,
        name_ar=name_ar,
        address=address,
        address_ar=address_ar,
        tax_number=tax_number,
        registration_number=registration_number,
        support_contact=reply_to,
        tax_mode=TaxMode(tax_mode),
        tax_rate_ppm=tax_percent * 10_000,
    )
    first = NewPerson(staff_name, staff_email, Language.ENGLISH)
    try:
        link = init_operator(new, first, StaffRole.FINANCE, timezone.now())
    except RaseedError as error:
        console.print(f"{error.field or 'operator'}: {error.message}", style="red", markup=False)
        raise SystemExit(1) from error
    console.print(
        f"{staff_email} chooses a password here, once, within 72 hours:\n{link.url}", highlight=False
    )


@operator.command("grace")
def operator_grace(
    hours: Annotated[int, typer.Argument(help="0: suspend as soon as the balance runs out.")],
) -> None:
    """Say how long an account whose balance ran out goes on before it is suspended."""
    _set_up()
    from django.utils import timezone

    from raseed.accounts.grace import change_grace
    from raseed.audit.log import COMMAND_LINE
    from raseed.errors import RaseedError

    try:
        done = change_grace(hours, COMMAND_LINE, timezone.now())
    except RaseedError as error:
        console.print(f"{error.message}", style="red", markup=False)
        raise SystemExit(1) from error
    console.print(f"Grace: {hours} hours." if done else f"It was {hours} hours already.", highlight=False)


@operator.command("second-person")
def operator_second_person(
    currency: Annotated[str, typer.Argument(help="ISO 4217 code, as USD.")],
    amount: Annotated[
        str, typer.Argument(help="0: always a second person. Left out: above the largest payment.")
    ] = "",
) -> None:
    """Say above which amount a transfer or cash that one of the staff records waits for a second one."""
    _set_up()
    from django.utils import timezone

    from raseed.accounts.second_person import change_second_person
    from raseed.audit.log import COMMAND_LINE
    from raseed.errors import RaseedError
    from raseed.money import currency_of, format_money, parse_amount

    try:
        code = currency_of(currency.upper()).code
        limit = parse_amount(amount, code) if amount else None
        done = change_second_person(code, limit, COMMAND_LINE, timezone.now())
    except RaseedError as error:
        console.print(f"{error.message}", style="red", markup=False)
        raise SystemExit(1) from error
    shown = format_money(limit) if limit else f"the largest payment in {code}"
    console.print(
        f"A second person is needed above {shown}." if done else f"It was {shown} already.", highlight=False
    )


@operator.command("reset-factors")
def operator_reset_factors(
    email: Annotated[str, typer.Argument(help="The address that the person signs in with.")],
) -> None:
    """Remove a person's authenticator app, passkeys and recovery codes: they have lost them all. Make sure who asks."""
    _set_up()
    from django.utils import timezone

    from raseed.accounts.factors import change
    from raseed.audit.log import COMMAND_LINE
    from raseed.errors import RaseedError

    try:
        count = change.reset(email, COMMAND_LINE, timezone.now())
    except RaseedError as error:
        console.print(f"{error.message}", style="red", markup=False)
        raise SystemExit(1) from error
    console.print(
        f"{count} factors removed, all sessions ended, the person is told by mail. They sign in by password now;"
        " staff set up a new factor right after.",
        highlight=False,
    )


@prices.command("check")
def prices_check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A rate deck: CSV in UTF-8.")],
    time_zone: Annotated[str, typer.Option(help="IANA name: where dates without an offset are.")] = "UTC",
) -> None:
    """Read a rate deck, keep nothing, and say line by line what is wrong with it. Exit 1 on any fault."""
    _set_up()
    from raseed.rating.deck import RateDeck
    from raseed.rating.read_deck import read_deck

    if time_zone not in available_timezones():
        raise typer.BadParameter("is not a name of the IANA database", param_hint="--time-zone")
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        console.print(f"line {line}: this is not UTF-8 text; save the file as CSV in UTF-8.", style="red")
        raise SystemExit(1) from error
    reading = read_deck(io.StringIO(text, newline=""), ZoneInfo(time_zone))
    for fault in reading.faults[:FAULTS_SHOWN_MAX]:
        place = f"line {fault.line}" + (f", {fault.column}" if fault.column else "")
        # What stands in the file must not move the terminal's cursor.
        said = "".join(letter if letter.isprintable() else "?" for letter in str(fault.error.message))
        console.print(f"{place}: {said}", markup=False, highlight=False)
    if reading.faults:
        beyond = f"; the first {FAULTS_SHOWN_MAX} are shown" if len(reading.faults) > FAULTS_SHOWN_MAX else ""
        console.print(f"{len(reading.faults):,} faults{beyond}.", style="red", highlight=False)
        raise SystemExit(1)
    deck = RateDeck(reading.rates)
    console.print(
        f"No fault: {len(deck):,} prefixes with {len(reading.rates):,} rates in"
        f" {reading.rates[0].price.price.currency}. Nothing was kept.",
        highlight=False,
    )


@app.command()
def bounce() -> None:
    """Record a mail that came back: give a delivery status notification (RFC 3464) on standard input."""
    _set_up()
    from django.utils import timezone

    from raseed.errors import RaseedError
    from raseed.notifications.bounces import record_bounce

    try:
        recorded = record_bounce(sys.stdin.buffer.read(), timezone.now())
    except RaseedError as error:
        print(error.message, file=sys.stderr)
        raise SystemExit(1) from error
    print("\n".join(f"bounced: {address}" for address in recorded) or "no mail of ours came back with this")
    raise SystemExit(0 if recorded else 1)


@app.command()
def demo(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65533, help="The portal's port.")] = 8000,
    reset: Annotated[bool, typer.Option("--reset", help="Forget the demo's data and end.")] = False,
) -> None:
    """Run everything on this machine, show one Pay Now, serve until Ctrl-C. Data is kept in var/demo."""
    from raseed.demo.run import Demo, DemoFailed, Ports, forget

    try:
        forget() if reset else Demo(console, Ports(port)).run()
    except DemoFailed as failure:
        console.print(f"The demo stopped: {failure}", style="red", markup=False, highlight=False)
        raise SystemExit(1) from failure


@app.command("demo-seed", hidden=True)
def demo_seed() -> None:
    """Seed the demo's database, if it is empty."""
    _set_up()
    from django.utils import timezone

    from raseed.demo import people, seed
    from raseed.demo.run import password

    if people.is_peopled():
        people.set_passwords(password(), timezone.now())
        return
    seed.live(people.people_the_demo(password(), seed.begin(timezone.now())), timezone.now(), console)


@app.command("demo-pay", hidden=True)
def demo_pay() -> None:
    """Make one Pay Now through the portal's own pages and print what happened."""
    _set_up()
    from django.conf import settings

    from raseed.demo.pay import show_one_payment, wait_until_clean
    from raseed.demo.run import papers_dir, password
    from raseed.verify import report

    show_one_payment(settings.PUBLIC_URL, password(), papers_dir(), console)
    wait_until_clean()
    raise SystemExit(1 if report(console, at_rest=False) else 0)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
