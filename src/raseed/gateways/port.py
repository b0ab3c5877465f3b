"""The port to every card gateway: our verbs, and the plain answers that come back.

It knows no vendor, opens no connection and never sees a card number: cards are typed on the gateway's own
page and are known here by brand, last four digits and expiry only.

The rules that callers live by:

- Write, call, settle. The intent is committed before a verb is called and no transaction is open while it runs.
- `charge` never retries by itself. One intent has one idempotency key; asking again is the caller's decision,
  with the same key, and only inside the gateway's key horizon (we stop 23 hours after the first request).
- `Unknown` means that the money may have moved. It is never retried blindly and never called a failure:
  it is asked about (`fetch`, `find_by_reference`) or read from the gateway's own list (`list_since`).
- `NotFound` is not proof that nothing was charged: a charge can land seconds after a look-up found nothing.
  Proof is the answer to a re-send with the same key, or the gateway's own list.
- Only `Succeeded` may credit, with what it says was captured, in the currency it says, and only for the
  payment whose id the gateway holds.
- A redirect or a webhook proves nothing by itself: both only say which payment to `fetch`.

Expected outcomes are values and are returned. Exceptions are left for what has no outcome: `ForgedWebhook`,
and `GatewayUnavailable` from the verbs that move no money (`forget_card`, `list_since`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError


@dataclass(frozen=True, slots=True)
class Card:
    """What may be remembered and shown of a card. `fingerprint` is the gateway's, equal for equal numbers."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class SavedReference:
    """A card that the gateway keeps for us. Whether it may be charged unattended is a fact of the card."""

    reference: str
    card: Card
    chargeable_unattended: bool


@dataclass(frozen=True, slots=True)
class Charge:
    """What is asked of the gateway: `amount_minor` whole minor units of `currency` (ISO 4217).

    With `saved_reference` that card is charged; without, the gateway answers `ActionRequired` with its own card
    page. `unattended` says that no customer is present to authenticate. `return_url` is where the gateway's page
    sends the customer back to (GET). `customer_language` is "en" or "ar". `in_our_page`: the card is typed in the gateway's
    form within our page, if it has one; then `ActionRequired` names no address.
    """

    payment_id: UUID
    account_id: UUID
    amount_minor: int
    currency: str
    idempotency_key: str
    description: str
    return_url: str
    saved_reference: str | None
    save_card: bool
    unattended: bool
    customer_language: str
    in_our_page: bool = False

    def __post_init__(self) -> None:
        """Refuse what no gateway should ever be asked; raises ValueError naming the field."""
        if self.amount_minor <= 0:
            raise ValueError(f"amount_minor must be above zero, not {self.amount_minor}")
        if not self.idempotency_key:
            raise ValueError("idempotency_key must not be empty")
        if self.saved_reference is not None and self.save_card:
            raise ValueError("save_card makes no sense with saved_reference: that card is saved already")
        if self.unattended and self.saved_reference is None:
            raise ValueError("unattended needs saved_reference: nobody is there to type a card")


class DeclineCode(StrEnum):
    """Why a card was declined, as far as the customer may be told.

    `GENERIC` stands for fraud, stolen, do not honour and everything else: they share one text, so that the page
    tells a card tester nothing.
    """

    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    INCORRECT_DETAILS = "incorrect_details"
    LIMIT_EXCEEDED = "limit_exceeded"
    AUTHENTICATION_FAILED = "authentication_failed"
    # An unattended charge that the card's bank wants its holder to confirm: charged with them there, it may succeed.
    AUTHENTICATION_REQUIRED = "authentication_required"
    GENERIC = "generic"


ACTIONABLE: frozenset[DeclineCode] = frozenset(DeclineCode) - {DeclineCode.GENERIC}


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Captured. `payment_id` is our reference as the gateway holds it: None if it holds none that is ours."""

    gateway_ref: str
    captured_minor: int
    captured_currency: str
    payment_id: UUID | None
    card: Card | None
    saved: SavedReference | None


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """Nothing is charged yet: the customer must act at `url`, the gateway's card page or 3-D Secure page.

    `url` is "" where they act in the gateway's form within our own page: see `card_form`.
    """

    gateway_ref: str
    url: str


@dataclass(frozen=True, slots=True)
class CardForm:
    """What a page of ours needs to show the gateway's own form: its script, and what tells it which payment or setup.

    Who holds `client_secret` can try a card on this one thing: it goes into the page of the customer whose it is, and into no
    table, log or address. `reasons` are the gateway's codes of declines in our words; a code that is not there is GENERIC.
    `script_sources`, `frame_sources` and `connect_sources` are what the policy of that one page must allow.
    """

    script_url: str
    publishable_key: str
    client_secret: str = field(repr=False)
    reasons: Mapping[str, DeclineCode]
    script_sources: tuple[str, ...]
    frame_sources: tuple[str, ...]
    connect_sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """Final: nothing was charged. `retryable` False is a hard decline: this card is not to be tried again."""

    gateway_ref: str | None
    code: DeclineCode
    retryable: bool
    card: Card | None = None

    @property
    def actionable(self) -> bool:
        """Whether the customer can be told the reason and do something about it."""
        return self.code in ACTIONABLE


@dataclass(frozen=True, slots=True)
class Canceled:
    """Final: the gateway will not charge this payment any more."""

    gateway_ref: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The gateway is still at it (processing, or the same key is running). Ask again later."""

    gateway_ref: str | None


