"""A registry and a bucket of moto's, with what a test does to them, and models behind whatever endpoints there are."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import boto3
from PIL import Image

from loc360.wire import Box, DetectorReply, decode_detector_request, encode_detector_reply, encode_error
from phenoloop.chain.images import ImageStore
from phenoloop.chain.releases import Release, ReleaseStore
from phenoloop.errors import EndpointUnavailable
from phenoloop.labelling.client import LabelStudio, Project, Task
from phenoloop.settings import ReleaseSettings, StorageSettings, TrainingSettings
from sync.open_tasks import OpenTasks
from sync.registry import ChainArtifacts, chain_package, register_chain, upload_chain
from sync.release.alarms import Alarms
from sync.release.hosting import Hosting
from sync.release.releaser import Releaser
from sync.release.rollouts import Rollouts
from sync.release.shadow import Shadow
from sync.release.smoke import SmokeTest
from tests.unit.backend_fakes import BOXES
from tests.unit.fake_models import Painted, detect, manifest, paint, segment

BUCKET = "phenoloop"
GROUP = "chain"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/phenoloop-serving:1"
WIDTH_PX, HEIGHT_PX = 320, 240
PHOTO = "images/painted.png"
PAINTED = [
    Painted("tomato", Box(20, 20, 80, 80)),
    Painted("carrot", Box(120, 40, 280, 90)),
    Painted("tomato", Box(40, 140, 120, 220)),
]
ROLE = "arn:aws:iam::000000000000:role/phenoloop"


def painted() -> bytes:
    """A photo of `PAINTED`, as PNG."""
    file = io.BytesIO()
    Image.fromarray(paint(WIDTH_PX, HEIGHT_PX, PAINTED)).save(file, "PNG")
    return file.getvalue()


class Models:
    """Stands for the two endpoints, whatever they are called."""

    def __init__(self) -> None:
        self.broken = False
        self.unavailable = False
        self.blind: str | None = None
        """An endpoint, a detector, that finds nothing."""

    def invoke(self, endpoint_name: str, payload: str) -> str:
        if self.unavailable:
            raise EndpointUnavailable("The endpoint failed.", endpoint=endpoint_name)
        if self.broken:
            return encode_error("broken", "I am.")
        if endpoint_name == self.blind:
            request = decode_detector_request(payload)
            height_px, width_px = request.image.shape[:2]
            return encode_detector_reply(DetectorReply(request.release, width_px, height_px, ()))
        return detect(payload) if "detector" in endpoint_name else segment(payload)

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


class Desk:
    """A Label Studio whose tasks were predicted as `predicted` says: photo's key -> the boxes that were found."""

    def __init__(self) -> None:
        self.predicted: dict[str, list[Box]] = {}

    def projects(self) -> list[Project]:
        return [Project(7, "Vegetables", BOXES, "")] if self.predicted else []

    def annotation_storages(self, project_id: int) -> list[dict[str, Any]]:
        return [{"bucket": BUCKET, "prefix": "annotations"}]

    def newest_tasks(self, project_id: int, *, with_version: str, count: int) -> list[Task]:
        tasks = [Task(n, {"image": f"s3://{BUCKET}/{key}"}) for n, key in enumerate(self.predicted, start=1)]
        self.version = with_version
        return tasks[::-1][:count]

    def predictions(self, task_id: int) -> list[dict[str, Any]]:
        boxes = list(self.predicted.values())[task_id - 1]
        items = [
            {
                "id": str(number),
                "type": "rectanglelabels",
                "from_name": "box",
                "to_name": "image",
                "original_width": WIDTH_PX,
                "original_height": HEIGHT_PX,
                "value": {
                    "x": 100 * box.x0 / WIDTH_PX,
                    "y": 100 * box.y0 / HEIGHT_PX,
                    "width": 100 * (box.x1 - box.x0) / WIDTH_PX,
                    "height": 100 * (box.y1 - box.y0) / HEIGHT_PX,
                    "rectanglelabels": ["tomato"],
                },
            }
            for number, box in enumerate(boxes)
        ]
        return [{"id": task_id, "model_version": self.version, "result": items}]


class Aws:
    """The clients of one test, and what it does with them."""

    def __init__(self, folder: Path) -> None:
        self.s3 = boto3.client("s3", region_name="us-east-1")
        self.sagemaker = boto3.client("sagemaker", region_name="us-east-1")
        self.cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
        self.autoscaling = boto3.client("application-autoscaling", region_name="us-east-1")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=painted())
        self.models, self.desk = Models(), Desk()
        self.settings, self.training = ReleaseSettings(watch_s=0), TrainingSettings(role_arn=ROLE)
        self.rollouts = Rollouts(self.s3, StorageSettings(bucket=BUCKET))
        self.store = ReleaseStore(self.s3, BUCKET, "releases/")
        self._folder = folder

    def upload(self, detector: bytes = b"detector", segmenter: bytes = b"segmenter", **changes: Any) -> ChainArtifacts:
        archives = {"detector": self._folder / "detector.tar.gz", "segmenter": self._folder / "segmenter.tar.gz"}
        archives["detector"].write_bytes(detector)
        archives["segmenter"].write_bytes(segmenter)
        return upload_chain(self.s3, BUCKET, archives, manifest("", **changes).to_dict())

    def register(self, artifacts: ChainArtifacts, *, image: str = IMAGE, approved: bool = True) -> str:
        return register_chain(self.sagemaker, group=GROUP, image=image, artifacts=artifacts, approved=approved)

    @property
    def releaser(self) -> Releaser:
        images, storage = ImageStore(self.s3, {BUCKET}, 10**8), StorageSettings(bucket=BUCKET)
        desk = OpenTasks(cast("LabelStudio", self.desk), cast("Any", None), BUCKET, "annotations/")
        return Releaser(
            s3=self.s3,
            sagemaker=self.sagemaker,
            store=self.store,
            rollouts=self.rollouts,
            hosting=Hosting(self.sagemaker, self.autoscaling, self.training),
            alarms=Alarms(self.cloudwatch, self.settings),
            smoke=SmokeTest(self.s3, images, self.models, storage),
            shadow=Shadow(desk, images, self.models, self.settings),
            storage=storage,
            training=self.training,
            settings=self.settings,
        )

    def deploy(self, package_arn: str) -> Release:
        """What sync does, until the package is live and nothing is left to do."""
        package, looks = chain_package(self.sagemaker, package_arn), 0
        while (rollout := self.releaser.advance(package)).step("watched") is None:
            looks += 1
            assert looks < 20, rollout
        return self.store.get(rollout.release)

    def ring(self, endpoint: str, kind: str = "errors") -> None:
        self.cloudwatch.set_alarm_state(
            AlarmName=f"phenoloop-{endpoint}-{kind}", StateValue="ALARM", StateReason="a test"
        )

    def alarms(self) -> set[str]:
        return {alarm["AlarmName"] for alarm in self.cloudwatch.describe_alarms()["MetricAlarms"]}

    def endpoints(self) -> set[str]:
        return {endpoint["EndpointName"] for endpoint in self.sagemaker.list_endpoints()["Endpoints"]}
