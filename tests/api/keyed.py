"""A program that calls the API: a key in a header, answers read as JSON."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from raseed.accounts import api_keys
from raseed.accounts.api_keys import Made, NewKey
from raseed.accounts.models import KeyAccess
from raseed.audit.log import Who

API = "/api/v1"
STAFF = Who(UUID(int=7), "finance")


@dataclass
class Program:
    """Calls with `secret`; `made` is the key's row."""

    made: Made

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.made.secret}"}

    def get(self, path: str, **query: object) -> HttpResponse:
        return Client().get(API + path, query, headers=self.headers)

    def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> HttpResponse:
        """POST under a fresh Idempotency-Key, or the one that is given; none for ""."""
        given = {"Idempotency-Key": uuid4().hex if key is None else key}
        sent = self.headers | {name: value for name, value in given.items() if value} | headers
        return Client().post(API + path, body or {}, content_type="application/json", headers=sent)

    def delete(self, path: str) -> HttpResponse:
        return Client().delete(API + path, headers=self.headers)


def program(
    account_id: UUID | None = None,
    access: KeyAccess = KeyAccess.FULL,
    lifetime: timedelta | None = None,
    now: datetime | None = None,
) -> Program:
    """A program with a key of the account, or of the whole operator."""
    asked = NewKey("telephones", access, lifetime)
    return Program(api_keys.make(account_id, asked, STAFF, now or timezone.now()))


def code(answer: HttpResponse) -> str:
    """The code of a problem; fails if the answer is none."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content
    document = answer.json()
    assert document["status"] == answer.status_code
    assert set(document) >= {"type", "title", "status", "code", "detail"}
    return str(document["code"])
