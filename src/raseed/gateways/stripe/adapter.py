"""The port over Stripe.

What is asked of Stripe: a card that the customer types is a Checkout Session on Stripe's own page; a saved card is a
PaymentIntent, confirmed as it is made. The reference of a payment is the id of the one that `charge` made, `cs_…` or
`pi_…`, for ever. Where the operator chose the Payment Element, a typed card too is a PaymentIntent (a SetupIntent, `seti_…`, to
keep one), which the customer confirms in Stripe's form within our page. A session makes its own PaymentIntent once the customer acts; that one's id (in webhooks, disputes and
the list) is followed back to the session, so that a payment never has two names.

Stripe keeps idempotency keys for at least 24 hours; 23 are relied on. Proof that nothing was charged is the answer to
the same key again, or the list of balance transactions; never an empty look-up, and never the search, which lags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar
from uuid import UUID

from raseed.gateways.port import (
    Busy,
    CardForm,
    CardSetup,
    Charge,
    Dispute,
    GatewayBusy,
    GatewayUnavailable,
    NotFound,
    Outcome,
    Page,
    Pending,
    RefundOrder,
    RefundOutcome,
    Refused,
    SetupOutcome,
    Unknown,
    WebhookEvent,
)
from raseed.gateways.stripe import orders
from raseed.gateways.stripe.answers import (
    CHECKOUT,
    PAYMENT_ID,
    REFUND_ID,
    TO_BE_TYPED,
    VIA,
    declined,
    dispute_of,
    intent_outcome,
    is_typed_in_our_page,
    movement,
    refund_outcome,
    session_outcome,
    setup_intent_outcome,
    setup_outcome,
    text,
)
from raseed.gateways.stripe.declines import CODES
from raseed.gateways.stripe.letters import read_letter
from raseed.gateways.stripe.line import Answer, Fault, Line

NAME: Final = "stripe"
# The release of Stripe's script that belongs to the version of its API in `line`.
SCRIPT: Final = "endive/stripe.js"
WEBHOOK_TOLERANCE_S: Final = 300.0
_PAGE_MAX: Final = 100
# Back to the beginning of the list, once in an installation's life; past payouts, at most a few times a walk.
_PAGES_TO_THE_BEGINNING: Final = 200
_PAGES_WITHOUT_A_PAYMENT: Final = 20
# A payment is asked for seconds after its id was made, minutes at worst; clocks differ.
_SOUGHT_BEFORE_S: Final = 300
_SOUGHT_AFTER_S: Final = 900
_SOUGHT_PAGES: Final = 10
_BAD_REQUEST: Final = 400
_CARD_DECLINED: Final = 402
_KEY_IN_USE: Final = 409
_NOT_FOUND: Final = 404

Read = TypeVar("Read")
Silence: TypeAlias = Unknown | Busy


class KeepsCustomers(Protocol):
    """Which customer of Stripe an account is."""

    def of(self, account_id: UUID) -> str | None:
        """The reference that is kept, None if there is none."""

    def keep(self, account_id: UUID, reference: str) -> str:
        """Keep a reference; the one that is kept."""


class StripeGateway:
    """Safe to use from many threads. Times are in seconds.

    `webhook_secrets` holds the one in use and, while it is being changed, the one before. `api_base` is for tests: "" is
    Stripe itself. With `publishable_key` there are card forms within our page, whose script comes from `js_origin`. `may_leave` is asked before each request; where it says no, nothing is sent and the answer is Busy.
    """

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secrets: Sequence[str],
        customers: KeepsCustomers,
        timeout_s: float,
        api_base: str = "",
        publishable_key: str = "",
        js_origin: str = "https://js.stripe.com",
        webhook_tolerance_s: float = WEBHOOK_TOLERANCE_S,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> None:
        """Raises ValueError for an empty secret: with one, everybody could sign."""
        if not secret_key.strip():
            raise ValueError("STRIPE_SECRET_KEY is empty")
        if not webhook_secrets or not all(secret.strip() for secret in webhook_secrets):
            raise ValueError("STRIPE_WEBHOOK_SECRET is empty")
        self._webhook_secrets = tuple(secret.encode() for secret in webhook_secrets)
        self._webhook_tolerance_s = webhook_tolerance_s
        self._customers = customers
        self._publishable_key, self._js_origin = publishable_key, js_origin
        self._api_origin = api_base or "https://api.stripe.com"
        self._line = Line(secret_key=secret_key, api_base=api_base, timeout_s=timeout_s, may_leave=may_leave)

    @property
    def name(self) -> str:
        """The key under which references of this gateway are unique."""
        return NAME

    @property
    def keeps_cards(self) -> bool:
        """Whether it can keep a card without a charge: it can."""
        return True

    def close(self) -> None:
        """Close the client's connections."""
        self._line.close()

    # -- charges

    def charge(self, charge: Charge) -> Outcome:
        """Ask for money once, with the charge's key. A timeout here is the one that must be asked about."""
        customer = self._customer(charge.account_id)
        if not isinstance(customer, str):
            return customer
        options: Any = {"idempotency_key": charge.idempotency_key}
        if charge.saved_reference is None and not charge.in_our_page:
            session = orders.payment_session(charge, customer)
            answer = self._line.ask(lambda client: client.v1.checkout.sessions.create(session, options))
            return _charged(answer, session_outcome)
        of_card = orders.typed_card_intent if charge.saved_reference is None else orders.saved_card_intent
        intent = of_card(charge, customer)
        answer = self._line.ask(lambda client: client.v1.payment_intents.create(intent, options))
        return _charged(answer, _own_intent)

    def fetch(self, gateway_ref: str) -> Outcome:
        """The payment's state now, by the reference of the session or of the intent; the answer bears the payment's own."""
        if _is_id(gateway_ref, "cs"):
            return _looked_up(self._session(gateway_ref), session_outcome)
        if _is_id(gateway_ref, "pi"):
            return self._fetch_intent(gateway_ref)
        return NotFound()

    def find_by_reference(self, payment_id: UUID) -> Outcome:
        """The payment's state now, by our id in the metadata.

        Read are the sessions and the intents of the minutes after our id was made (it is a UUIDv7), and then what Stripe's
        search knows, which lags by a minute or more. So it finds what was charged, in time; that it finds nothing proves
        nothing.
        """
        for road in (self._seek_session, self._seek_intent, self._search_intent):
            found = road(payment_id)
            if not isinstance(found, NotFound):
                return found
        return NotFound()

    def cancel(self, gateway_ref: str) -> Outcome:
        """Expire the session or cancel the intent; the answer is what is so afterwards, whoever was first."""
        if _is_id(gateway_ref, "cs"):
            answer = self._line.ask(lambda client: client.v1.checkout.sessions.expire(gateway_ref))
        elif _is_id(gateway_ref, "pi"):
            answer = self._line.ask(lambda client: client.v1.payment_intents.cancel(gateway_ref))
        else:
            return NotFound()
        # An answer of either kind may be older than what the customer does meanwhile: only a look says what is so.
        return answer if isinstance(answer, Unknown | Busy) else self.fetch(gateway_ref)

    # -- cards

    def forget_card(self, reference: str) -> None:
        """Detach a saved card from its customer; raises GatewayUnavailable."""
        if not _is_id(reference, "pm"):
            return
        answer = self._line.ask(lambda client: client.v1.payment_methods.detach(reference))
        if isinstance(answer, Fault) and answer.status == _NOT_FOUND:
            return
        if isinstance(answer, Fault) and answer.status == _BAD_REQUEST:
            # It may be detached already, which Stripe calls a mistake of ours: a look tells.
            answer = self._line.ask(lambda client: client.v1.payment_methods.retrieve(reference))
        if _answered(answer).get("customer"):
            raise GatewayUnavailable(f"{reference} is not detached")

    def set_up_card(self, setup: CardSetup) -> SetupOutcome:
        """Open Stripe's page for a card to be kept without a charge."""
        customer = self._customer(setup.account_id)
        if not isinstance(customer, str):
            return customer
        options: Any = {"idempotency_key": setup.idempotency_key}
        if setup.in_our_page:
            intent = orders.typed_card_setup(setup, customer)
            made = self._line.ask(lambda client: client.v1.setup_intents.create(intent, options))
            return _ordered(made, setup_intent_outcome)
        session = orders.setup_session(setup, customer)
        answer = self._line.ask(lambda client: client.v1.checkout.sessions.create(session, options))
        return _ordered(answer, setup_outcome)

    def fetch_setup(self, gateway_ref: str) -> SetupOutcome:
        """The setup's state now, by the reference of its session, or of the SetupIntent that the session made."""
        if _is_id(gateway_ref, "seti"):
            return self._fetch_setup_intent(gateway_ref)
        if not _is_id(gateway_ref, "cs"):
            return NotFound()
        return _looked_up(self._setup_session(gateway_ref), setup_outcome)

    def card_form(self, gateway_ref: str) -> CardForm | None:
        """The Payment Element of an intent that was made for it; its client secret is asked for each time and kept nowhere."""
        if not self._publishable_key:
            return None
        if _is_id(gateway_ref, "pi"):
            answer = self._line.ask(lambda client: client.v1.payment_intents.retrieve(gateway_ref))
        elif _is_id(gateway_ref, "seti"):
            answer = self._line.ask(lambda client: client.v1.setup_intents.retrieve(gateway_ref))
        else:
            return None
        intent = _answered(answer)
        if not is_typed_in_our_page(intent) or intent.get("status") not in TO_BE_TYPED:
            return None
        # Sources as Stripe's guide to a content security policy names them; its subdomains where it is Stripe itself.
        scripts = tuple(
            dict.fromkeys((self._js_origin, self._js_origin.replace("https://js.", "https://*.js.")))
        )
        return CardForm(
            script_url=f"{self._js_origin}/{SCRIPT}",
            publishable_key=self._publishable_key,
            client_secret=text(intent["client_secret"]),
            reasons=CODES,
            script_sources=scripts,
            frame_sources=(*scripts, "https://hooks.stripe.com"),
            connect_sources=(self._api_origin,),
        )

    # -- money that leaves again

    def refund(self, order: RefundOrder) -> RefundOutcome:
        """Ask for a refund once, with the order's key; more than is left of the charge is Refused."""
        intent = self._intent_of(order.gateway_ref)
        if isinstance(intent, Fault):
            return NotFound() if intent.status == _NOT_FOUND else Refused(intent.told)
        if not isinstance(intent, dict):
            return intent
        params = orders.refund(order, intent)
        options: Any = {"idempotency_key": order.idempotency_key}
        answer = self._line.ask(lambda client: client.v1.refunds.create(params, options))
        return _ordered(answer, refund_outcome)

    def fetch_refund(self, part_ref: str) -> RefundOutcome:
        """The refund's state now, by Stripe's id."""
        if not _is_id(part_ref, "(?:re|pyr)"):
            return NotFound()
        return _looked_up(self._line.ask(lambda client: client.v1.refunds.retrieve(part_ref)), refund_outcome)

    def find_refund(self, gateway_ref: str, refund_id: UUID) -> RefundOutcome:
        """The state now of the refund of this payment that bears our id, among its latest hundred."""
        intent = self._intent_of(gateway_ref)
        if not isinstance(intent, dict):
            return _looked_up(intent, lambda _: NotFound())
        params: Any = {"payment_intent": intent["id"], "limit": _PAGE_MAX}
        answer = self._line.ask(lambda client: client.v1.refunds.list(params))
        return _looked_up(answer, lambda told: _of_ours(told, REFUND_ID, refund_id, refund_outcome))

    def disputes_of(self, gateway_ref: str) -> tuple[Dispute, ...]:
        """All disputes of a payment as they stand now; what a bank only asks about is none. Raises GatewayUnavailable."""
        intent = _answered(self._intent_of(gateway_ref))
        params: Any = {"payment_intent": intent["id"], "limit": _PAGE_MAX}
        told = _answered(self._line.ask(lambda client: client.v1.disputes.list(params)))
        try:
            found = [dispute_of(one, gateway_ref) for one in told["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise GatewayUnavailable(f"a dispute that cannot be read: {error!r}") from error
        return tuple(one for one in found if one is not None)

    # -- the list

    def list_since(self, cursor: str, limit: int) -> Page:
        """The balance transactions after `cursor`, oldest first; raises GatewayUnavailable.

        They are what Stripe itself books: complete, never changed, newest first (read backwards here), each with an id of its
        own. A card's charge is there as it is captured; Stripe promises no moment, and the walk reads the last quarter of an
        hour again. Declines and cancellations move no money and are not in it, nor are payouts and Stripe's own fees given
        on. The account must be Raseed's alone: a charge that is not ours is told as one that nobody knows.
        """
        size = min(limit, _PAGE_MAX)
        for _ in range(_PAGES_WITHOUT_A_PAYMENT):
            lines, more = self._lines_after(cursor, size)
            try:
                found = tuple(one for one in map(movement, lines) if one is not None)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise GatewayUnavailable(f"the list cannot be read: {error!r}") from error
            if found or not more:
                # The cursor is always a line that was given on: the walk looks its own copy up by it.
                return Page(found, next_cursor=found[-1].cursor if found else cursor, more=more)
            cursor = text(lines[-1]["id"])
        raise GatewayUnavailable(f"{_PAGES_WITHOUT_A_PAYMENT} pages of the list without a payment")

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str], now: datetime) -> WebhookEvent:
        """Verify the signature over the raw bytes, then its age, then read; raises ForgedWebhook."""
        return read_letter(raw, headers, now, self._webhook_secrets, self._webhook_tolerance_s)

    # -- how it is done

    def _customer(self, account_id: UUID) -> str | Silence | Refused | Pending:
        """Stripe's customer of the account, made at its first payment. Two that make it at once make one: they share a key."""
        known = self._customers.of(account_id)
        if known is not None:
            return known
        params: Any = {"metadata": {"account_id": str(account_id)}}
        options: Any = {"idempotency_key": f"customer:{account_id}"}
        answer = self._line.ask(lambda client: client.v1.customers.create(params, options))
        if isinstance(answer, Fault):
            return Pending(None) if answer.status == _KEY_IN_USE else Refused(answer.told)
        if not isinstance(answer, dict):
            return answer
        return self._customers.keep(account_id, str(answer["id"]))

    def _session(self, ref: str) -> Answer:
        params: Any = {"expand": ["payment_intent.latest_charge", "payment_intent.payment_method"]}
        return self._line.ask(lambda client: client.v1.checkout.sessions.retrieve(ref, params))

    def _setup_session(self, ref: str) -> Answer:
        params: Any = {"expand": ["setup_intent.payment_method"]}
        return self._line.ask(lambda client: client.v1.checkout.sessions.retrieve(ref, params))

    def _intent(self, ref: str) -> Answer:
        params: Any = {"expand": ["latest_charge", "payment_method"]}
        return self._line.ask(lambda client: client.v1.payment_intents.retrieve(ref, params))

    def _fetch_intent(self, ref: str) -> Outcome:
        intent = self._intent(ref)
        if not isinstance(intent, dict) or (intent.get("metadata") or {}).get(VIA) != CHECKOUT:
            return _looked_up(intent, lambda told: intent_outcome(told, ref))
        params: Any = {"payment_intent": ref, "limit": 1}
        sessions = self._line.ask(lambda client: client.v1.checkout.sessions.list(params))
        if not isinstance(sessions, dict):
            return _looked_up(sessions, lambda _: Unknown("never read"))
        if not sessions["data"]:
            return Unknown(f"{ref} is of a session that Stripe does not find")
        return _looked_up(sessions["data"][0] | {"payment_intent": intent}, session_outcome)

    def _intent_of(self, gateway_ref: str) -> Answer:
        """The PaymentIntent behind a payment's reference; a Fault 404 while its session has made none."""
        if _is_id(gateway_ref, "pi"):
            return self._intent(gateway_ref)
        if not _is_id(gateway_ref, "cs"):
            return Fault(_NOT_FOUND, {"message": "no reference of Stripe's"})
        session = self._session(gateway_ref)
        if not isinstance(session, dict):
            return session
        intent = session.get("payment_intent")
        return intent if isinstance(intent, dict) else Fault(_NOT_FOUND, {"message": "nothing was charged"})

    def _fetch_setup_intent(self, ref: str) -> SetupOutcome:
        params: Any = {"expand": ["payment_method"]}
        intent = self._line.ask(lambda client: client.v1.setup_intents.retrieve(ref, params))
        if not isinstance(intent, dict) or is_typed_in_our_page(intent):
            return _looked_up(intent, setup_intent_outcome)
        return _looked_up(self._session_of_setup(ref, intent), setup_outcome)

    def _session_of_setup(self, ref: str, intent: Mapping[str, Any]) -> Answer:
        """The session that made a SetupIntent, among the customer's latest hundred: Stripe has no filter for it."""
        if not intent.get("customer"):
            return Fault(_NOT_FOUND, {"message": "a setup for nobody"})
        params: Any = {"customer": intent["customer"], "limit": _PAGE_MAX}
        sessions = self._line.ask(lambda client: client.v1.checkout.sessions.list(params))
        if not isinstance(sessions, dict):
            return sessions
        made = next((one for one in sessions["data"] if one["setup_intent"] == ref), None)
        if made is None:
            return Fault(_NOT_FOUND, {"message": "a setup without a session"})
        return self._setup_session(made["id"])

    def _seek_session(self, payment_id: UUID) -> Outcome:
        expand = ["data.payment_intent.latest_charge", "data.payment_intent.payment_method"]
        return self._seek(
            payment_id,
            session_outcome,
            expand,
            lambda params, client: client.v1.checkout.sessions.list(params),
        )

    def _seek_intent(self, payment_id: UUID) -> Outcome:
        expand = ["data.latest_charge", "data.payment_method"]
        return self._seek(
            payment_id,
            _own_intent,
            expand,
            lambda params, client: client.v1.payment_intents.list(params),
        )

    def _seek(
        self,
        payment_id: UUID,
        read: Callable[[Mapping[str, Any]], Outcome],
        expand: list[str],
        list_page: Callable[[Any, Any], Any],
    ) -> Outcome:
        """Look through one of Stripe's lists, newest first, in the minutes after the payment's id was made."""
        if payment_id.version != 7:
            return NotFound()
        made_s = (payment_id.int >> 80) // 1000
        created = {"gte": made_s - _SOUGHT_BEFORE_S, "lte": made_s + _SOUGHT_AFTER_S}
        params: dict[str, Any] = {"created": created, "limit": _PAGE_MAX, "expand": expand}
        for _ in range(_SOUGHT_PAGES):
            page = self._line.ask(partial(list_page, params))
            found = _looked_up(page, lambda told: _of_ours(told, PAYMENT_ID, payment_id, read))
            if not isinstance(found, NotFound) or not isinstance(page, dict) or not page["has_more"]:
                return found
            params = params | {"starting_after": page["data"][-1]["id"]}
        return Unknown(f"not among the {_SOUGHT_PAGES * _PAGE_MAX} of those minutes")

    def _search_intent(self, payment_id: UUID) -> Outcome:
        params: Any = {"query": f"metadata['{PAYMENT_ID}']:'{payment_id}'", "limit": 1}
        answer = self._line.ask(lambda client: client.v1.payment_intents.search(params))
        if isinstance(answer, Fault):
            # Not every Stripe account may search. It was a hint, no more.
            return NotFound()
        found = _looked_up(answer, _first_id)
        return found if not isinstance(found, str) else self._fetch_intent(found)

    def _lines_after(self, cursor: str, size: int) -> tuple[list[dict[str, Any]], bool]:
        """At most `size` lines after the cursor, oldest first, and whether more follow them."""
        params: dict[str, Any] = {"limit": size, "expand": ["data.source", "data.source.charge"]}
        if cursor:
            told = self._list_page(params | {"ending_before": cursor})
            return told["data"][::-1], bool(told["has_more"])
        told = self._list_page(params)
        is_latest = True
        for _ in range(_PAGES_TO_THE_BEGINNING):
            if not told["has_more"]:
                return told["data"][::-1], not is_latest
            told, is_latest = self._list_page(params | {"starting_after": told["data"][-1]["id"]}), False
        raise GatewayUnavailable(
            "the list is too long to be read from its beginning; give Raseed an account of its own"
        )

    def _list_page(self, params: Any) -> dict[str, Any]:
        told = _answered(self._line.ask(lambda client: client.v1.balance_transactions.list(params)))
        if not isinstance(told.get("data"), list) or "has_more" not in told:
            raise GatewayUnavailable("the list cannot be read")
        return told


