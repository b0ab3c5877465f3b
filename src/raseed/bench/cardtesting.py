"""How far somebody gets who tries stolen cards, and whether honest customers notice: twice, with attackers who solve no puzzle
and with such that solve each. 2,000 attempts from 200 addresses on 50 accounts, beside 100 honest customers.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import httpx
from django.conf import settings

from raseed.accounts.models import Account
from raseed.bench.attack import REACHED, Outcome, Scenario, play
from raseed.bench.registry import given
from raseed.bench.visitors import make_account, make_operator
from raseed.config.environment import CARD_LIMITS as CARD_LIMITS_USUAL
from raseed.gateways.port import Card, SavedReference
from raseed.payments.methods import keep

# The limits of production, but for the puzzle's size: what is measured is who is let through, not how fast this machine adds.
CARD_LIMITS: Final = CARD_LIMITS_USUAL | {"puzzle_bits": 10}
ATTEMPTS: Final = 2_000
PLACES: Final = 200
ACCOUNTS: Final = 50
HONEST: Final = 100
# Long enough that the second attack finds nothing of the first within any window.
APART: Final = timedelta(days=3)


def run() -> dict[str, object]:
    """For both kinds of attackers: attempts that reached the bank, seconds to the alarm, honest customers hindered."""
    about = given()
    about.say("a bank")
    port = settings.SANDBOX_URL.rsplit(":", 1)[1]
    data = str(about.house.directory / "bank")
    about.house.start("bank", "raseed.sandbox", "--port", port, "--data-dir", data,
                      "--webhook-url", "http://127.0.0.1:9/nowhere", "--webhook-attempts-max", "1")  # fmt: skip
    about.house.wait_for(f"{settings.SANDBOX_URL}/healthz")
    # Whatever this house runs with.
    settings.CARD_LIMITS = dict(CARD_LIMITS)
    now = datetime.now(UTC)
    make_operator(now)
    with httpx.Client(
        base_url=settings.SANDBOX_URL,
        headers={"Authorization": f"Bearer {settings.SANDBOX_SECRET_KEY}"},
        timeout=30,
        trust_env=False,
    ) as bank:
        figures: dict[str, object] = {"attempts": ATTEMPTS, "honest": HONEST}
        for place, is_clever in enumerate((False, True)):
            name = "clever" if is_clever else "plain"
            about.say(f"{name} attackers")
            began = time.monotonic()
            outcome = play(_scenario(bank, now - APART * (1 - place), place, is_clever=is_clever))
            figures |= {f"{name}_{key}": value for key, value in _figures(outcome).items()}
            figures[f"{name}_took_s"] = round(time.monotonic() - began, 1)
    return figures


def _scenario(bank: httpx.Client, began_at: datetime, place: int, *, is_clever: bool) -> Scenario:
    first = 1_000 * (place + 1)
    accounts = [make_account(first + n, began_at)[0] for n in range(ACCOUNTS)]
    payers = [make_account(first + 500 + n, began_at)[0] for n in range(HONEST)]
    return Scenario(
        accounts=accounts,
        honest=[(one, _saved(bank, one, began_at) if n % 2 else None) for n, one in enumerate(payers)],
        attempts=ATTEMPTS,
        places=PLACES,
        is_clever=is_clever,
        type_card=lambda reference, number: bank.post(
            f"/admin/pay/{reference}", json={"card": number, "outcome": "complete"}
        ).raise_for_status(),
        began_at=began_at,
    )


def _saved(bank: httpx.Client, account: Account, now: datetime) -> UUID:
    """A card that the bank keeps for the account, as one that was added before."""
    setup = {
        "reference": str(uuid4()),
        "customer": str(account.id),
        "currency": account.currency,
        "return_url": settings.PUBLIC_URL,
    }
    headers = {"Idempotency-Key": setup["reference"]}
    opened = bank.post("/v1/setups", json=setup, headers=headers).raise_for_status().json()
    typed = bank.post(f"/admin/keep/{opened['id']}", json={"card": "4242424242424242"})
    saved = typed.raise_for_status().json()["setup"]["saved"]
    card = Card("visa", "4242", saved["card"]["exp_month"], saved["card"]["exp_year"])
    return keep(
        account.id,
        settings.GATEWAY,
        SavedReference(saved["reference"], card, chargeable_unattended=True),
        now,
    ).id


def _figures(outcome: Outcome) -> dict[str, int | float]:
    return {
        "reached_bank": outcome.attackers[REACHED],
        "refused_before": outcome.attackers.total() - outcome.attackers[REACHED],
        # -1: there was no alarm.
        "alarm_after_s": -1 if outcome.alarm_after_s is None else outcome.alarm_after_s,
        "honest_hindered": outcome.hindered,
    }
