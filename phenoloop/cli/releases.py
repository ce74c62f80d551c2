"""`releases`: which chains there are, which one is live, and who decides."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from phenoloop.cli.added_chain import register_archives
from phenoloop.cli.loop import loop_of
from phenoloop.cli.runs import AsJson
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import PhenoloopError, RegistryFailed
from sync.registry import REJECTED, ChainPackage, chain_package
from sync.release.choice import in_words, is_live

if TYPE_CHECKING:
    from sync.loop import Loop
    from sync.release.choice import Choice

WAIT_S = 600.0
LOOK_EVERY_S = 1.0
app = typer.Typer(no_args_is_help=True, help="Chains in the registry. The newest approved one is live.")
Version = Annotated[int, typer.Argument(help="Of the package, as `releases list` shows it.")]
Reason = Annotated[str, typer.Option(help="Kept with the package.")]


@app.command("list")
def list_releases(data_dir: DataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """Every chain in the registry, newest first."""
    loop = loop_of(data_dir)
    found = [_summary(loop, package) for package in loop.packages()]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("version", "state", "registered", "what", "why")
    for package in found:
        state = f"{package['status']}, live" if package["live"] else package["status"]
        registered = f"{package['registered_at']:.19}".replace("T", " ")
        words = package["description"], package["status_reason"]
        table.add_row(str(package["version"]), state, registered, *words)
    Console(soft_wrap=True).print(table)


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="With detector/model.tar.gz and segmenter/model.tar.gz.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Register a chain that was made elsewhere. It waits for your approval."""
    releaser = loop_of(data_dir).releaser
    version = chain_package(releaser.sagemaker, register_archives(releaser, folder)).version
    typer.echo(f"Registered as version {version}. It goes live by `phenoloop releases approve {version}`.")


@app.command()
def show(version: Version, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """One chain, with what the evaluation said of it."""
    loop = loop_of(data_dir)
    package = _package(loop, version)
    run = loop.runs.get(package.run) if package.run else None
    found = _summary(loop, package) | {
        "package": package.arn,
        "image": package.image,
        "detector": package.artifacts.detector_url,
        "segmenter": package.artifacts.segmenter_url,
        "manifest": package.artifacts.manifest_url,
        "snapshot": package.snapshot_url,
        "evaluation": loop.runs.evaluation(run) if run else None,
    }
    typer.echo(json.dumps(found, indent=2))


@app.command()
def approve(version: Version, data_dir: DataDir = DEFAULT_DATA_DIR, reason: Reason = "approved by hand") -> None:
    """Approve a chain and wait until it is live."""
    loop = loop_of(data_dir)
    package = _package(loop, version)
    loop.approve(package, reason)
    choice = loop.decisions.choice()
    if isinstance(choice, ChainPackage) and choice.arn != package.arn:
        typer.echo(f"Approved. Version {choice.version} is newer and stays live.")
        return
    wait_until_live(loop, package)


@app.command()
def reject(version: Version, data_dir: DataDir = DEFAULT_DATA_DIR, reason: Reason = "rejected by hand") -> None:
    """Reject a chain. If it is live, what was decided for before takes its place."""
    loop = loop_of(data_dir)
    package = _package(loop, version)
    if is_live(package, loop.live()):
        wait_until_live(loop, loop.decisions.roll_back(reason))
    else:
        loop.reject(package, reason)
        typer.echo(f"Version {version} is rejected.")


@app.command()
def rollback(data_dir: DataDir = DEFAULT_DATA_DIR, reason: Reason = "rolled back by hand") -> None:
    """Withdraw the live chain and go back to what was decided for before it."""
    loop = loop_of(data_dir)
    wait_until_live(loop, loop.decisions.roll_back(reason))


@app.command()
def rollouts(data_dir: DataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """How each release went live, or why it did not, newest decision first."""
    found = loop_of(data_dir).decisions.rollouts.list()
    if as_json:
        typer.echo(json.dumps([rollout.model_dump(mode="json") for rollout in found], indent=2))
        return
    table = Table("release", "decided", "outcome", "steps", "why")
    for rollout in found:
        steps = ", ".join(step.name for step in rollout.steps)
        outcome = rollout.outcome or "under way"
        table.add_row(rollout.release, f"{rollout.decided_at:%Y-%m-%d %H:%M:%S}", outcome, steps, rollout.reason)
    Console(soft_wrap=True).print(table)


def wait_until_live(loop: Loop, choice: Choice) -> None:
    """Do what sync does, so that it works without sync too; both at once is safe."""
    started_s, named = time.monotonic(), in_words(choice)
    with Console(stderr=True).status(f"{named} goes live"):
        while not is_live(choice, loop.live()):
            _advance(loop)
            if reason := _failure(loop, choice):
                raise RegistryFailed("The chain could not be made live and is rejected.", reason=reason)
            if _is_canary(loop, choice):
                typer.echo(f"{named} is live for the canary projects. The others follow if no alarm is raised.")
                return
            if time.monotonic() - started_s > WAIT_S:
                raise RegistryFailed("The chain is not live yet.", cure="See `phenoloop status`.", after_s=WAIT_S)
            if not is_live(choice, loop.live()):
                time.sleep(LOOK_EVERY_S)
    live = loop.releases.live()
    typer.echo(f"{named} is live as {live.name}, after {time.monotonic() - started_s:.0f} s.")


def _failure(loop: Loop, choice: Choice) -> str:
    """Why it was rejected; empty if it was not."""
    if isinstance(choice, ChainPackage):
        package = _package(loop, choice.version)
        return package.status_reason if package.status == REJECTED else ""
    rollout = loop.decisions.rollouts.find(choice.release)
    return rollout.reason if rollout and rollout.has_failed else ""


def _is_canary(loop: Loop, choice: Choice) -> bool:
    canary = loop.releases.pointer().canary if loop.live() else None
    return canary is not None and is_live(choice, loop.releases.get(canary.release))


def _advance(loop: Loop) -> None:
    try:
        loop.release()
    except PhenoloopError as error:  # such as sync being the first to move the pointer
        if not error.retryable:
            raise


def _package(loop: Loop, version: int) -> ChainPackage:
    for package in loop.packages():
        if package.version == version:
            return package
    raise RegistryFailed("There is no such version.", cure="See `phenoloop releases list`.", version=version)


def _summary(loop: Loop, package: ChainPackage) -> dict[str, Any]:
    return {
        "version": package.version,
        "status": package.status,
        "status_reason": package.status_reason,
        "live": is_live(package, loop.live()),
        "registered_at": package.registered_at.isoformat(),
        "run": package.run,
        "description": package.description,
    }
