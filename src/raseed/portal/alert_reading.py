"""Reads what the pages show of e-mail alerts and of the time of grace, always for one account. Nothing here writes or decides."""

from raseed.accounts.models import Account
from raseed.balance.alerts import open_alerts, settings_of, watched_by
from raseed.balance.suspension import open_grace
from raseed.balance.wording import alert_sentence, alert_title
from raseed.portal.pages import AlertCard, AlertLine


def alert_card(account: Account, *, may_change: bool) -> AlertCard:
    """What an account is warned of, the warnings that stand, and until when service goes on with nothing left."""
    watched = watched_by(account, settings_of(account.id))
    grace = open_grace(account.id)
    return AlertCard(
        is_on=watched.is_on,
        low_balance=watched.low_balance,
        low_days=watched.low_days,
        consumption_limit=watched.consumption_limit,
        addresses=watched.addresses,
        standing=tuple(
            AlertLine(alert_title(one), alert_sentence(one, account), one.opened_at)
            for one in open_alerts(account.id)
        ),
        grace_until=grace.until if grace else None,
        may_change=may_change,
    )
