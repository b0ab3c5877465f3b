"""What the templates are given: plain frozen records, filled by the views.

A template reads these and nothing else, so that a page shows the same thing to whoever builds it. Nothing here may
read the database, decide what somebody may do, or compute an amount.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.functional import Promise

from raseed.accounts.details import FieldChange
from raseed.money import Money

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Link:
    """A place to go: one entry of a menu, a crumb, a tab."""

    label: Text
    url: str
    icon: str = ""
    current: bool = False
    children: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Banner:
    """A sentence over the page that stays until its cause is gone. ``tone`` is danger, warning or info."""

    tone: str
    text: Text
    action: Link | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page. ``person`` is empty for somebody who is not signed in."""

    theme: str = "auto"
    person: str = ""
    email: str = ""
    organization: str = ""
    menu: tuple[Link, ...] = ()
    crumbs: tuple[Link, ...] = ()
    tabs: tuple[Link, ...] = ()
    person_menu: tuple[Link, ...] = ()
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the balance's equation; ``sign`` is + or the real minus sign, and the amount has none."""

    label: Text
    sign: str
    amount: Money
    note: Text = ""


@dataclass(frozen=True, slots=True)
class SuspensionLine:
    """Why and since when the service is stopped. ``reason`` is balance, staff or dispute."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class BalancePage:
    """Balance Details. ``smallest_payment`` is set while a suspension for the balance can be paid away."""

    available: Money
    terms: tuple[Term, ...]
    as_of: datetime
    suspensions: tuple[SuspensionLine, ...] = ()
    smallest_payment: Money | None = None
    support_contact: str = ""
    may_pay: bool = False
    payments_open: tuple[PaymentStatus, ...] = ()
    recent: tuple[PaymentRow, ...] = ()

    @property
    def refresh_s(self) -> int:
        """Seconds until a browser without script loads the page again; 0 when no payment is followed."""
        return min((one.refresh_s for one in self.payments_open if one.refresh_s), default=0)


@dataclass(frozen=True, slots=True)
class CardLine:
    """A saved card as it may be shown: never more than brand, last four and expiry."""

    id: UUID
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Puzzle:
    """The sum that the page's script does before a new card is tried: see payments.cards.puzzle."""

    seed: str
    bits: int


@dataclass(frozen=True, slots=True)
class CardExpiry:
    """A saved card that expires within 30 days, or has. ``days_left`` is below zero when it has."""

    name: str
    month: str
    days_left: int


@dataclass(frozen=True, slots=True)
class SavedCardLine:
    """A saved card in the list. ``why_not`` says why recharge cannot charge it by itself; empty where it can.

    A card of a gateway that is not in use is no default and cannot become it.
    """

    id: UUID
    name: str
    month: str
    is_default: bool
    may_be_default: bool
    is_expired: bool
    expires_soon: bool
    why_not: Text
    may_go_up: bool
    may_go_down: bool


@dataclass(frozen=True, slots=True)
class SetupStatus:
    """A card that is being added, as the person who adds it sees it. ``state`` is one of cards.models.SetupState."""

    id: UUID
    state: str
    card: str
    reason: Text
    action_url: str

    @property
    def is_followed(self) -> bool:
        """Whether the page looks again."""
        return self.state in {"created", "submitted", "action_required"}


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request to staff: ``state`` is open, approved or refused; ``answer`` why it was refused."""

    state: str
    asked_at: datetime
    answered_at: datetime | None
    changes: tuple[FieldChange, ...]
    why: str
    answer: str


@dataclass(frozen=True, slots=True)
class DetailsPage:
    """Billing Details."""

    billing_name: str
    address: str
    country: str
    cards: tuple[SavedCardLine, ...]
    setups: tuple[SetupStatus, ...]
    expiring: tuple[CardExpiry, ...]
    request: RequestLine | None = None

    @property
    def refresh_s(self) -> int:
        """Seconds until a browser without script loads the page again; 0 when nothing is followed."""
        return 4 if any(one.is_followed for one in self.setups) else 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a payment would do. ``tax`` and ``tax_rate`` (text, "15 %") only where tax falls on the top-up."""

    added: Money
    charged: Money
    tax: Money | None = None
    tax_rate: str = ""


@dataclass(frozen=True, slots=True)
class InProgress:
    """A payment of this account that is not final while another one is asked for. ``age_s`` in seconds."""

    id: UUID
    credit: Money
    age_s: int


