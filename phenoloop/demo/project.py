"""The demo's Label Studio project: made once, then found again, and wired as `phenoloop connect` wires any other."""

import structlog

from phenoloop.connect.project import Wiring, wire_project
from phenoloop.connect.step import Outcome
from phenoloop.connect.wanted import PROJECT
from phenoloop.labelling.admin import LabelStudioAdmin
from phenoloop.labelling.client import Project
from phenoloop.labelling.storages import is_at_work

TITLE = "Vegetables"


def connect_project(
    label_studio: LabelStudioAdmin,
    *,
    label_config: str,
    bucket: str,
    images_prefix: str,
    annotations_prefix: str,
    backend_url: str,
    backend_user: str,
    backend_password: str,
) -> Project:
    """Make the project with both storages and the backend, as far as they are missing, and a task for each new photo.

    A labelling configuration that was changed in Label Studio stays. Raises LabelStudioRefused, LabelStudioUnavailable.
    """
    project = _project(label_studio, label_config)
    wiring = Wiring(
        bucket=bucket,
        image_buckets=frozenset({bucket}),
        images_prefix=images_prefix,
        annotations_prefix=annotations_prefix,
        backend_url=backend_url,
        backend_user=backend_user,
        backend_password=backend_password,
    )
    for step in wire_project(label_studio, project.id, wiring):
        if step.outcome is Outcome.LEFT:  # someone made it so in Label Studio
            structlog.get_logger().warning("connection left as it is", what=step.what, cure=step.cure)
    for storage in label_studio.photo_storages(project.id)[:1]:
        if not is_at_work(storage):
            label_studio.sync_photo_storage(int(storage["id"]))
    return project


def _project(label_studio: LabelStudioAdmin, label_config: str) -> Project:
    for project in label_studio.projects():
        if project.title == TITLE:
            return project
    return label_studio.create_project(TITLE, label_config, show_instruction=False, **PROJECT)
