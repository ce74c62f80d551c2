import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import stamina

from phenoloop.chain.turns import Turns
from phenoloop.deadlines import remaining_s, require_time, time_limit
from phenoloop.errors import EndpointRefused, EndpointUnavailable, TimeOver
from phenoloop.logs import carried
from phenoloop.retries import LONGEST_ASKED_FOR_S, LONGEST_PAUSE_S, retried


def test_there_is_time_for_ever_unless_a_limit_says_otherwise() -> None:
    require_time()
    with time_limit(None):
        assert remaining_s() == math.inf
    with time_limit(10):
        assert 9 < remaining_s() <= 10
    assert remaining_s() == math.inf


def test_a_limit_inside_another_can_only_be_nearer() -> None:
    with time_limit(1), time_limit(100):
        assert remaining_s() <= 1
    with time_limit(100), time_limit(1):
        assert remaining_s() <= 1


def test_when_it_is_over_it_is_over() -> None:
    with time_limit(0), pytest.raises(TimeOver):
        require_time()


def test_an_inner_limit_may_say_in_its_own_words_that_it_is_over() -> None:
    with pytest.raises(EndpointUnavailable), time_limit(0, otherwise=lambda: EndpointUnavailable("slow")):
        require_time()
    with (
        time_limit(0),
        pytest.raises(TimeOver),
        time_limit(9, otherwise=lambda: EndpointUnavailable("slow")),
    ):
        require_time()


def test_the_limit_goes_with_the_work_to_other_threads() -> None:
    with ThreadPoolExecutor(2) as threads, time_limit(10):
        there = carried(remaining_s)
        assert all(left_s <= 10 for left_s in threads.map(lambda _: there(), range(8)))
        assert threads.submit(remaining_s).result() == math.inf


def test_a_turn_is_not_waited_for_beyond_the_limit_and_passes_to_the_next_in_line() -> None:
    turns, entered, leave = Turns(1), threading.Event(), threading.Event()

    def hold() -> None:
        with turns:
            entered.set()
            leave.wait(10)

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold)
        entered.wait(10)
        with time_limit(0.05), pytest.raises(TimeOver), turns:
            pass
        patient = threads.submit(hold)
        leave.set()
        holding.result(10)
        patient.result(10)
    with time_limit(0.05), turns:
        pass


def count_attempts(error: Exception, attempts: int = 3) -> int:
    made = 0
    try:
        with stamina.set_testing(True, attempts=10):
            for attempt in retried(attempts):
                made = attempt.num
                with attempt:
                    raise error
    except type(error):
        return made
    raise AssertionError("the error was lost")


def test_what_may_pass_is_tried_so_often_and_no_more() -> None:
    assert count_attempts(EndpointUnavailable("throttled")) == 3
    assert count_attempts(EndpointUnavailable("throttled"), attempts=1) == 1


@pytest.mark.parametrize("error", [EndpointRefused("no"), ValueError("a bug")])
def test_what_never_passes_is_not_tried_again(error: Exception) -> None:
    assert count_attempts(error) == 1


def test_nothing_is_tried_again_when_the_pause_would_use_up_the_time() -> None:
    with time_limit(LONGEST_PAUSE_S / 2):
        assert count_attempts(EndpointUnavailable("throttled")) == 1


def test_a_pause_that_was_asked_for_is_made_if_it_is_not_too_long() -> None:
    started_s = time.monotonic()
    for attempt in retried(2):
        with attempt:
            if attempt.num == 1:
                raise EndpointUnavailable("busy", retry_after_s=0.15)
    assert 0.15 <= time.monotonic() - started_s < 2

    assert count_attempts(EndpointUnavailable("busy", retry_after_s=LONGEST_ASKED_FOR_S + 1)) == 1
