"""One id from hop to hop."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from phenoloop.logs import carried, current_trace_id, traced


def test_an_id_holds_inside_and_ends_with_it() -> None:
    with traced("task-7") as used:
        assert (used, current_trace_id()) == ("task-7", "task-7")
    assert current_trace_id() is None


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 65, "line\nbreak", "é"])
def test_what_is_no_id_gets_a_new_one(given: str | None) -> None:
    with traced(given) as used:
        assert used != given
        assert current_trace_id() == used


def test_a_thread_has_the_id_only_if_it_is_carried() -> None:
    with ThreadPoolExecutor(1) as threads, traced("task-7"):
        assert threads.submit(current_trace_id).result() is None
        assert threads.submit(carried(current_trace_id)).result() == "task-7"
        assert threads.submit(current_trace_id).result() is None
