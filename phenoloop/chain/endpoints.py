"""Calls to SageMaker endpoints: bounded, fair, retried."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING

import boto3
import stamina
from botocore.config import Config

from phenoloop.chain.endpoint_errors import endpoint_errors
from phenoloop.errors import EndpointRefused, ModelReplyInvalid, PhenoloopError
from phenoloop.settings import ChainSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient

PAYLOAD_LIMIT_BYTES = 6_291_456
"""Most that SageMaker takes in one InvokeEndpoint."""


def sagemaker_runtime_client(settings: ChainSettings) -> SageMakerRuntimeClient:
    """A client for `Endpoints`, which does its own retries. A model has 60 s; a connection is there in 5 or never."""
    config = Config(
        connect_timeout=5,
        read_timeout=settings.invoke_timeout_s,
        max_pool_connections=4 * settings.endpoint_slots,  # both stages, of the old and the new release
        retries={"total_max_attempts": 1},
        tcp_keepalive=True,
    )
    return boto3.client("sagemaker-runtime", config=config)


class Endpoints:
    """All endpoints as this process sees them: at most `slots` calls in flight to each, whoever makes them."""

    def __init__(self, runtime_client: SageMakerRuntimeClient, slots: int, attempts: int) -> None:
        self._runtime = runtime_client
        self._slots = slots
        self._attempts = attempts
        self._turns: dict[str, _Turns] = {}

    def invoke(self, endpoint_name: str, payload: str) -> str:
        """The endpoint's raw reply. Retries what may pass, with growing, jittered waits.

        Raises EndpointUnavailable (after the last attempt), EndpointRefused, ModelReplyInvalid.
        """
        body = payload.encode()
        if len(body) > PAYLOAD_LIMIT_BYTES:
            raise EndpointRefused("The payload is over SageMaker's limit.", endpoint=endpoint_name, bytes=len(body))
        turns = self._turns.setdefault(endpoint_name, _Turns(self._slots))
        for attempt in stamina.retry_context(on=_may_pass, attempts=self._attempts, timeout=None, wait_initial=0.2):
            with attempt, turns:
                return self._reply(endpoint_name, body)
        raise AssertionError("unreachable: the last attempt raises")

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        """The raw replies in the payloads' order, called in parallel. The first error ends it, without
        waiting for calls in flight.

        Its threads are this call's own, so callers can't block each other; they only take turns for slots.
        """
        if not payloads:
            return []
        threads = ThreadPoolExecutor(min(self._slots, len(payloads)), thread_name_prefix="invoke")
        try:
            calls = [threads.submit(self.invoke, endpoint_name, payload) for payload in payloads]
            done, _ = wait(calls, return_when=FIRST_EXCEPTION)
            for call in done:
                call.result()  # raises the error, if one ended the wait
            return [call.result() for call in calls]
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _reply(self, endpoint_name: str, body: bytes) -> str:
        with endpoint_errors(endpoint_name):
            response = self._runtime.invoke_endpoint(
                EndpointName=endpoint_name, Body=body, ContentType="application/json", Accept="application/json"
            )
            reply = response["Body"].read()
        try:
            return reply.decode()
        except UnicodeDecodeError as error:
            raise ModelReplyInvalid("The endpoint's reply is not text.", endpoint=endpoint_name) from error


def _may_pass(error: Exception) -> bool:
    return isinstance(error, PhenoloopError) and error.retryable


class _Turns:
    """A semaphore that serves first come, first served.

    Python's own lets the thread that releases take the slot again before the one it woke: a large batch would then
    starve a single interactive call.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the slot passes on, never free in between
            else:
                self._free += 1
