"""What must be true of automatic recharge, checked by `raseed verify`. Reads only."""

# ruff: noqa: S608 - the only text put into these statements is constants

from collections.abc import Iterator

from raseed.db.invariants import Scope, Violation, invariant, of, violations


@invariant("I22", "An account has at most one open recharge, and no try charges a card twice.")
def one_recharge_at_a_time(scope: Scope) -> Iterator[Violation]:
    """Accounts with two open recharges, and tries with two payments on one card."""
    yield from violations(
        "I22",
        f"""
        SELECT p.account_id AS account, count(*) || ' recharges are open'
        FROM payments_payment p
        WHERE {of("p")} AND p.purpose = 'recharge' AND p.state IN ('created', 'submitted', 'action_required')
        GROUP BY p.account_id HAVING count(*) > 1
        UNION ALL
        SELECT c.account_id, 'try ' || c.number || ' charged card ' || c.method_id || ' ' || count(*) || ' times'
        FROM recharge_consideration c
        WHERE {of("c")} AND c.reason = 'charge'
        GROUP BY c.account_id, c.number, c.method_id HAVING count(*) > 1
        """,
        scope,
    )


@invariant("I22", "Every recharge stands in the history, once, with the reason for which it was made.")
def recharges_are_explained(scope: Scope) -> Iterator[Violation]:
    """Recharges without exactly one row that says why."""
    yield from violations(
        "I22",
        f"""
        SELECT p.account_id AS account, p.id AS payment, 'stands in the history ' || count(c.id) || ' times'
        FROM payments_payment p
        LEFT JOIN recharge_consideration c
          ON {of("c")} AND c.account_id = p.account_id AND c.payment_id = p.id AND c.reason = 'charge'
        WHERE {of("p")} AND p.purpose = 'recharge'
        GROUP BY p.account_id, p.id HAVING count(c.id) <> 1
        """,
        scope,
    )
