"""Webhook endpoints and their delivery log over the API: for the operator's keys. The use-cases are of `notifications.webhooks`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from django.utils import timezone
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field

from raseed.api.bearer import KeyRequest, OperatorKey, who
from raseed.api.commands import HEADER, Answer, command
from raseed.api.paging import Asked, Page, page_of, place_of
from raseed.events.models import EventKind, WebhookDelivery, WebhookEndpoint
from raseed.notifications.webhooks import endpoints, records
from raseed.notifications.webhooks.endpoints import NewEndpoint
from raseed.notifications.webhooks.targets import URL_LENGTH_MAX

endpoint_router = Router(tags=["webhooks"], auth=OperatorKey())
delivery_router = Router(tags=["webhooks"], auth=OperatorKey())


class EndpointIn(Schema):
    """An endpoint to be made. Without `account_id` it hears of all accounts."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=URL_LENGTH_MAX, examples=["https://service.example.com/hooks"])]
    kinds: Annotated[list[EventKind], Field(min_length=1)]
    account_id: UUID | None = None
    description: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""


class EndpointOut(Schema):
    """An endpoint. `failing_since` is when it stopped taking anything."""

    id: UUID
    account_id: UUID | None
    url: str
    description: str
    kinds: list[str]
    is_enabled: bool
    created_at: datetime
    failing_since: datetime | None


class EndpointWithSecret(EndpointOut):
    """An endpoint with the secret that it has just been given: kept by you, for it is not shown again."""

    secret: str


class DeliveryOut(Schema):
    """One event on its way to one endpoint, and what became of it. `event_id` is the webhook-id at each delivery."""

    id: int
    endpoint_id: UUID
    account_id: UUID
    event_id: str
    kind: str
    state: Literal["waiting", "delivered", "gave_up"]
    tries: int
    created_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None
    last_status: int | None
    fault: str


@endpoint_router.post(
    "",
    response={201: EndpointWithSecret},
    openapi_extra=HEADER,
    summary="Make an endpoint",
    url_name="webhook_endpoints",
)
@command
def webhook_endpoint_make(request: KeyRequest, asked: EndpointIn) -> Answer:
    """It is told from now on. Its secret is in this answer and in no other."""
    wanted = NewEndpoint(asked.url, asked.kinds, asked.account_id, asked.description)
    made = endpoints.create(wanted, who(request), timezone.now())
    return Answer(201, _with_secret(made))


@endpoint_router.get("", response=Page[EndpointOut], summary="List endpoints", url_name="webhook_endpoints")
def webhook_endpoints(request: KeyRequest, asked: Asked) -> Page[EndpointOut]:  # noqa: ARG001 - ninja knows it by name
    """Those that are not removed, newest first."""
    before = place_of(asked.cursor, UUID)
    rows = endpoints.there().order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    return page_of(list(rows[: asked.limit + 1]), asked.limit, _endpoint_out, lambda row: str(row.id))


@endpoint_router.get("/{uuid:webhook_endpoint_id}", response=EndpointOut, summary="Read an endpoint")
def webhook_endpoint(request: KeyRequest, webhook_endpoint_id: UUID) -> EndpointOut:  # noqa: ARG001
    """One endpoint."""
    return _endpoint_out(endpoints.endpoint_of(webhook_endpoint_id))


@endpoint_router.delete(
    "/{uuid:webhook_endpoint_id}",
    response={204: None},
    summary="Remove an endpoint",
    url_name="webhook_endpoint",
)
def webhook_endpoint_remove(request: KeyRequest, webhook_endpoint_id: UUID) -> Status[None]:
    """Nothing is sent there any more; what waits for it is given up."""
    endpoints.remove(webhook_endpoint_id, who(request), timezone.now())
    return Status(204, None)


@endpoint_router.post(
    "/{uuid:webhook_endpoint_id}/rotate-secret",
    response={200: EndpointWithSecret},
    openapi_extra=HEADER,
    summary="Change the secret",
)
@command
def webhook_endpoint_rotate(request: KeyRequest, webhook_endpoint_id: UUID) -> Answer:
    """For 24 hours every delivery is signed by both secrets, so that nothing is missed."""
    return Answer(200, _with_secret(endpoints.rotate(webhook_endpoint_id, who(request), timezone.now())))


@delivery_router.get("", response=Page[DeliveryOut], summary="List deliveries")
def webhook_deliveries(
    request: KeyRequest,  # noqa: ARG001
    asked: Asked,
    endpoint_id: UUID | None = None,
) -> Page[DeliveryOut]:
    """The log of 30 days, newest first; of one endpoint, if it is named."""
    rows = records.deliveries(place_of(asked.cursor, int))
    if endpoint_id is not None:
        rows = rows.filter(endpoint_id=endpoint_id)
    return page_of(list(rows[: asked.limit + 1]), asked.limit, _delivery_out, lambda row: str(row.id))


@delivery_router.post(
    "/{int:webhook_delivery_id}/replay",
    response={202: DeliveryOut},
    openapi_extra=HEADER,
    summary="Deliver again",
)
@command
def webhook_delivery_replay(request: KeyRequest, webhook_delivery_id: int) -> Answer:
    """The same body under the same webhook-id, at once."""
    return Answer(202, _delivery_out(records.replay(webhook_delivery_id, who(request), timezone.now())))


def _with_secret(made: endpoints.WithSecret) -> EndpointWithSecret:
    return EndpointWithSecret(**_endpoint_out(made.endpoint).model_dump(), secret=made.secret)


def _endpoint_out(row: WebhookEndpoint) -> EndpointOut:
    return EndpointOut.model_validate(row)


def _delivery_out(row: WebhookDelivery) -> DeliveryOut:
    return DeliveryOut.model_validate(row)
