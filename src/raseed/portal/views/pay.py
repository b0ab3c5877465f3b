"""Pay Now: the form, its running summary, and the press of the button.

The form brings a key that was made when it was first drawn: however often it is sent, it is one payment. Amounts are
read and checked here and again by the use-case; no card data ever comes this way. HTMX gets a fragment where a browser
without script gets a page or a redirect, from the same code.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Account, Operator
from raseed.balance.equation import available
from raseed.balance.suspension import open_suspensions
from raseed.errors import RaseedError
from raseed.failpoints import failpoint
from raseed.money import Money, format_amount, parse_amount
from raseed.payments import breaker
from raseed.payments.amounts import policy_of, read_amount
from raseed.payments.cards.names import brand_name
from raseed.payments.methods import offered_methods
from raseed.payments.models import Payment
from raseed.payments.paynow import (
    IntentReused,
    MethodNotUsable,
    PaymentInProgress,
    PayNow,
    open_payment,
    submit,
)
from raseed.payments.states import State
from raseed.portal.details_reading import puzzle_for
from raseed.portal.pages import CardLine, InProgress, PayPage, Summary, Text
from raseed.portal.reading import balance_page, in_progress, payment_status, smallest_payment
from raseed.portal.rendering import page
from raseed.tax.topup import PPM, quote

NEW_CARD = "new"
PANEL = "portal/pay/_panel.html"
PAGE = "portal/pay/page.html"


class FormBroken(RaseedError):
    """A field that our own form always sends is missing or not what it sends."""

    code = "pay_form_broken"
    status = 400
    message = _("This form was not complete. Nothing was charged. Please send it again.")


@dataclass(frozen=True)
class Typed:
    """The form as it came, unread."""

    client_key: str = ""
    amount: str = ""
    method: str = ""
    save_card: bool = False
    beside: str = ""
    hosted: bool = False

    @property
    def key(self) -> UUID:
        """The form's key. Raises FormBroken."""
        return _uuid(self.client_key, FormBroken())

    @property
    def method_id(self) -> UUID | None:
        """The chosen saved card; None for one that is typed at the bank. Raises MethodNotUsable."""
        return None if self.method == NEW_CARD else _uuid(self.method, MethodNotUsable("not an id"))


def _uuid(text: str, fault: RaseedError) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise fault from None


@requires(Action.PAY)
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: ActorRequest) -> HttpResponse:
    """Draw the form, or pay."""
    if request.method == "POST":
        return _pay(request)
    account = account_of(request.actor)
    cards = offered_methods(account.id)
    first = str(cards[0].id) if cards else NEW_CARD
    typed = Typed(
        client_key=str(uuid4()),
        amount=request.GET.get("amount", "").strip()[:40],
        method=NEW_CARD if request.GET.get("method") == NEW_CARD else first,
        hosted=request.GET.get("page") == "hosted",
    )
    open_now = breaker.takes_payments(settings.GATEWAY, timezone.now())
    return _form(request, typed, None if open_now else breaker.GatewayDown())


@requires(Action.PAY)
@require_safe
def pay_summary(request: ActorRequest) -> HttpResponse:
    """What the typed amount would add and charge, or what is wrong with it: drawn anew while somebody types."""
    account = account_of(request.actor)
    text = request.GET.get("amount", "")
    context: dict[str, object] = {"summary": None, "error": ""}
    if text.strip():
        try:
            context["summary"] = _summary(read_amount(text, account))
        except RaseedError as error:
            context["error"] = error.message
    return page(request, "portal/pay/summary_fragment.html", context)


def _pay(request: ActorRequest) -> HttpResponse:
    account = account_of(request.actor)
    posted = request.POST
    typed = Typed(
        client_key=posted.get("client_key", ""),
        amount=posted.get("amount", ""),
        method=posted.get("method", ""),
        save_card=posted.get("save_card") == "1",
        beside=posted.get("beside", ""),
        hosted=posted.get("page") == "hosted",
    )
    now = timezone.now()
    try:
        command = PayNow(
            account_id=account.id,
            client_key=typed.key,
            credit=parse_amount(typed.amount, account.currency),
            method_id=typed.method_id,
            save_method=typed.save_card,
            actor_user_id=request.actor.user.id,
            language=translation.get_language() or settings.LANGUAGE_CODE,
            another=_is_yes(account, typed.beside, now),
            ip=request.actor.ip,
            solution=request.POST.get("puzzle", ""),
            hosted=typed.hosted,
        )
        payment = open_payment(command, now)
        payment = submit(account.id, payment.id, timezone.now())
    except PaymentInProgress as error:
        return _form(request, typed, error, confirm=in_progress(account, now))
    except IntentReused as error:
        # The key is spent: the form is drawn with a new one, so that the next press can succeed.
        return _form(request, replace(typed, client_key=str(uuid4()), beside=""), error)
    except FormBroken as error:
        again = Typed(str(uuid4()), typed.amount, typed.method or NEW_CARD, hosted=typed.hosted)
        return _form(request, again, error)
    except RaseedError as error:
        return _form(request, typed, error)
    answer = _answer(request, account, payment)
    failpoint("KP08", payment.id)
    return answer


