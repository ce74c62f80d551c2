"""Endpoints that someone else deployed become a release."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from loc360.errors import MetadataInvalid
from loc360.manifest import Manifest
from phenoloop.chain.release import Release, StageEndpoint
from phenoloop.chain.releases import ReleaseStore
from phenoloop.connect.step import Step, done, left, right
from phenoloop.errors import EndpointRefused, RegistryFailed, ReleaseMissing, SettingsInvalid
from sync.release.rollouts import Rollouts
from sync.sagemaker_errors import sagemaker_errors

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient


def adopted_release(sagemaker: SageMakerClient, *, detector: str, segmenter: str, manifest: dict[str, Any]) -> Release:
    """The release that these two endpoints are, under this manifest; nothing is stored.

    Raises EndpointRefused (one is missing, not in service, or serves no single model), SettingsInvalid (the manifest),
    SageMakerUnavailable.
    """
    package_arn, stages = "", []
    for endpoint in (detector, segmenter):
        container = _container(sagemaker, endpoint)
        package_arn = package_arn or container.get("ModelPackageName", "")
        stages.append(StageEndpoint(endpoint=endpoint, model_data_url=_model_data_url(container)))
    try:
        Manifest.from_dict({**manifest, "release": ""})
        return Release.named(package_arn=package_arn, detector=stages[0], segmenter=stages[1], manifest=manifest)
    except (MetadataInvalid, ValidationError) as error:
        cure = "Write it with the fields of loc360.manifest.Manifest; `release` is filled in."
        raise SettingsInvalid("The manifest can't be used.", cure=cure, reason=str(error)[:300]) from error


def go_live(store: ReleaseStore, rollouts: Rollouts, release: Release, *, even_if_another_is: bool) -> Iterator[Step]:
    """Publish it, and make it the live one if none is, or if told to.

    From here on it is a release as any: sync tells the Loc360 platform, has open tasks follow and may roll it back. It
    stays live until a package is approved after this. Raises StorageUnavailable, WriteConflict.
    """
    store.publish(release)
    try:
        live = store.pointer().release
    except ReleaseMissing:
        live = ""
    if live == release.name:
        if rollouts.find(release.name) is None:
            rollouts.begin(release, decided_at=datetime.now(UTC), is_live=True, adopted=True)
        yield right(f"release {release.name} is live")
    elif live and not even_if_another_is:
        yield left(f"release {release.name} is published, {live} stays live", "Make it live with --go-live.")
    else:
        rollouts.begin(release, decided_at=datetime.now(UTC), is_live=False, adopted=True)
        store.move_pointer(release.name)
        yield done(f"release {release.name} is live now{f', {live} was' if live else ''}")


def _container(sagemaker: SageMakerClient, endpoint: str) -> dict[str, Any]:
    try:
        with sagemaker_errors(endpoint=endpoint):
            described = sagemaker.describe_endpoint(EndpointName=endpoint)
            if described["EndpointStatus"] != "InService":
                status = described["EndpointStatus"]
                raise EndpointRefused("An endpoint is not in service.", endpoint=endpoint, status=status)
            config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
            models = {variant.get("ModelName") for variant in config["ProductionVariants"]}
            if len(models) != 1 or None in models:
                cure = "Give it one model: what answers must be one thing."
                raise EndpointRefused("An endpoint serves several models.", cure=cure, endpoint=endpoint)
            model = sagemaker.describe_model(ModelName=str(models.pop()))
    except RegistryFailed as error:
        cure = "Check its name, region and account, and that our role may describe endpoints, configurations, models."
        raise EndpointRefused("The endpoint can't be described.", cure=cure, **error.facts) from error
    containers = model.get("Containers") or [model["PrimaryContainer"]]
    if len(containers) != 1:
        cure = "Give it one container: the loop itself calls one stage after the other."
        raise EndpointRefused("The endpoint's model is a pipeline of containers.", cure=cure, endpoint=endpoint)
    return dict(containers[0])


def _model_data_url(container: dict[str, Any]) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
    return str(container.get("ModelDataUrl") or source)
