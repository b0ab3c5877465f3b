"""Keys of the API: kept nowhere, asked at every request, dead at once; what they open and what they do not."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from api.keyed import API, STAFF, Program, code, program
from conftest import RealDatabase
from doors.rows import read_rows
from factors import prove_now
from people import NOON, Company, make_company, make_operator, make_user
from raseed.accounts import api_keys
from raseed.accounts.models import Account, ApiKey, KeyAccess, Membership, StaffRole
from raseed.audit.models import AuditEntry, OperatorAuditEntry
from raseed.db.transactions import atomic
from together import together

NEW_KEY = {"name": "Telephones", "access": "read", "lifetime": "90", "token": api_keys.new_token()}


def status_of(company: Company) -> str:
    return f"/accounts/{company.account.id}/status"


def test_a_key_is_shown_once_and_no_table_holds_it(company: Company) -> None:
    client = Client()
    client.force_login(company.admin)
    prove_now(client, timezone.now())
    page = client.post("/settings/api-keys/new", NEW_KEY).content.decode()
    [key] = ApiKey.objects.all()
    [secret] = [word for word in page.replace("<", " ").replace(">", " ").split() if word.startswith("rsd_") and "…" not in word]  # fmt: skip
    assert (len(secret), key.account_id, key.access) == (47, company.account.id, KeyAccess.READ)

    assert Client().get(API + status_of(company), headers={"Authorization": f"Bearer {secret}"}).status_code == 200  # fmt: skip
    assert secret not in client.get("/settings/api-keys").content.decode()
    every = str(read_rows(connection.connection))
    assert secret not in every
    assert secret.removeprefix("rsd_") not in every
    [entry] = AuditEntry.objects.filter(account_id=company.account.id, action="api_key_made")
    assert (entry.actor_id, entry.object_id) == (company.admin.id, str(key.id))
    [told] = ProcrastinateJob.objects.filter(task_name="notifications.mail_notice")
    assert (told.args["kind"], told.args["address"], told.args["facts"]["thing"]) == (
        "api_key_made",
        company.admin.email,
        "Telephones",
    )


def test_making_a_key_wants_a_fresh_proof_and_ending_one_does_not(company: Company, own: Program) -> None:
    client = Client()
    client.force_login(company.admin)
    for how in (client.get, client.post):
        answer = how("/settings/api-keys/new", NEW_KEY)
        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/confirm")
    assert ApiKey.objects.count() == 1
    answer = client.post(f"/settings/api-keys/{own.made.key.id}/revoke")
    assert answer.headers["Location"] == "/settings/api-keys"
    assert code(own.get(status_of(company))) == "unauthorized"


def test_a_revoked_key_is_dead_at_the_next_request_and_revoked_once(company: Company, own: Program) -> None:
    assert own.get(status_of(company)).status_code == 200
    assert api_keys.revoke(own.made.key, STAFF, timezone.now()) is True
    assert own.get(status_of(company)).status_code == 401
    assert api_keys.revoke(own.made.key, STAFF, timezone.now()) is False
    assert AuditEntry.objects.filter(account_id=company.account.id, action="api_key_revoked").count() == 1


def test_who_has_no_working_key_is_not_told_why(company: Company) -> None:
    now = timezone.now()
    other = program(make_company("Hawk").account.id)
    Account.objects.filter(id=other.made.key.account_id).update(closed_at=now)
    expired = program(company.account.id, lifetime=timedelta(days=30), now=now - timedelta(days=30))
    secret = program(company.account.id).made.secret
    wrong = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x"},
        {"Authorization": secret},
        {"Authorization": f"Basic {secret}"},
        {"Authorization": f"Bearer {secret[:-1]}" + ("A" if secret[-1] != "A" else "B")},
        {"Authorization": f"Bearer {secret}\0"},
        {"X-Api-Key": secret},
        expired.headers,
        other.headers,
    ]
    answers = [Client().get(API + status_of(company), headers=headers) for headers in wrong]
    assert {code(answer) for answer in answers} == {"unauthorized"}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    # The key that none of these was.
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get(API + status_of(company), headers=headers).status_code == 200


def test_a_key_works_until_the_moment_at_which_it_expires(company: Company) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        one = program(company.account.id, lifetime=timedelta(days=30))
        clock.shift(timedelta(days=30, microseconds=-1))
        assert one.get(status_of(company)).status_code == 200
        clock.shift(timedelta(microseconds=1))
        assert one.get(status_of(company)).status_code == 401


def test_a_key_in_the_address_is_refused_even_beside_a_right_one(company: Company, own: Program) -> None:
    for query in (
        {"q": own.made.secret},
        {"api_key": "x"},
        {"access_token": "x"},
        {"KEY": "x"},
    ):
        answer = own.get(status_of(company), **query)
        assert (answer.status_code, code(answer)) == (400, "key_in_url")
    assert code(Client().get(f"{API}/openapi.json?token={own.made.secret}")) == "key_in_url"


def test_the_last_use_is_written_once_a_minute(company: Company, own: Program) -> None:
    seen = []
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(5):
            assert own.get(status_of(company)).status_code == 200
            seen.append(ApiKey.objects.get(id=own.made.key.id).last_used_at)
            clock.shift(timedelta(seconds=20))
    assert seen == [NOON] * 3 + [NOON + timedelta(minutes=1)] * 2


def test_an_accounts_key_sees_that_account_and_no_other(company: Company, own: Program) -> None:
    other = make_company("Hawk").account.id
    for part in ("", "/status", "/balance", "/payments"):
        assert own.get(f"/accounts/{company.account.id}{part}").status_code == 200
        foreign, unknown = own.get(f"/accounts/{other}{part}"), own.get(f"/accounts/{uuid4()}{part}")
        assert (code(foreign), foreign.status_code) == ("not_found", 404)
        assert foreign.content == unknown.content
    assert code(own.get("/accounts")) == "operator_key_needed"


def test_a_session_is_no_key_and_is_not_kept_alive_by_the_api(company: Company) -> None:
    client = Client()
    client.force_login(company.admin)
    before = dict(client.session)
    answer = client.get(API + status_of(company))
    assert (answer.status_code, answer.cookies) == (401, {})
    assert dict(client.session) == before


def test_requests_are_counted_for_each_key_and_all_go_on_after_the_wait(
    company: Company, own: Program, settings: Settings
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    other = program(company.account.id)
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(3):
            assert own.get(status_of(company)).status_code == 200
            clock.shift(timedelta(seconds=5))
        answer = own.get(status_of(company))
        assert (answer.status_code, code(answer), answer.headers["Retry-After"]) == (
            429,
            "too_many_requests",
            "45",
        )
        assert other.get(status_of(company)).status_code == 200
        clock.shift(timedelta(seconds=45))
        assert own.get(status_of(company)).status_code == 200


def test_staff_make_and_end_keys_and_each_act_is_written_down(company: Company) -> None:
    finance = make_user("finance@operator.test", staff_role=StaffRole.FINANCE)
    support = make_user("support@operator.test", staff_role=StaffRole.SUPPORT)
    clients = {}
    for person in (finance, support):
        clients[person.id] = Client()
        clients[person.id].force_login(person)
        prove_now(clients[person.id], timezone.now())
    assert clients[support.id].post("/backoffice/api-keys/new", NEW_KEY).status_code == 403
    assert ApiKey.objects.count() == 0
    assert clients[finance.id].post("/backoffice/api-keys/new", NEW_KEY).status_code == 200
    [key] = ApiKey.objects.filter(account_id=None)
    answer = clients[support.id].post(f"/backoffice/api-keys/{key.id}/revoke")
    assert answer.headers["Location"] == "/backoffice/api-keys"
    assert [row.action for row in OperatorAuditEntry.objects.order_by("id")] == [
        "api_key_made",
        "api_key_revoked",
    ]
    keys = f"/backoffice/accounts/{company.account.id}/api-keys"
    assert clients[support.id].post(f"{keys}/new", NEW_KEY).status_code == 200
    assert "Telephones" in clients[support.id].get(keys).content.decode()
    told = ProcrastinateJob.objects.filter(task_name="notifications.mail_notice")
    assert [(one.args["kind"], one.args["address"]) for one in told.order_by("id")] == [
        ("api_key_made", finance.email),
        ("api_key_revoked", finance.email),
        ("api_key_made", company.admin.email),
    ]


def test_only_working_keys_count_and_there_is_an_end_of_them(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "KEYS_MAX", 2)
    first = program(company.account.id)
    program(company.account.id)
    with pytest.raises(api_keys.TooManyKeys):
        program(company.account.id)
    assert ApiKey.objects.count() == 2
    with atomic():
        api_keys.revoke(first.made.key, STAFF, NOON)
    program(company.account.id)
    # Another owner has places of its own.
    program()


def test_an_agent_has_no_page_of_keys(company: Company) -> None:
    agent = make_user("agent@falcon.test", account=company.account)
    Membership.objects.create(account=company.account, user_id=agent.id, role="agent")
    client = Client()
    client.force_login(agent)
    assert client.get("/settings/api-keys").status_code == 403


def test_a_form_sent_twice_makes_one_key_and_both_answers_show_it(company: Company) -> None:
    client = Client()
    client.force_login(company.admin)
    now = timezone.now()
    prove_now(client, now)
    page = "/settings/api-keys/new"
    tokens = [client.get(page).context["form"]["token"].value() for _ in range(2)]
    assert tokens[0] != tokens[1]
    first, second = (client.post(page, NEW_KEY | {"token": tokens[0]}) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.context["made"].secret == second.context["made"].secret
    [key] = ApiKey.objects.all()
    assert AuditEntry.objects.filter(account_id=company.account.id, action="api_key_made").count() == 1
    assert ProcrastinateJob.objects.filter(task_name="notifications.mail_notice").count() == 1
    # For something else, without its token or a good while later it makes nothing and shows nothing.
    assert client.post(page, NEW_KEY | {"token": tokens[0], "name": "Else"}).status_code == 409
    assert client.post(page, NEW_KEY | {"token": ""}).status_code == 422
    with time_machine.travel(now + timedelta(minutes=2)):
        late = client.post(page, NEW_KEY | {"token": tokens[0]})
    assert (late.status_code, "rsd_" in late.content.decode()) == (409, False)
    api_keys.revoke(key, STAFF, now)
    assert client.post(page, NEW_KEY | {"token": tokens[0]}).status_code == 409
    assert [one.id for one in ApiKey.objects.all()] == [key.id]
    # Nobody else's form, with the same token, names this key.
    asked = api_keys.NewKey("Telephones", KeyAccess.READ, timedelta(days=90), tokens[0])
    others = (api_keys.make(company.account.id, asked, STAFF, now), api_keys.make(None, asked, STAFF, now))
    assert len({first.context["made"].secret, *(one.secret for one in others)}) == 3


def test_two_presses_at_once_make_one_key(real_db: RealDatabase) -> None:
    make_operator()
    company, now = make_company(), timezone.now()

    def press(asked: api_keys.NewKey) -> str:
        return api_keys.make(company.account.id, asked, STAFF, now).secret

    asked = api_keys.NewKey("Telephones", KeyAccess.READ, None)
    assert len(set(together(*[partial(press, asked)] * 8))) == 1
    assert ApiKey.objects.count() == 1
    # With tokens that are minted when the form is posted, each press is a key.
    each = [partial(press, api_keys.NewKey("Telephones", KeyAccess.READ, None)) for _ in range(3)]
    assert len(set(together(*each))) == 3
    assert ApiKey.objects.count() == 4
