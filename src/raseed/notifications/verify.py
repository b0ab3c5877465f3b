"""What must be true of the outbox: nothing lies in it unsent. It reads and must never repair."""

# ruff: noqa: S608 - the only text put into these statements is constants

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from raseed.db.invariants import Scope, Violation, invariant, of, violations

UNSENT_MAX: Final = timedelta(minutes=5)

_MAILS = """
SELECT account_id AS account, id AS mail,
       format('%%s kept at %%s and not sent after %%s tries; %%s', kind, created_at, tries,
              coalesce(nullif(fault, ''), 'nobody has tried'))
  FROM notifications_mail
 WHERE sent_at IS NULL AND gave_up_at IS NULL AND created_at < %(old)s
 ORDER BY created_at
"""

_PERSONAL = """
SELECT id AS mail, user_id AS user,
       format('%%s kept at %%s and not sent after %%s tries; %%s', kind, created_at, tries,
              coalesce(nullif(fault, ''), 'nobody has tried'))
  FROM notifications_personalmail
 WHERE sent_at IS NULL AND gave_up_at IS NULL AND created_at < %(old)s
 ORDER BY created_at
"""

_PAPERS = f"""
SELECT file.account_id AS account, file.document_id AS document,
       format('its file was made at %%s and no mail brings it', file.rendered_at)
  FROM documents_documentfile AS file
  LEFT JOIN notifications_mail AS mail
    ON mail.account_id = file.account_id AND mail.document_id = file.document_id
 WHERE {of("file")} AND mail.id IS NULL AND file.rendered_at < %(old)s
 ORDER BY file.rendered_at
"""


@invariant("I26", "No mail waits longer than five minutes to be sent or given up.")
def mails_are_sent(scope: Scope) -> Iterator[Violation]:
    yield from violations("I26", _MAILS, scope, old=scope.now - UNSENT_MAX)
    yield from violations("I26", _PERSONAL, scope, old=scope.now - UNSENT_MAX)


@invariant("I26", "Every paper that has a file is mailed within five minutes.")
def papers_are_mailed(scope: Scope) -> Iterator[Violation]:
    yield from violations("I26", _PAPERS, scope, old=scope.now - UNSENT_MAX)
