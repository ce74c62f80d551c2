import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync.threads import ahead, in_threads, shared


def test_answers_come_in_the_order_of_the_items() -> None:
    def slow_if_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return -number

    assert list(in_threads(slow_if_even, range(50), threads=8)) == [-number for number in range(50)]


def test_no_more_is_asked_than_is_soon_taken() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    answers = in_threads(lambda number: number, items(), threads=4)
    next(answers)

    assert len(taken) == 8
    answers.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_and_ends_it() -> None:
    asked = threading.Semaphore(0)

    def failing(number: int) -> int:
        asked.release()
        return 1 // (number - 3)

    with pytest.raises(ZeroDivisionError):
        list(in_threads(failing, range(10_000), threads=2))
    assert asked._value < 20


def test_shared_items_are_each_answered_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = shared(lambda number: -number, iter(range(1000)), pool, threads=8)

    assert sorted(answers) == [-number for number in reversed(range(1000))]


def test_what_is_too_much_for_now_is_left_for_the_next_time() -> None:
    items = iter(range(100))

    with ThreadPoolExecutor(4) as pool:
        first = shared(lambda number: number, items, pool, threads=4, most=60, size=lambda _: 2)
        then = shared(lambda number: number, items, pool, threads=4)

    assert 30 <= len(first) < 30 + 4
    assert sorted(first + then) == list(range(100))


def test_an_error_ends_what_is_shared() -> None:
    failed, left = threading.Event(), iter(range(10_000))

    def failing(number: int) -> None:
        if number == 0:
            failed.set()
            raise ZeroDivisionError
        failed.wait()
        time.sleep(0.001)

    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        shared(failing, left, pool, threads=2)
    assert next(left) < 20


def test_few_items_are_shared_by_few_threads() -> None:
    with ThreadPoolExecutor(100) as pool:
        shared(lambda number: time.sleep(0.01), iter(range(3)), pool, threads=100)

        assert len(pool._threads) <= 3


def test_while_one_item_is_worked_on_the_next_is_fetched_and_no_more() -> None:
    fetched: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            fetched.append(number)
            yield number

    coming = ahead(items())

    assert next(coming) == 0
    deadline_s = time.monotonic() + 5
    while len(fetched) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.001)
    assert fetched == [0, 1]
    assert list(coming) == list(range(1, 10))


def test_an_error_comes_after_what_was_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    coming = ahead(items())

    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)
