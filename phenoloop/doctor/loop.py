"""The loop under examination: its settings, and clients that give up quickly."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

from phenoloop.chain.releases import ReleaseStore
from phenoloop.labelling.admin import LabelStudioAdmin
from phenoloop.labelling.config import LabellingConfig, parse_labelling_config
from phenoloop.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from types_boto3_sqs import SQSClient

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 12.0


class Aws:
    """boto3's clients, from this process's own environment, made when first asked for."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()  # boto3's session is not for several threads at once

    def s3(self) -> S3Client:
        return cast("S3Client", self.client("s3"))

    def sqs(self) -> SQSClient:
        return cast("SQSClient", self.client("sqs"))

    def sagemaker(self) -> SageMakerClient:
        return cast("SageMakerClient", self.client("sagemaker"))

    def sagemaker_runtime(self) -> SageMakerRuntimeClient:
        return cast("SageMakerRuntimeClient", self.client("sagemaker-runtime", read_timeout_s=60.0))

    def events(self) -> Any:
        return self.client("events")

    def client(self, name: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> Any:
        """Raises BotoCoreError if no region is known."""
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S, read_timeout=read_timeout_s, retries={"total_max_attempts": 1}
        )
        with self._making:
            if name not in self._clients:
                self._clients[name] = boto3.client(name, config=config)  # type: ignore[call-overload]
            return self._clients[name]


@dataclass(frozen=True, slots=True)
class Loop:
    settings: Settings
    project_id: int | None
    """As given; without it the only project there is counts."""
    aws: Aws = field(default_factory=Aws)

    def label_studio(self) -> LabelStudioAdmin:
        given = self.settings.label_studio
        return LabelStudioAdmin(given.url, given.token.get_secret_value(), timeout_s=READ_TIMEOUT_S, attempts=1)

    def projects(self) -> list[int]:
        """The project that was named, else all there are."""
        if self.project_id is not None:
            return [self.project_id]
        return [project.id for project in self.label_studio().projects()]

    def project(self) -> dict[str, Any]:
        """Label Studio's own words on the project; to be asked after `projects` named exactly one."""
        (project_id,) = self.projects()
        return self.label_studio().project_settings(project_id)

    def labelling_config(self) -> LabellingConfig:
        return parse_labelling_config(str(self.project()["label_config"]))

    def releases(self) -> ReleaseStore:
        storage = self.settings.storage
        return ReleaseStore(self.aws.s3(), storage.bucket, storage.releases_prefix)

    def queue_arn(self) -> str:
        url = self.settings.queue_url
        return self.aws.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
