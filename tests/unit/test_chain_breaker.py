from collections.abc import Callable

import pytest

from phenoloop.chain.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, POINTS, SLOW_POINTS, SLOW_S, Breaker
from phenoloop.chain.budget import EARNED, RESERVE, RetryBudget
from phenoloop.errors import CircuitOpen, EndpointRefused, EndpointUnavailable, TimeOver

JITTER = 1.1


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("detector-1", clock=clock)


def fail(
    breaker: Breaker, *, times: int = 1, error: Exception | None = None, before: Callable[[], object] = lambda: None
) -> None:
    """Calls that fail after `before` happened."""
    error = error or EndpointUnavailable("The endpoint did not answer.")

    def call() -> None:
        with breaker.call():
            before()
            raise error

    for _ in range(times):
        with pytest.raises(type(error)):
            call()


def succeed(breaker: Breaker) -> None:
    with breaker.call():
        pass


def is_refused(breaker: Breaker) -> bool:
    try:
        succeed(breaker)
    except CircuitOpen:
        return True
    return False


def test_failures_in_a_row_open_the_circuit_and_callers_hear_when_it_is_tried_again(breaker: Breaker) -> None:
    fail(breaker, times=POINTS)

    with pytest.raises(CircuitOpen, match=r"tried again in [45] s") as raised, breaker.call():
        pass
    assert raised.value.facts == {"endpoint": "detector-1"}
    assert raised.value.retryable
    assert "did not answer" in breaker.trouble()


def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker, times=POINTS - 1)
        succeed(breaker)
    assert breaker.trouble() == ""


def test_a_failure_that_kept_its_caller_waiting_counts_for_several(breaker: Breaker, clock: Clock) -> None:
    for _ in range(POINTS // SLOW_POINTS):
        assert breaker.trouble() == ""
        fail(breaker, before=lambda: clock.pass_s(SLOW_S))
    assert breaker.trouble()


@pytest.mark.parametrize("error", [EndpointRefused("no"), ValueError("a bug")])
def test_an_endpoint_that_refuses_is_there(breaker: Breaker, error: Exception) -> None:
    fail(breaker, times=POINTS - 1)
    fail(breaker, error=error)
    fail(breaker, times=POINTS - 1)
    assert breaker.trouble() == ""


def test_a_caller_without_time_says_nothing_about_the_endpoint(breaker: Breaker) -> None:
    fail(breaker, times=POINTS - 1)
    fail(breaker, times=50, error=TimeOver("no time"))
    assert breaker.trouble() == ""
    fail(breaker)
    assert breaker.trouble()


def test_after_the_pause_one_call_probes_and_the_others_wait_for_what_comes_of_it(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, times=POINTS)
    clock.pass_s(FIRST_PAUSE_S * JITTER)

    with breaker.call():
        assert is_refused(breaker)
        assert "just now" in breaker.trouble()
    succeed(breaker)
    assert breaker.trouble() == ""


def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, times=POINTS)
    pause_s = FIRST_PAUSE_S
    for _ in range(8):
        clock.pass_s(pause_s * JITTER)
        fail(breaker)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        clock.pass_s(pause_s * 0.89)
        assert is_refused(breaker)
        clock.pass_s(-pause_s * 0.89)
    clock.pass_s(LONGEST_PAUSE_S * JITTER)
    succeed(breaker)
    fail(breaker, times=POINTS)
    clock.pass_s(FIRST_PAUSE_S * JITTER)
    succeed(breaker)


def test_a_probe_without_time_leaves_the_next_caller_to_probe(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, times=POINTS)
    clock.pass_s(FIRST_PAUSE_S * JITTER)
    fail(breaker, error=TimeOver("no time"))
    succeed(breaker)
    assert breaker.trouble() == ""


def test_a_late_failure_of_an_earlier_call_does_not_prolong_the_pause(breaker: Breaker, clock: Clock) -> None:
    def meanwhile_it_opened() -> None:
        fail(breaker, times=POINTS)
        clock.pass_s(FIRST_PAUSE_S * JITTER)

    fail(breaker, before=meanwhile_it_opened)
    succeed(breaker)


def test_once_the_pause_is_over_it_is_no_trouble_any_more_though_nobody_calls(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, times=POINTS)
    clock.pass_s(FIRST_PAUSE_S * JITTER)
    assert breaker.trouble() == ""


def test_time_outs_of_a_few_calls_are_no_outage_while_others_are_answered(breaker: Breaker, clock: Clock) -> None:
    def others_are_answered() -> None:
        clock.pass_s(1)
        succeed(breaker)
        clock.pass_s(59)

    fail(breaker, times=5, before=others_are_answered)
    assert breaker.trouble() == ""


def test_in_an_outage_retries_end_with_the_reserve() -> None:
    budget = RetryBudget()
    assert sum(budget.spend() for _ in range(1000)) == RESERVE


def test_retries_that_help_cost_nothing() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        assert budget.spend()
        assert budget.spend()
        budget.did_well(retries=2)


def test_calls_that_need_no_retry_fill_the_reserve_again_and_no_more() -> None:
    budget = RetryBudget()
    while budget.spend():
        pass
    for _ in range(10):
        budget.did_well(retries=0)
    assert sum(budget.spend() for _ in range(1000)) == int(10 * EARNED)
    for _ in range(100 * RESERVE):
        budget.did_well(retries=0)
    assert sum(budget.spend() for _ in range(1000)) == RESERVE
