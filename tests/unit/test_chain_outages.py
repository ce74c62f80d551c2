"""Endpoints in an outage: callers hear soon, are held up no longer than their time, and don't make it worse."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody

from phenoloop.chain import breaker, budget
from phenoloop.chain.endpoints import Endpoints
from phenoloop.deadlines import time_limit
from phenoloop.errors import CircuitOpen, EndpointRefused, EndpointUnavailable, ModelReplyInvalid, TimeOver
from phenoloop.logs import traced
from tests.unit.fake_models import FakeRuntime, client_error

DOWN = client_error("ServiceUnavailable", 503)
WAIT_S = 10


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


class Watched:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def called(self, endpoint_name: str, seconds: float, outcome: str) -> None:
        assert seconds >= 0
        self.heard.append((endpoint_name, outcome))

    def retried(self, endpoint_name: str) -> None:
        self.heard.append((endpoint_name, "retried"))


def failing(body: str) -> str:
    raise DOWN


def endpoints(model: Callable[[str], str], *, attempts: int = 4, slots: int = 4, **more: Any) -> Endpoints:
    return Endpoints(FakeRuntime({"model": model, "other": str}), slots, attempts, **more)


def calls_made(called: Endpoints) -> int:
    runtime: Any = called._runtime
    return len(runtime.calls)


def outcome(called: Endpoints) -> type[Exception] | str:
    try:
        return called.invoke("model", "payload")
    except (CircuitOpen, EndpointUnavailable) as error:
        return type(error)


def test_an_endpoint_that_is_down_is_soon_not_called_any_more_and_the_other_one_is() -> None:
    called = endpoints(failing)

    heard = [outcome(called) for _ in range(50)]

    assert heard[0] is EndpointUnavailable
    assert set(heard[breaker.POINTS :]) == {CircuitOpen}
    assert calls_made(called) == breaker.POINTS
    assert called.troubles().keys() == {"model"}
    assert called.invoke("other", "payload") == "payload"


def test_requests_that_always_fail_are_not_multiplied_by_retries() -> None:
    called = endpoints(lambda body: failing(body) if body == "payload" else body, attempts=4)

    for _ in range(200):
        outcome(called)
        called.invoke("model", "another")

    assert calls_made(called) <= 400 + budget.RESERVE + 200 * budget.EARNED + 1


def test_who_waits_in_line_when_the_circuit_opens_hears_so_at_once() -> None:
    release = threading.Event()

    def stalling(body: str) -> str:
        release.wait(WAIT_S)
        raise DOWN

    called = endpoints(stalling, attempts=1, slots=breaker.POINTS)
    heard: list[Any] = []
    threads = [threading.Thread(target=lambda: heard.append(outcome(called))) for _ in range(4 * breaker.POINTS)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(WAIT_S)

    assert calls_made(called) < 3 * breaker.POINTS
    assert heard.count(CircuitOpen) > breaker.POINTS


def test_no_retry_is_begun_that_the_callers_time_does_not_allow() -> None:
    called = endpoints(failing)

    with time_limit(1), pytest.raises(EndpointUnavailable):
        called.invoke("model", "payload")
    assert calls_made(called) == 1


def test_a_fan_out_ends_with_the_callers_time_though_calls_are_under_way() -> None:
    release = threading.Event()
    called = endpoints(lambda body: str(release.wait(WAIT_S)))
    started_s = time.monotonic()
    try:
        with time_limit(0.1), pytest.raises(TimeOver):
            called.invoke_each("model", ["a"] * 20)
    finally:
        release.set()
    assert time.monotonic() - started_s < 2


class OneReply:
    """A runtime that sends this body."""

    def __init__(self, body: Any, announced_bytes: int | None = None) -> None:
        self._body, self._announced_bytes = body, announced_bytes
        self.asked: dict[str, Any] = {}

    def invoke_endpoint(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"Body": StreamingBody(self._body, self._announced_bytes)}


class Trickle(io.RawIOBase):
    """For ever."""

    def read1(self, most: int = -1) -> bytes:
        time.sleep(0.02)
        return b"x"


def test_a_reply_that_trickles_is_too_slow_for_the_endpoint_but_not_if_it_is_the_caller_who_has_no_time() -> None:
    called = Endpoints(OneReply(Trickle()), slots=1, attempts=1, timeout_s=0.1)
    with pytest.raises(EndpointUnavailable, match="too long"):
        called.invoke("model", "payload")
    patient = Endpoints(OneReply(Trickle()), slots=1, attempts=1, timeout_s=60)
    with time_limit(0.1), pytest.raises(TimeOver):
        patient.invoke("model", "payload")


def test_a_reply_over_sagemakers_limit_is_not_read_to_its_end() -> None:
    class Endless(io.RawIOBase):
        def read1(self, most: int = -1) -> bytes:
            return b"x" * most

    with pytest.raises(ModelReplyInvalid, match="limit"):
        Endpoints(OneReply(Endless()), slots=1, attempts=1).invoke("model", "payload")


def test_the_container_hears_the_id_of_what_it_is_called_for() -> None:
    runtime = OneReply(io.BytesIO(b"{}"))
    with traced("task-7"):
        Endpoints(runtime, slots=1, attempts=1).invoke("model", "payload")
    assert runtime.asked["CustomAttributes"] == "trace_id=task-7"

    runtime = OneReply(io.BytesIO(b"{}"))
    Endpoints(runtime, slots=1, attempts=1).invoke("model", "payload")
    assert "CustomAttributes" not in runtime.asked


def test_a_watch_hears_of_every_call_and_every_retry() -> None:
    errors = iter([DOWN, ReadTimeoutError(endpoint_url="http://endpoint")])

    def model(body: str) -> str:
        if (error := next(errors, None)) is not None:
            raise error
        return body

    watch = Watched()
    called = endpoints(model, watch=watch)
    called.invoke("model", "payload")

    unavailable = ("model", "EndpointUnavailable")
    assert watch.heard == [unavailable, ("model", "retried"), unavailable, ("model", "retried"), ("model", "ok")]


@pytest.mark.parametrize("code", ["InvalidSignatureException", "RequestExpired"])
def test_a_wrong_clock_is_said_to_be_one_and_opens_no_circuit(code: str) -> None:
    def skewed(body: str) -> str:
        raise client_error(code, 403)

    called = endpoints(skewed)
    for _ in range(2 * breaker.POINTS):
        with pytest.raises(EndpointRefused, match="clock"):
            called.invoke("model", "payload")
    assert called.troubles() == {}


def test_threads_do_not_pile_up_while_an_endpoint_stalls() -> None:
    release, slots, before = threading.Event(), 4, threading.active_count()
    called = endpoints(lambda body: str(release.wait(WAIT_S)), slots=slots)
    try:
        for _ in range(30):
            with time_limit(0.02), pytest.raises(TimeOver):
                called.invoke_each("model", ["a"] * 10)
        time.sleep(0.1)  # who waited for a turn has left the line
        assert threading.active_count() - before <= slots
    finally:
        release.set()
