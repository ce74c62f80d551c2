"""`loc360`: the module that Loc360 imports, built, checked and published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import boto3
import typer
from pydantic import ValidationError
from rich.console import Console

from phenoloop.chain.releases import Release, ReleaseStore
from phenoloop.cli.settings import settings_and_project
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import SettingsInvalid
from phenoloop.settings import Loc360Settings

if TYPE_CHECKING:
    from phenoloop.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The module that the Loc360 platform imports, with a release's manifest.")
Named = Annotated[str | None, typer.Option("--release", help="Its name; else the live one.")]


@app.command()
def build(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    release: Named = None,
    out: Annotated[Path, typer.Option(help="Folder for the wheel and the zip.")] = Path("dist"),
) -> None:
    """A wheel to install and a zip of the folder to import. The same release gives the same bytes."""
    from phenoloop.publishing import build as building

    built = building.build(_release(_settings(data_dir), release), out)
    for file in (built.wheel, built.archive):
        typer.echo(str(file))


@app.command()
def check(
    photo: Annotated[list[Path] | None, typer.Argument(help="Good photos; else some of the bucket's.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    release: Named = None,
    wheel: Annotated[Path | None, typer.Option(help="With another module that claims to do the same.")] = None,
    module: Annotated[str, typer.Option(help="What to import of that wheel.")] = "loc360",
) -> None:
    """Drive the module as Loc360 does, in a clean environment, by the release's endpoints. Exit code 1 on a breach."""
    from phenoloop.publishing import publishing  # heavy, and of no use to the other commands

    settings = _settings(data_dir)
    with Console(stderr=True).status("The module is driven in a clean environment"):
        report = publishing.check(_release(settings, release), settings, photo or (), wheel=wheel, module=module)
    for breach in report.breaches:
        typer.echo(f"breach       {breach}")
    for rule in report.unchecked:
        typer.echo(f"not checked  {rule}: no photo gave occasion")
    if report.breaches:
        raise typer.Exit(1)
    typer.echo("The module keeps the contract." if not report.unchecked else "No breach was seen.")


@app.command()
def publish(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    release: Named = None,
    remote: Annotated[str | None, typer.Option(help="Git remote; else that of the settings.")] = None,
    branch: Annotated[str | None, typer.Option(help="Else that of the settings.")] = None,
) -> None:
    """Check the module and push it to a git remote: a commit on the branch and a tag a release."""
    from phenoloop.publishing import publishing

    settings = _pushing_to(_settings(data_dir), remote, branch)
    chosen = _release(settings, release)
    with Console(stderr=True).status(f"The module of {chosen.name} is checked and pushed"):
        is_news = publishing.publish(chosen, settings)
    typer.echo(f"{chosen.name} {'is published now' if is_news else 'was published already'}.")


def _settings(data_dir: Path) -> Settings:
    return settings_and_project(data_dir, None)[0]


def _release(settings: Settings, name: str | None) -> Release:
    store = ReleaseStore(boto3.client("s3"), settings.storage.bucket, settings.storage.releases_prefix)
    return store.get(name) if name else store.live()


def _pushing_to(settings: Settings, remote: str | None, branch: str | None) -> Settings:
    given = {name: value for name, value in (("remote", remote), ("branch", branch)) if value}
    try:
        loc360 = Loc360Settings(**{**settings.loc360.model_dump(), **given})
    except ValidationError as error:
        reason = "; ".join(f"{found['loc'][0]}: {found['msg']}" for found in error.errors())
        raise SettingsInvalid("The git remote or branch can't be used.", cure=reason) from error
    if not loc360.remote:
        raise SettingsInvalid("No git remote is named.", cure="Set PHENOLOOP_LOC360__REMOTE or give --remote.")
    return settings.model_copy(update={"loc360": loc360})