def _is_id(ref: str, kind: str) -> bool:
    return re.fullmatch(rf"{kind}_[A-Za-z0-9_]{{1,190}}", ref) is not None


def _charged(answer: Answer, read: Callable[[Mapping[str, Any]], Outcome]) -> Outcome:
    """The outcome of an order to charge a card; Stripe says 402 for a card that was declined."""
    if not isinstance(answer, Fault) or answer.status != _CARD_DECLINED:
        return _ordered(answer, read)
    intent = answer.error.get("payment_intent") or {}
    return declined(answer.error, intent.get("id"))


def _ordered(answer: Answer, read: Callable[[Mapping[str, Any]], Read]) -> Read | Silence | Pending | Refused:
    """The outcome of an order with an idempotency key: a charge, a setup, a refund."""
    if not isinstance(answer, Fault):
        return _readable(answer, read)
    if answer.status == _KEY_IN_USE:
        return Pending(None)
    if answer.error.get("type") == "idempotency_error":
        # The key was used for something else, which may have been charged.
        return Unknown(answer.told)
    return Refused(answer.told)


def _looked_up(answer: Answer, read: Callable[[Mapping[str, Any]], Read]) -> Read | Silence | NotFound:
    """The outcome of a look-up; a refusal says nothing of the money, but that there is no such thing."""
    if not isinstance(answer, Fault):
        return _readable(answer, read)
    return NotFound() if answer.status == _NOT_FOUND else Unknown(answer.told)


