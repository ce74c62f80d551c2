"""The round trip through its public doors: Label Studio's API, S3 and its events, the backend's own URLs."""

from typing import Any

import pytest
import requests

from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.client import LabelStudio
from tests.conftest import PHOTOS, RunningStack, eventually, phenoloop
from tests.contract.label_studio_walk import predict_twice, walk_through

pytestmark = pytest.mark.integration


def ask_backend(stack: RunningStack, tasks: list[dict[str, Any]], **changes: Any) -> requests.Response:
    status = stack.status()
    body = {"tasks": tasks, "label_config": status["label_studio"]["label_config"]} | changes
    backend = status["backend"]
    return requests.post(
        backend["url"] + "/predict", json=body, auth=(backend["user"], backend["password"]), timeout=100
    )


def ask_label_studio(stack: RunningStack, method: str, path: str) -> None:
    status = stack.status()["label_studio"]
    headers = {"Authorization": f"Token {status['token']}"}
    requests.request(method, status["url"] + path, headers=headers, timeout=120).raise_for_status()


def first_task(stack: RunningStack) -> tuple[LabelStudio, int, dict[str, Any]]:
    status, label_studio = stack.status()["label_studio"], stack.label_studio()
    task = next(iter(label_studio.tasks(status["project_id"])))
    return label_studio, task.id, task.data


def test_new_photos_are_pre_annotated_before_anyone_opens_them(stack: RunningStack) -> None:
    status, label_studio = stack.status(), stack.label_studio()
    project_id, release = status["label_studio"]["project_id"], status["release"]
    eventually(lambda: label_studio.model_versions(project_id).get(release) == PHOTOS)


def test_opening_a_task_without_a_prediction_predicts_it(stack: RunningStack) -> None:
    label_studio, task_id, _ = first_task(stack)
    status = stack.status()
    eventually(lambda: label_studio.predictions(task_id))
    label_studio.delete_predictions(status["label_studio"]["project_id"], status["release"])
    ask_label_studio(stack, "GET", f"/api/tasks/{task_id}/")
    predictions = label_studio.predictions(task_id)
    assert predictions  # two, if a pre-labelling job was at this task in the same moment
    assert {prediction["model_version"] for prediction in predictions} == {status["release"]}


def test_a_prediction_holds_a_measured_mask_for_each_object(stack: RunningStack) -> None:
    _, task_id, data = first_task(stack)
    (prediction,) = ask_backend(stack, [{"id": task_id, "data": data}]).json()["results"]
    regions = decode_regions(prediction["result"])
    assert regions
    assert all(region.mask is not None and region.mask.any() for region in regions)
    numbers = {item["from_name"] for item in prediction["result"] if item["type"] == "number"}
    assert numbers == {"count", "length_mm", "width_mm"}


def test_the_same_photo_gives_the_same_prediction_byte_for_byte(stack: RunningStack) -> None:
    _, task_id, data = first_task(stack)
    first, second = (ask_backend(stack, [{"id": task_id, "data": data}]).content for _ in range(2))
    assert first == second


def test_a_batch_gets_one_item_a_task_though_some_are_bad(stack: RunningStack) -> None:
    _, task_id, data = first_task(stack)
    bad = ["s3://phenoloop/images/none.jpg", "s3://other-bucket/a.jpg", "file:///etc/passwd", "http://127.0.0.1/a.jpg"]
    tasks = [{"id": 900 + n, "data": {"image": image}} for n, image in enumerate(bad)]
    results = ask_backend(stack, [*tasks, {"id": task_id, "data": data}]).json()["results"]
    assert results[:-1] == [[], [], [], []]
    assert results[-1]["result"]


def test_nobody_without_credentials_gets_in(stack: RunningStack) -> None:
    url = stack.status()["backend"]["url"]
    assert requests.post(url + "/predict", json={}, timeout=5).status_code == 401
    assert requests.get(url + "/metrics", timeout=5).status_code == 401
    assert requests.get(url + "/health", timeout=5).json()["status"] == "UP"


def test_a_saved_annotation_is_in_s3_and_seen_by_sync(stack: RunningStack) -> None:
    label_studio, task_id, data = first_task(stack)
    (prediction,) = ask_backend(stack, [{"id": task_id, "data": data}]).json()["results"]
    annotation_id = label_studio.create_annotation(task_id, prediction["result"])
    stored = eventually(lambda: _stored(stack, annotation_id))
    assert stored["ContentLength"] > 0
    assert eventually(lambda: stack.heard("annotation changed", annotation=annotation_id))["is_there"]


def test_a_photo_that_comes_to_the_bucket_is_a_pre_annotated_task_without_anyone_pressing_sync(
    stack: RunningStack,
) -> None:
    status, label_studio, s3 = stack.status(), stack.label_studio(), stack.client("s3")
    project_id, key = status["label_studio"]["project_id"], "images/incoming/new.jpg"
    _, _, data = first_task(stack)
    s3.copy_object(Bucket="phenoloop", Key=key, CopySource=data["image"].removeprefix("s3://"))

    task = eventually(
        lambda: next((t for t in label_studio.tasks(project_id) if str(t.data["image"]).endswith(key)), None)
    )

    (prediction,) = eventually(lambda: label_studio.predictions(task.id))
    assert prediction["model_version"] == status["release"]
    s3.delete_object(Bucket="phenoloop", Key=key)  # else Label Studio makes it a task again
    ask_label_studio(stack, "DELETE", f"/api/tasks/{task.id}/")


def test_prelabel_predicts_what_lacks_a_prediction_and_nothing_twice(stack: RunningStack) -> None:
    status, label_studio = stack.status(), stack.label_studio()
    project_id, release = status["label_studio"]["project_id"], status["release"]
    label_studio.delete_predictions(project_id, release)
    for _ in range(2):
        done = phenoloop("prelabel", "--data-dir", str(stack.data_dir))
        assert done.returncode == 0, done.stderr
    assert label_studio.model_versions(project_id)[release] == PHOTOS


def test_the_label_studio_client_keeps_its_contract_with_a_real_label_studio(stack: RunningStack) -> None:
    walk_through(stack.label_studio(), "phenoloop")
    predict_twice(stack.label_studio())


def _stored(stack: RunningStack, annotation_id: int) -> dict[str, Any] | None:
    s3 = stack.client("s3")
    listed = s3.list_objects_v2(Bucket="phenoloop", Prefix=f"annotations/{annotation_id}").get("Contents", [])
    return dict(s3.head_object(Bucket="phenoloop", Key=listed[0]["Key"])) if listed else None
