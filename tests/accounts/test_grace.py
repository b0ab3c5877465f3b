"""The operator's time of grace: changed once, written down, within bounds."""

import pytest

from people import NOON, make_operator
from raseed.accounts.grace import GraceOutOfRange, change_grace
from raseed.accounts.models import Operator
from raseed.audit.log import COMMAND_LINE
from raseed.audit.models import OperatorAuditEntry

pytestmark = pytest.mark.django_db


def test_a_change_is_audited_once() -> None:
    make_operator()
    assert change_grace(24, COMMAND_LINE, NOON)
    assert not change_grace(24, COMMAND_LINE, NOON)
    assert Operator.objects.get().grace_hours == 24
    (entry,) = OperatorAuditEntry.objects.filter(action="grace_changed")
    assert (entry.before, entry.after) == ({"grace_hours": 0}, {"grace_hours": 24})


@pytest.mark.parametrize("hours", [-1, 745])
def test_what_is_no_grace_is_refused(hours: int) -> None:
    make_operator()
    with pytest.raises(GraceOutOfRange):
        change_grace(hours, COMMAND_LINE, NOON)
    assert Operator.objects.get().grace_hours == 0
