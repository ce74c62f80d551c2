"""The live release and its two endpoints, up to one small real call of each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError
from PIL import Image

from loc360.wire import Box
from phenoloop.chain.chain import Chain, Prompt
from phenoloop.chain.endpoints import Endpoints
from phenoloop.chain.images import StoredImage
from phenoloop.chain.releases import LiveRelease, Release
from phenoloop.doctor.check import Finding, failed, ok, warn
from phenoloop.doctor.loop import Loop
from phenoloop.doctor.words import reason_and_cure

SIDE_PX = 64
SLOW_S = 10.0


def live_release(loop: Loop) -> Finding:
    return ok(loop.releases().live().name)


def detector_state(loop: Loop) -> Finding:
    return _state(loop, loop.releases().live().detector.endpoint)


def segmenter_state(loop: Loop) -> Finding:
    return _state(loop, loop.releases().live().segmenter.endpoint)


def detector_call(loop: Loop) -> Finding:
    """A grey photo through the live release: nothing to find, but the detector has to look."""
    started = time.perf_counter()
    with _grey_photo() as photo:
        found = _chain(loop).annotate(photo)
    return _answered(time.perf_counter() - started, f"{len(found.instances)} objects in a grey image")


def segmenter_call(loop: Loop) -> Finding:
    """A box drawn on a grey photo: the segmenter has to answer, if only that there is no mask."""
    started = time.perf_counter()
    with _grey_photo() as photo:
        _chain(loop).segment(photo, Prompt(label=_first_label(loop), box_px=Box(16, 16, 48, 48), point_px=None))
    return _answered(time.perf_counter() - started, "a box in a grey image")


def retraining(loop: Loop) -> Finding:
    """Whether a training run could start, and what the registry holds."""
    training = loop.settings.training
    needed = {"ROLE_ARN": training.role_arn, "TRAINING_IMAGE": training.training_image}
    if unset := [name for name, value in {**needed, "SERVING_IMAGE": training.serving_image}.items() if not value]:
        return warn(f"{', '.join(unset)} not set", "Set PHENOLOOP_TRAINING__NAME: without it no run can start.")
    try:
        listed = loop.aws.sagemaker().list_model_packages(ModelPackageGroupName=training.package_group, MaxResults=100)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ValidationException", "ResourceNotFound"}:
            raise
        return ok(f"no group {training.package_group} yet")
    packages = listed["ModelPackageSummaryList"]
    waiting = sum(package.get("ModelApprovalStatus") == "PendingManualApproval" for package in packages)
    return ok(f"{len(packages)} packages in {training.package_group}, {waiting} wait for approval")


def _state(loop: Loop, endpoint: str) -> Finding:
    try:
        found = loop.aws.sagemaker().describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":
            return failed(
                f"there is no endpoint {endpoint}", "Deploy the live release again, or make another one live."
            )
        if error.response["Error"]["Code"] == "AccessDeniedException":  # the backend itself needs only to invoke
            reason, cure = reason_and_cure(error)
            return warn(reason, cure)
        raise
    if found["EndpointStatus"] != "InService":
        reason = found.get("FailureReason", "")
        return failed(f"{endpoint} is {found['EndpointStatus']} {reason}".strip(), "See the endpoint's log.")
    return ok(f"{endpoint} is in service")


def _chain(loop: Loop) -> Chain:
    """As the backend has it, but with one attempt a call."""
    runtime = loop.aws.sagemaker_runtime()
    live = LiveRelease(loop.releases(), loop.settings.chain.release_refresh_s)
    live.stop()
    return Chain(Endpoints(runtime, slots=1, attempts=1), live)


def _first_label(loop: Loop) -> str | None:
    release: Release = loop.releases().live()
    return next(iter(release.manifest["labels"]), None)


def _answered(seconds: float, what: str) -> Finding:
    if seconds > SLOW_S:
        return warn(f"{what}: {seconds:.1f} s", "A photo has many calls. Is the instance too small, or cold?")
    return ok(f"{what}: {seconds:.2f} s")


@contextmanager
def _grey_photo() -> Iterator[StoredImage]:
    with tempfile.TemporaryDirectory(prefix="phenoloop-doctor-") as folder:
        path = Path(folder) / "grey.png"
        Image.new("RGB", (SIDE_PX, SIDE_PX), (128, 128, 128)).save(path)
        yield StoredImage(path=path, etag="doctor", mm_per_px=None, group=None)
