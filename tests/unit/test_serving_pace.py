"""What may be left out is left out, rather than take more than its share of the time."""

import math
import time

import pytest

from serving.pace import Pace


def burn(seconds: float) -> None:
    ends_s = time.thread_time() + seconds
    while time.thread_time() < ends_s:
        pass


def test_after_a_turn_comes_a_rest_that_makes_up_for_it() -> None:
    pace, started_s = Pace(0.5), time.monotonic()
    with pace.turn() as is_first:
        burn(0.02)
    with pace.turn() as is_at_once:
        pass
    while time.monotonic() < started_s + 30:
        with pace.turn() as is_later:
            if is_later:
                break
    assert (is_first, is_at_once, is_later) == (True, False, True)
    assert time.monotonic() - started_s >= 0.06


def test_there_is_one_turn_at_a_time() -> None:
    pace = Pace(math.inf)
    with pace.turn() as is_first, pace.turn() as is_second:
        assert (is_first, is_second) == (True, False)
    with pace.turn() as is_next:
        assert is_next


def test_a_turn_that_fails_ends() -> None:
    pace = Pace(math.inf)
    with pytest.raises(ZeroDivisionError), pace.turn():
        _ = 1 / 0
    with pace.turn() as is_next:
        assert is_next
