"""Label Studio's list of tasks, as its Data Manager asks for it: filtered, by id, in pages."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from phenoloop.labelling.http import Http

PAGE = 100

Filter = dict[str, Any]


def task_filter(column: str, operator: str, type_: str, value: Any) -> Filter:
    """One condition; `type_` is `Number`, `Datetime`, `List`, ... and must fit the column."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": type_, "value": value}


MADE = ("total_annotations", "cancelled_annotations")
OPEN = [task_filter(count, "equal", "Number", 0) for count in MADE]
"""Of tasks that nobody annotated or skipped yet."""
SEVERAL = [task_filter("total_predictions", "greater", "Number", 1)]
"""Of tasks with more than one prediction."""


def version_filters(without: str | None, with_: str | None) -> list[Filter]:
    """Of tasks without a prediction of one version, or with one of another."""
    return [
        task_filter("predictions_model_versions", operator, "List", [version])
        for operator, version in (("not_contains", without), ("contains", with_))
        if version is not None
    ]


def listed_tasks(
    http: Http, parameters: Mapping[str, Any], filters: Sequence[Filter], *, ids: Sequence[int] | None = None
) -> Iterator[dict[str, Any]]:
    """The tasks that all `filters` let through, of `ids` only if given; by id, each once.

    Every request asks for what follows the last id, never for a second page: what a filter lets through may change
    between two requests, which would shift the pages.
    Raises LookupError, TypeError or ValueError of an answer that is none.
    """
    for some in [None] if ids is None else [ids[at : at + PAGE] for at in range(0, len(ids), PAGE)]:
        selected = {} if some is None else {"selectedItems": {"all": False, "included": list(some)}}
        last, is_more = 0, True
        while is_more:
            following = [*filters, task_filter("id", "greater", "Number", last)] if last else filters
            query = {**selected, "filters": {"conjunction": "and", "items": following}} if following else selected
            answer = _page(http, parameters, query, PAGE)
            tasks = answer["tasks"]
            is_more = bool(tasks) and len(tasks) < int(answer["total"])
            if is_more and int(tasks[-1]["id"]) <= last:
                raise ValueError("the tasks do not go on")
            for values in tasks:
                if int(values["id"]) > last:  # a task with two matching predictions is listed twice
                    last = int(values["id"])
                    yield values


def newest_tasks(
    http: Http, parameters: Mapping[str, Any], filters: Sequence[Filter], count: int
) -> list[dict[str, Any]]:
    """The `count` (at most PAGE) tasks of the highest ids that all `filters` let through, newest first."""
    query = {"filters": {"conjunction": "and", "items": list(filters)}, "ordering": ["-tasks:id"]}
    tasks = _page(http, parameters, query, min(count, PAGE))["tasks"]
    return list({int(values["id"]): values for values in tasks}.values())  # one with two predictions is listed twice


def counted_tasks(http: Http, parameters: Mapping[str, Any], filters: Sequence[Filter]) -> int:
    """How many tasks all `filters` let through; one with two matching predictions counts twice."""
    query = {"filters": {"conjunction": "and", "items": list(filters)}}
    return int(_page(http, parameters, query, 1)["total"])


def _page(http: Http, parameters: Mapping[str, Any], query: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The first one. Without `review` this list can make Label Studio ask the backend for predictions."""
    shown = {"resolve_uri": "false", "review": "true", "query": json.dumps(query)}
    return dict(http.get("/api/tasks/", {**parameters, **shown, "page": 1, "page_size": size}))
