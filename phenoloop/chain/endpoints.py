"""Calls to SageMaker endpoints: bounded, fair, retried, and left alone while they are down."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Protocol

import boto3
from botocore.config import Config

from phenoloop.chain.bodies import chunks
from phenoloop.chain.breaker import Breaker
from phenoloop.chain.budget import RetryBudget
from phenoloop.chain.endpoint_errors import endpoint_errors
from phenoloop.chain.runtime import Runtime, SignedRuntime
from phenoloop.chain.turns import Turns, goes_first
from phenoloop.deadlines import remaining_s, time_limit
from phenoloop.errors import CircuitOpen, EndpointRefused, EndpointUnavailable, ModelReplyInvalid, TimeOver
from phenoloop.logs import carried, current_trace_id
from phenoloop.retries import retried
from phenoloop.settings import ChainSettings

PAYLOAD_LIMIT_BYTES = 6_291_456
"""Most that SageMaker takes in one InvokeEndpoint, and gives back."""
UNUSED_S = 3600.0
"""An endpoint that was not called for so long is forgotten."""


class Watch(Protocol):
    """Hears of every call, from the thread that makes it."""

    def called(self, endpoint_name: str, seconds: float, outcome: str) -> None:
        """`outcome` is "ok" or the error's class name."""

    def retried(self, endpoint_name: str) -> None:
        """A call failed and is made again."""


class NobodyWatches:
    def called(self, endpoint_name: str, seconds: float, outcome: str) -> None: ...

    def retried(self, endpoint_name: str) -> None: ...


def sagemaker_runtime_client(settings: ChainSettings) -> SignedRuntime:
    """A client for `Endpoints`, which does its own retries. A model has 60 s; a connection is there in 5 or never."""
    config = Config(
        connect_timeout=5,
        read_timeout=settings.invoke_timeout_s,
        max_pool_connections=4 * settings.endpoint_slots,  # both stages, of the old and the new release
        retries={"total_max_attempts": 1},
        tcp_keepalive=True,
    )
    return SignedRuntime(boto3.client("sagemaker-runtime", config=config))


class Endpoints:
    """All endpoints as this process sees them: at most `slots` calls in flight to each, whoever makes them.

    Calls keep to the time limit around them (`deadlines.time_limit`).
    """

    def __init__(
        self,
        runtime_client: Runtime,
        slots: int,
        attempts: int,
        *,
        timeout_s: float = 60.0,
        watch: Watch | None = None,
    ) -> None:
        """`timeout_s` is for one reply to the end; the client's own is for any silence in it."""
        self._runtime = runtime_client
        self._slots = slots
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._watch = watch or NobodyWatches()
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()

    def invoke(self, endpoint_name: str, payload: str) -> str:
        """The endpoint's raw reply. Retries what may pass, as long as time and the endpoint's retry budget allow.

        Raises EndpointUnavailable (after the last attempt; CircuitOpen at once), EndpointRefused, ModelReplyInvalid,
        TimeOver.
        """
        body = payload.encode()
        if len(body) > PAYLOAD_LIMIT_BYTES:
            raise EndpointRefused("The payload is over SageMaker's limit.", endpoint=endpoint_name, bytes=len(body))
        line = self._line(endpoint_name)
        for attempt in retried(
            self._attempts, if_also=lambda error: not isinstance(error, CircuitOpen) and line.budget.spend()
        ):
            if attempt.num > 1:
                self._watch.retried(endpoint_name)
            with attempt, line.turns, line.breaker.call(), self._watched(endpoint_name):
                reply = self._reply(endpoint_name, body)
                line.budget.did_well(retries=attempt.num - 1)
                return reply
        raise AssertionError("unreachable: the last attempt raises")

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        """The raw replies in the payloads' order, called in parallel. The first error, or the end of the time, ends it,
        without waiting for calls in flight.
        """
        threads, invoke = self._line(endpoint_name).threads[goes_first()], carried(self.invoke)
        calls = [threads.submit(invoke, endpoint_name, payload) for payload in payloads]
        try:
            left_s = remaining_s()
            done, late = wait(calls, None if left_s == math.inf else left_s, return_when=FIRST_EXCEPTION)
            for call in done:
                call.result()  # raises the error, if one ended the wait
            if late:
                raise TimeOver("Not all replies came in time.", endpoint=endpoint_name, late=len(late))
            return [call.result() for call in calls]
        finally:
            for call in calls:
                call.cancel()

    def troubles(self) -> Mapping[str, str]:
        """Endpoint -> one sentence, of those that are not called now since they failed; empty when all is well."""
        said = {name: line.breaker.trouble() for name, line in list(self._lines.items())}
        return {name: trouble for name, trouble in said.items() if trouble}

    def _line(self, endpoint_name: str) -> _Line:
        with self._lock:
            line = self._lines.get(endpoint_name)
            if line is None:
                self._forget_unused()
                line = self._lines[endpoint_name] = _Line(endpoint_name, self._slots)
            line.used_at_s = time.monotonic()
            return line

    def _forget_unused(self) -> None:
        """Each release may bring new endpoints."""
        for name, line in list(self._lines.items()):
            if time.monotonic() - line.used_at_s > UNUSED_S:
                del self._lines[name]
                line.end()

    def _reply(self, endpoint_name: str, body: bytes) -> str:
        def too_slow() -> EndpointUnavailable:
            return EndpointUnavailable("The endpoint's reply took too long.", endpoint=endpoint_name)

        trace_id = current_trace_id()
        with time_limit(self._timeout_s, otherwise=too_slow), endpoint_errors(endpoint_name):
            response = self._runtime.invoke_endpoint(
                EndpointName=endpoint_name,
                Body=body,
                ContentType="application/json",
                Accept="application/json",
                **({"CustomAttributes": f"trace_id={trace_id}"} if trace_id else {}),
            )
            reply = bytearray()
            for chunk in chunks(response["Body"]):
                reply += chunk
                if len(reply) > PAYLOAD_LIMIT_BYTES:
                    raise ModelReplyInvalid("The endpoint's reply is over SageMaker's limit.", endpoint=endpoint_name)
        try:
            return reply.decode()
        except UnicodeDecodeError as error:
            raise ModelReplyInvalid("The endpoint's reply is not text.", endpoint=endpoint_name) from error

    @contextmanager
    def _watched(self, endpoint_name: str) -> Iterator[None]:
        started_s, outcome = time.perf_counter(), "ok"
        try:
            yield
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            self._watch.called(endpoint_name, time.perf_counter() - started_s, outcome)


class _Line:
    """What stands between callers and one endpoint."""

    used_at_s = 0.0

    def __init__(self, endpoint_name: str, slots: int) -> None:
        self.turns, self.breaker, self.budget = Turns(slots), Breaker(endpoint_name), RetryBudget()
        # as many as may call at once: of those whom somebody waits for, and of all others
        self.threads = {first: ThreadPoolExecutor(slots, thread_name_prefix="invoke") for first in (True, False)}

    def end(self) -> None:
        for threads in self.threads.values():
            threads.shutdown(wait=False)
