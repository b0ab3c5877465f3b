"""Every page that there is, as somebody who may open it: no violation that axe can find, in light and dark.

The pages are read from the URL conf and the table of rights, so that a new one is looked at without a word here.
"""

from collections.abc import Callable, Iterator
from itertools import product

from django.urls import URLPattern, reverse
from django.utils import timezone

from addresses import routes
from browser.visitor import Visitor
from browser.watch import Look
from doors.world import SHARED, Side, make_side
from factors import give_app
from people import make_user
from raseed.accounts.access import ROUTES, Action, ByKey, Public, Role, may
from raseed.accounts.models import StaffRole, User
from raseed.balance.models import Reason
from whole import Whole

# The way back from the bank is no page: it asks the bank and leads on.
NO_PAGE = {"portal:payment_return", "portal:card_return"}


def test_axe_finds_nothing_on_any_page(visitor: Callable[[Look], Visitor], look: Look, whole: Whole) -> None:
    # The worker would ask its bank about payments of which that bank knows nothing.
    with whole.worker_held():
        side = make_side(f"Axe{look.language}", Reason.STAFF)
    User.objects.filter(account_id=side.account_id).update(language=look.language)
    finance = make_user(
        f"axe-{look.language}@operator.test", staff_role=StaffRole.FINANCE, language=look.language
    )
    give_app(finance, timezone.now())
    people: dict[Role | None, User | None] = {
        None: None,
        Role.ADMIN: side.people[Role.ADMIN],
        Role.FINANCE: finance,
    }
    seen = {}
    for role, person in people.items():
        guest = visitor(look)
        # A refusal is a page too: an address of a thing that is over or not there yet.
        guest.watch.forgiven.append("the server responded with a status of 4")
        if person:
            guest.sign_in(person)
        page = guest.context.new_page()
        for name, url in _addresses(role, side):
            # What is no page, or takes no GET, is not for a tab: asked for beside it first.
            first = guest.context.request.get(guest.whole.portal + url)
            if first.status == 405 or not first.headers.get("content-type", "").startswith("text/html"):
                continue
            answer = page.goto(guest.whole.portal + url, wait_until="load")
            assert answer, url
            if page.locator("main").count():
                guest.watch.glance(page, f"page-{name.replace(':', '-')}")
                seen[name] = answer.status
    assert {"portal:login", "portal:balance", "backoffice:accounts"} <= {
        name for name, status in seen.items() if status == 200
    }


def _addresses(role: Role | None, side: Side) -> Iterator[tuple[str, str]]:
    """The pages that this role opens first: nobody signed in sees the public ones, an Admin those of the account."""
    for name, pattern in routes():
        access = ROUTES[name]
        if isinstance(access, ByKey):
            continue
        first = next(
            one
            for one in (None, Role.ADMIN, Role.FINANCE)
            if (
                isinstance(access, Public) if one is None else isinstance(access, Action) and may(one, access)
            )
        )
        if role == first and name not in NO_PAGE and not name.startswith("api:"):
            yield from ((name, url) for url in _urls(name, pattern, side))


def _urls(name: str, pattern: URLPattern, side: Side) -> Iterator[str]:
    parameters = list(pattern.pattern.converters)
    choices = [SHARED.get(one) or side.values(one) for one in parameters]
    for values in product(*choices):
        yield reverse(name, kwargs=dict(zip(parameters, values, strict=True)))
