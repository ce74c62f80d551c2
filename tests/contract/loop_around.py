"""Sync's loop on a bucket with annotations and a registry with a live chain, both moto's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from phenoloop.jobs import enqueue_prelabel
from phenoloop.labelling.client import LabelStudio
from phenoloop.settings import (
    BackendSettings,
    ChainSettings,
    LabelStudioSettings,
    ReleaseSettings,
    RetrainingSettings,
    Settings,
    StorageSettings,
    TrainingSettings,
)
from sync.loop import Loop
from sync.open_tasks import Behind, OpenTasks
from sync.runs import Runs
from sync.snapshot import SnapshotStore
from tests.contract.chain_aws import BUCKET, GROUP, IMAGE, ROLE, Aws
from tests.unit.annotation_objects import Annotated
from tests.unit.backend_fakes import FakeQueue

STORAGE = StorageSettings(bucket=BUCKET)
TRAINING = TrainingSettings(package_group=GROUP, role_arn=ROLE, training_image=f"{IMAGE}-training", serving_image=IMAGE)
RETRAINING = RetrainingSettings(minimum_changes=3, quiet_s=0, sweep_every_s=60)


class NoProjects:
    """A Label Studio that nobody works in."""

    def projects(self) -> list[Any]:
        return []


class AllBehind:
    """Open tasks of one project, none of them predicted by whatever is live."""

    def __init__(self, queue: FakeQueue) -> None:
        self.queue = queue
        self.task_ids: tuple[int, ...] = (1, 2)

    def are_being_predicted(self) -> bool:
        return False

    def behind(self, version: str, canary: Mapping[int, str]) -> Behind:
        return {7: self.task_ids} if self.task_ids else {}

    def predict(self, behind: Behind) -> None:
        for project_id, task_ids in behind.items():
            enqueue_prelabel(cast("Any", self.queue), project_id, task_ids)


class Around:
    """A bucket with annotations, a registry with a live chain, and any number of workers' loops."""

    def __init__(self, folder: Path) -> None:
        self.aws = Aws(folder)
        self.annotated = Annotated(self.aws.s3, BUCKET)
        self.first = self.aws.register(self.aws.upload())
        self.aws.deploy(self.first)

    def loop(self, *, tasks: "AllBehind | None" = None, **retraining: Any) -> Loop:
        aws, label_studio = self.aws, cast("LabelStudio", NoProjects())
        settings = Settings(
            storage=STORAGE,
            training=TRAINING,
            release=ReleaseSettings(open_tasks_a_minute=10**9),
            chain=ChainSettings(release_refresh_s=1e-9),
            retraining=RETRAINING.model_copy(update=retraining),
            label_studio=LabelStudioSettings(url="http://label-studio", token=SecretStr("token")),
            backend=BackendSettings(password=SecretStr("password of tests")),
            queue_url="",
        )
        return Loop(
            s3=aws.s3,
            sagemaker=aws.sagemaker,
            label_studio=label_studio,
            snapshots=SnapshotStore(aws.s3, BUCKET, images=self.annotated.images()),
            runs=Runs(aws.s3, aws.sagemaker, STORAGE, TRAINING),
            releases=aws.store,
            releaser=aws.releaser,
            open_tasks=cast("Any", tasks) or OpenTasks(label_studio, cast("Any", FakeQueue()), BUCKET, "annotations/"),
            settings=settings,
        )

    def annotate(self, *numbers: int) -> None:
        for number in numbers:
            self.annotated.save(number)

    def skip(self, *numbers: int) -> None:
        for number in numbers:
            self.annotated.save(number, was_cancelled=True)

    def executions(self) -> int:
        known = self.aws.sagemaker.list_pipelines()["PipelineSummaries"]
        if not known:
            return 0
        return len(self.aws.sagemaker.list_pipeline_executions(PipelineName="phenoloop")["PipelineExecutionSummaries"])
