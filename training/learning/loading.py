"""Batches made ahead by a few threads, the same whatever their number and whenever a training is started again."""

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.learning.lesson import Lesson

_MOST_THREADS = 4
_AHEAD = 5
"""Batches that are on their way while one is learnt from."""


class Batches:
    """This process' part of each step's samples, in steps' order."""

    def __init__(
        self, lesson: Lesson, pool: ThreadPoolExecutor, *, size: int, seed: int, part: int, parts: int, step: int
    ) -> None:
        """`step`: how many were taken before."""
        self._lesson, self._pool = lesson, pool
        self._size, self._seed, self._part, self._parts = size, seed, part, parts
        self._step = step
        self._coming: deque[Future[Any]] = deque()
        self._order = lru_cache(maxsize=2)(self._permutation)
        self.waited_s = 0.0
        """All in all, for batches that were not ready."""

    def next(self) -> Any:
        """Nested tuples and lists of CPU tensors."""
        while len(self._coming) <= _AHEAD:
            self._coming.append(self._pool.submit(self._made, self._step))
            self._step += 1
        begun_s = time.monotonic()
        batch = self._coming.popleft().result()
        self.waited_s += time.monotonic() - begun_s
        return batch

    def _made(self, step: int) -> Any:
        first = (step * self._parts + self._part) * self._size
        return self._lesson.batch([self._sample(place) for place in range(first, first + self._size)])

    def _sample(self, place: int) -> Any:
        """The sample at a place in the row of all epochs."""
        epoch, at = divmod(place, len(self._lesson))
        index = int(self._order(epoch)[at])
        return self._lesson.sample(np.random.default_rng((self._seed, epoch, index)), index)

    def _permutation(self, epoch: int) -> NDArray[np.intp]:
        return np.random.default_rng((self._seed, epoch)).permutation(len(self._lesson))


@contextmanager
def loading(processes: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that prepare samples; `processes` share the machine. One where the processors have to learn, too."""
    torch.get_num_threads()  # settles this thread's own number
    threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // processes)) if torch.cuda.is_available() else 1
    pool = ThreadPoolExecutor(threads, "loading", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
