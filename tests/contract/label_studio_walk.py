"""One walk through Label Studio, for a recorded and for a real one."""

from datetime import UTC, datetime
from typing import Any

from phenoloop.labelling.client import LabelStudio, SavedPredictions

LABEL_CONFIG = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image">
    <Label value="tomato"/>
  </RectangleLabels>
</View>"""

LONG_AGO, FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
NOTHING = 10**9

BOX: dict[str, Any] = {
    "id": "a1",
    "from_name": "box",
    "to_name": "image",
    "type": "rectanglelabels",
    "original_width": 1280,
    "original_height": 960,
    "image_rotation": 0,
    "value": {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["tomato"]},
}


def walk_through(label_studio: LabelStudio, bucket: str) -> None:
    """From an empty project to a corrected prediction and back. `bucket` has at least two photos under images/."""
    assert label_studio.version()
    label_studio.check_label_config(LABEL_CONFIG)
    project = label_studio.create_project("Contract", LABEL_CONFIG, show_collab_predictions=True)
    assert project in label_studio.projects()
    assert label_studio.update_project(project.id, title="Contract checked").title == "Contract checked"
    assert label_studio.project(project.id).label_config == LABEL_CONFIG

    photos = label_studio.add_photo_storage(project.id, bucket=bucket, prefix="images")
    label_studio.add_annotation_storage(project.id, bucket=bucket, prefix="contract-annotations/")
    synced = label_studio.sync_photo_storage(photos)
    assert synced is not None
    assert synced["last_sync_count"] >= 2
    assert [storage["id"] for storage in label_studio.photo_storages(project.id)] == [photos]
    assert label_studio.annotation_storages(project.id)[0]["prefix"] == "contract-annotations"

    first, second, *_ = tasks = list(label_studio.tasks(project.id))
    assert all(task.data["image"].startswith(f"s3://{bucket}/images/") for task in tasks)
    assert list(label_studio.tasks(project.id, ids=[second.id])) == [second]
    assert list(label_studio.tasks(project.id, ids=[])) == []

    found = {"task": first.id, "result": [BOX], "score": 0.9, "model_version": "release-1"}
    nothing = {"task": second.id, "result": [], "score": 0.0, "model_version": "release-1"}
    label_studio.import_predictions(project.id, [found, nothing])
    assert label_studio.predictions(first.id)[0]["result"] == [BOX]
    assert label_studio.model_versions(project.id) == {"release-1": 2}
    lacking = label_studio.tasks(project.id, ids=[first.id, second.id], without_version="release-2")
    assert [task.id for task in lacking] == [first.id, second.id]
    assert list(label_studio.tasks(project.id, ids=[first.id, second.id], without_version="release-1")) == []
    prediction = label_studio.predictions(first.id)[0]["id"]
    assert (label_studio.prediction(prediction) or {})["model_version"] == "release-1"
    assert label_studio.prediction(NOTHING) is None

    annotation = label_studio.create_annotation(first.id, [BOX], parent_prediction=prediction)
    assert [stored["id"] for stored in label_studio.annotations(first.id)] == [annotation]
    saved = [task for task in label_studio.saved_annotations(project.id) if task.annotations]
    assert [(task.task_id, [one.id for one in task.annotations]) for task in saved] == [(first.id, [annotation])]
    assert saved[0] in list(label_studio.saved_annotations(project.id, after=LONG_AGO, until=FAR_AHEAD))
    assert list(label_studio.saved_annotations(project.id, after=FAR_AHEAD)) == []
    assert list(label_studio.saved_annotations(project.id, until=LONG_AGO)) == []
    assert saved[0].annotations[0].parent_prediction == prediction
    assert [task.task_id for task in label_studio.saved_annotations(project.id, ids=[second.id])] == [second.id]
    assert label_studio.has_annotation(annotation)
    assert not label_studio.has_annotation(NOTHING)
    assert label_studio.delete_predictions(project.id, "release-1") == 2
    assert (label_studio.annotation(annotation) or {})["parent_prediction"] is None
    label_studio.delete_project(project.id)


def predict_twice(label_studio: LabelStudio) -> None:
    """One task with predictions of two releases, one with a prediction of the first."""
    project = label_studio.create_project("Predicted twice", LABEL_CONFIG)
    label_studio.import_tasks(project.id, [{"image": f"s3://phenoloop/images/{name}.jpg"} for name in "ab"])
    first, second = (task.id for task in label_studio.tasks(project.id))
    for task, release in ((first, "release-1"), (second, "release-1"), (first, "release-2")):
        found = {"task": task, "result": [BOX], "score": 0.9, "model_version": release}
        label_studio.import_predictions(project.id, [found])
    assert label_studio.task_count(project.id) == 2
    assert label_studio.task_count(project.id, without_version="release-2") == 1
    saved = list(label_studio.saved_predictions(project.id, ids=[first, second]))
    assert [(task.task_id, task.is_open, len(task.predictions)) for task in saved] == [
        (first, True, 2),
        (second, True, 1),
    ]
    (several,) = label_studio.saved_predictions(project.id, ids=[first, second], several=True, only_open=True)
    assert several == saved[0]
    assert sorted(prediction.model_version for prediction in several.predictions) == ["release-1", "release-2"]
    assert several.has("release-2")
    label_studio.create_annotation(first, [BOX])
    assert list(label_studio.saved_predictions(project.id, several=True, only_open=True)) == []
    (several,) = label_studio.saved_predictions(project.id, several=True)
    assert not several.is_open
    for prediction in several.predictions:
        label_studio.delete_prediction(prediction.id)
        label_studio.delete_prediction(prediction.id)  # as if someone else was quicker
    # not by `several`, Label Studio's own count: deletions side by side can leave it unchanged from then on
    assert [task.predictions for task in label_studio.saved_predictions(project.id, ids=[first])] == [()]
    _replace_while_someone_is_at_it(label_studio, saved[1])
    label_studio.delete_project(project.id)


def _replace_while_someone_is_at_it(label_studio: LabelStudio, task: SavedPredictions) -> None:
    """What was made from the prediction as it was is taken, and names it still."""
    (prediction,) = task.predictions
    written = {"task": task.task_id, "result": [], "score": 0.5, "model_version": "release-2"}
    assert label_studio.replace_prediction(prediction.id, written)
    assert (label_studio.prediction(prediction.id) or {}).items() >= written.items()
    assert not label_studio.replace_prediction(NOTHING, written)
    annotation = label_studio.create_annotation(task.task_id, [BOX], parent_prediction=prediction.id)
    assert (label_studio.annotation(annotation) or {})["parent_prediction"] == prediction.id