@dataclass(frozen=True, slots=True)
class PayPage:
    """The Pay Now form as it is drawn. ``client_key`` is minted at the first drawing and kept when drawn again.

    ``amount_text`` is what the person typed, unread. ``method`` is a saved card's id or "new". ``errors`` maps a field
    (amount, method, or "form" for the whole) to its sentence. ``confirm`` is the payment to be confirmed beside;
    ``unavailable`` says why nothing can be paid now, and takes the form's place.
    """

    client_key: UUID
    currency: str
    example: str
    balance: Money
    minimum: Money
    maximum: Money
    presets: tuple[Money, ...]
    cards: tuple[CardLine, ...]
    amount_text: str = ""
    method: str = "new"
    save_card: bool = False
    # A new card is typed at the gateway although its form within our page is the usual way.
    hosted: bool = False
    in_our_page: bool = False
    summary: Summary | None = None
    errors: dict[str, Text] = field(default_factory=dict)
    confirm: InProgress | None = None
    smallest_payment: Money | None = None
    unavailable: Text = ""
    puzzle: Puzzle | None = None


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """One payment, as the person who waits for it sees it.

    ``state`` is a state of payments.states. ``balance`` is the available balance now. ``reason`` is the sentence of a
    decline. ``action_url`` is the bank's page that waits for the person, ``frame_url`` the same for a frame in ours,
    where the operator wants it there. ``busy``: the gateway asked us to wait before it is asked again. ``abandoned``: canceled
    because nobody came to an end at the bank. ``case`` names a review. ``poll_s`` is the pause before the next look, 0 once
    nothing more will change; ``seen`` says what the page shows, so that an unchanged answer need not be sent again.
    """

    id: UUID
    state: str
    credit: Money
    charged: Money
    method: str
    created_at: datetime
    balance: Money
    tax: Money | None = None
    reason: Text = ""
    retry_other_card: bool = False
    action_url: str = ""
    frame_url: str = ""
    # Whether it waits for a card that is typed in a page of ours.
    card_form: bool = False
    case: str = ""
    mailed_to: tuple[str, ...] = ()
    voucher_number: str = ""
    service_restored: bool = False
    busy: bool = False
    abandoned: bool = False
    poll_s: int = 0
    seen: str = ""

    @property
    def refresh_s(self) -> int:
        """Seconds until a browser without script loads the page again: a little longer, for all is drawn anew."""
        return self.poll_s + 2 if self.poll_s else 0


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A line of the Payments tab. ``voucher_number`` is empty until the voucher is issued.

    ``taken_back`` says that staff had recorded it by mistake.
    """

    id: UUID
    at: datetime
    method: str
    amount: Money
    state: str
    voucher_number: str = ""
    mail_bounced: bool = False
    taken_back: bool = False


@dataclass(frozen=True, slots=True)
class PaymentsPage:
    """The Payments tab: the filter as typed, its errors, one page of rows and where the next one begins."""

    rows: tuple[PaymentRow, ...]
    date_from: str = ""
    date_to: str = ""
    state: str = ""
    states: tuple[tuple[str, Text], ...] = ()
    errors: dict[str, Text] = field(default_factory=dict)
    next_url: str = ""
    total: Money | None = None
    may_pay: bool = False

    @property
    def is_filtered(self) -> bool:
        """Whether an empty list may be the filter's doing."""
        return bool(self.date_from or self.date_to or self.state)


@dataclass(frozen=True, slots=True)
class AlertLine:
    """A warning that stands."""

    title: str
    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AlertCard:
    """E-mail alerts on Balance Details. ``addresses`` empty: the billing e-mails. ``grace_until`` is None while no grace runs."""

    is_on: bool
    low_balance: Money | None
    low_days: int | None
    consumption_limit: Money | None
    addresses: tuple[str, ...]
    standing: tuple[AlertLine, ...]
    grace_until: datetime | None
    may_change: bool


@dataclass(frozen=True, slots=True)
class RechargeLine:
    """A recharge considered, in words. ``payment_id`` and ``voucher_number`` where it became a payment."""

    at: datetime
    tone: str
    icon: str
    text: Text
    payment_id: UUID | None = None
    voucher_number: str = ""


@dataclass(frozen=True, slots=True)
class RechargeCard:
    """Automatic recharge on Balance Details. ``target`` is None in the fixed mode, ``fixed`` in the other.

    ``card`` names what would be charged, empty for none. ``notice`` says what an Admin must do, ``confirm`` is the payment
    that waits for them at the bank. ``version`` goes with the form that switches off.
    """

    is_on: bool
    is_paused: bool = False
    version: int = 0
    threshold: Money | None = None
    target: Money | None = None
    fixed: Money | None = None
    card: str = ""
    month_charged: Money | None = None
    month_cap: Money | None = None
    notice: Text = ""
    confirm: UUID | None = None
    lines: tuple[RechargeLine, ...] = ()
    may_change: bool = False


@dataclass(frozen=True, slots=True)
class RechargePage:
    """The form of automatic recharge: what was typed, its errors by field, and the sentence that is agreed to.

    ``now`` is the card as it stands, shown beside a form that came too late.
    """

    values: dict[str, str]
    currency: str
    now: RechargeCard
    promise: Text = ""
    problem: Text = ""
    errors: dict[str, Text] = field(default_factory=dict)
    stale: Text = ""
    changed_by: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UserRow:
    """A line of the Users page. ``state`` is one of accounts.members; ``last_sign_in`` is None for nobody yet."""

    id: UUID
    name: str
    email: str
    role: Text
    state: str
    last_sign_in: datetime | None
    is_reader: bool = False


@dataclass(frozen=True, slots=True)
class UsersPage:
    """The Users page: one page of rows, and where the next one begins."""

    rows: tuple[UserRow, ...]
    next_url: str = ""


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """What became of an invitation: ``state`` and ``reason`` as notifications.invitations says them."""

    state: str
    at: datetime | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UserPage:
    """One user, as the account's Admins see them. ``invitation`` only while it is not used."""

    row: UserRow
    added_at: datetime
    invitation: InvitationLine | None = None


@dataclass(frozen=True, slots=True)
class HomePage:
    """Home. ``balance`` for who may see Billing; else ``admins``, whom to ask."""

    account: str
    role: Text
    suspended: bool
    balance: BalancePage | None = None
    admins: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A way on from Home: where it leads and what one finds there."""

    label: Text
    url: str
    icon: str
    what: Text


@dataclass(frozen=True, slots=True)
class MailLine:
    """A mail in the demo mailbox's list."""

    key: str
    at: datetime
    sender: str
    recipients: str
    subject: str
    attachments: int = 0


@dataclass(frozen=True, slots=True)
class MailPage:
    """One mail of the demo mailbox. ``attachments`` are (index, file name, size in bytes)."""

    line: MailLine
    text: str
    has_html: bool
    attachments: tuple[tuple[int, str, int], ...] = ()
