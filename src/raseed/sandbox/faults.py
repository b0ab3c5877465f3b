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
    G10 = "G10"  # asks for 3-D Secure, and a customer who completes it late is charged even after a cancel
    G11 = "G11"  # too many requests: 429 with Retry-After, nothing done
    G12 = "G12"  # does it, then resets; only its list knows, and the key is forgotten early
    G13 = "G13"  # captures half of the amount
    G13C = "G13c"  # captures in another currency
    G14 = "G14"  # does it, and answers with the id of another customer's payment
    G15 = "G15"  # does it; its line comes late into the list, behind lines that were read, and pages overlap
    G16 = "G16"  # a refund stays pending and then fails
    G17W = "G17w"  # does it; the customer disputes it and loses: the merchant wins
    G17L = "G17l"  # does it; the customer disputes it and the merchant loses
    NO_LETTER = "G18-none"  # the webhook is never sent
    TWICE = "G18-twice"  # sent twice at the same moment
    THRICE = "G18-thrice"
    LATE_LETTER = "G18-late"  # sent some seconds later, after younger ones
    FORGED = "G18-forged"  # first comes one that is signed with another secret
    STALE = "G18-stale"  # first comes one that was signed ten minutes ago
    STRANGER = "G18-stranger"  # beside it comes one about a payment of another merchant
    NEW_VERSION = "G18-version"  # beside it comes one in a shape that nobody knows yet


class Stage(StrEnum):
    """The steps that a fault can hit: opening a payment, charging it, refunding it, and telling of any of them."""

    OPEN = "open"
    CHARGE = "charge"
    REFUND = "refund"
    WEBHOOK = "webhook"


# Before the response is G2: the bank tells by webhook before it answers.
AT_STAGE: Mapping[Stage, frozenset[Behaviour]] = {
    Stage.OPEN: frozenset(Behaviour(f"G{number}") for number in (*range(1, 10), 11)),
    Stage.CHARGE: frozenset(one for one in Behaviour if one != Behaviour.G16 and "-" not in one),
    Stage.REFUND: frozenset(Behaviour(f"G{number}") for number in (1, 5, 6, 8, 11, 16)),
    Stage.WEBHOOK: frozenset(one for one in Behaviour if one == Behaviour.G1 or "-" in one),
}


class Transport(StrEnum):
    """What becomes of the answer once the book is written."""

    ANSWER = "answer"
    AFTER_WEBHOOK = "after_webhook"
    HANG = "hang"
    RESET = "reset"


# All others answer at once.
TRANSPORT: Mapping[Behaviour, Transport] = dict.fromkeys(Behaviour, Transport.ANSWER) | {
    Behaviour.G2: Transport.AFTER_WEBHOOK,
    Behaviour.G5: Transport.HANG,
    Behaviour.G6: Transport.RESET,
    Behaviour.G8: Transport.RESET,
    Behaviour.G9: Transport.RESET,
    Behaviour.G12: Transport.RESET,
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
            raise ValueError(f"{part!r} is not like G1=70: {', '.join(Behaviour)}, then a whole weight")
        mix[Behaviour(name.strip())] = int(weight)
    return mix


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
