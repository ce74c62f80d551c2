"""The sync worker: events and time wake the loop's concerns."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import EventsUnavailable, PhenoloopError
from phenoloop.logs import current_trace_id, traced
from phenoloop.settings import StorageSettings
from sync.events import Event, ObjectEvent, events
from sync.loop import Loop
from sync.metrics import SyncMetrics

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType
    from types_boto3_sqs.type_defs import MessageTypeDef

LONGEST_POLL_S = 10
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""After an error; doubled each time until it goes well."""
LATE_S = 120.0
"""A look that is owed for so long is told of."""
STUCK_S = 1800.0
"""One look never lasts so long."""


@dataclass(slots=True)
class Concern:
    """Something to look at: when an event says so, and when its time has come."""

    name: str
    look: Callable[[], float]
    """Does what there is to do; in how many seconds to look again."""
    due_s: float = 0.0
    """On the monotonic clock."""
    pause_s: float = FIRST_PAUSE_S
    look_id: str | None = None
    """What the next look's lines are logged under: the id of the first event that asks for it."""
    began_s: float | None = None
    """Of the look that is under way."""
    owed_since_s: float = field(default_factory=time.monotonic)
    """When a look that goes well was, or will be, due."""
    error: str = ""
    """Of the last look; empty if it went well."""

    def wake(self) -> None:
        self.due_s, self.owed_since_s = 0.0, min(self.owed_since_s, time.monotonic())
        self.look_id = self.look_id or current_trace_id()

    def take_care(self, metrics: SyncMetrics) -> bool:
        """Whether it went well. An error is logged and looked at again after a pause, and is in no other's way."""
        look_id, self.look_id = self.look_id, None
        self.began_s = began_s = time.monotonic()
        with traced(look_id), structlog.contextvars.bound_contextvars(concern=self.name):
            error = self._try()
        metrics.looked(self.name, time.monotonic() - began_s, type(error).__name__ if error else "ok")
        self.began_s, self.error = None, str(error or "")
        return error is None

    def problem(self) -> str:
        """Why it has gone without a good look for long; else empty."""
        late_s = time.monotonic() - self.owed_since_s
        return f"{self.name}: not done for {late_s:.0f} s. {self.error}".strip() if late_s > LATE_S else ""

    def stuck(self) -> str:
        """Said of a look that hangs; else empty."""
        began_s = self.began_s
        at_it_s = 0.0 if began_s is None else time.monotonic() - began_s
        return f"{self.name}: one look has lasted for {at_it_s:.0f} s." if at_it_s > STUCK_S else ""

    def _try(self) -> Exception | None:
        log = structlog.get_logger()
        try:
            again_in_s = self.look()
        except PhenoloopError as error:
            log.warning("not done yet", error=str(error), retryable=error.retryable, again_in_s=self.pause_s)
            return self._paused(error)
        except Exception as error:  # a bug in one concern never stops the worker
            log.exception("not done on a bug", again_in_s=self.pause_s)
            return self._paused(error)
        self.due_s = self.owed_since_s = time.monotonic() + again_in_s
        self.pause_s = FIRST_PAUSE_S
        return None

    def _paused(self, error: Exception) -> Exception:
        self.due_s, self.pause_s = time.monotonic() + self.pause_s, min(2 * self.pause_s, LONGEST_PAUSE_S)
        return error


