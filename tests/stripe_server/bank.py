"""Stripe's objects as far as the product knows them, and what happens to them. Not a line of it is the product's."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

from stripe_server.cards import CARDS, TestCard
from stripe_server.parameters import Refusal

THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# Stripe's smallest charges, in minor units; what it does not list is 50 here.
SMALLEST = {"usd": 50, "eur": 50, "sar": 200, "aed": 200, "jpy": 50, "kwd": 150, "jod": 350}
EXPANDABLE = {
    "payment_intent": "pi",
    "setup_intent": "seti",
    "latest_charge": "ch",
    "payment_method": "pm",
    "customer": "cus",
    "charge": "ch",
    "source": "",
}
LETTERS = string.ascii_letters + string.digits
Thing = dict[str, Any]


class Bank:
    """Everything in memory. `now` gives unix seconds; `tell` is called with each event."""

    def __init__(self, url: str, now: Callable[[], float], tell: Callable[[Thing], None]) -> None:
        self.url = url
        self.now = now
        self.tell = tell
        self.things: dict[str, Thing] = {}
        # Lines of the balance appear in the list this much later; the search knows an intent this much later.
        self.list_lag_s = 0.0
        self.search_lag_s = 60.0
        self._numbers: dict[str, str] = {}
        self._set_up: set[str] = set()

    # -- keeping and showing

    def make(self, prefix: str, kind: str, **fields: Any) -> Thing:
        thing = {
            "id": f"{prefix}_{''.join(secrets.choice(LETTERS) for _ in range(24))}",
            "object": kind,
            "created": int(self.now()),
            **fields,
        }
        self.things[thing["id"]] = thing
        return thing

    def get(self, prefix: str, ref: str, kind: str) -> Thing:
        thing = self.things.get(ref)
        if thing is None or not ref.startswith(f"{prefix}_"):
            raise Refusal(404, f"No such {kind}: '{ref}'", code="resource_missing", param="id")
        return thing

    def shown(self, thing: Thing, expand: list[str]) -> Thing:
        """As Stripe would answer; names that begin with _ are ours."""
        answer = {name: deepcopy(value) for name, value in thing.items() if not name.startswith("_")}
        for path in sorted(expand):
            self._expand(answer, path.split("."), path)
        return answer

    def _expand(self, node: Any, parts: list[str], path: str) -> None:
        name = parts[0]
        if name == "data" and isinstance(node.get("data"), list):
            for one in node["data"]:
                self._expand(one, parts[1:], path)
            return
        if name not in EXPANDABLE:
            raise Refusal(
                400, f"This property cannot be expanded ({path}).", code="property_cannot_be_expanded"
            )
        value = node.get(name)
        if isinstance(value, str) and value in self.things:
            node[name] = self.shown(self.things[value], [])
        if len(parts) > 1 and isinstance(node.get(name), dict):
            self._expand(node[name], parts[1:], path)

    def listed(self, kind: str, path: str, given: Thing, **filters: Any) -> Thing:
        """A page, newest first, as every list of Stripe's."""
        things = [one for one in self.things.values() if one["object"] == kind and self._is_visible(one)]
        things.reverse()
        for name, wanted in filters.items():
            things = [one for one in things if wanted is None or one[name] == wanted]
        window = given.get("created", {})
        things = [one for one in things if _is_within(one["created"], window)]
        limit = given.get("limit", 10)
        if not 1 <= limit <= 100:
            raise Refusal(400, "Limit must be between 1 and 100", param="limit")
        ids = [one["id"] for one in things]
        for name in ("starting_after", "ending_before"):
            if name in given and given[name] not in ids:
                raise Refusal(400, f"No such object: '{given[name]}'", code="resource_missing", param=name)
        if "ending_before" in given:
            newer = things[: ids.index(given["ending_before"])]
            page, more = newer[-limit:], len(newer) > limit
        else:
            older = things[ids.index(given["starting_after"]) + 1 :] if "starting_after" in given else things
            page, more = older[:limit], len(older) > limit
        answer = {
            "object": "list",
            "url": path,
            "has_more": more,
            "data": [self.shown(one, []) for one in page],
        }
        return self.shown(answer, given.get("expand", []))

    def _is_visible(self, thing: Thing) -> bool:
        return bool(self.now() >= thing.get("_listed_at", 0))

    # -- customers and cards

    def customer(self, ref: str | None) -> str | None:
        return None if ref is None else str(self.get("cus", ref, "customer")["id"])

    def method(self, number: str) -> Thing:
        if number not in CARDS:
            raise Refusal(402, "Your card number is incorrect.", type="card_error", code="incorrect_number")
        card = {
            "brand": CARDS[number].brand,
            "last4": number[-4:],
            "exp_month": 12,
            "exp_year": 2034,
            "funding": "credit",
            "country": "US",
            "fingerprint": f"fp{number[-8:]}",
            "three_d_secure_usage": {"supported": True},
        }
        made = self.make("pm", "payment_method", type="card", card=card, customer=None, metadata={})
        self._numbers[made["id"]] = number
        return made

    def card_of(self, method: str) -> TestCard:
        return CARDS[self._numbers[method]]

    def kept_method(self, ref: str, customer: str | None) -> Thing:
        method = self.get("pm", ref, "PaymentMethod")
        if method["customer"] is None or method["customer"] != customer:
            raise Refusal(
                400,
                "The provided PaymentMethod cannot be attached or does not belong to the Customer.",
                param="payment_method",
            )
        return method

    def detach(self, ref: str) -> Thing:
        method = self.get("pm", ref, "PaymentMethod")
        if method["customer"] is None:
            raise Refusal(
                400,
                "The payment method you provided is not attached to a customer so detachment is impossible.",
            )
        method["customer"] = None
        return method

    # -- intents

    def make_intent(self, given: Thing, customer: str | None, **fields: Any) -> Thing:
        check_amount(given["amount"], given["currency"])
        made = self.make(
            "pi",
            "payment_intent",
            amount=given["amount"],
            amount_capturable=0,
            amount_received=0,
            currency=given["currency"],
            customer=customer,
            payment_method=None,
            payment_method_types=["card"],
            capture_method=given.get("capture_method", "automatic_async"),
            setup_future_usage=given.get("setup_future_usage"),
            description=given.get("description"),
            metadata=given.get("metadata", {}),
            status="requires_payment_method",
            client_secret=None,
            latest_charge=None,
            last_payment_error=None,
            next_action=None,
            canceled_at=None,
            cancellation_reason=None,
            **fields,
        )
        made["client_secret"] = f"{made['id']}_secret_{secrets.token_hex(8)}"
        self.happened("payment_intent.created", made)
        return made

    def confirm(self, intent: Thing, method: Thing, *, was_kept: bool, off_session: bool) -> None:
        """Try to charge a card. Raises Refusal 402 if it is declined, as Stripe answers who confirms by the API."""
        card = self.card_of(method["id"])
        intent["payment_method"] = method["id"]
        asks = card.three_ds == "always" or (
            card.three_ds == "until_set_up" and method["id"] not in self._set_up
        )
        if asks and off_session:
            self.decline(
                intent,
                method,
                TestCard(code="authentication_required", decline_code="authentication_required"),
            )
        if asks:
            intent["status"] = "requires_action"
            intent["next_action"] = {
                "type": "redirect_to_url",
                "redirect_to_url": {
                    "url": f"{self.url}/3ds/{intent['id']}",
                    "return_url": intent.get("_return_url"),
                },
            }
            intent["_was_kept"] = was_kept
            self.happened("payment_intent.requires_action", intent)
            return
        self.take(intent, method, was_kept=was_kept)

    def take(self, intent: Thing, method: Thing, *, was_kept: bool) -> None:
        card = self.card_of(method["id"])
        if card.code and (was_kept or not card.saved_only):
            self.decline(intent, method, card)
        charge = self._charge(intent, method, "succeeded")
        intent |= {"status": "succeeded", "amount_received": intent["amount"], "next_action": None}
        intent["last_payment_error"] = None
        if intent["setup_future_usage"] and intent["customer"]:
            method["customer"] = intent["customer"]
            self._set_up.add(method["id"])
        charge["balance_transaction"] = self.book("charge", charge, intent["amount"])["id"]
        self.happened("charge.succeeded", charge)
        self.happened("payment_intent.succeeded", intent)
        if card.dispute:
            self._dispute(charge, card.dispute)

    def decline(self, intent: Thing, method: Thing, card: TestCard) -> None:
        """Never returns: raises the Refusal that the confirmer hears."""
        charge = self._charge(intent, method, "failed")
        error = {
            "type": "card_error",
            "code": card.code,
            "decline_code": card.decline_code,
            "advice_code": card.advice_code,
            "charge": charge["id"],
            "payment_method": self.shown(method, []),
            "message": "Your card was declined.",
        }
        error = {name: value for name, value in error.items() if value is not None}
        intent |= {"status": "requires_payment_method", "next_action": None, "payment_method": None}
        intent["last_payment_error"] = error
        self.happened("charge.failed", charge)
        self.happened("payment_intent.payment_failed", intent)
        raise Refusal(402, **(error | {"payment_intent": self.shown(intent, [])}))

    def fail_authentication(self, intent: Thing) -> None:
        intent |= {"status": "requires_payment_method", "next_action": None}
        intent["last_payment_error"] = {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "message": "The provided PaymentMethod has failed authentication.",
            "payment_method": self.shown(self.things[intent["payment_method"]], []),
        }
        intent["payment_method"] = None
        self.happened("payment_intent.payment_failed", intent)

    def cancel(self, intent: Thing) -> None:
        if intent.get("_session"):
            raise Refusal(
                400, "You cannot cancel the PaymentIntent of a Checkout Session. Expire the session."
            )
        if intent["status"] in {"succeeded", "canceled"}:
            raise Refusal(
                400,
                f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
                code="payment_intent_unexpected_state",
                payment_intent=self.shown(intent, []),
            )
        intent |= {"status": "canceled", "canceled_at": int(self.now()), "next_action": None}
        self.happened("payment_intent.canceled", intent)

    def _charge(self, intent: Thing, method: Thing, status: str) -> Thing:
        succeeded = status == "succeeded"
        card = {name: value for name, value in method["card"].items() if name != "three_d_secure_usage"}
        charge = self.make(
            "ch",
            "charge",
            amount=intent["amount"],
            amount_captured=intent["amount"] if succeeded else 0,
            amount_refunded=0,
            currency=intent["currency"],
            customer=intent["customer"],
            payment_intent=intent["id"],
            payment_method=method["id"],
            payment_method_details={"type": "card", "card": card},
            metadata=dict(intent["metadata"]),
            balance_transaction=None,
            captured=succeeded,
            paid=succeeded,
            disputed=False,
            refunded=False,
            status=status,
        )
        intent["latest_charge"] = charge["id"]
        return charge

    # -- sessions

    def make_session(self, given: Thing, customer: str | None) -> Thing:
        mode = given["mode"]
        amount = sum(
            line["price_data"]["unit_amount"] * line["quantity"] for line in given.get("line_items", [])
        )
        currency = given["line_items"][0]["price_data"]["currency"] if amount else given.get("currency")
        if mode == "payment":
            check_amount(amount, currency)
        made = self.make(
            "cs",
            "checkout.session",
            mode=mode,
            amount_total=amount or None,
            currency=currency,
            customer=customer,
            client_reference_id=given.get("client_reference_id"),
            metadata=given.get("metadata", {}),
            payment_intent=None,
            setup_intent=None,
            payment_status="unpaid" if mode == "payment" else "no_payment_required",
            status="open",
            success_url=given["success_url"],
            cancel_url=given.get("cancel_url"),
            locale=given.get("locale"),
            expires_at=int(self.now()) + 24 * 3600,
            url=None,
            _intent=given.get("payment_intent_data", {}),
        )
        made["id"] = self._renamed(made, f"cs_test_{made['id'][3:]}")
        made["url"] = f"{self.url}/c/pay/{made['id']}"
        if mode == "setup":
            metadata = given.get("setup_intent_data", {}).get("metadata", {})
            made["setup_intent"] = self.make_setup(metadata, customer)["id"]
        return made

    def _renamed(self, thing: Thing, ref: str) -> str:
        self.things[ref] = self.things.pop(thing["id"])
        return ref

    def make_setup(self, metadata: dict[str, str], customer: str | None) -> Thing:
        made = self.make(
            "seti",
            "setup_intent",
            customer=customer,
            payment_method=None,
            payment_method_types=["card"],
            metadata=metadata,
            status="requires_payment_method",
            client_secret=None,
            usage="off_session",
            last_setup_error=None,
            next_action=None,
        )
        made["client_secret"] = f"{made['id']}_secret_{secrets.token_hex(8)}"
        return made

    # -- the Payment Element

    def confirm_in_element(self, intent: Thing, number: str) -> None:
        """What Stripe's script does when its form is sent. Raises Refusal 402 for a declined card, 400 for an intent that is over."""
        if intent["status"] in {"succeeded", "canceled", "processing"}:
            kind = intent["object"]
            raise Refusal(
                400,
                f"This {kind} has a status of {intent['status']}.",
                code=f"{kind}_unexpected_state",
                **{kind: self.shown(intent, [])},
            )
        method = self.method(number)
        intent["_element"] = True
        if intent["object"] == "payment_intent":
            self.confirm(intent, method, was_kept=False, off_session=False)
            if intent["status"] == "requires_action":
                intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            return
        card = self.card_of(method["id"])
        if card.code and not card.saved_only:
            raise Refusal(
                402,
                "Your card was declined.",
                type="card_error",
                code=card.code,
                decline_code=card.decline_code,
                setup_intent=self.shown(intent, []),
            )
        intent["payment_method"] = method["id"]
        if card.three_ds != "never":
            intent |= {
                "status": "requires_action",
                "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
            }
            return
        self._keep(intent)

    def expire(self, session: Thing) -> None:
        if session["status"] != "open":
            raise Refusal(
                400,
                f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.',
            )
        session |= {"status": "expired", "url": None}
        if session["payment_intent"]:
            intent = self.things[session["payment_intent"]]
            intent |= {"status": "canceled", "canceled_at": int(self.now()), "next_action": None}
            self.happened("payment_intent.canceled", intent)
        self.happened("checkout.session.expired", session)

    def submit(self, session: Thing, number: str) -> str:
        """The customer sends the card page's form; where the browser goes. Raises Refusal 402 for a declined card."""
        if session["status"] != "open":
            raise Refusal(410, "This session is over.")
        method = self.method(number)
        if session["mode"] == "setup":
            return self._submit_setup(session, method)
        if session["payment_intent"] is None:
            amount = {"amount": session["amount_total"], "currency": session["currency"]}
            intent = self.make_intent(
                session["_intent"] | amount, session["customer"], _session=session["id"]
            )
            session["payment_intent"] = intent["id"]
        intent = self.things[session["payment_intent"]]
        intent["_return_url"] = session["success_url"]
        self.confirm(intent, method, was_kept=False, off_session=False)
        if intent["status"] == "requires_action":
            return str(intent["next_action"]["redirect_to_url"]["url"])
        return self._complete(session)

    def _submit_setup(self, session: Thing, method: Thing) -> str:
        card, intent = self.card_of(method["id"]), self.things[session["setup_intent"]]
        if card.code and not card.saved_only:
            raise Refusal(402, "Your card was declined.", type="card_error", code=card.code)
        intent["payment_method"] = method["id"]
        if card.three_ds != "never":
            intent["status"] = "requires_action"
            return f"{self.url}/3ds/{intent['id']}"
        return self._set_up_done(session, intent)

    def _keep(self, intent: Thing) -> None:
        intent |= {"status": "succeeded", "next_action": None}
        self.things[intent["payment_method"]]["customer"] = intent["customer"]
        self._set_up.add(intent["payment_method"])
        self.happened("setup_intent.succeeded", intent)

    def _set_up_done(self, session: Thing, intent: Thing) -> str:
        self._keep(intent)
        return self._complete(session)

    def _complete(self, session: Thing) -> str:
        session |= {"status": "complete", "url": None}
        if session["mode"] == "payment":
            session["payment_status"] = "paid"
        self.happened("checkout.session.completed", session)
        return str(session["success_url"])

    def authenticate(self, ref: str, *, passes: bool) -> str:
        """The customer ends the 3-D Secure page; where the browser goes."""
        intent = self.things[ref]
        if intent["status"] != "requires_action":
            raise Refusal(410, "This page is over.")
        if intent.get("_element"):
            self._authenticate_in_element(intent, passes=passes)
            return ""
        session = next(
            (
                one
                for one in self.things.values()
                if ref in (one.get("payment_intent"), one.get("setup_intent"))
                and one["object"] == "checkout.session"
            ),
            None,
        )
        if intent["object"] == "setup_intent":
            assert session is not None
            if passes:
                return self._set_up_done(session, intent)
            intent |= {"status": "requires_payment_method", "payment_method": None}
            return str(session["url"])
        if not passes:
            self.fail_authentication(intent)
            back = {"payment_intent": ref, "redirect_status": "failed"}
            return str(session["url"]) if session else f"{intent['_return_url']}?{urlencode(back)}"
        try:
            self.take(intent, self.things[intent["payment_method"]], was_kept=intent["_was_kept"])
        except Refusal:
            return str(session["url"]) if session else str(intent["_return_url"])
        back = {"payment_intent": ref, "redirect_status": "succeeded"}
        return self._complete(session) if session else f"{intent['_return_url']}?{urlencode(back)}"

    def _authenticate_in_element(self, intent: Thing, *, passes: bool) -> None:
        if intent["object"] == "setup_intent":
            if passes:
                self._keep(intent)
            else:
                intent |= {"status": "requires_payment_method", "payment_method": None, "next_action": None}
                intent["last_setup_error"] = {"code": "setup_intent_authentication_failure"}
        elif passes:
            with suppress(Refusal):
                self.take(intent, self.things[intent["payment_method"]], was_kept=False)
        else:
            self.fail_authentication(intent)

    # -- money that leaves again

    def refund(self, given: Thing) -> Thing:
        intent = self.get("pi", given["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            raise Refusal(400, "This PaymentIntent does not have a successful charge to refund.")
        charge = self.things[intent["latest_charge"]]
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = given.get("amount", left)
        if left == 0:
            raise Refusal(
                400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
            )
        if amount > left:
            raise Refusal(
                400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            )
        check_steps(amount, charge["currency"])
        how = self.card_of(charge["payment_method"]).refund
        made = self.make(
            "re",
            "refund",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            metadata=given.get("metadata", {}),
            reason=None,
            status="pending" if how == "pending" else "succeeded",
            balance_transaction=None,
            _fails=how == "fails_later",
        )
        charge["amount_refunded"] += amount
        made["balance_transaction"] = self.book("refund", made, -amount)["id"]
        self.happened("refund.created", made)
        return made

    def finish_refunds(self) -> None:
        """Days go by: pending refunds arrive, those that fail come back."""
        for one in [one for one in self.things.values() if one["object"] == "refund"]:
            if one["_fails"] and one["status"] == "succeeded":
                one |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
                one["failure_balance_transaction"] = self.book("refund_failure", one, one["amount"])["id"]
                self.things[one["charge"]]["amount_refunded"] -= one["amount"]
                self.happened("refund.failed", one)
            elif one["status"] == "pending":
                one["status"] = "succeeded"
                self.happened("charge.refund.updated", one)

    def _dispute(self, charge: Thing, status: str) -> None:
        made = self.make(
            "dp",
            "dispute",
            amount=charge["amount"],
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            metadata={},
            reason="fraudulent",
            status=status,
            balance_transactions=[],
        )
        if not status.startswith("warning"):
            charge["disputed"] = True
            self.book("adjustment", made, -charge["amount"])
        self.happened("charge.dispute.created", made)

    def end_dispute(self, ref: str, status: str) -> None:
        dispute = self.things[ref]
        dispute["status"] = status
        if status == "won":
            self.book("adjustment", dispute, dispute["amount"])
        self.happened("charge.dispute.closed", dispute)

    def book(self, kind: str, source: Thing, amount: int) -> Thing:
        """A line of the balance."""
        return self.make(
            "txn",
            "balance_transaction",
            type=kind,
            amount=amount,
            net=amount,
            fee=0,
            fee_details=[],
            currency=source["currency"],
            source=source["id"],
            reporting_category=kind,
            status="pending",
            _listed_at=self.now() + self.list_lag_s,
        )

    def happened(self, kind: str, thing: Thing) -> None:
        self.tell(
            self.make(
                "evt",
                "event",
                type=kind,
                api_version="2026-10-28.endive",
                data={"object": self.shown(thing, [])},
                pending_webhooks=1,
                request={"id": None, "idempotency_key": None},
            )
        )


def check_amount(amount: int, currency: str) -> None:
    smallest = SMALLEST.get(currency, 50)
    if amount < smallest:
        raise Refusal(
            400,
            f"Amount must be at least {smallest} {currency}",
            code="amount_too_small",
            param="amount",
        )
    check_steps(amount, currency)


def check_steps(amount: int, currency: str) -> None:
    if currency != currency.lower() or len(currency) != 3:
        raise Refusal(400, f"Invalid currency: {currency}", param="currency")
    if currency in THREE_DECIMALS and amount % 10:
        raise Refusal(
            400,
            f"Invalid amount: in {currency} the last digit must be 0.",
            code="invalid_charge_amount",
            param="amount",
        )


def _is_within(moment: int, window: dict[str, int]) -> bool:
    return window.get("gte", moment) <= moment <= window.get("lte", moment) and window.get(
        "gt", moment - 1
    ) < moment < window.get("lt", moment + 1)
