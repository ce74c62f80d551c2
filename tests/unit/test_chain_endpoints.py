import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stamina
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody

from phenoloop.chain.endpoints import PAYLOAD_LIMIT_BYTES, Endpoints, sagemaker_runtime_client
from phenoloop.chain.turns import somebody_waits
from phenoloop.errors import EndpointRefused, EndpointUnavailable, ModelReplyInvalid
from phenoloop.logs import carried
from phenoloop.settings import ChainSettings
from tests.unit.fake_models import FakeRuntime, client_error

WAIT_S = 10


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


def endpoints(model: Callable[[str], str], *, slots: int = 4, attempts: int = 3) -> tuple[Endpoints, FakeRuntime]:
    runtime = FakeRuntime({"model": model, "other": model})
    return Endpoints(runtime, slots, attempts), runtime


def raising(*errors: Exception) -> Callable[[str], str]:
    """A model that fails with these errors, one a call, and then echoes."""
    left = iter(errors)

    def model(body: str) -> str:
        if (error := next(left, None)) is not None:
            raise error
        return body

    return model


def test_a_call_returns_the_raw_reply() -> None:
    calls, runtime = endpoints(lambda body: body + " rødgrød")

    assert calls.invoke("model", "payload") == "payload rødgrød"
    assert runtime.calls == [("model", "payload")]


def test_replies_come_in_the_order_of_the_payloads() -> None:
    def slow_first(body: str) -> str:
        time.sleep(0.02 if body == "0" else 0)
        return body

    payloads = [str(number) for number in range(30)]

    assert endpoints(slow_first)[0].invoke_each("model", payloads) == payloads
    assert endpoints(slow_first)[0].invoke_each("model", []) == []


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException"),
        client_error("ServiceUnavailable", 503),
        client_error("InternalFailure", 500),
        client_error("InternalDependencyException", 530),
        client_error("ModelNotReadyException", 429),
        client_error("SomethingNew", 502),
        client_error("ModelError", 424, OriginalStatusCode=500, OriginalMessage="out of memory"),
        client_error("ModelError", 424, OriginalStatusCode=503),
        client_error("ModelError", 424),
        ReadTimeoutError(endpoint_url="http://endpoint"),
        ConnectTimeoutError(endpoint_url="http://endpoint"),
        EndpointConnectionError(endpoint_url="http://endpoint"),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    calls, runtime = endpoints(raising(error, error), attempts=3)

    assert calls.invoke("model", "payload") == "payload"
    assert len(runtime.calls) == 3

    calls, runtime = endpoints(raising(error, error, error), attempts=3)
    with pytest.raises(EndpointUnavailable) as raised:
        calls.invoke("model", "payload")
    assert raised.value.facts["endpoint"] == "model"
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (client_error("ValidationError"), "DescribeEndpoint"),
        (client_error("AccessDeniedException", 403), "sagemaker:InvokeEndpoint"),
        (client_error("ModelError", 424, OriginalStatusCode=400, OriginalMessage="no image"), "released together"),
        (client_error("ModelError", 424, OriginalStatusCode=415), "released together"),
        (NoCredentialsError(), "credentials"),
    ],
)
def test_what_will_never_pass_is_refused_at_once_with_a_cure(error: Exception, cure: str) -> None:
    calls, runtime = endpoints(raising(error))

    with pytest.raises(EndpointRefused, match=cure):
        calls.invoke("model", "payload")
    assert len(runtime.calls) == 1


def test_a_body_that_breaks_off_is_tried_again() -> None:
    class Runtime:
        announced = iter([99, 2])

        def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
            return {"Body": StreamingBody(io.BytesIO(b"{}"), next(self.announced))}

    assert Endpoints(Runtime(), slots=1, attempts=2).invoke("model", "payload") == "{}"


def test_a_reply_that_is_not_text_is_invalid() -> None:
    class Runtime:
        def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
            return {"Body": io.BytesIO(b"\xff\xfe")}

    with pytest.raises(ModelReplyInvalid):
        Endpoints(Runtime(), slots=1, attempts=1).invoke("model", "payload")


def test_a_payload_over_the_limit_is_refused_before_it_is_sent() -> None:
    calls, runtime = endpoints(lambda body: body)

    with pytest.raises(EndpointRefused, match="limit"):
        calls.invoke("model", "x" * (PAYLOAD_LIMIT_BYTES + 1))
    assert not runtime.calls


def test_the_first_failure_ends_a_fan_out() -> None:
    def model(body: str) -> str:
        if body == "3":
            raise client_error("ValidationError")
        time.sleep(0.005)
        return body

    calls, runtime = endpoints(model, slots=2)

    with pytest.raises(EndpointRefused):
        calls.invoke_each("model", [str(number) for number in range(200)])
    assert len(runtime.calls) < 50


