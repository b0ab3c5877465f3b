"""Who may do what: one table, and the only code that asks it.

Every view is `requires(Action.…)`, `public` or one of the API (`ByKey`), and every route stands in ROUTES with the same word; a test
compares the two, so that a new address without an answer fails. What is not allowed here is refused. A person's role
is read again at every request. Nothing here may look at a row other than the person's own account and membership:
views keep to `actor.account`, which is what makes another account's row a 404. What needs a fresh proof of who is there
stands in NEEDS_FRESH_PROOF; nothing else has to be done for it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, cast
from urllib.parse import SplitResult, urlencode, urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from raseed.accounts import models, proof
from raseed.accounts.factors import held
from raseed.accounts.models import Account, Membership, StaffRole, User
from raseed.accounts.origin import client_ip
from raseed.audit.log import Who

_log = logging.getLogger(__name__)


class Role(StrEnum):
    """What a person is: one of an account's three roles, or one of the two of the operator's staff."""

    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    AGENT = "agent"
    SUPPORT = "support"
    FINANCE = "finance"


class Action(StrEnum):
    """Everything that can be allowed or refused."""

    SEE_HOME = "see_home"
    SEE_HELP = "see_help"
    SEE_SECURITY = "see_security"
    CHANGE_SECURITY = "change_security"
    CONFIRM_IDENTITY = "confirm_identity"
    SEE_BILLING = "see_billing"
    PAY = "pay"
    CHANGE_RECHARGE = "change_recharge"
    STOP_RECHARGE = "stop_recharge"
    CHANGE_ALERTS = "change_alerts"
    SEE_PAYMENTS = "see_payments"
    DOWNLOAD_VOUCHER = "download_voucher"
    SEE_USERS = "see_users"
    MANAGE_USERS = "manage_users"
    CHANGE_SETTINGS = "change_settings"
    SEE_DETAILS = "see_details"
    CHANGE_DETAILS = "change_details"
    CHANGE_CARDS = "change_cards"
    ORDER_CARDS = "order_cards"
    CHANGE_OWN_PROFILE = "change_own_profile"
    CHANGE_EMAIL = "change_email"
    SEE_BACKOFFICE = "see_backoffice"
    SEE_ACCOUNTS = "see_accounts"
    CREATE_ACCOUNT = "create_account"
    INVITE_ADMIN = "invite_admin"
    END_SESSIONS = "end_sessions"
    RENAME_ACCOUNT = "rename_account"
    SUSPEND = "suspend"
    SEE_WEBHOOKS = "see_webhooks"
    TRY_WEBHOOK_AGAIN = "try_webhook_again"
    SEE_BREAKS = "see_breaks"
    END_BREAK = "end_break"
    SEE_API_KEYS = "see_api_keys"
    MAKE_API_KEY = "make_api_key"
    REVOKE_API_KEY = "revoke_api_key"
    SEE_ALL_API_KEYS = "see_all_api_keys"
    MAKE_OPERATOR_KEY = "make_operator_key"
    MAKE_ACCOUNT_KEY = "make_account_key"
    REVOKE_ANY_API_KEY = "revoke_any_api_key"
    SEE_WEBHOOK_ENDPOINTS = "see_webhook_endpoints"
    MANAGE_WEBHOOK_ENDPOINTS = "manage_webhook_endpoints"
    SWITCH_WEBHOOK_ENDPOINT = "switch_webhook_endpoint"
    REPLAY_WEBHOOK = "replay_webhook"
    SEE_REQUESTS = "see_requests"
    ANSWER_REQUEST = "answer_request"


class Public(StrEnum):
    """The word of a route that asks for no right."""

    EVERYBODY = "everybody"


class ByKey(StrEnum):
    """The word of a route of the API: a key opens it, whose scope `raseed.api.bearer` reads; a session never does."""

    API_KEY = "api_key"


Access = Action | Public | ByKey

_ADMINS: Final = frozenset({Role.ADMIN})
_STAFF: Final = frozenset({Role.SUPPORT, Role.FINANCE})
_FINANCE: Final = frozenset({Role.FINANCE})
_ACCOUNT: Final = frozenset({Role.ADMIN, Role.SUPERVISOR, Role.AGENT})

ALLOWED: Final[dict[Action, frozenset[Role]]] = {
    Action.SEE_HOME: _ACCOUNT,
    Action.SEE_HELP: _ACCOUNT | _STAFF,
    Action.SEE_SECURITY: _ACCOUNT | _STAFF,
    Action.CHANGE_SECURITY: _ACCOUNT | _STAFF,
    Action.CONFIRM_IDENTITY: _ACCOUNT | _STAFF,
    Action.SEE_BILLING: _ADMINS,
    Action.PAY: _ADMINS,
    Action.CHANGE_RECHARGE: _ADMINS,
    Action.STOP_RECHARGE: _ADMINS,
    Action.CHANGE_ALERTS: _ADMINS,
    Action.SEE_PAYMENTS: _ADMINS,
    Action.DOWNLOAD_VOUCHER: _ADMINS,
    Action.SEE_USERS: _ADMINS,
    Action.MANAGE_USERS: _ADMINS,
    Action.CHANGE_SETTINGS: _ADMINS,
    Action.SEE_DETAILS: _ADMINS,
    Action.CHANGE_DETAILS: _ADMINS,
    Action.CHANGE_CARDS: _ADMINS,
    Action.ORDER_CARDS: _ADMINS,
    Action.CHANGE_OWN_PROFILE: _ACCOUNT | _STAFF,
    Action.CHANGE_EMAIL: _ACCOUNT | _STAFF,
    Action.SEE_BACKOFFICE: _STAFF,
    Action.SEE_ACCOUNTS: _STAFF,
    Action.CREATE_ACCOUNT: _STAFF,
    Action.INVITE_ADMIN: _STAFF,
    Action.END_SESSIONS: _STAFF,
    Action.RENAME_ACCOUNT: _STAFF,
    Action.SUSPEND: _STAFF,
    Action.SEE_WEBHOOKS: _STAFF,
    Action.TRY_WEBHOOK_AGAIN: _STAFF,
    Action.SEE_BREAKS: _STAFF,
    Action.END_BREAK: _FINANCE,
    Action.SEE_API_KEYS: _ADMINS,
    Action.MAKE_API_KEY: _ADMINS,
    Action.REVOKE_API_KEY: _ADMINS,
    Action.SEE_ALL_API_KEYS: _STAFF,
    Action.MAKE_OPERATOR_KEY: _FINANCE,
    Action.MAKE_ACCOUNT_KEY: _STAFF,
    Action.REVOKE_ANY_API_KEY: _STAFF,
    Action.SEE_WEBHOOK_ENDPOINTS: _STAFF,
    Action.MANAGE_WEBHOOK_ENDPOINTS: _FINANCE,
    Action.SWITCH_WEBHOOK_ENDPOINT: _STAFF,
    Action.REPLAY_WEBHOOK: _STAFF,
    Action.SEE_REQUESTS: _STAFF,
    Action.ANSWER_REQUEST: _STAFF,
}

# Who does one of these has proved who they are within the last five minutes, or is asked again and brought back:
# a session left open on a desk, or stolen, must not take a person's access over, carry data away or have a card charged.
NEEDS_FRESH_PROOF: Final[frozenset[Action]] = frozenset(
    {
        Action.CHANGE_SECURITY,
        Action.CHANGE_EMAIL,
        Action.CHANGE_RECHARGE,
        Action.CHANGE_CARDS,
        # Ending a key is not among them: whoever fears that one is stolen must be quick.
        Action.MAKE_API_KEY,
        Action.MAKE_OPERATOR_KEY,
        Action.MAKE_ACCOUNT_KEY,
        # What is told of customers goes where this says.
        Action.MANAGE_WEBHOOK_ENDPOINTS,
    }
)

# All that a person may do who must have a second factor and has none yet.
WITHOUT_FACTOR: Final = frozenset({Action.SEE_SECURITY, Action.CHANGE_SECURITY, Action.CONFIRM_IDENTITY})

ROUTES: Final[dict[str, Access]] = {
    "api:webhook": Public.EVERYBODY,  # the gateway's signature is its right
    "api:csp_report": Public.EVERYBODY,  # browsers send no token with a report
    "api:v1:openapi-json": Public.EVERYBODY,  # what there is to ask, and nothing of anybody
    "api:v1:api-root": Public.EVERYBODY,
    "api:v1:nothing": Public.EVERYBODY,
    "api:v1:accounts": ByKey.API_KEY,
    "api:v1:account": ByKey.API_KEY,
    "api:v1:account_status": ByKey.API_KEY,
    "api:v1:account_balance": ByKey.API_KEY,
    "api:v1:account_payments": ByKey.API_KEY,
    "api:v1:webhook_endpoints": ByKey.API_KEY,
    "api:v1:webhook_endpoint": ByKey.API_KEY,
    "api:v1:webhook_endpoint_rotate": ByKey.API_KEY,
    "api:v1:webhook_deliveries": ByKey.API_KEY,
    "api:v1:webhook_delivery_replay": ByKey.API_KEY,
    "api:healthz": Public.EVERYBODY,
    "api:readyz": Public.EVERYBODY,
    "portal:login": Public.EVERYBODY,
    "portal:logout": Public.EVERYBODY,
    "portal:password_reset": Public.EVERYBODY,
    "portal:password_reset_sent": Public.EVERYBODY,
    "portal:password_set": Public.EVERYBODY,
    "portal:password_set_done": Public.EVERYBODY,
    "portal:set_language": Public.EVERYBODY,
    "portal:set_theme": Public.EVERYBODY,
    "portal:start": Public.EVERYBODY,
    "portal:mailbox": Public.EVERYBODY,  # there in the demo only
    "portal:mail": Public.EVERYBODY,
    "portal:mail_html": Public.EVERYBODY,
    "portal:mail_attachment": Public.EVERYBODY,
    "portal:second_factor": Public.EVERYBODY,
    "portal:passkey_sign_in": Public.EVERYBODY,
    "portal:passkey_question": Public.EVERYBODY,
    "portal:confirm": Action.CONFIRM_IDENTITY,
    "portal:confirm_question": Action.CONFIRM_IDENTITY,
    "portal:security": Action.SEE_SECURITY,
    "portal:app_add": Action.CHANGE_SECURITY,
    "portal:app_remove": Action.CHANGE_SECURITY,
    "portal:recovery_codes": Action.CHANGE_SECURITY,
    "portal:passkey_add": Action.CHANGE_SECURITY,
    "portal:passkey_make": Action.CHANGE_SECURITY,
    "portal:passkey_rename": Action.CHANGE_SECURITY,
    "portal:passkey_remove": Action.CHANGE_SECURITY,
    "portal:home": Action.SEE_HOME,
    "portal:help_pay_now": Action.SEE_HELP,
    "portal:help_pay_now_faq": Action.SEE_HELP,
    "portal:balance": Action.SEE_BILLING,
    "portal:pay": Action.PAY,
    "portal:pay_summary": Action.PAY,
    "portal:recharge": Action.CHANGE_RECHARGE,
    "portal:recharge_off": Action.STOP_RECHARGE,
    "portal:recharge_promise": Action.SEE_BILLING,
    "portal:recharge_history": Action.SEE_BILLING,
    "portal:alerts": Action.CHANGE_ALERTS,
    "portal:invoices": Action.SEE_PAYMENTS,
    "portal:payment": Action.SEE_PAYMENTS,
    "portal:payment_return": Action.SEE_PAYMENTS,
    "portal:payment_form": Action.PAY,
    "portal:voucher": Action.DOWNLOAD_VOUCHER,
    "portal:users": Action.SEE_USERS,
    "portal:user": Action.SEE_USERS,
    "portal:user_new": Action.MANAGE_USERS,
    "portal:user_invite": Action.MANAGE_USERS,
    "portal:user_role": Action.MANAGE_USERS,
    "portal:user_disable": Action.MANAGE_USERS,
    "portal:user_enable": Action.MANAGE_USERS,
    "portal:general": Action.CHANGE_SETTINGS,
    "portal:api_keys": Action.SEE_API_KEYS,
    "portal:api_key_new": Action.MAKE_API_KEY,
    "portal:api_key_revoke": Action.REVOKE_API_KEY,
    "portal:details": Action.SEE_DETAILS,
    "portal:details_change": Action.CHANGE_DETAILS,
    "portal:details_ask": Action.CHANGE_DETAILS,
    "portal:card_add": Action.CHANGE_CARDS,
    "portal:card_setup": Action.SEE_DETAILS,
    "portal:card_return": Action.SEE_DETAILS,
    "portal:card_form": Action.CHANGE_CARDS,
    "portal:card_default": Action.CHANGE_CARDS,
    "portal:card_remove": Action.CHANGE_CARDS,
    "portal:card_move": Action.ORDER_CARDS,
    "portal:profile": Action.CHANGE_OWN_PROFILE,
    "portal:profile_password": Action.CHANGE_OWN_PROFILE,
    "portal:profile_sessions": Action.CHANGE_OWN_PROFILE,
    "portal:email": Action.CHANGE_EMAIL,
    "portal:email_confirm": Action.CHANGE_EMAIL,
    "backoffice:home": Action.SEE_BACKOFFICE,
    "backoffice:accounts": Action.SEE_ACCOUNTS,
    "backoffice:account": Action.SEE_ACCOUNTS,
    "backoffice:account_new": Action.CREATE_ACCOUNT,
    "backoffice:rename": Action.RENAME_ACCOUNT,
    "backoffice:admin_new": Action.INVITE_ADMIN,
    "backoffice:invite": Action.INVITE_ADMIN,
    "backoffice:end_sessions": Action.END_SESSIONS,
    "backoffice:suspend": Action.SUSPEND,
    "backoffice:lift": Action.SUSPEND,
    "backoffice:api_keys": Action.SEE_ALL_API_KEYS,
    "backoffice:api_key_new": Action.MAKE_OPERATOR_KEY,
    "backoffice:account_api_keys": Action.SEE_ALL_API_KEYS,
    "backoffice:account_api_key_new": Action.MAKE_ACCOUNT_KEY,
    "backoffice:api_key_revoke": Action.REVOKE_ANY_API_KEY,
    "backoffice:webhook_endpoints": Action.SEE_WEBHOOK_ENDPOINTS,
    "backoffice:webhook_endpoint": Action.SEE_WEBHOOK_ENDPOINTS,
    "backoffice:webhook_endpoint_new": Action.MANAGE_WEBHOOK_ENDPOINTS,
    "backoffice:webhook_endpoint_rotate": Action.MANAGE_WEBHOOK_ENDPOINTS,
    "backoffice:webhook_endpoint_remove": Action.MANAGE_WEBHOOK_ENDPOINTS,
    "backoffice:webhook_endpoint_switch": Action.SWITCH_WEBHOOK_ENDPOINT,
    "backoffice:webhook_replay": Action.REPLAY_WEBHOOK,
    "backoffice:webhooks": Action.SEE_WEBHOOKS,
    "backoffice:webhook_try_again": Action.TRY_WEBHOOK_AGAIN,
    "backoffice:breaks": Action.SEE_BREAKS,
    "backoffice:break_take": Action.END_BREAK,
    "backoffice:break_end": Action.END_BREAK,
    "backoffice:break_refund_not_made": Action.END_BREAK,
    "backoffice:requests": Action.SEE_REQUESTS,
    "backoffice:request_approve": Action.ANSWER_REQUEST,
    "backoffice:request_refuse": Action.ANSWER_REQUEST,
}


def may(role: Role, action: Action) -> bool:
    """Whether the table allows it. What the table does not name is refused."""
    return role in ALLOWED.get(action, frozenset())


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, in the one role that holds for this request. Staff have no account.

    `lacks_factor`: they must have a second factor and have none, so that they may set one up and nothing else.
    """

    user: User
    role: Role
    account: Account | None
    ip: str | None = None
    lacks_factor: bool = False

    @property
    def role_name(self) -> str:
        """The role in the reader's language."""
        known = StaffRole if self.user.staff_role else models.Role
        return str(known(self.role.value).label)

    @property
    def who(self) -> Who:
        """The person as the audit log names them."""
        return Who(self.user.id, self.role, self.ip)

    def may(self, action: Action) -> bool:
        """Whether this person may do `action`."""
        return may(self.role, action) and (not self.lacks_factor or action in WITHOUT_FACTOR)

    def may_open(self, route: str) -> bool:
        """Whether this person may open a route, by its name. An unknown route is not opened."""
        access = ROUTES.get(route)
        return access is Public.EVERYBODY or (isinstance(access, Action) and self.may(access))


