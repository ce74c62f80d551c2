"""What SageMaker tells EventBridge, in AWS's words.

https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
"""

from __future__ import annotations

import json
import queue
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.local_aws.sagemaker.model_packages import described
from phenoloop.local_aws.sagemaker.pipelines.records import Execution
from phenoloop.local_aws.sagemaker.pipelines.scope import iso_time
from phenoloop.local_aws.sagemaker.store import Resource

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef

MAX_WAITING = 1000
RETRY_PAUSES_S = (0.5, 2.0, 5.0)


class Events:
    """Best effort: put in the background, tried a few times, then forgotten. No call fails because of an event."""

    def __init__(self, client: EventBridgeClient, source: str) -> None:
        self._client = client
        self._source = source
        self._waiting: queue.Queue[PutEventsRequestEntryTypeDef] = queue.Queue(MAX_WAITING)
        self._log = structlog.get_logger()
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def package_changed(self, package: Resource) -> None:
        detail = {**described(package), "CertifyForMarketplace": False}
        times = {member: iso_time(detail[member]) for member in ("CreationTime", "LastModifiedTime")}
        self._put("SageMaker Model Package State Change", {**detail, **times}, [package.arn])

    def execution_changed(self, resource: Resource, execution: Execution, previous: str) -> None:
        pipeline_arn = resource.arn.partition("/execution/")[0]
        texts = {
            "pipelineExecutionDisplayName": execution.described.get("PipelineExecutionDisplayName"),
            "pipelineExecutionDescription": execution.described.get("PipelineExecutionDescription"),
            "previousPipelineExecutionStatus": previous,
            "executionEndTime": iso_time(execution.ended_at_s) if execution.ended_at_s else None,
        }
        detail = {
            "currentPipelineExecutionStatus": execution.status.value,
            "executionStartTime": iso_time(resource.created_at_s),
            "pipelineArn": pipeline_arn,
            "pipelineExecutionArn": resource.arn,
            **{member: text for member, text in texts.items() if text},
        }
        kind = "SageMaker Model Building Pipeline Execution Status Change"
        self._put(kind, detail, [pipeline_arn, resource.arn])

    def _put(self, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        entry: PutEventsRequestEntryTypeDef = {
            "Source": self._source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": resources,
            "Time": datetime.now(UTC),
        }
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._log.warning("event lost", detail_type=detail_type, reason="too many are waiting")

    def _run(self) -> None:
        while True:
            self._send(self._waiting.get())

    def _send(self, entry: PutEventsRequestEntryTypeDef) -> None:
        reason = ""
        for pause_s in (0.0, *RETRY_PAUSES_S):
            time.sleep(pause_s)
            try:
                reply = self._client.put_events(Entries=[entry])
            except (BotoCoreError, ClientError, OSError) as error:
                reason = str(error)
                continue
            if not reply["FailedEntryCount"]:
                return
            reason = str(reply["Entries"])
        self._log.warning("event lost", detail_type=entry.get("DetailType"), reason=reason)
