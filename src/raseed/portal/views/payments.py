"""A payment's own page, the way back from the bank, the list of payments, and the vouchers.

Every look-up names the account of the person who asks: another account's payment is a 404.
"""

from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from raseed.accounts.access import Action, ActorRequest, account_of, requires
from raseed.accounts.models import Account
from raseed.documents.issue import file_of, voucher_of
from raseed.money import Money
from raseed.payments import reconcile
from raseed.payments.models import Payment
from raseed.payments.states import Cause, State
from raseed.portal.pages import PaymentsPage, Text
from raseed.portal.reading import balance_page, payment_status, rows, taken_back
from raseed.portal.rendering import page

ROWS_PER_PAGE = 50


@requires(Action.SEE_PAYMENTS)
@require_safe
def payment(request: ActorRequest, payment_id: UUID) -> HttpResponse:
    """One payment. HTMX asks again and again with what it shows (`seen`) and gets 204 until that changes."""
    account = account_of(request.actor)
    now = timezone.now()
    status = payment_status(account, _own(account, payment_id), now)
    if not request.htmx:  # type: ignore[attr-defined]
        shown = balance_page(account, now, may_pay=request.actor.may(Action.PAY))
        return page(request, "portal/payments/payment.html", {"payment": status, "page": shown})
    if request.GET.get("seen") == status.seen:
        return HttpResponse(status=204)
    shown = balance_page(account, now, may_pay=request.actor.may(Action.PAY))
    return page(request, "portal/payments/fragment.html", {"payment": status, "page": shown})


@requires(Action.SEE_PAYMENTS)
@require_safe
def payment_return(request: ActorRequest, payment_id: UUID) -> HttpResponse:
    """Where the bank sends the customer back to. The visit proves nothing: the bank is asked, then the page follows."""
    account = account_of(request.actor)
    found = _own(account, payment_id)
    reconcile.follow(account.id, found.id, Cause.PAGE, timezone.now())
    return redirect(f"{reverse('portal:balance')}?{urlencode({'payment': found.id})}")


@requires(Action.DOWNLOAD_VOUCHER)
@require_safe
def voucher(request: ActorRequest, payment_id: UUID) -> HttpResponse:
    """The receipt voucher as a PDF, always the same bytes."""
    account = account_of(request.actor)
    document = voucher_of(account.id, _own(account, payment_id).id)
    if document is None:
        raise Http404
    paper = file_of(account.id, document.id, timezone.now())
    return HttpResponse(
        paper.content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{paper.filename}"'},
    )


@requires(Action.SEE_PAYMENTS)
@require_safe
def invoices(request: ActorRequest) -> HttpResponse:
    """Invoices & Payments, by tab. No invoice is issued yet, and the tab says so."""
    if request.GET.get("tab") != "payments":
        return page(request, "portal/payments/invoices.html", {})
    account = account_of(request.actor)
    return page(request, "portal/payments/list.html", {"page": _list(request, account)})


def _own(account: Account, payment_id: UUID) -> Payment:
    found = Payment.objects.filter(account_id=account.id, id=payment_id).first()
    if found is None:
        raise Http404
    return found


def _list(request: ActorRequest, account: Account) -> PaymentsPage:
    asked = {name: request.GET.get(name, "").strip() for name in ("from", "to", "state")}
    errors: dict[str, Text] = {}
    first, last = (_day(asked[name], name, errors) for name in ("from", "to"))
    if first and last and last < first:
        errors["to"] = _("The last day lies before the first.")
    state = asked["state"] if asked["state"] in State.values else ""
    payments = Payment.objects.filter(account_id=account.id)
    if not errors:
        payments = _within(payments, first, last, ZoneInfo(account.time_zone))
    if state:
        payments = payments.filter(state=state)
    begun = _after(payments, account, request.GET.get("after", ""))
    found = list(begun.order_by("-created_at", "-id")[: ROWS_PER_PAGE + 1])
    shown = found[:ROWS_PER_PAGE]
    more = ""
    if len(found) > ROWS_PER_PAGE:
        kept = {name: value for name, value in asked.items() if value}
        more = "?" + urlencode({"tab": "payments", **kept, "after": shown[-1].id})
    return PaymentsPage(
        rows=rows(account, shown),
        date_from=asked["from"],
        date_to=asked["to"],
        state=state,
        states=tuple((one.value, one.label) for one in State),
        errors=errors,
        next_url=more,
        total=_total(payments, account),
        may_pay=request.actor.may(Action.PAY),
    )


def _day(text: str, name: str, errors: dict[str, Text]) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        errors[name] = _("This is not a date. Write it as 2026-11-23.")
        return None


def _within(
    payments: QuerySet[Payment], first: date | None, last: date | None, zone: ZoneInfo
) -> QuerySet[Payment]:
    """Whole days of the account's time zone, the last one included."""
    if first:
        payments = payments.filter(created_at__gte=datetime.combine(first, time.min, zone))
    if last:
        payments = payments.filter(created_at__lt=datetime.combine(last + timedelta(days=1), time.min, zone))
    return payments


def _after(payments: QuerySet[Payment], account: Account, cursor: str) -> QuerySet[Payment]:
    """The payments older than the last one of the page before; all of them if there was none."""
    try:
        last = Payment.objects.filter(account_id=account.id, id=UUID(cursor)).first()
    except ValueError:
        return payments
    if last is None:
        return payments
    return payments.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id))


def _total(payments: QuerySet[Payment], account: Account) -> Money:
    """What was paid in all that the filter holds, not only on this page."""
    paid = payments.filter(state=State.SUCCEEDED).exclude(
        id__in=taken_back(account.id).values_list("payment_id", flat=True)
    )
    return Money.from_minor(paid.aggregate(minor=Sum("charge_minor"))["minor"] or 0, account.currency)