@dataclass(frozen=True, slots=True)
class NotFound:
    """A look-up found nothing. Not proof that nothing was charged, see above."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No readable answer: timeout, reset, 5xx, nonsense. The money may have moved. `reason` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Busy:
    """The gateway asks for patience (429), nothing was done: the same request, same key, after these seconds."""

    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway refused this request itself and did nothing with it: a mistake of ours, `reason` is for the log.

    Only `charge` answers so. It says nothing of an earlier request with the same key: after an Unknown, a Refused
    re-send is no proof that nothing was charged.
    """

    reason: str


Outcome: TypeAlias = (
    Succeeded | ActionRequired | Declined | Canceled | Pending | NotFound | Unknown | Busy | Refused
)


@dataclass(frozen=True, slots=True)
class CardSetup:
    """A card to be kept without charging it. The customer types it on the gateway's page and authenticates there.

    `setup_id` is our reference at the gateway; the other fields are as in `Charge`.
    """

    setup_id: UUID
    account_id: UUID
    currency: str
    idempotency_key: str
    return_url: str
    customer_language: str
    in_our_page: bool = False


@dataclass(frozen=True, slots=True)
class CardKept:
    """The card is kept. `setup_id` is our reference as the gateway holds it: None if it holds none that is ours."""

    gateway_ref: str
    setup_id: UUID | None
    saved: SavedReference


SetupOutcome: TypeAlias = (
    CardKept | ActionRequired | Declined | Canceled | Pending | NotFound | Unknown | Busy | Refused
)


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Give back `amount_minor` of the payment that the gateway calls `gateway_ref`; once, by its key."""

    refund_id: UUID
    gateway_ref: str
    amount_minor: int
    currency: str
    idempotency_key: str

    def __post_init__(self) -> None:
        """Refuse what no gateway should ever be asked; raises ValueError naming the field."""
        if self.amount_minor <= 0:
            raise ValueError(f"amount_minor must be above zero, not {self.amount_minor}")
        if not self.idempotency_key:
            raise ValueError("idempotency_key must not be empty")


@dataclass(frozen=True, slots=True)
class Refunded:
    """The gateway gave the money back. A bank may still refuse it days later: it is then a RefundFailed."""

    part_ref: str


@dataclass(frozen=True, slots=True)
class RefundPending:
    """The gateway took the order and has not finished it."""

    part_ref: str


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """Final: the money stayed with, or came back to, the operator. `reason` is for the log."""

    part_ref: str
    reason: str


RefundOutcome: TypeAlias = (
    Refunded | RefundPending | RefundFailed | NotFound | Pending | Unknown | Busy | Refused
)


class DisputeState(StrEnum):
    """Where a dispute stands. The money is taken from the operator when it opens."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge that the cardholder has their bank take back: `amount_minor` of the payment `gateway_ref`."""

    part_ref: str
    gateway_ref: str
    amount_minor: int
    currency: str
    state: DisputeState


class MovementKind(StrEnum):
    """What a line of the gateway's own list records."""

    CHARGE = "charge"
    DECLINE = "decline"
    CANCEL = "cancel"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    OTHER = "other"  # a kind that this version does not know; never dropped


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the gateway's own list. `payment_id` is our reference, None where the gateway holds none of ours.

    `part_ref` is the gateway's id of the refund or dispute, "" for the payment as a whole.
    """

    cursor: str
    kind: MovementKind
    gateway_ref: str
    payment_id: UUID | None
    amount_minor: int
    currency: str
    at: datetime
    part_ref: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines in the gateway's order. `next_cursor` continues after the last; `more` says that lines are left."""

    movements: tuple[Movement, ...]
    next_cursor: str
    more: bool


