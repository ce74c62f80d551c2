"""Label Studio itself, our token, and the project."""

from __future__ import annotations

import requests

from loc360.manifest import Manifest
from phenoloop.connect.wanted import BACKEND_TITLE, PROJECT, differences
from phenoloop.doctor.check import Finding, failed, not_checked, ok, warn
from phenoloop.doctor.loop import Loop
from phenoloop.doctor.s3 import clock_finding
from phenoloop.errors import LabelStudioRefused
from phenoloop.labelling.config import Control
from phenoloop.labelling.labels import project_label

TESTED_VERSION = "1.23.2"
TIMEOUT_S = 10.0
CONNECT = "`phenoloop connect --project ID` sets it."


def server(loop: Loop) -> Finding:
    """Whether it answers at all; its clock."""
    url = loop.settings.label_studio.url.rstrip("/")
    try:
        reply = requests.get(f"{url}/health", timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        return failed(
            f"{url} does not answer ({type(error).__name__})", "Is it up, and is PHENOLOOP_LABEL_STUDIO__URL right?"
        )
    if reply.status_code != 200:
        return failed(f"{url}/health answers {reply.status_code}", "Does PHENOLOOP_LABEL_STUDIO__URL name it?")
    return clock_finding(reply.headers.get("Date", "")) or ok(url)


def version(loop: Loop) -> Finding:
    found = loop.label_studio().version()
    if found != TESTED_VERSION:
        return warn(f"{found}; tested with {TESTED_VERSION}", "Mind the release notes of Label Studio in between.")
    return ok(found)


def token(loop: Loop) -> Finding:
    """Which kind it is, and whether it opens the door."""
    personal = loop.settings.label_studio.token.get_secret_value().count(".") == 2
    kind = "personal access" if personal else "legacy"
    try:
        return ok(f"{kind} token of {loop.label_studio().user()}")
    except LabelStudioRefused as error:
        if error.facts.get("status") not in {401, 403}:
            raise
        said = f"the {kind} token is refused: {error.facts.get('reason')}"
    if personal:
        return failed(said, "Make a new one: Account & Settings, Personal Access Token.")
    return failed(
        said,
        "Copy it anew (Account & Settings, Legacy Token); an organization can also have legacy tokens switched off:"
        " then use a personal access token.",
    )


def project(loop: Loop) -> Finding:
    ids = loop.projects()
    if len(ids) != 1:
        return not_checked(f"Label Studio has {len(ids)} projects and none was named", "Name one: --project ID.")
    found = loop.project()
    return ok(f"{found['id']}, {found['title']!r}, {found.get('task_number', 0)} tasks")


def settings(loop: Loop) -> Finding:
    """Whether opening a task brings its predictions."""
    found = loop.project()
    if wrong := differences(found, PROJECT):
        return failed("; ".join(wrong), f"Tasks would open without predictions. {CONNECT}")
    if wrong := differences(found, {"model_version": BACKEND_TITLE}):
        return warn("; ".join(wrong), f"Annotators may see predictions of something else. {CONNECT}")
    return ok("predictions are fetched and shown when a task opens")


def labelling(loop: Loop) -> Finding:
    """Whether the configuration can be read and has something to fill."""
    config = loop.labelling_config()
    if not config.region_controls:
        return failed(
            "it has no control that we fill",
            "Add BrushLabels, PolygonLabels, RectangleLabels or KeyPointLabels: see configs/labelling/.",
        )
    return ok(f"photo in data.{config.image_key}; we fill {', '.join(c.result_type for c in config.region_controls)}")


def labels(loop: Loop) -> Finding:
    """Whether every label of the live release has a place in the project."""
    controls = loop.labelling_config().region_controls
    known = Manifest.from_dict(loop.releases().live().manifest).labels
    homeless = [label for label in known if not any(_name(label, control, loop) for control in controls)]
    if homeless:
        return warn(
            f"the model says {', '.join(homeless)}, the project does not",
            "Add the labels to the project, or translate them: PHENOLOOP_BACKEND__LABEL_MAP.",
        )
    return ok(", ".join(known))


def _name(label: str, control: Control, loop: Loop) -> str | None:
    return project_label(label, control, loop.settings.backend.label_map)
