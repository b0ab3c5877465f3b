"""The order and the names of the terms of the available balance, as the page opens them."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from raseed.portal.pages import Text


@dataclass(frozen=True, slots=True)
class TermShown:
    """A field of balance.equation.Equation. `always`: shown even when it is zero; `usually_taken`: a deduction."""

    name: str
    label: Text
    always: bool = True
    usually_taken: bool = True


EQUATION: Final = (
    TermShown("payments", _("Payments"), usually_taken=False),
    TermShown("refunds", _("Refunds"), always=False),
    TermShown("adjustments", _("Adjustments and disputes"), always=False, usually_taken=False),
    TermShown("invoiced", _("Invoiced")),
    TermShown("uninvoiced", _("Uninvoiced amount")),
    TermShown("held", _("Held")),
    TermShown("credit_limit", _("Credit limit"), always=False, usually_taken=False),
)
