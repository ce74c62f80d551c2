"""The demo's Label Studio project: photos in, annotations out, the backend connected. Made once, then found again."""

from phenoloop.labelling.client import LabelStudio, Project

TITLE = "Vegetables"


def connect_project(
    label_studio: LabelStudio,
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
    if not label_studio.annotation_storages(project.id):
        label_studio.add_annotation_storage(project.id, bucket=bucket, prefix=annotations_prefix.rstrip("/"))
    if not any(backend["url"] == backend_url for backend in label_studio.backends(project.id)):
        label_studio.connect_backend(project.id, backend_url, user=backend_user, password=backend_password)
    photos = label_studio.photo_storages(project.id)
    photo_storage_id = (
        int(photos[0]["id"])
        if photos
        else label_studio.add_photo_storage(project.id, bucket=bucket, prefix=images_prefix.rstrip("/"), presign=False)
    )
    label_studio.sync_photo_storage(photo_storage_id)
    return project


def _project(label_studio: LabelStudio, label_config: str) -> Project:
    for project in label_studio.projects():
        if project.title == TITLE:
            return project
    return label_studio.create_project(
        TITLE,
        label_config,
        evaluate_predictions_automatically=True,
        show_collab_predictions=True,
        show_instruction=False,
    )
