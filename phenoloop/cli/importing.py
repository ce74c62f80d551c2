"""`import`: labels that were made elsewhere become annotations of a project."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import SettingsInvalid

if TYPE_CHECKING:
    from phenoloop.importing.outcome import Summary
    from phenoloop.importing.photos import Photos
    from phenoloop.settings import Settings

LABEL_STUDIO_TIMEOUT_S = 600.0
"""It answers a sync of its source storage when all new photos have their tasks."""
_NAMED = 10

app = typer.Typer(no_args_is_help=True, help="Bring in labels that were made elsewhere.")


@app.callback()
def _import() -> None:
    """Bring in labels that were made elsewhere."""


@app.command("coco")
def coco(  # the options are the command line
    file: Annotated[Path, typer.Argument(help="COCO file: boxes, polygons or run lengths.", exists=True)],
    images: Annotated[str, typer.Option(help="Folder of its photos, here or s3://BUCKET/FOLDER/.")],
    project: Annotated[int | None, typer.Option(help="Label Studio's project; a stack's own if left out.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    label: Annotated[
        list[str] | None,
        typer.Option(help="CATEGORY=LABEL of the project, if the names differ; CATEGORY= leaves its objects out."),
    ] = None,
    into: Annotated[str, typer.Option(help="Folder below the images prefix that photos are uploaded to.")] = "",
    *,
    empty: Annotated[
        bool, typer.Option("--empty", help="Photos without objects show nothing; else they are left out.")
    ] = False,
    drop_crowds: Annotated[bool, typer.Option("--drop-crowds", help="Import photos without their crowds.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Turn a COCO file into annotations of a project, which the loop then learns from like from any other.

    Photos are uploaded unless they are in S3 already; each gets one task and one annotation. A photo that can't be
    imported whole is left out and named. Doing it again imports what is missing: annotated tasks are left alone.
    """
    from phenoloop.importing.coco import read_coco_file
    from phenoloop.importing.drawing import Wanted, parse_label_map
    from phenoloop.importing.importing import CocoImport
    from phenoloop.labelling.client import LabelStudio

    wanted = Wanted(parse_label_map(label or []), empty=empty, drop_crowds=drop_crowds)
    content = read_coco_file(file)
    settings, project_id = settings_and_project(data_dir, project)
    if project_id is None:
        raise SettingsInvalid("Which project?", cure="Name Label Studio's project with --project.")
    token = settings.label_studio.token.get_secret_value()
    label_studio = LabelStudio(settings.label_studio.url, token, timeout_s=LABEL_STUDIO_TIMEOUT_S)
    photos = _photos(settings, images, into)
    with _progress() as progress:
        bar = progress.add_task("", total=len(content.images))
        work = CocoImport(label_studio, project_id, photos, wanted, on_photo=lambda: progress.advance(bar))
        summary = work.rehearsed(content) if dry_run else work.done(content)
    typer.echo(json.dumps(asdict(summary), indent=2) if as_json else "\n".join(_lines(summary, dry_run=dry_run)))
    if summary.left_out and not summary.annotated and not summary.already_annotated:
        raise typer.Exit(1)


def _photos(settings: Settings, images: str, into: str) -> Photos:
    import boto3

    from phenoloop.chain.images import ImageStore, photo_client
    from phenoloop.importing.photos import LocalPhotos, StoredPhotos

    storage, chain = settings.storage, settings.chain
    if images.startswith("s3://"):
        if into:
            raise SettingsInvalid("--into is for photos that are uploaded.", cure="Leave it out.")
        store = ImageStore(photo_client(chain), storage.image_buckets, chain.max_image_bytes)
        return StoredPhotos(store, images.rstrip("/") + "/")
    if not Path(images).is_dir():
        raise SettingsInvalid("--images names no folder.", cure="Give the folder that holds the photos.", path=images)
    folder = f"{into.strip('/')}/" if into.strip("/") else ""
    return LocalPhotos(Path(images), boto3.client("s3"), storage.bucket, storage.images_prefix + folder)


def _progress() -> Progress:
    columns = TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _lines(summary: Summary, *, dry_run: bool) -> Iterator[str]:
    would = "would be " if dry_run else ""
    yield (
        f"{summary.annotated} of {summary.photos} photos {would}annotated, "
        f"with {summary.objects} objects, {summary.masks} of them masks."
    )
    if summary.uploaded or summary.tasks_made:
        yield f"Photos uploaded: {summary.uploaded}. Tasks {would}made: {summary.tasks_made}."
    if summary.already_annotated:
        yield f"Annotated or skipped before, and left as they are: {summary.already_annotated}."
    if summary.too_small:
        yield f"Objects left out that show less than a pixel of their photo: {summary.too_small}."
    if summary.strays:
        yield f"Annotations left out that belong to no image of the file: {summary.strays}."
    photos: dict[str, list[str]] = defaultdict(list)
    for item in summary.left_out:
        photos[item.reason].append(item.photo)
    for reason, names in photos.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"Left out: {len(names)}. {reason}\n    {', '.join(names[:_NAMED])}{more}"
