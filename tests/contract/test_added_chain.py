"""`phenoloop releases add`: a chain that was made elsewhere waits in the registry for approval."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from phenoloop.cli.added_chain import register_archives
from phenoloop.cli.main import app
from phenoloop.errors import NotAChain
from sync.registry import chain_package
from tests.contract.chain_aws import BUCKET, IMAGE, Aws
from tests.unit.training_archives import write_archive


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    settings = {
        "PHENOLOOP_STORAGE__BUCKET": BUCKET,
        "PHENOLOOP_LABEL_STUDIO__URL": "http://label-studio",
        "PHENOLOOP_LABEL_STUDIO__TOKEN": "token",
        "PHENOLOOP_BACKEND__PASSWORD": "password of tests",
        "PHENOLOOP_QUEUE_URL": "http://queue",
        "PHENOLOOP_TRAINING__SERVING_IMAGE": IMAGE,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield Aws(tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    for role in ("detector", "segmenter"):
        about = json.dumps({"role": role, "labels": ["carrot", "leek"]})
        archive = tmp_path / "made" / role / "model.tar.gz"
        write_archive(archive, {"model.json": about, "code/inference.py": "", "model.pt": role})
    return tmp_path / "made"


def test_it_is_registered_with_its_labels_and_waits(aws: Aws, made: Path) -> None:
    done = CliRunner().invoke(app, ["releases", "add", str(made)])
    assert (done.exit_code, "phenoloop releases approve 1" in done.output) == (0, True), done.output
    (summary,) = aws.sagemaker.list_model_packages(ModelPackageGroupName="phenoloop-chain")["ModelPackageSummaryList"]
    package = chain_package(aws.sagemaker, summary["ModelPackageArn"])
    assert (package.waits, package.image) == (True, IMAGE)
    key = package.artifacts.manifest_url.removeprefix(f"s3://{BUCKET}/")
    manifest = json.loads(aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert manifest["labels"] == ["carrot", "leek"]


def test_an_archive_that_is_missing_or_none_is_refused_before_anything_is_written(aws: Aws, made: Path) -> None:
    (made / "segmenter" / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(NotAChain, match="segmenter"):
        register_archives(aws.releaser, made)
    (made / "segmenter" / "model.tar.gz").unlink()
    with pytest.raises(NotAChain, match="segmenter"):
        register_archives(aws.releaser, made)
    assert "Contents" not in aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="artifacts/")
