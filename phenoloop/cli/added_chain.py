"""A chain that was made elsewhere, from its two archives into the registry."""

import tempfile
from pathlib import Path
from typing import Any

from loc360.manifest import Manifest
from phenoloop.errors import NotAChain
from sync.registry import ROLES, register_chain, upload_chain
from sync.release.releaser import Releaser
from training.archives.unpacking import unpacked
from training.errors import ArchiveInvalid


def register_archives(releaser: Releaser, folder: Path) -> str:
    """Register ROLE/model.tar.gz of the folder; the package's ARN. It is not approved.

    Raises NotAChain (an archive is missing or none), BucketMissing, StorageUnavailable, RegistryFailed.
    """
    archives = {role: folder / role / "model.tar.gz" for role in ROLES}
    about = {role: _about(archive) for role, archive in archives.items()}
    manifest = Manifest(
        release="",
        detector_model="phenoloop-detector",
        segmenter_model="phenoloop-segmenter",
        labels=tuple(map(str, about["detector"].get("labels", ()))),
    )
    storage, training = releaser.storage, releaser.training
    return register_chain(
        releaser.sagemaker,
        group=training.package_group,
        image=training.serving_image,
        artifacts=upload_chain(
            releaser.s3, storage.bucket, archives, manifest.to_dict(), prefix=storage.artifacts_prefix
        ),
        approved=False,
        description="Added by hand",
    )


def _about(archive: Path) -> dict[str, Any]:
    try:
        with tempfile.TemporaryDirectory() as folder:
            model = unpacked(archive, Path(folder))
    except ArchiveInvalid as error:
        raise NotAChain("An archive of the chain can't be used.", cure=str(error), archive=archive) from error
    if model is None:
        raise NotAChain("An archive only says that the live model stays.", archive=archive)
    return model.about
