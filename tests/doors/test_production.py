"""Production's settings at work: headers, cookies and errors as people's browsers get them.

No adapter of a real gateway is there yet, so that production refuses to start with what there is. One process is
started past that one check; all else is production's own.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from config.test_environment import SAFE
from conftest import RealDatabase
from people import PASSWORD, make_company, make_operator

KEY = "kept-out-of-every-answer-0123456789-abcdefghijklmnopqrstuvwxyz"
HOST = "billing.example.com"
VISIT = """
import json, logging, os, sys, tempfile
from pathlib import Path

from raseed.config import environment

given = {name.lower(): value for name, value in json.loads(sys.argv[1]).items()}
given |= {"raseed_env": environment.Mode.PRODUCTION, "allowed_hosts": (given["allowed_hosts"],), "proxies_in_front": 1}
safe = environment.Environment.model_construct(**given)
environment.load = lambda: safe

import django
from django.conf import settings

os.environ["DJANGO_SETTINGS_MODULE"] = "raseed.config.settings"
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STATIC_ROOT = Path(tempfile.mkdtemp())
django.setup()
logging.disable(logging.ERROR)

from django.core.checks import run_checks
from django.test import Client

found = {"checks": [f"{one.id} {one.msg}" for one in run_checks(include_deployment_checks=True)]}
client = Client(enforce_csrf_checks=True, raise_request_exception=False)
TLS = {"Host": "billing.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


def note(name, answer):
    found[name] = {
        "status": answer.status_code,
        "headers": dict(answer.headers),
        "cookies": {one.key: dict(one) | {"value": one.value} for one in answer.cookies.values()},
        "body": answer.content.decode("utf-8", "replace"),
    }
    return answer


note("plain", client.get("/login?next=/home", headers={"Host": "billing.example.com"}))
note("probe", client.get("/healthz", headers={"Host": "billing.example.com"}))
note("login", client.get("/login", headers=TLS))
form = {"username": sys.argv[2], "password": sys.argv[3], "csrfmiddlewaretoken": client.cookies["__Host-csrf"].value}
FORM = TLS | {"Referer": "https://billing.example.com/login", "Origin": "https://billing.example.com"}
note("without token", client.post("/login", form | {"csrfmiddlewaretoken": ""}, headers=FORM))
note("elsewhere", client.post("/login", form, headers=FORM | {"Origin": "https://evil.test"}))
note("signed in", client.post("/login", form, headers=FORM))
note("balance", client.get("/settings/billing/balance", headers=TLS))
form["csrfmiddlewaretoken"] = client.cookies["__Host-csrf"].value
note("language", client.post("/preferences/language", form | {"language": "ar"}, headers=FORM))
note("forged host", client.get("/login", headers=TLS | {"Host": "evil.test"}))
note("forwarded host", client.get("/", headers=TLS | {"X-Forwarded-Host": "evil.test"}))
note("missing", client.get("/no/such/page", headers=TLS))
note("mailbox", client.get("/demo/mailbox", headers=TLS))
note("admin", client.get("/admin/", headers=TLS))
from raseed.portal.views import balance

def broken(*_args, **_more):
    secret_of_the_house = settings.SECRET_KEY
    raise RuntimeError(f"do not show {secret_of_the_house}")

balance.balance_page = broken
note("broken", client.get("/settings/billing/balance", headers=TLS))
print(json.dumps(found))
"""


@pytest.fixture
def seen(real_db: RealDatabase) -> dict[str, Any]:
    """What a browser gets from production, step by step."""
    make_operator()
    company = make_company()
    given = SAFE | {"DATABASE_URL": real_db.url, "DATABASE_OWNER_URL": "", "SECRET_KEY": KEY}
    given = {name: value for name, value in given.items() if name != "RASEED_ENV"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", VISIT, json.dumps(given), company.admin.email, PASSWORD],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_production_keeps_to_https_its_own_host_and_its_cookies(seen: dict[str, Any]) -> None:
    assert seen["checks"] == []

    assert (seen["plain"]["status"], seen["plain"]["headers"]["Location"]) == (
        301,
        f"https://{HOST}/login?next=/home",
    )
    assert seen["probe"]["status"] == 200
    for name in ("login", "signed in", "balance", "language", "missing", "broken"):
        headers = seen[name]["headers"]
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload", name
        assert headers["Cache-Control"] == "no-store", name
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["Referrer-Policy"] == "same-origin", name
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], name
        assert "unsafe-inline" not in headers["Content-Security-Policy"], name

    assert seen["without token"]["status"] == 403
    assert seen["elsewhere"]["status"] == 403
    assert seen["signed in"]["headers"]["Location"] == "/settings/billing/balance"
    assert seen["balance"]["status"] == 200
    cookies = {**seen["login"]["cookies"], **seen["signed in"]["cookies"], **seen["language"]["cookies"]}
    assert set(cookies) == {"__Host-session", "__Host-csrf", "language"}
    for name, cookie in cookies.items():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax"), name
        assert (cookie["path"], cookie["domain"]) == ("/", ""), name

    # Another host is no host, whoever names it, and the one that a proxy claims is not read.
    assert seen["forged host"]["status"] == 400
    assert seen["forwarded host"]["headers"]["Location"] == "/settings/billing/balance"

    # Nothing for the curious: no admin of Django's, no mailbox, and an error says nothing of its cause.
    assert (seen["missing"]["status"], seen["mailbox"]["status"], seen["admin"]["status"]) == (404, 404, 404)
    assert seen["broken"]["status"] == 500
    for secret in ("RuntimeError", "Traceback", "do not show", KEY, "balance.py"):
        assert secret not in seen["broken"]["body"]
    assert "Something went wrong on our side" in seen["broken"]["body"]