class Subject(StrEnum):
    """What a letter is about: what has to be fetched."""

    PAYMENT = "payment"
    SETUP = "setup"
    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A letter whose signature holds. It names a payment to fetch, and is itself no proof of its state.

    `signed_at` is the gateway's own clock when it signed. `part_ref` is the gateway's id of the refund or dispute that
    it is about, "" for the payment as a whole. About a card setup, `gateway_ref` is the setup's and `payment_id` its id.
    """

    event_id: str
    kind: str
    gateway_ref: str
    payment_id: UUID | None
    signed_at: datetime
    subject: Subject = Subject.PAYMENT
    part_ref: str = ""
    # What may be kept of a letter that bears a secret itself; None: all of it.
    without_secret: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse names that no table of ours can keep; raises ValueError naming the field."""
        for name, limit in (("event_id", 200), ("kind", 60), ("gateway_ref", 200), ("part_ref", 200)):
            text: str = getattr(self, name)
            if len(text) > limit or "\0" in text:
                raise ValueError(f"{name} is too long or has a NUL: {text[:60]!r}")
        if not self.event_id:
            raise ValueError("event_id is empty: every letter would be the same one")


class ForgedWebhook(RaseedError):
    """The letter is not from the gateway, or was changed on its way. Store nothing; answer 400."""

    code = "forged_webhook"
    status = 400
    message = _("The signature of this message is not valid.")


class WebhookOutOfTime(ForgedWebhook):
    """Signed with the right secret, too long ago or in the future: an old letter shown again, or a clock is wrong."""

    code = "webhook_out_of_time"


class UnreadableWebhook(ForgedWebhook):
    """Signed with the right secret, and not a letter that we can read: the gateway speaks otherwise than we know."""

    code = "unreadable_webhook"


class GatewayUnavailable(RaseedError):
    """The gateway gave no usable answer to a verb that moves no money: safe to ask again later."""

    code = "gateway_unavailable"
    status = 503
    message = _("The card service does not answer at the moment. Please try again in a few minutes.")


class GatewayBusy(GatewayUnavailable):
    """It asks for patience (429), or we do: not a sign that it is down."""

    code = "gateway_busy"


class GivesBack(Protocol):
    """Money that leaves again: refunds, and disputes that the cardholder's bank opens."""

    def refund(self, order: RefundOrder) -> RefundOutcome:
        """Ask for a refund once, with the order's key. As with `charge`, Unknown is asked about, never repeated blindly."""

    def fetch_refund(self, part_ref: str) -> RefundOutcome:
        """The refund's state now, by the gateway's id."""

    def find_refund(self, gateway_ref: str, refund_id: UUID) -> RefundOutcome:
        """The state now of the refund of payment `gateway_ref` that bears our id: the answer after a silence."""

    def disputes_of(self, gateway_ref: str) -> tuple[Dispute, ...]:
        """All disputes of a payment as they stand now. Raises GatewayUnavailable."""


class Gateway(GivesBack, Protocol):
    """One card gateway. No verb raises for what a gateway may answer; each may take up to its time limit."""

    @property
    def name(self) -> str:
        """The key under which references of this gateway are unique."""

    def charge(self, charge: Charge) -> Outcome:
        """Ask for money once, with the charge's key. Never NotFound."""

    def fetch(self, gateway_ref: str) -> Outcome:
        """The payment's state now, by the gateway's reference."""

    def find_by_reference(self, payment_id: UUID) -> Outcome:
        """The payment's state now, by ours. Also the answer after the key horizon, when re-sending is forbidden."""

    def cancel(self, gateway_ref: str) -> Outcome:
        """Ask that it be never charged; the answer is the true state, `Succeeded` if the charge came first."""

    @property
    def keeps_cards(self) -> bool:
        """Whether it can keep a card without a charge. Where not, cards are saved with a payment only."""

    def set_up_card(self, setup: CardSetup) -> SetupOutcome:
        """Open the gateway's own page on which the customer types a card to be kept; usually ActionRequired."""

    def fetch_setup(self, gateway_ref: str) -> SetupOutcome:
        """The setup's state now, by the gateway's reference."""

    def card_form(self, gateway_ref: str) -> CardForm | None:
        """The gateway's own form for a payment or setup that was made to be acted on within our page.

        None if there is no such form, or nothing to type any more. Raises GatewayUnavailable.
        """

    def forget_card(self, reference: str) -> None:
        """Have the gateway delete a saved card; a card it does not know is forgotten already.

        Raises GatewayUnavailable.
        """

    def list_since(self, cursor: str, limit: int) -> Page:
        """Everything the gateway did after `cursor` ("" is the beginning), oldest first, at most `limit` lines.

        Raises GatewayUnavailable.
        """

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str], now: datetime) -> WebhookEvent:
        """Verify the signature over the raw bytes and its age against `now` (UTC), then read which payment it names.

        Raises ForgedWebhook.
        """
