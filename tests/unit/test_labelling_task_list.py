"""The task list is read whole, whatever happens to it meanwhile."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from phenoloop.labelling.task_list import PAGE, listed_tasks, newest_tasks, task_filter


class ShrinkingList:
    """Label Studio's task list of tasks that a filter still lets through; `after_page` happens between two requests."""

    def __init__(self, count: int, after_page: Callable[[set[int]], None] = lambda _: None, copies: int = 1) -> None:
        self.ids = set(range(1, count + 1))
        self.queries: list[dict[str, Any]] = []
        self._after_page, self._copies = after_page, copies

    def get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        query = json.loads(parameters["query"])
        self.queries.append(query)
        included = query.get("selectedItems", {}).get("included", self.ids)
        last = next((f["value"] for f in query.get("filters", {}).get("items", []) if f["filter"].endswith(":id")), 0)
        found = [id_ for id_ in sorted(self.ids) if id_ > last and id_ in included for _ in range(self._copies)]
        page = found[: parameters["page_size"]]
        assert (path, parameters["page"]) == ("/api/tasks/", 1)
        self._after_page(self.ids)
        return {"tasks": [{"id": id_} for id_ in page], "total": len(found)}


def listed(tasks: ShrinkingList, **selected: Any) -> list[int]:
    return [task["id"] for task in listed_tasks(tasks, {"project": 1}, [], **selected)]  # type: ignore[arg-type]


def test_tasks_of_several_pages_come_by_id() -> None:
    assert listed(ShrinkingList(2 * PAGE + 1)) == list(range(1, 2 * PAGE + 2))


def test_exactly_full_pages_are_the_end() -> None:
    tasks = ShrinkingList(2 * PAGE)

    assert (listed(tasks), len(tasks.queries)) == (list(range(1, 2 * PAGE + 1)), 2)


def test_no_task_is_passed_over_while_those_read_leave_the_filter() -> None:
    def read_ones_are_done(ids: set[int]) -> None:
        for id_ in sorted(ids)[:PAGE]:
            ids.discard(id_)

    assert listed(ShrinkingList(3 * PAGE, read_ones_are_done)) == list(range(1, 3 * PAGE + 1))


def test_a_list_that_empties_meanwhile_ends() -> None:
    assert listed(ShrinkingList(3 * PAGE, set.clear)) == list(range(1, PAGE + 1))


def test_the_newest_tasks_are_asked_for_in_one_small_page() -> None:
    tasks = ShrinkingList(3)
    newest_tasks(tasks, {"project": 1}, [task_filter("inner_id", "less", "Number", 9)], 500)  # type: ignore[arg-type]
    (query,) = tasks.queries
    assert query["ordering"] == ["-tasks:id"]
    assert [item["filter"] for item in query["filters"]["items"]] == ["filter:tasks:inner_id"]


def test_a_task_that_is_listed_twice_comes_once() -> None:
    assert listed(ShrinkingList(PAGE, copies=2)) == list(range(1, PAGE + 1))


def test_only_the_given_tasks_come_and_no_request_names_more_than_a_page_of_them() -> None:
    tasks = ShrinkingList(1000)

    assert listed(tasks, ids=range(1, 502, 2)) == list(range(1, 502, 2))
    assert max(len(query["selectedItems"]["included"]) for query in tasks.queries) == PAGE


def test_no_given_task_is_no_request() -> None:
    tasks = ShrinkingList(5)

    assert (listed(tasks, ids=[]), tasks.queries) == ([], [])


def test_filters_are_kept_from_page_to_page() -> None:
    tasks = ShrinkingList(PAGE + 1)
    open_ = task_filter("total_annotations", "equal", "Number", 0)

    list(listed_tasks(tasks, {}, [open_]))  # type: ignore[arg-type]

    assert [query["filters"]["items"][0] for query in tasks.queries] == [open_, open_]


class StandingList:
    """A server that says that there is more, and tells the same again."""

    def get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"tasks": [{"id": 1}], "total": 3}


def test_a_list_that_does_not_go_on_is_no_list() -> None:
    with pytest.raises(ValueError, match="do not go on"):
        list(listed_tasks(StandingList(), {"project": 1}, []))  # type: ignore[arg-type]
