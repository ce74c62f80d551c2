"""Many small requests side by side, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    pool = ThreadPoolExecutor(threads, thread_name_prefix="sync")
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(carried(function), item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