class NoAccount(LookupError):
    """An account's page was asked with somebody who has none: a view that allows staff and forgot to say so."""


def account_of(actor: Actor) -> Account:
    """The person's own account: what every view of an account's pages is limited to. Raises NoAccount for staff."""
    if actor.account is None:
        raise NoAccount(f"role {actor.role} has no account")
    return actor.account


def actor_of(request: HttpRequest) -> Actor | None:
    """Who is at the door, read from the database now; None if nobody is, or their role or account is gone."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.staff_role:
        role, ip = Role(user.staff_role), client_ip(request)
        return Actor(user, role, None, ip, lacks_factor=held.is_missing(user))
    if user.account_id is None:
        return None
    membership = (
        Membership.objects.select_related("account")
        .filter(account_id=user.account_id, user_id=user.id, is_active=True, account__closed_at__isnull=True)
        .first()
    )
    if membership is None:
        return None
    return Actor(user, Role(membership.role), membership.account, client_ip(request))


def landing(actor: Actor) -> str:
    """The route where this person starts."""
    starts = ("backoffice:accounts", "portal:balance", "portal:home", "portal:security")
    return next(route for route in starts if actor.may_open(route))


class ActorRequest(HttpRequest):
    """A request that `requires` has let in: `actor` is who asks."""

    actor: Actor


P = ParamSpec("P")
View = Callable[Concatenate[ActorRequest, P], HttpResponseBase]
OpenView = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def public(view: OpenView[P]) -> OpenView[P]:
    """Mark a view that asks for no right, on purpose."""
    cast("Any", view).access = Public.EVERYBODY
    return view


def requires(action: Action) -> Callable[[View[P]], OpenView[P]]:
    """Let in who may do `action`, as `request.actor`.

    Somebody who is not signed in goes to the login page and comes back after it; somebody without the right gets 403.
    If the action is in NEEDS_FRESH_PROOF and the last proof is too old, the person is asked again first and comes back.
    """

    def wrap(view: View[P]) -> OpenView[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_login(request)
            actor = actor_of(request)
            if actor is not None and actor.lacks_factor and action not in WITHOUT_FACTOR:
                return _send_away(request, reverse("portal:security"))
            if actor is None or not actor.may(action):
                _log.warning(
                    "access_denied action=%s user=%s role=%s",
                    action,
                    request.user.pk,
                    actor.role if actor else "",
                )
                raise PermissionDenied
            if action in NEEDS_FRESH_PROOF and not proof.is_fresh(request.session, timezone.now()):
                return _to_confirm(request)
            asking = cast("ActorRequest", request)
            asking.actor = actor
            return view(asking, *args, **kwargs)

        cast("Any", guarded).access = action
        return cast("OpenView[P]", guarded)

    return wrap


def _to_login(request: HttpRequest) -> HttpResponse:
    """The login page, with the way back: to the page itself, never to a form's target or a fragment."""
    return _send(request, resolve_url(settings.LOGIN_URL), after_form="")


def _to_confirm(request: HttpRequest) -> HttpResponse:
    """The page that asks again who is there; from a form, the way back is the page on which the form stands."""
    came = urlsplit(request.headers.get("Referer", ""))
    return _send(request, reverse("portal:confirm"), _path(came) if came.netloc == request.get_host() else "")


def _send_away(request: HttpRequest, page: str) -> HttpResponse:
    is_fragment = request.headers.get("HX-Request") == "true"
    return HttpResponseClientRedirect(page) if is_fragment else HttpResponseRedirect(page)


def _send(request: HttpRequest, page: str, after_form: str) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        back = _path(urlsplit(request.headers.get("HX-Current-URL", "")))
    else:
        back = request.get_full_path() if request.method in {"GET", "HEAD"} else after_form
    return _send_away(request, f"{page}?{urlencode({'next': back})}" if is_local(request, back) else page)


def _path(parts: SplitResult) -> str:
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def is_local(request: HttpRequest, url: str) -> bool:
    """Whether `url` is a path on this site: what may follow a sign-in. Anything else could lead people away."""
    return url.startswith("/") and url_has_allowed_host_and_scheme(
        url, allowed_hosts=None, require_https=request.is_secure()
    )
