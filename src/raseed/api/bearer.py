"""Who calls the API: the key in the Authorization header, asked of the database at every request. Nothing else lets in.

Every check that a key's scope needs stands here, before any endpoint runs: a key that may only read passes no unsafe
method, and requests are counted for each key. Cookies are not looked at.
"""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from raseed.accounts import api_keys, attempts
from raseed.accounts.api_keys import Caller
from raseed.accounts.attempts import Limit
from raseed.accounts.origin import client_ip
from raseed.api.problems import NotAuthorized, OperatorKeyNeeded, ReadOnlyKey, TooManyRequests
from raseed.audit.log import Who

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ROLE = "api_key"


class KeyRequest(HttpRequest):
    """A request that a key has opened: `auth` is whose it is."""

    auth: Caller


class AnyKey(HttpBearer):
    """A key of the operator, or of one account."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Who calls. Raises NotAuthorized, TooManyRequests, ReadOnlyKey."""
        now = timezone.now()
        caller = api_keys.caller_of(token, now)
        if caller is None:
            raise NotAuthorized
        limit = Limit(attempts.API_KEY_PURPOSE, settings.API_REQUESTS_PER_MINUTE, window=timedelta(minutes=1))
        wait = attempts.take(limit, str(caller.key_id), now)
        if wait is not None:
            raise TooManyRequests(wait)
        if request.method not in SAFE_METHODS and not caller.may_write:
            raise ReadOnlyKey
        return caller


class OperatorKey(AnyKey):
    """A key of the operator."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Who calls. Raises OperatorKeyNeeded for an account's key, and what AnyKey raises."""
        caller = super().authenticate(request, token)
        if caller.account_id is not None:
            raise OperatorKeyNeeded
        return caller


def who(request: KeyRequest) -> Who:
    """The caller as the audit log names it: no user, and the place."""
    return Who(None, ROLE, client_ip(request))
