"""The endpoints of a running stack, asked by the command and by the prediction Lambda's own code."""

import base64
import json
from pathlib import Path

import pytest

from phenoloop.chain.endpoints import Endpoints
from phenoloop.endpoint_tests.subject import draw_photo
from tests.conftest import RunningStack, phenoloop
from tests.contract.test_predictions_api import predictions

pytestmark = pytest.mark.integration


def test_the_endpoints_of_the_stack_pass(stack: RunningStack) -> None:
    told = phenoloop("endpoints", "test", "--within-ms", "30000", "--data-dir", str(stack.data_dir))
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"release {stack.status()['release']}" in told.stdout


def test_a_release_that_is_not_there_is_said_to_be(stack: RunningStack) -> None:
    told = phenoloop("endpoints", "test", "--release", "phenoloop-none", "--data-dir", str(stack.data_dir))
    assert (told.returncode, "phenoloop-none" in told.stderr) == (1, True)


def test_the_prediction_lambda_measures_a_photo_with_the_live_chain(stack: RunningStack, tmp_path: Path) -> None:
    endpoints = Endpoints(stack.client("sagemaker-runtime"), slots=4, attempts=2)
    service = predictions.Service("phenoloop", stack.client("s3"), endpoints, max_image_bytes=10**7)
    body = base64.b64encode(draw_photo(tmp_path / "photo.png").read_bytes()).decode()
    answer = predictions.respond(
        service, {"headers": {"content-type": "image/png"}, "body": body, "isBase64Encoded": True}
    )
    found = json.loads(answer["body"])
    assert (answer["statusCode"], found["release"]) == (200, stack.status()["release"])
    assert found["count"] == len(found["objects"]) > 0
