"""The behaviours of a bank on a bad day, and the choice of one per payment.

The choice is pure: the same seed and reference always meet the same weather, in any order and any process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum


class Behaviour(StrEnum):
    """How the bank treats one step of one payment."""

    G1 = "G1"  # does it and answers
    G2 = "G2"  # answers only after its webhook was delivered
    G3 = "G3"  # soft decline: do not honour, may be tried again
    G4 = "G4"  # hard decline: stolen card, never to be tried again
    G5 = "G5"  # does it, then hangs
    G6 = "G6"  # does it, then resets the connection
    G7 = "G7"  # does it, then answers 500, and 500 again on the same key
    G8 = "G8"  # drops the connection before doing anything
    G9 = "G9"  # late: resets; look-up 404 and same key 409 for some seconds; then it is done


class Stage(StrEnum):
    """The two steps that a fault can hit: opening a payment (nothing is charged yet) and charging it."""

    OPEN = "open"
    CHARGE = "charge"


class Transport(StrEnum):
    """What becomes of the answer once the book is written."""

    ANSWER = "answer"
    AFTER_WEBHOOK = "after_webhook"
    HANG = "hang"
    RESET = "reset"


TRANSPORT: Mapping[Behaviour, Transport] = {
    Behaviour.G1: Transport.ANSWER,
    Behaviour.G2: Transport.AFTER_WEBHOOK,
    Behaviour.G3: Transport.ANSWER,
    Behaviour.G4: Transport.ANSWER,
    Behaviour.G5: Transport.HANG,
    Behaviour.G6: Transport.RESET,
    Behaviour.G7: Transport.ANSWER,
    Behaviour.G8: Transport.RESET,
    Behaviour.G9: Transport.RESET,
}

FORCED_DECLINE: Mapping[Behaviour, str] = {Behaviour.G3: "do_not_honor", Behaviour.G4: "stolen_card"}


def drawn(seed: int, stage: Stage, reference: str, mix: Mapping[Behaviour, int]) -> Behaviour:
    """The behaviour that `seed` deals to this reference at this stage; G1 where the mix is empty."""
    if not mix:
        return Behaviour.G1
    point = _number(f"{seed}:{stage}:{reference}") % sum(mix.values())
    for behaviour in sorted(mix):
        if point < mix[behaviour]:
            return behaviour
        point -= mix[behaviour]
    raise AssertionError("weights do not add up")


def percent_hit(seed: int, event: str, percent: int) -> bool:
    """Whether `event` is among the `percent` of 100 that the seed picks."""
    return _number(f"{seed}:percent:{event}") % 100 < percent


def parse_mix(text: str) -> dict[Behaviour, int]:
    """`G1=70,G5=10` as weights; ValueError says what is wrong."""
    mix: dict[Behaviour, int] = {}
    for part in filter(None, text.split(",")):
        name, _, weight = part.partition("=")
        if name.strip() not in set(Behaviour) or not weight.strip().isdecimal():
            raise ValueError(f"{part!r} is not like G1=70: G1 to G9, then a whole weight")
        mix[Behaviour(name.strip())] = int(weight)
    return mix


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