def _readable(answer: dict[str, Any] | Silence, read: Callable[[Mapping[str, Any]], Read]) -> Read | Silence:
    if not isinstance(answer, dict):
        return answer
    try:
        return read(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Unknown(f"an answer that cannot be read: {error!r}"[:300])


def _of_ours(
    told: Mapping[str, Any], name: str, ours: UUID, read: Callable[[Mapping[str, Any]], Read]
) -> Read | NotFound:
    """Of a page, the thing that bears our id."""
    mine = [one for one in told["data"] if (one.get("metadata") or {}).get(name) == str(ours)]
    return read(mine[0]) if mine else NotFound()


def _own_intent(intent: Mapping[str, Any]) -> Outcome:
    """An intent of a saved card, whose id is the payment's reference."""
    return intent_outcome(intent, text(intent["id"]))


def _first_id(told: Mapping[str, Any]) -> str | NotFound:
    return text(told["data"][0]["id"]) if told["data"] else NotFound()


def _answered(answer: Answer) -> dict[str, Any]:
    """The answer to a verb that moves no money; raises GatewayUnavailable for none, GatewayBusy for "later"."""
    if isinstance(answer, Busy):
        raise GatewayBusy("asked too often")
    if isinstance(answer, Unknown):
        raise GatewayUnavailable(answer.reason)
    if isinstance(answer, Fault):
        raise GatewayUnavailable(answer.told)
    return answer