def _is_yes(account: Account, beside: str, now: datetime) -> bool:
    """A yes counts for the payment that the person was shown, not for one that has begun since."""
    running = in_progress(account, now) if beside else None
    return running is not None and str(running.id) == beside


def _answer(request: ActorRequest, account: Account, payment: Payment) -> HttpResponse:
    """On to the bank's page if it waits there, else the payment as it stands."""
    at_bank = payment.state == State.ACTION_REQUIRED and payment.action_url
    if at_bank and settings.CARD_PAGE == "redirect":
        leave = HttpResponseClientRedirect if request.htmx else HttpResponseRedirect  # type: ignore[attr-defined]
        return leave(payment.action_url)
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect("portal:payment", payment_id=payment.id)
    now = timezone.now()
    context = {
        "payment": payment_status(account, payment, now),
        "page": None if request.POST.get("as_page") else balance_page(account, now, may_pay=True),
    }
    return page(request, "portal/pay/result.html", context)


def _form(
    request: ActorRequest, typed: Typed, error: RaseedError | None = None, confirm: InProgress | None = None
) -> HttpResponse:
    """The form with what was typed. HTMX always gets 200: a browser would log a refusal as a fault of the page."""
    shown = _pay_page(account_of(request.actor), typed, error, confirm)
    if request.htmx:  # type: ignore[attr-defined]
        return page(request, PANEL, {"pay": shown, "as_page": bool(request.POST.get("as_page"))})
    return page(request, PAGE, {"pay": shown}, status=error.status if error else 200)


def _pay_page(
    account: Account, typed: Typed, error: RaseedError | None, confirm: InProgress | None
) -> PayPage:
    try:
        policy = policy_of(account)
    except RaseedError as fault:
        zero = Money.zero(account.currency)
        return PayPage(
            client_key=uuid4(),
            currency=account.currency,
            example="",
            balance=available(account),
            minimum=zero,
            maximum=zero,
            presets=(),
            cards=(),
            unavailable=fault.message,
        )
    example = policy.presets[0] if policy.presets else policy.minimum
    errors: dict[str, Text] = {}
    if error is not None and confirm is None:
        errors[error.field or "form"] = error.message
    return PayPage(
        client_key=UUID(typed.client_key),
        currency=account.currency,
        example=format_amount(example),
        balance=available(account),
        minimum=policy.minimum,
        maximum=policy.maximum,
        presets=policy.presets,
        cards=_cards(account),
        amount_text=typed.amount,
        method=typed.method,
        save_card=typed.save_card,
        hosted=typed.hosted,
        in_our_page=settings.CARD_FORM and not typed.hosted,
        summary=_summary_or_none(typed.amount, account),
        errors=errors,
        confirm=confirm,
        smallest_payment=smallest_payment(account, open_suspensions(account.id)),
        unavailable=breaker.GatewayDown.message if isinstance(error, breaker.GatewayDown) else "",
        puzzle=puzzle_for(account, UUID(typed.client_key), timezone.now()),
    )


def _cards(account: Account) -> tuple[CardLine, ...]:
    return tuple(
        CardLine(one.id, brand_name(one.brand), one.last4, one.exp_month, one.exp_year, one.is_default)
        for one in offered_methods(account.id)
    )


def _summary_or_none(text: str, account: Account) -> Summary | None:
    try:
        return _summary(read_amount(text, account))
    except RaseedError:
        return None


def _summary(credit: Money) -> Summary:
    operator = Operator.objects.get()
    quoted = quote(operator, credit)
    return Summary(
        added=quoted.credit,
        charged=quoted.charge,
        tax=quoted.tax or None,
        tax_rate=_percent(operator.tax_rate_ppm),
    )


def _percent(ppm: int) -> str:
    """A rate in parts per million as people write it: 150000 is "15 %", 52500 is "5.25 %"."""
    whole, rest = divmod(ppm * 100, PPM)
    decimals = f".{rest:06d}".rstrip("0").rstrip(".")
    return f"{whole}{decimals} %"
