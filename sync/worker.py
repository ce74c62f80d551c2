"""The sync worker: events and time wake the loop's concerns."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import EventsUnavailable, PhenoloopError
from phenoloop.settings import StorageSettings
from sync.events import Event, ObjectEvent, events
from sync.loop import Loop

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

LONGEST_POLL_S = 10
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""After an error; doubled each time until it goes well."""


@dataclass(slots=True)
class Concern:
    """Something to look at: when an event says so, and when its time has come."""

    look: Callable[[], float]
    """Does what there is to do; in how many seconds to look again."""
    due_s: float = 0.0
    """On the monotonic clock."""
    pause_s: float = FIRST_PAUSE_S

    def wake(self) -> None:
        self.due_s = 0.0

    def take_care(self, name: str) -> bool:
        """Whether it went well. An error is logged and looked at again after a pause, and is in no other's way."""
        log = structlog.get_logger().bind(concern=name)
        try:
            again_in_s = self.look()
        except PhenoloopError as error:
            log.warning("not done yet", error=str(error), retryable=error.retryable, again_in_s=self.pause_s)
            self._pause()
        except Exception:  # a bug in one concern never stops the worker
            log.exception("not done on a bug", again_in_s=self.pause_s)
            self._pause()
        else:
            self.due_s, self.pause_s = time.monotonic() + again_in_s, FIRST_PAUSE_S
            return True
        return False

    def _pause(self) -> None:
        self.due_s, self.pause_s = time.monotonic() + self.pause_s, min(2 * self.pause_s, LONGEST_PAUSE_S)


class SyncWorker:
    """Runs until `stop`. Nothing is lost with a message: what it tells of is found by the next look too."""

    def __init__(self, sqs: SQSClient, queue_url: str, loop: Loop, storage: StorageSettings) -> None:
        self._sqs, self._queue_url, self._loop, self._storage = sqs, queue_url, loop, storage
        self._concerns = {
            "release": Concern(loop.release),
            "tasks": Concern(loop.tasks),
            "annotations": Concern(loop.annotations),
            "exports": Concern(loop.exports),
        }
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
                is_well = concern.take_care(name)
                all_well = all_well and is_well
                if is_well and name == "release":  # what it did concerns the tasks, which come next
                    self._concerns["tasks"].wake()
        return all_well

    def listen(self, *, wait_s: float) -> None:
        """Take what the queue has, waiting for it; what can't be read stays, and ends in the dead-letter queue."""
        try:
            for message in self.receive(wait_s=wait_s):
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
            self._log.warning("event not handled", message_id=message.get("MessageId"), error=str(error))
        except (ClientError, BotoCoreError) as error:
            self._log.warning("message not deleted", error=str(error))

    def _wake_for(self, event: Event) -> None:
        if not isinstance(event, ObjectEvent):
            self._log.info("registry changed", about=event.about)
            self._concerns["release"].wake()
        elif event.bucket == self._storage.bucket and event.key.startswith(self._storage.annotations_prefix):
            self._loop.annotation_changed(event.key)
            self._concerns["annotations"].wake()
        else:
            self._log.info("event is about something else", bucket=event.bucket, key=event.key)

    def _idle_s(self) -> float:
        """Until the next concern is due, as far as a poll may last."""
        due_in_s = min(concern.due_s for concern in self._concerns.values()) - time.monotonic()
        return min(max(due_in_s, 0.0), LONGEST_POLL_S)
