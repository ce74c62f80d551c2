"""Many small requests side by side, in bounded memory."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from operator import length_hint
from threading import Lock
from typing import TypeVar, cast

from phenoloop.logs import carried

Item = TypeVar("Item")
Answer = TypeVar("Answer")

THREADS = 32


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same; the next one is fetched while this one is worked on. Raises what `items` raises."""
    waiting, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(carried(next), waiting, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(carried(next), waiting, end)
            yield cast("Item", item)


def in_threads(
    function: Callable[[Item], Answer], items: Iterable[Item], *, threads: int = THREADS
) -> Iterator[Answer]:
    """What `function` answers for each item, in their order; at most twice `threads` answers wait to be taken.

    Raises what `function` raises, then asks no more.
    """
    pool, work = ThreadPoolExecutor(threads, thread_name_prefix="sync"), carried(function)
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def shared(
    function: Callable[[Item], Answer],
    items: Iterator[Item],
    pool: Executor,
    *,
    threads: int = THREADS,
    most: float = math.inf,
    size: Callable[[Answer], float] = lambda _: 1,
) -> list[Answer]:
    """What `function` answers, in any order, until that is `most` in all; items that nobody took are left.

    Each thread takes the next item by itself: of thousands of small requests, handing each over costs as much as the
    request. Raises what `function` raises, then nobody takes another item.
    """
    answers: list[Answer] = []
    taking, left, end = Lock(), most, object()

    def work() -> None:
        nonlocal left
        try:
            while True:
                with taking:
                    if left <= 0 or (item := next(items, end)) is end:
                        return
                answer = function(cast("Item", item))
                with taking:
                    answers.append(answer)
                    left -= size(answer)
        except BaseException:
            with taking:
                left = -math.inf
            raise

    at_work = [pool.submit(carried(work)) for _ in range(min(threads, length_hint(items, threads)))]
    wait(at_work)
    for done in at_work:
        done.result()
    return answers
