"""Release 0 comes live or says why not, and is tried again at the next start."""

from typing import Any

import pytest

from phenoloop.demo.release0 import ensure_release0, refusal
from phenoloop.settings import TrainingSettings
from sync.registry import ChainArtifacts, packages, register_chain, reject
from tests.contract.sagemaker_server import BUCKET, IMAGE, SageMakerServer, unique

pytest_plugins = ("tests.contract.sagemaker_fixtures",)
ARCHIVE = f"s3://{BUCKET}/model.tar.gz"


@pytest.fixture
def training() -> TrainingSettings:
    return TrainingSettings(package_group=unique("chain"))


@pytest.fixture
def sagemaker(sagemaker_server: SageMakerServer) -> Any:
    return sagemaker_server.control


def registered(sagemaker: Any, training: TrainingSettings, manifest: str) -> str:
    artifacts = ChainArtifacts(ARCHIVE, ARCHIVE, f"s3://{BUCKET}/{manifest}")
    return register_chain(sagemaker, group=training.package_group, image=IMAGE, artifacts=artifacts, approved=True)


def test_a_refused_release_says_why_once_nothing_else_may_come_live(sagemaker: Any, training: TrainingSettings) -> None:
    assert refusal(sagemaker, training) is None
    first, second = (registered(sagemaker, training, name) for name in ("first", "second"))
    reject(sagemaker, second, reason="too slow")
    assert refusal(sagemaker, training) is None
    reject(sagemaker, first, reason="an endpoint failed")
    assert refusal(sagemaker, training) == "too slow"


def test_the_first_release_is_tried_again_if_all_were_refused(sagemaker: Any, training: TrainingSettings) -> None:
    for name in ("first", "second"):
        reject(sagemaker, registered(sagemaker, training, name), reason="an endpoint failed")
    ensure_release0(sagemaker, None, BUCKET, training)  # type: ignore[arg-type]  # nothing is stored
    assert [chain.status for chain in packages(sagemaker, training.package_group)] == ["Rejected", "Approved"]
    assert refusal(sagemaker, training) is None
