"""What all nouns share: made once, found or refused in SageMaker's words, listed by page."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from math import inf
from operator import itemgetter
from typing import Any, TypeVar

from phenoloop.local_aws.sagemaker.calls import Call
from phenoloop.local_aws.sagemaker.errors import ValidationException
from phenoloop.local_aws.sagemaker.store import AlreadyThere, Kind, Resource, Store

WORDS = {Kind.MODEL: "model", Kind.ENDPOINT_CONFIG: "endpoint configuration", Kind.ENDPOINT: "endpoint"}
DEFAULT_PAGE = 10

Item = TypeVar("Item")


def create(store: Store, call: Call, kind: Kind, name: str, document: dict[str, Any]) -> Resource:
    """Add a resource with the call's tags. Raises ValidationException if its name is taken."""
    arn = call.arn(kind, name)
    with store.transaction():
        try:
            resource = store.add(kind, name, arn, document)
        except AlreadyThere as error:
            raise ValidationException(f'Cannot create already existing {WORDS[kind]} "{arn}".') from error
        store.tag(arn, call.get("Tags", []))
    return resource


def existing(store: Store, call: Call, kind: Kind, name: str) -> Resource:
    """Raises ValidationException if there is none."""
    resource = store.find(kind, name)
    if resource is None:
        raise ValidationException(f'Could not find {WORDS[kind]} "{call.arn(kind, name)}".')
    return resource


def page(call: Call, resources: Iterable[Resource], *, descending: bool) -> tuple[list[Resource], dict[str, str]]:
    """The page that a List call asks for, and the NextToken member if there are more.

    `descending` is the operation's default order.
    """
    wanted = [resource for resource in resources if _is_wanted(call, resource)]
    return paged(call, wanted, lambda resource: _place(call, resource), descending=descending)


def paged(
    call: Call, items: Iterable[Item], place: Callable[[Item], tuple[Any, ...]], *, descending: bool
) -> tuple[list[Item], dict[str, str]]:
    """The same of anything that has a unique place in its order.

    The token is the place of the page's last item, so items made or deleted between two calls shift nothing.
    """
    if "SortOrder" in call.parameters:
        descending = call["SortOrder"] == "Descending"
    by_place = sorted(((place(item), item) for item in items), key=itemgetter(0), reverse=descending)
    if token := call.get("NextToken"):
        last = _decoded(token)
        by_place = [(at, item) for at, item in by_place if (at < last if descending else at > last)]
    size = call.get("MaxResults", DEFAULT_PAGE)
    shown = by_place[:size]
    return [item for _, item in shown], {"NextToken": _encoded(shown[-1][0])} if by_place[size:] else {}


def _is_wanted(call: Call, resource: Resource) -> bool:
    """Times of a request are seconds since the epoch, as JSON 1.1 sends them."""
    after, before = call.get("CreatedAfter", 0), call.get("CreatedBefore", inf)
    return (
        call.get("NameContains", "").lower() in resource.name.lower()
        and call.get("CreationTimeAfter", after) < resource.created_at_s < call.get("CreationTimeBefore", before)
        and call.get("LastModifiedTimeAfter", 0) < resource.modified_at_s < call.get("LastModifiedTimeBefore", inf)
    )


def _place(call: Call, resource: Resource) -> tuple[Any, ...]:
    """What a list is sorted by; the ARN makes it unique."""
    match call.get("SortBy", "CreationTime"):
        case "Name" | "PipelineExecutionArn":
            return (resource.name.lower(), resource.arn)
        case "Status":
            return (resource.document["status"], resource.arn)
        case _:
            return (resource.created_at_s, resource.arn)


def _encoded(place: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _decoded(token: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(base64.urlsafe_b64decode(token)))
    except (binascii.Error, ValueError) as error:
        raise ValidationException("Invalid NextToken.") from error