class Gauge:
    """A model that counts how many calls are in it at once."""

    def __init__(self, hold_s: float = 0.005) -> None:
        self.now = self.most = 0
        self._hold_s = hold_s
        self._lock = threading.Lock()

    def __call__(self, body: str) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self._hold_s)
        with self._lock:
            self.now -= 1
        return body


def test_calls_in_flight_to_one_endpoint_are_bounded_across_all_threads() -> None:
    gauge = Gauge()
    calls, _ = endpoints(gauge, slots=3)
    payloads = [str(number) for number in range(10)]

    with ThreadPoolExecutor(12) as tasks:
        replies = list(tasks.map(lambda _: calls.invoke_each("model", payloads), range(12)))

    assert replies == [payloads] * 12
    assert gauge.most == 3


def test_endpoints_have_slots_of_their_own() -> None:
    both_inside = threading.Barrier(2, timeout=WAIT_S)

    def model(body: str) -> str:
        both_inside.wait()
        return body

    calls, _ = endpoints(model, slots=1)

    with ThreadPoolExecutor(2) as tasks:
        assert list(tasks.map(lambda name: calls.invoke(name, name), ["model", "other"])) == ["model", "other"]


def test_one_call_does_not_starve_behind_a_batch() -> None:
    busy, open_gate = threading.Event(), threading.Event()

    def model(body: str) -> str:
        busy.set()
        open_gate.wait(WAIT_S)
        time.sleep(0.002)
        return body

    calls, runtime = endpoints(model, slots=2)
    with ThreadPoolExecutor(4) as tasks:
        done = [tasks.submit(calls.invoke_each, "model", ["batch"] * 100) for _ in range(3)]
        busy.wait(WAIT_S)
        done.append(tasks.submit(calls.invoke, "model", "interactive"))
        time.sleep(0.3)  # nothing moves while the gate is shut, but the interactive call gets in line
        open_gate.set()
        for task in done:
            task.result()

    # two of each batch may be before it; the margin is for a machine under load
    assert [body for _, body in runtime.calls].index("interactive") <= 3 * 2 + 10


def test_callers_are_served_in_the_order_they_came() -> None:
    busy, open_gate = threading.Event(), threading.Event()

    def model(body: str) -> str:
        busy.set()
        open_gate.wait(WAIT_S)
        return body

    calls, runtime = endpoints(model, slots=1)
    with ThreadPoolExecutor(4) as tasks:
        tasks.submit(calls.invoke, "model", "0")
        busy.wait(WAIT_S)
        for caller in "123":
            tasks.submit(calls.invoke, "model", caller)
            time.sleep(0.1)  # in line before the next one comes
        open_gate.set()

    assert [body for _, body in runtime.calls] == ["0", "1", "2", "3"]


def test_a_failed_call_gives_its_slot_back() -> None:
    calls, _ = endpoints(raising(*[client_error("ValidationError")] * 5), slots=1)

    for _ in range(5):
        with pytest.raises(EndpointRefused):
            calls.invoke("model", "payload")
    assert calls.invoke("model", "payload") == "payload"


def test_the_client_leaves_retries_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    config = sagemaker_runtime_client(ChainSettings(endpoint_slots=8, invoke_timeout_s=17)).meta.config

    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout == 17
    assert config.max_pool_connections >= 16


def test_whom_somebody_waits_for_goes_before_those_who_came_first() -> None:
    busy, open_gate = threading.Event(), threading.Event()

    def model(body: str) -> str:
        busy.set()
        open_gate.wait(WAIT_S)
        return body

    calls, runtime = endpoints(model, slots=1)
    with ThreadPoolExecutor(4) as tasks:
        batch = tasks.submit(calls.invoke_each, "model", ["batch"] * 5)
        busy.wait(WAIT_S)
        with somebody_waits():
            first = tasks.submit(carried(calls.invoke_each), "model", ["first"])
            time.sleep(0.1)  # in line
            open_gate.set()
            first.result()
        batch.result()

    assert [body for _, body in runtime.calls] == ["batch", "first", *["batch"] * 4]


def test_a_batch_leaves_the_slots_free_as_long_as_somebody_waits_and_takes_them_again() -> None:
    gauge = Gauge(hold_s=0.02)
    calls, _ = endpoints(gauge, slots=4)
    with ThreadPoolExecutor(1) as tasks:
        batch = tasks.submit(calls.invoke_each, "model", ["batch"] * 60)
        with somebody_waits():
            time.sleep(0.15)  # what was under way is done
            gauge.most = 0
            time.sleep(0.15)
            while_waiting = gauge.most
        gauge.most = 0
        batch.result()

    assert while_waiting == 1
    assert gauge.most == 4
