"""`connect`: the loop around a Label Studio project, a bucket and endpoints that exist already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import SettingsInvalid

if TYPE_CHECKING:
    from phenoloop.connect.step import Step
    from phenoloop.settings import Settings

COLOURS = {"done": "green", "right": "dim", "left": "yellow"}


def connect(  # the options are the command line
    project: Annotated[int | None, typer.Option(help="Label Studio's project; a stack's own if left out.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    backend_url: Annotated[
        str | None, typer.Option(help="The backend as Label Studio reaches it; the connected one's if left out.")
    ] = None,
    detector_endpoint: Annotated[str | None, typer.Option(help="Deployed detector to adopt as a release.")] = None,
    segmenter_endpoint: Annotated[str | None, typer.Option(help="Deployed segmenter to adopt as a release.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="JSON file with the release's loc360 manifest.")] = None,
    *,
    go_live: Annotated[bool, typer.Option("--go-live", help="Make that release live even if another is.")] = False,
    apply_notification: Annotated[
        bool, typer.Option("--apply-notification", help="Set the bucket's notification; others' stay.")
    ] = False,
) -> None:
    """Wire an existing Label Studio project, bucket and endpoints; `doctor` then says whether all is well.

    Works with the PHENOLOOP_ settings of the environment or, where there are none, on the stack of --data-dir. Doing it
    again changes nothing. What is not ours to change is left alone and named; exit code 1 then.
    """
    adopted = (detector_endpoint, segmenter_endpoint, manifest)
    if any(adopted) and not all(adopted):
        cure = "Give --detector-endpoint, --segmenter-endpoint and --manifest together."
        raise SettingsInvalid("A release needs both endpoints and their manifest.", cure=cure)
    settings, project_id = settings_and_project(data_dir, project)
    if project_id is None:
        raise SettingsInvalid("Which project?", cure="Name Label Studio's project with --project.")
    told = [_tell(_project_steps(settings, project_id, backend_url))]
    if detector_endpoint and segmenter_endpoint and manifest:
        told.append(
            _tell(_release_steps(settings, detector_endpoint, segmenter_endpoint, manifest, even_if_another_is=go_live))
        )
    told.append(_tell(_notification_steps(settings, apply=apply_notification)))
    typer.echo("Now check every connection: phenoloop doctor")
    if not all(told):
        raise typer.Exit(1)


def _project_steps(settings: Settings, project_id: int, backend_url: str | None) -> Iterator[Step]:
    from phenoloop.connect.project import backend_url_of, wire_project, wiring_of
    from phenoloop.labelling.admin import LabelStudioAdmin

    given = settings.label_studio
    admin = LabelStudioAdmin(given.url, given.token.get_secret_value(), timeout_s=given.timeout_s)
    url = backend_url_of(admin, project_id, settings.backend.user, backend_url)
    yield from wire_project(admin, project_id, wiring_of(settings, url))


def _release_steps(
    settings: Settings, detector: str, segmenter: str, manifest: Path, *, even_if_another_is: bool
) -> Iterator[Step]:
    import boto3  # heavy, and of no use to the other commands

    from phenoloop.chain.releases import ReleaseStore
    from phenoloop.connect.endpoints import adopted_release, go_live
    from sync.release.rollouts import Rollouts

    release = adopted_release(
        boto3.client("sagemaker"), detector=detector, segmenter=segmenter, manifest=_read_manifest(manifest)
    )
    s3, storage = boto3.client("s3"), settings.storage
    store, rollouts = ReleaseStore(s3, storage.bucket, storage.releases_prefix), Rollouts(s3, storage)
    yield from go_live(store, rollouts, release, even_if_another_is=even_if_another_is)


def _notification_steps(settings: Settings, *, apply: bool) -> Iterator[Step]:
    import boto3

    from phenoloop.connect.notification import notify_queue

    s3, sqs, events = boto3.client("s3"), boto3.client("sqs"), boto3.client("events")
    yield notify_queue(s3, sqs, settings, apply=apply, events=events)


def _read_manifest(file: Path) -> dict[str, object]:
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        cure = "Give a JSON object with the fields of loc360.manifest.Manifest."
        raise SettingsInvalid("The manifest can't be read.", cure=cure, file=file, problem=str(error)) from error


def _tell(steps: Iterable[Step]) -> bool:
    """Print each step as it is done; whether nothing was left undone."""
    console, all_well = Console(soft_wrap=True, highlight=False), True
    for step in steps:
        cure = (f" -> {step.cure}", "bold") if step.cure else ""
        console.print(Text.assemble((f"{step.outcome:<7}", COLOURS[step.outcome]), step.what, cure))
        all_well = all_well and step.outcome != "left"
    return all_well