class SyncWorker:
    """Runs until `stop`. Nothing is lost with a message: what it tells of is found by the next look too."""

    def __init__(
        self,
        sqs: SQSClient,
        queue_url: str,
        loop: Loop,
        storage: StorageSettings,
        metrics: SyncMetrics | None = None,
    ) -> None:
        self._sqs, self._queue_url, self.loop, self._storage = sqs, queue_url, loop, storage
        self.metrics = metrics or SyncMetrics()
        looks = {
            "release": loop.release,
            "tasks": loop.tasks,
            "annotations": loop.annotations,
            "photos": loop.photos,
            "module": loop.module,
            "exports": loop.exports,
        }
        self._concerns = {name: Concern(name, look) for name, look in looks.items()}
        self._stopping = threading.Event()
        self._log = structlog.get_logger()

    def run(self) -> None:
        self._log.info("sync worker started", queue=self._queue_url.rpartition("/")[2])
        while not self._stopping.is_set():
            self.turn()
            self.listen(wait_s=self._idle_s())

    def stop(self) -> None:
        self._stopping.set()

    def turn(self) -> bool:
        """Take care of every concern whose time has come; whether all went well."""
        all_well = True
        for name, concern in self._concerns.items():
            if concern.due_s <= time.monotonic() and not self._stopping.is_set():
                is_well = concern.take_care(self.metrics)
                all_well = all_well and is_well
                if is_well and name == "release":  # what it did concerns the tasks, which come next, and the module
                    self._concerns["tasks"].wake()
                    self._concerns["module"].wake()
        return all_well

    def problems(self) -> list[str]:
        """What keeps it from doing its work; from memory."""
        return [problem for concern in self._concerns.values() if (problem := concern.problem())]

    def stuck(self) -> str:
        """What only a restart helps against; else empty."""
        return " ".join(filter(None, (concern.stuck() for concern in self._concerns.values())))

    def waiting(self) -> dict[str, float]:
        """About how many messages the queue holds, by state. Raises EventsUnavailable."""
        names: dict[str, QueueAttributeNameType] = {
            "waiting": "ApproximateNumberOfMessages",
            "in_flight": "ApproximateNumberOfMessagesNotVisible",
        }
        try:
            answer = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=list(names.values()))
        except (ClientError, BotoCoreError) as error:
            raise EventsUnavailable("The event queue does not answer.", cure="Is SQS reachable?") from error
        return {state: float(answer["Attributes"][name]) for state, name in names.items()}

    def listen(self, *, wait_s: float) -> None:
        """Take what the queue has, waiting for it; what can't be read stays, and ends in the dead-letter queue."""
        try:
            for message in self.receive(wait_s=wait_s):
                with traced(message.get("MessageId")):
                    self._hear(message)
        except EventsUnavailable as error:
            self._log.warning("events can't be heard", error=str(error))
            self._stopping.wait(min(wait_s, FIRST_PAUSE_S))

    def receive(self, *, wait_s: float) -> list[MessageTypeDef]:
        """Up to ten messages. Raises EventsUnavailable if SQS does not answer."""
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=math.ceil(wait_s)
            )
        except (ClientError, BotoCoreError) as error:
            raise EventsUnavailable("The event queue does not answer.", cure="Is SQS reachable?") from error
        return answer.get("Messages", [])

    def _hear(self, message: MessageTypeDef) -> None:
        try:
            for event in events(message["Body"]):
                self._wake_for(event)
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        except PhenoloopError as error:  # it comes again; what can never be read ends in the dead-letter queue
            self.metrics.events.labels("unreadable").inc()
            self._log.warning("event not handled", error=str(error))
        except (ClientError, BotoCoreError) as error:
            self._log.warning("message not deleted", error=str(error))

    def _wake_for(self, event: Event) -> None:
        if not isinstance(event, ObjectEvent):
            self._log.info("registry changed", about=event.about)
            self._wake("release")
        elif event.bucket == self._storage.bucket and event.key.startswith(self._storage.annotations_prefix):
            self.loop.annotation_changed(event.key)
            self._wake("annotations")
        elif event.bucket == self._storage.bucket and event.key.startswith(self._storage.images_prefix):
            self._wake("photos")
        else:
            self.metrics.events.labels("other").inc()
            self._log.info("event is about something else", bucket=event.bucket, key=event.key)

    def _wake(self, name: str) -> None:
        """One look for however many events; this line leads from each of them to the look."""
        concern = self._concerns[name]
        concern.wake()
        self.metrics.events.labels(name).inc()
        self._log.info("look woken", concern=name, look=concern.look_id)

    def _idle_s(self) -> float:
        """Until the next concern is due, as far as a poll may last."""
        due_in_s = min(concern.due_s for concern in self._concerns.values()) - time.monotonic()
        return min(max(due_in_s, 0.0), LONGEST_POLL_S)
