"""What the sandbox bank keeps, row by row, as its store reads and writes it. No behaviour but what a row says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of `payments`. Amounts in minor units, times in Unix seconds; "" where a text is not known."""

    ref: str
    reference: str
    customer: str
    amount: int
    currency: str
    description: str
    return_url: str
    language: str
    save_card: bool
    unattended: bool
    idempotency_key: str
    created_at: float
    state: str
    step: str
    profile: str = ""
    brand: str = ""
    last4: str = ""
    exp_month: int = 0
    exp_year: int = 0
    fingerprint: str = ""
    card_ref: str = ""
    captured_amount: int | None = None
    captured_currency: str | None = None
    decline_code: str = ""
    hidden: bool = False
    due_at: float | None = None


@dataclass(frozen=True, slots=True)
class SavedCard:
    """A row of `cards`: a reference that its customer may be charged by."""

    ref: str
    customer: str
    profile: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Setup:
    """A row of `setups`: a card that is to be kept, and nothing charged. Times in Unix seconds."""

    ref: str
    reference: str
    customer: str
    currency: str
    return_url: str
    language: str
    created_at: float
    state: str = "requires_action"
    step: str = "card"
    profile: str = ""
    brand: str = ""
    last4: str = ""
    exp_month: int = 0
    exp_year: int = 0
    fingerprint: str = ""
    card_ref: str = ""
    decline_code: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """A row of `refunds`; `state` is pending, succeeded or failed. `reference` is the merchant's, `fails` how it will end."""

    ref: str
    payment: str
    amount: int
    currency: str
    state: str
    due_at: float
    created_at: float
    reference: str = ""
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Dispute:
    """A row of `disputes`; `state` is coming, open, won, lost or dropped, and `ends` is whether it will be won or lost."""

    ref: str
    payment: str
    amount: int
    currency: str
    state: str
    ends: str
    due_at: float | None
    created_at: float


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A line of the book. `detail` is a decline code, or the reference of a refund or dispute."""

    cursor: int
    kind: str
    payment: str
    reference: str
    amount: int
    currency: str
    detail: str
    at: float


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An idempotency key and its answer; `status` None while the first request is still running."""

    key: str
    fingerprint: str
    status: int | None
    body: str
    at: float


@dataclass(frozen=True, slots=True)
class Letter:
    """A webhook to deliver, or delivered, or given up (`next_at` None and `delivered_at` None)."""

    event_id: str
    payload: str
    attempts: int
    next_at: float | None
    delivered_at: float | None
