"""Where a card is typed if the gateway's form stands within a page of ours. The address names the thing and never its secret."""

from django.conf import settings


def form_url(thing: str) -> str:
    """The address of the page for "payments/<id>" or "details/cards/<id>"."""
    return f"{settings.PUBLIC_URL}/settings/billing/{thing}/form"
