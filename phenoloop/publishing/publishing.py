"""A release's module to the people who run Loc360: built, checked in a clean environment, pushed."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import boto3
import structlog

from loc360.conformance import Report
from loc360.conformance.platform import Invoke
from phenoloop.chain.endpoints import Endpoints, sagemaker_runtime_client
from phenoloop.chain.flow import Invoker
from phenoloop.chain.images import ImageStore, photo_client
from phenoloop.chain.release import Release
from phenoloop.errors import ModuleRefused
from phenoloop.publishing.build import build
from phenoloop.publishing.clean import checked
from phenoloop.publishing.content import MODULE, module_files
from phenoloop.publishing.photos import some_photos
from phenoloop.publishing.remote import GitRemote
from phenoloop.settings import Settings

PHOTOS = 2


def publish(release: Release, settings: Settings) -> bool:
    """Push the module of the release to the remote of the settings, if there is one; whether that was news.

    What is there already is not checked again. Raises ModuleRefused (it breaks the platform's contract, or is of other
    code), ModuleNotBuilt, RemoteFailed, ImageMissing (no photo to check it with), StorageUnavailable, and what the
    endpoints raise.
    """
    if not settings.loc360.remote:
        return False
    files = module_files(release)
    is_news = GitRemote(settings.loc360).publish(files, tag=release.name, first=lambda: _require(release, settings))
    if is_news:
        structlog.get_logger().info("module published", release=release.name, branch=settings.loc360.branch)
    return is_news


def check(
    release: Release,
    settings: Settings,
    photos: Sequence[Path] = (),
    *,
    wheel: Path | None = None,
    module: str = MODULE,
) -> Report:
    """Of the release's module, or of another in its own wheel, on these photos or some of the bucket's.

    The release's endpoints answer. Raises what `publish` raises, but for RemoteFailed.
    """
    storage, chain = settings.storage, settings.chain
    images = ImageStore(
        photo_client(chain), storage.image_buckets, chain.max_image_bytes, timeout_s=chain.image_timeout_s
    )
    endpoints = Endpoints(
        sagemaker_runtime_client(chain), chain.endpoint_slots, chain.attempts, timeout_s=chain.invoke_timeout_s
    )
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="loc360-check-")))
        wheels = [build(release, folder).wheel, *([wheel] if wheel else [])]
        found = photos or kept.enter_context(
            some_photos(boto3.client("s3"), images, storage.bucket, storage.images_prefix, count=PHOTOS)
        )
        return checked(wheels, found, answered_by(release, endpoints), module=module)


def answered_by(release: Release, endpoints: Invoker) -> Invoke:
    """What the release's models say, by their `dl_model_name`."""
    served = {
        release.manifest["detector_model"]: release.detector.endpoint,
        release.manifest["segmenter_model"]: release.segmenter.endpoint,
    }
    return lambda model, payload: endpoints.invoke(served[model], payload)


def _require(release: Release, settings: Settings) -> None:
    report = check(release, settings)
    if report.unchecked:
        structlog.get_logger().warning("module not checked for all", unchecked=", ".join(report.unchecked))
    if report.breaches:
        raise ModuleRefused(
            "The module breaks the contract with Loc360.",
            cure="See `phenoloop loc360 check`.",
            release=release.name,
            breaches="; ".join(map(str, report.breaches)),
        )
