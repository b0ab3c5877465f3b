"""Every address of the API, with every key and everything of the other account in it: nothing of another account is seen.

The walk is read from the URL conf and the table of rights alone, as that of the pages.
"""

from uuid import uuid4

from django.test import Client

from addresses import routes
from doors.places import addresses_of, methods
from doors.reading import faults_of
from doors.rows import Copies, changed, rows_of
from doors.world import World
from raseed.accounts.access import ROUTES, ByKey

# What a request leaves behind whoever makes it: its count, and when the key was used last.
COUNTED = ("accounts_attemptcount", "accounts_apikey", "django_session")


def test_a_key_opens_its_account_and_nothing_of_another(world: World, copies: Copies) -> None:
    found = {name: pattern for name, pattern in routes() if ROUTES[name] is ByKey.API_KEY}
    assert len(found) >= 10
    takes = methods(world)
    before = rows_of(copies.database, *COUNTED)
    wrong, shown = [], set()
    for name, pattern in found.items():
        for at in addresses_of(name, pattern, world):
            for side in (*world.sides, None):
                headers = {"Authorization": f"Bearer {side.key if side else world.key}"}
                index = world.sides.index(side) if side else None
                is_foreign = side is not None and bool(at.owners - {index})
                for how in sorted(takes[name] - {"DELETE"}):
                    named = headers | ({"Idempotency-Key": uuid4().hex} if how == "POST" else {})
                    # A body that no command takes: what is let in is told so.
                    body = "{" if how == "POST" and not at.owners else ""
                    answer = Client().generic(how, at.url, body, "application/json", headers=named)
                    where = f"{how} {at.url} by {index}: {answer.status_code}"
                    if is_foreign and answer.status_code not in {403, 404}:
                        wrong.append(where)
                    if answer.status_code in {401, 405, 500}:
                        wrong.append(where)
                    wrong += [f"{where}: {fault}" for fault in faults_of(name, answer)]
                    text = answer.content.decode().lower()
                    for other in world.sides:
                        if side is not None and other is not side:
                            wrong += [
                                f"{where} shows {what}"
                                for what, secret in other.secrets.items()
                                if secret.lower() in text and secret not in at.given
                            ]
                    if how == "GET" and answer.status_code == 200:
                        shown.add((name, index))
    assert wrong == []
    difference = changed(before, rows_of(copies.database, *COUNTED))
    # The operator's key has changed a secret and sent something again: it may. No account's key has.
    assert set(difference) <= {
        "events_webhookendpoint",
        "events_webhookdelivery",
        "api_storedanswer",
        "audit_auditentry",
        "procrastinate_jobs",
        "procrastinate_events",
    }
    assert all("finance" not in row for row in difference.get("audit_auditentry", []))
    # Else the walk would prove nothing.
    assert {name for name, index in shown if index is None} == {
        name for name in found if "GET" in takes[name]
    }
    assert {("api:v1:account_status", 0), ("api:v1:account_status", 1)} <= shown
