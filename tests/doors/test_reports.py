"""The door for reports of the content security policy: one line in the log, nothing kept, and not for flooding."""

import json
import logging

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from raseed.accounts.attempts import CSP_REPORT, CSP_REPORT_PLACE
from raseed.accounts.models import AttemptCount
from raseed.api.violations import BODY_BYTES_MAX, CONTENT_TYPE

DOOR = "/csp-reports"
REPORT = {
    "document-uri": "https://billing.example.com/password/set/bGluYQ/secret-token?next=/x",
    "effective-directive": "script-src-elem",
    "blocked-uri": "https://evil.test:8443/steal?cookie=secret",
    "line-number": 7,
    "script-sample": "alert('lina@example.com')",
}


def send(body: object, content_type: str = CONTENT_TYPE, **place: str) -> int:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    # As a browser sends it: no token, no session.
    return Client(enforce_csrf_checks=True).post(DOOR, data, content_type=content_type, **place).status_code


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "raseed.api.violations"]


def test_a_report_is_one_line_and_names_nobody(db: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert send({"csp-report": REPORT}) == 204

    assert lines(caplog) == [
        "csp_violation directive=script-src-elem blocked=https://evil.test:8443 route=portal:password_set line=7"
    ]
    # What is counted is a keyed hash of the place, as for sign-in.
    assert "127.0.0.1" not in str(list(AttemptCount.objects.values()))


@pytest.mark.parametrize("word", ["inline\r\nERROR forged line", "\x1b[31m", "", None, 7, ["x"], "x" * 1_500])
def test_no_word_of_a_report_can_write_a_line_of_its_own(
    db: None, caplog: pytest.LogCaptureFixture, word: object
) -> None:
    names = ("document-uri", "effective-directive", "blocked-uri", "line-number")
    with caplog.at_level(logging.INFO):
        assert send({"csp-report": dict.fromkeys(names, word)}) == 204

    (line,) = lines(caplog)
    assert line.isprintable()
    assert len(line) < 200
    assert "forged" not in line


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("not json", CONTENT_TYPE, 400),
        ("[]", CONTENT_TYPE, 400),
        ('{"csp-report": []}', CONTENT_TYPE, 400),
        (" ", CONTENT_TYPE, 400),
        ("[" * 8_000, CONTENT_TYPE, 400),
        (b"\xff\xfe", CONTENT_TYPE, 400),
        ("x" * (BODY_BYTES_MAX + 1), CONTENT_TYPE, 413),
        (json.dumps({"csp-report": REPORT}), "text/plain", 415),
        (json.dumps({"csp-report": REPORT}), "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_no_report_is_refused_and_neither_logged_nor_counted(
    db: None, caplog: pytest.LogCaptureFixture, body: object, content_type: str, status: int
) -> None:
    with caplog.at_level(logging.INFO):
        assert send(body, content_type) == status
    assert lines(caplog) == []
    assert not AttemptCount.objects.exists()


def test_one_place_cannot_fill_the_log_and_does_not_silence_others(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        statuses = [send({"csp-report": REPORT}) for _ in range(CSP_REPORT_PLACE.tries_max + 5)]
        assert statuses == [204] * CSP_REPORT_PLACE.tries_max + [429] * 5
        assert send({"csp-report": REPORT}, REMOTE_ADDR="203.0.113.9") == 204
    assert len(lines(caplog)) == CSP_REPORT_PLACE.tries_max + 1


def test_many_places_together_cannot_fill_it_either(db: None) -> None:
    assert send({"csp-report": REPORT}) == 204
    AttemptCount.objects.filter(purpose=CSP_REPORT.purpose).update(tries=CSP_REPORT.tries_max)
    assert send({"csp-report": REPORT}, REMOTE_ADDR="203.0.113.9") == 429


def test_the_policy_names_this_door() -> None:
    assert settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["report-uri"] == [DOOR]
    assert reverse("api:csp_report") == DOOR
