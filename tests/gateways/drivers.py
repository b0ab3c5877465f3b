"""The gateways of the contract suite: for each a driver, which plays its customers and its weather.

To add a gateway: a class like these, and its name in DRIVERS. To switch cases on for what an adapter has learnt: add
`CARD_SETUP`, `REFUNDS`, `DISPUTES`, `SIGNATURES` (over the letter's bytes and time) or `ENDS_3DS` (a payment at its 3-D Secure page
can be canceled) to its `can`, and write the methods that say so below. Cases are made for what a driver
can and for nothing else.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import UUID

from bank import Postbox, RunningBank, eventually
from moyasar_server import MoyasarServer
from raseed.gateways.moyasar.adapter import MoyasarGateway
from raseed.gateways.port import (
    ActionRequired,
    CardSetup,
    Charge,
    DeclineCode,
    Outcome,
    SetupOutcome,
    Succeeded,
)
from raseed.gateways.sandbox import SandboxGateway
from raseed.gateways.stripe.adapter import StripeGateway
from stripe_server import StripeServer
from stripe_server.parameters import Refusal

CARD_SETUP, REFUNDS, DISPUTES = "card setup", "refunds", "disputes"
SIGNATURES, ENDS_3DS = "signatures", "ends 3-D Secure"
CAPABILITIES = frozenset({CARD_SETUP, REFUNDS, DISPUTES, SIGNATURES, ENDS_3DS})
VAR = Path(__file__).resolve().parents[2] / "var"
LOG, MOYASAR_LOG = VAR / "stripe-requests.log", VAR / "moyasar-requests.log"
SECRET, SECRET_BEFORE = "whsec_in_use", "whsec_before"
Letter = tuple[dict[str, str], bytes]

GOOD, THREE_DS, FAILS_ONCE_SAVED = "4242424242424242", "4000002760003184", "4000000000000341"
Told = tuple[DeclineCode, bool]


class Driver(ABC):
    """One gateway, running, and the adapter that speaks to it as `gateway`. What it cannot stands in `cannot` with the reason.

    `currencies` are charged by it, each with an amount it takes. `typed` are cards that are declined as they are typed and `saved`
    names of declines of a saved card, both with our code and whether another try is allowed. `page_goes_on`: a declined card does
    not end the payment, the customer may type another. `has_search`: our id is found at once.
    """

    name: ClassVar[str]
    can: ClassVar[frozenset[str]] = frozenset()
    cannot: ClassVar[Mapping[str, str]] = {}
    currencies: ClassVar[Mapping[str, int]]
    typed: ClassVar[Mapping[str, Told]]
    saved: ClassVar[Mapping[str, Told]]
    page_goes_on: ClassVar[bool]
    # The card is typed in the gateway's form within our page: no address is named.
    in_our_page: ClassVar[bool] = False
    signature_header: ClassVar[str] = ""
    gateway: Any

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def adapter(self, *secrets: str, timeout_s: float = 2.0) -> Any:
        """Another adapter to the same gateway, which takes these webhook secrets."""

    @abstractmethod
    def pay(self, page: ActionRequired, card: str = GOOD) -> None:
        """Type a card on the card page and send it."""

    @abstractmethod
    def authenticate(self, page: ActionRequired, *, passes: bool = True) -> None:
        """End the 3-D Secure page."""

    @abstractmethod
    def declining(self, why: str, account_id: UUID, card: str) -> str:
        """A saved card of the account that is declined for that when it is charged next; `card` is a good one of it."""

    @abstractmethod
    def lose(self, what: str) -> None:
        """The next charge of a saved card: its "answer" gets lost, or its "request"."""

    @abstractmethod
    def charges(self, payment_id: UUID) -> list[int]:
        """What was captured under our id; more than one is a double charge."""

    @abstractmethod
    def letters(self, at_least: int) -> list[Letter]:
        """All webhooks that were sent, once there are so many."""

    # -- only of a gateway that can

    def signed(self, raw: bytes, at_s: float, secret: str) -> dict[str, str]:
        """SIGNATURES: the signature of these bytes at that time by that secret, as a header."""
        raise NotImplementedError

    def keep_card(self, page: ActionRequired, card: str = GOOD) -> None:
        """CARD_SETUP: type a card on the page of a setup."""
        raise NotImplementedError

    def finish_refunds(self) -> None:
        """REFUNDS: time goes by, and refunds that are pending or will fail do so."""
        raise NotImplementedError

    refund_cards: ClassVar[Mapping[str, str]] = {}
    """REFUNDS: "pending" is a card whose refund takes its time, "fails" one whose refund comes back."""

    disputed_cards: ClassVar[Mapping[bool, str]] = {}
    """DISPUTES: a card whose holder disputes, by whether the merchant may win."""

    def open_dispute(self, gateway_ref: str) -> None:
        """DISPUTES: time goes by until the dispute of a charge on such a card has opened."""
        raise NotImplementedError

    def end_dispute(self, gateway_ref: str, *, won: bool) -> None:
        """DISPUTES: the bank decides."""
        raise NotImplementedError


class SandboxDriver(Driver):
    """The sandbox bank, a process of its own."""

    name = "sandbox"
    can = frozenset({CARD_SETUP, REFUNDS, DISPUTES, SIGNATURES, ENDS_3DS})
    currencies: ClassVar[Mapping[str, int]] = {"USD": 11_500, "KWD": 12_340, "SAR": 5_000}
    typed: ClassVar[Mapping[str, Told]] = {
        "4000000000000002": (DeclineCode.GENERIC, True),
        "4000000000009995": (DeclineCode.INSUFFICIENT_FUNDS, True),
        "4000000000009979": (DeclineCode.GENERIC, False),
        "4000000000000069": (DeclineCode.EXPIRED_CARD, False),
    }
    saved: ClassVar[Mapping[str, Told]] = {
        "G3": (DeclineCode.GENERIC, True),
        "G4": (DeclineCode.GENERIC, False),
    }
    page_goes_on = False
    signature_header = "Sandbox-Signature"
    refund_cards: ClassVar[Mapping[str, str]] = {"pending": GOOD, "fails": "4000000000005126"}
    disputed_cards: ClassVar[Mapping[bool, str]] = {True: "4000000000002685", False: "4000000000000259"}

    def __init__(self, folder: Path) -> None:
        self._postbox = Postbox()
        self._bank = RunningBank(folder, self._postbox.url, hang_s=3, refund_s=0, dispute_s=3600)

    def __enter__(self) -> Self:
        self._postbox.__enter__()
        self._bank.webhook_secret = SECRET
        self._bank.start()
        self.gateway = self.adapter(SECRET)
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.close()
        self._bank.__exit__()
        self._postbox.__exit__()

    def adapter(self, *secrets: str, timeout_s: float = 2.0) -> SandboxGateway:
        return SandboxGateway(
            url=self._bank.url, secret_key=self._bank.secret, webhook_secrets=secrets, timeout_s=timeout_s
        )

    def pay(self, page: ActionRequired, card: str = GOOD) -> None:
        # An outcome other than "complete" would end the 3-D Secure page too.
        self._bank.pay(page.gateway_ref, card, **({"outcome": "abandon"} if card == THREE_DS else {}))

    def keep_card(self, page: ActionRequired, card: str = GOOD) -> None:
        self._bank.keep(page.gateway_ref, card)

    def authenticate(self, page: ActionRequired, *, passes: bool = True) -> None:
        self._bank.pay(page.gateway_ref, THREE_DS, outcome="complete" if passes else "fail")

    def declining(self, why: str, account_id: UUID, card: str) -> str:
        self._bank.behaviour(next=why)
        return card

    def lose(self, what: str) -> None:
        self._bank.behaviour(next={"answer": "G6", "request": "G8"}[what])

    def charges(self, payment_id: UUID) -> list[int]:
        return self._bank.charges(payment_id)

    def letters(self, at_least: int) -> list[Letter]:
        return self._postbox.wait_for(at_least)

    def finish_refunds(self) -> None:
        # Its clock ticks every twentieth of a second.
        eventually(lambda: not [one for one in self._bank.dump()["refunds"] if one["state"] == "pending"])

    def open_dispute(self, gateway_ref: str) -> None:
        self._bank.hasten_disputes(gateway_ref)

    def end_dispute(self, gateway_ref: str, *, won: bool) -> None:
        # The card has decided which.
        (ended,) = self._bank.hasten_disputes(gateway_ref)
        assert ended["state"] == ("won" if won else "lost")

    def signed(self, raw: bytes, at_s: float, secret: str) -> dict[str, str]:
        stripes = StripeServer.signed(raw, at_s, secret)["Stripe-Signature"]
        return {self.signature_header: stripes}


class StripeDriver(Driver):
    """Our server that speaks Stripe's protocol, through Stripe's own SDK. Its requests are in var/stripe-requests.log."""

    name = "stripe"
    can = frozenset({CARD_SETUP, REFUNDS, DISPUTES, SIGNATURES, ENDS_3DS})
    currencies: ClassVar[Mapping[str, int]] = {"USD": 11_500, "KWD": 12_340, "SAR": 5_000, "JPY": 1_500}
    typed: ClassVar[Mapping[str, Told]] = {
        "4000000000000002": (DeclineCode.GENERIC, True),
        "4000000000009995": (DeclineCode.INSUFFICIENT_FUNDS, True),
        "4000000000009979": (DeclineCode.GENERIC, False),
        "4000000000000069": (DeclineCode.EXPIRED_CARD, False),
    }
    saved: ClassVar[Mapping[str, Told]] = {
        FAILS_ONCE_SAVED: (DeclineCode.GENERIC, True),
        "4000000000000119": (DeclineCode.GENERIC, True),
        "4000000000009995": (DeclineCode.INSUFFICIENT_FUNDS, True),
        "4000000000006975": (DeclineCode.LIMIT_EXCEEDED, True),
        "4000000000000069": (DeclineCode.EXPIRED_CARD, False),
        "4000000000000127": (DeclineCode.INCORRECT_DETAILS, False),
        "4000000000009987": (DeclineCode.GENERIC, False),
        "4000000000009979": (DeclineCode.GENERIC, False),
        "4100000000000019": (DeclineCode.GENERIC, False),
    }
    page_goes_on = True
    signature_header = "Stripe-Signature"
    refund_cards: ClassVar[Mapping[str, str]] = {"pending": "4000000000007726", "fails": "4000000000005126"}
    disputed_cards: ClassVar[Mapping[bool, str]] = dict.fromkeys((True, False), "4000000000000259")
    log: ClassVar[Path] = LOG
    kind: ClassVar[type[StripeGateway]] = StripeGateway

    def __init__(self, _folder: Path) -> None:
        self.log.unlink(missing_ok=True)
        self.server = StripeServer(self.log)
        self.server.webhook_secrets = [SECRET]
        self.customers = RememberedCustomers()

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.gateway = self.adapter(SECRET)
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.close()
        self.server.__exit__()

    def adapter(self, *secrets: str, timeout_s: float = 2.0) -> StripeGateway:
        return self.kind(
            secret_key=self.server.secret_key,
            webhook_secrets=secrets,
            customers=self.customers,
            timeout_s=timeout_s,
            api_base=self.server.url,
        )

    def pay(self, page: ActionRequired, card: str = GOOD) -> None:
        self.server.pay(page.gateway_ref, card)

    def authenticate(self, page: ActionRequired, *, passes: bool = True) -> None:
        intent = self.server.bank.things[page.gateway_ref].get("payment_intent") or page.gateway_ref
        self.server.authenticate(f"{self.server.url}/3ds/{intent}", passes=passes)

    def declining(self, why: str, account_id: UUID, card: str) -> str:
        return self.server.kept_card(why, self.customers.known[account_id])

    def lose(self, what: str) -> None:
        self.server.fault({"answer": "drop_after", "request": "drop_before"}[what], "/v1/payment_intents")

    def charges(self, payment_id: UUID) -> list[int]:
        return self.server.charges(payment_id)

    def letters(self, at_least: int) -> list[Letter]:
        assert len(self.server.letters) >= at_least
        return list(self.server.letters)

    def signed(self, raw: bytes, at_s: float, secret: str) -> dict[str, str]:
        return self.server.signed(raw, at_s, secret)

    def keep_card(self, page: ActionRequired, card: str = GOOD) -> None:
        self.server.pay(page.gateway_ref, card)

    def finish_refunds(self) -> None:
        self.server.bank.finish_refunds()

    def open_dispute(self, gateway_ref: str) -> None:
        """It opens with the charge."""

    def end_dispute(self, gateway_ref: str, *, won: bool) -> None:
        paid = self.gateway.fetch(gateway_ref)
        assert isinstance(paid, Succeeded)
        (dispute,) = self.gateway.disputes_of(gateway_ref)
        self.server.bank.end_dispute(dispute.part_ref, "won" if won else "lost")


class ElementGateway(StripeGateway):
    """The same adapter, asked for the form within our page wherever a card is typed."""

    def charge(self, charge: Charge) -> Outcome:
        return super().charge(replace(charge, in_our_page=charge.saved_reference is None))

    def set_up_card(self, setup: CardSetup) -> SetupOutcome:
        return super().set_up_card(replace(setup, in_our_page=True))


class ElementDriver(StripeDriver):
    """Stripe with the card typed in the Payment Element within our page; what differs of it is the opening and typing alone."""

    name = "stripe-element"
    in_our_page = True
    can = frozenset({CARD_SETUP, ENDS_3DS})
    cannot: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (REFUNDS, DISPUTES, SIGNATURES),
        "has nothing to do with where the card was typed: Stripe's own driver tries it",
    )
    saved: ClassVar[Mapping[str, Told]] = {FAILS_ONCE_SAVED: (DeclineCode.GENERIC, True)}
    log = VAR / "stripe-element-requests.log"
    kind = ElementGateway

    def pay(self, page: ActionRequired, card: str = GOOD) -> None:
        with suppress(Refusal):
            self.server.bank.confirm_in_element(self.server.bank.things[page.gateway_ref], card)

    def keep_card(self, page: ActionRequired, card: str = GOOD) -> None:
        self.pay(page, card)


class MoyasarDriver(Driver):
    """Our server that speaks Moyasar's protocol. Its requests are in var/moyasar-requests.log.

    What stands in the place of what it cannot is in test_moyasar_adapter.py.
    """

    name = "moyasar"
    cannot: ClassVar[Mapping[str, str]] = {
        CARD_SETUP: "a card is kept by paying with it; there is no page that keeps one without a charge",
        REFUNDS: "its refunds bear no id and no key: ours is noted in the payment's metadata, and told by the refunded sum",
        DISPUTES: "its interface tells of none; staff write them down by hand",
        SIGNATURES: "its letters are not signed: the secret stands in the body, and everything is fetched again",
        ENDS_3DS: "a payment at its 3-D Secure page cannot be canceled; Moyasar fails it there after 15 minutes",
    }
    currencies: ClassVar[Mapping[str, int]] = {
        "SAR": 5_000,
        "USD": 11_500,
        "AED": 4_200,
        "KWD": 12_340,
        "BHD": 12_340,
        "OMR": 5_010,
        "JOD": 1_250,
    }
    typed: ClassVar[Mapping[str, Told]] = {
        "4000000000000002": (DeclineCode.GENERIC, True),
        "4201320000311101": (DeclineCode.INSUFFICIENT_FUNDS, True),
    }
    saved: ClassVar[Mapping[str, Told]] = {
        "4201320000013020": (DeclineCode.GENERIC, True),
        "4201320000311101": (DeclineCode.INSUFFICIENT_FUNDS, True),
        "4201320131000508": (DeclineCode.GENERIC, False),
        "4201322267774310": (DeclineCode.EXPIRED_CARD, False),
        "4201326324640570": (DeclineCode.LIMIT_EXCEEDED, True),
        "4201321144311528": (DeclineCode.GENERIC, False),
    }
    page_goes_on = True

    def __init__(self, _folder: Path) -> None:
        MOYASAR_LOG.unlink(missing_ok=True)
        self.server = MoyasarServer(MOYASAR_LOG)
        self.server.webhook_secret = SECRET

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.gateway = self.adapter(SECRET)
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.close()
        self.server.__exit__()

    def adapter(self, *secrets: str, timeout_s: float = 2.0) -> MoyasarGateway:
        return MoyasarGateway(
            secret_key=self.server.secret_key,
            webhook_secrets=secrets,
            timeout_s=timeout_s,
            api_base=self.server.url,
        )

    def pay(self, page: ActionRequired, card: str = GOOD) -> None:
        self.server.bank.pay_invoice(page.gateway_ref.removeprefix("invoice_"), card)

    def authenticate(self, page: ActionRequired, *, passes: bool = True) -> None:
        self.server.bank.authenticate(page.gateway_ref.split("_")[1], passes=passes)

    def declining(self, why: str, account_id: UUID, card: str) -> str:
        return self.server.bank.keep(why)

    def lose(self, what: str) -> None:
        self.server.fault({"answer": "drop_after", "request": "drop_before"}[what], "POST", "payments")

    def charges(self, payment_id: UUID) -> list[int]:
        return self.server.charges(payment_id)

    def letters(self, at_least: int) -> list[Letter]:
        assert len(self.server.letters) >= at_least
        return list(self.server.letters)


class RememberedCustomers:
    """In place of the table: this suite needs no database, and no adapter may have a transaction open."""

    def __init__(self) -> None:
        self.known: dict[UUID, str] = {}

    def of(self, account_id: UUID) -> str | None:
        return self.known.get(account_id)

    def keep(self, account_id: UUID, reference: str) -> str:
        return self.known.setdefault(account_id, reference)


DRIVERS: Mapping[str, type[Driver]] = {
    "sandbox": SandboxDriver,
    "stripe": StripeDriver,
    "stripe-element": ElementDriver,
    "moyasar": MoyasarDriver,
}


def reserialised(raw: bytes) -> bytes:
    """The same letter, written by another hand."""
    return json.dumps(json.loads(raw), indent=1).encode()
