"""What a release is, and what it is called."""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from loc360.errors import MetadataInvalid
from loc360.manifest import Manifest

NAME_PREFIX = "phenoloop"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class StageEndpoint(Frozen):
    endpoint: str
    model_data_url: str


class Release(Frozen):
    """One package, live under one version with its pre- and post-processing. `name` is Label Studio's model_version."""

    name: str
    package_arn: str
    detector: StageEndpoint
    segmenter: StageEndpoint
    manifest: dict[str, Any]
    """Of this release, as `Manifest.to_dict` gives it."""

    @classmethod
    def named(
        cls,
        *,
        package_arn: str,
        detector: StageEndpoint,
        segmenter: StageEndpoint,
        manifest: Mapping[str, Any],
    ) -> "Release":
        """With the name that `release_name` gives, put into the manifest too."""
        name = release_name((detector.endpoint, segmenter.endpoint), manifest)
        named = {**manifest, "release": name}
        return cls(name=name, package_arn=package_arn, detector=detector, segmenter=segmenter, manifest=named)

    @model_validator(mode="after")
    def _manifest_is_its_own(self) -> "Release":
        try:
            manifest = Manifest.from_dict(self.manifest)
        except MetadataInvalid as error:
            raise ValueError(str(error)) from error
        if manifest.release != self.name:
            raise ValueError(f"the manifest is of release {manifest.release!r}, not {self.name!r}")
        return self


def release_name(endpoints: tuple[str, str], manifest: Mapping[str, Any]) -> str:
    """A name that changes with either endpoint, the manifest or the module's code, and with nothing else.

    An endpoint's name stands for what it serves: artifact, image and instance type. The manifest's own `release` is
    left aside.
    """
    settings = {field: value for field, value in manifest.items() if field != "release"}
    identity = {"endpoints": list(endpoints), "manifest": settings, "module": _module_sha256()}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{NAME_PREFIX}-{digest[:12]}"


def supersedes(live: str, version: str) -> bool:
    """Whether a prediction of `version` is one of ours that the live release makes obsolete."""
    return version != live and version.startswith(f"{NAME_PREFIX}-")


def _module_sha256() -> str:
    """Of the Python files of the loc360 module that this process runs."""
    digest = hashlib.sha256()
    files = (file for file in resources.files("loc360").iterdir() if file.name.endswith(".py"))
    for file in sorted(files, key=lambda file: file.name):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
