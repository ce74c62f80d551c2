"""The sync worker: takes S3 events off the queue and acts on the one key each names."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import EventsUnavailable, PhenoloopError
from phenoloop.settings import StorageSettings
from sync.annotations import read_annotation
from sync.events import ObjectEvent, object_events
from sync.journal import Journal

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

POLL_S = 10
PAUSE_AFTER_ERROR_S = 2.0
VISIBILITY_S = 20
"""After which SQS brings a message again that a killed worker had taken."""


class SyncWorker:
    """Runs until `stop`. A message is deleted only when all it says is done; else SQS brings it again, and after the
    queue's limit of receives moves it to the dead-letter queue.
    """

    def __init__(self, sqs: SQSClient, s3: S3Client, queue_url: str, storage: StorageSettings) -> None:
        self._sqs, self._s3, self._queue_url, self._storage = sqs, s3, queue_url, storage
        self._journal = Journal(s3, storage.bucket, storage.journal_prefix)
        self._stopping = threading.Event()
        self._log = structlog.get_logger()

    def run(self) -> None:
        self._log.info("sync worker waits for events", queue=self._queue_url.rpartition("/")[2])
        while not self._stopping.is_set():
            try:
                for message in self.receive():
                    if not self._stopping.is_set():
                        self.handle(message)
            except PhenoloopError as error:
                self._log.warning("queue can't be read", error=str(error))
                self._stopping.wait(PAUSE_AFTER_ERROR_S)

    def stop(self) -> None:
        self._stopping.set()

    def receive(self, *, wait_s: int = POLL_S) -> list[MessageTypeDef]:
        """Up to ten messages. Raises EventsUnavailable if SQS does not answer."""
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s, VisibilityTimeout=VISIBILITY_S
            )
        except (ClientError, BotoCoreError) as error:
            raise EventsUnavailable("The event queue does not answer.", cure="Is SQS reachable?") from error
        return answer.get("Messages", [])

    def handle(self, message: MessageTypeDef) -> None:
        """Do what the message says, then delete it; if that fails leave it for another time."""
        log = self._log.bind(message_id=message.get("MessageId"))
        try:
            for event in object_events(message["Body"]):
                self._act_on(event)
            self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        except PhenoloopError as error:
            log.warning("event not handled", error=str(error), retryable=error.retryable)
        except (ClientError, BotoCoreError) as error:
            log.warning("message not deleted", error=str(error))
        except Exception:  # one odd message, even a bug, never costs the others
            log.exception("event not handled on a bug")

    def _act_on(self, event: ObjectEvent) -> None:
        """What the object is now counts, not what the event says of it: events come late and in any order."""
        log = self._log.bind(key=event.key)
        if event.bucket != self._storage.bucket or not event.key.startswith(self._storage.annotations_prefix):
            log.info("event is not about an annotation", bucket=event.bucket)
            return
        stored = read_annotation(self._s3, event.bucket, event.key)
        if stored is None:
            log.info("annotation removed", news=self._journal.record_removed(event))
        else:
            annotation, news = stored.annotation, self._journal.record_saved(stored)
            log.info("annotation saved", annotation=annotation.id, task=annotation.task.id, news=news)
