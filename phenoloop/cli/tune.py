"""`tune`: which hyperparameters make the better model of a stage, found by trying, as a job in SageMaker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from phenoloop.cli.loop import loop_of
from phenoloop.cli.pipeline import run_named
from phenoloop.cli.search_progress import conclude, follow, show
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from sync.loop import Loop
    from sync.runs import Run
    from sync.tuning.searches import Searches, SearchJob
    from sync.tuning.wanted import Wanted

STAGES = ("detector", "segmenter")
Name = Annotated[str, typer.Argument(help="Of the search; the newest if left out.")]
app = typer.Typer(no_args_is_help=True, help="Search for better hyperparameters.")


def _command(stage: str) -> Callable[..., None]:
    def tune(  # the options are the command line
        trials: Annotated[int, typer.Option(help="How many, those of earlier jobs included.", min=1, max=750)] = 30,
        time_limit_s: Annotated[int, typer.Option("--time-limit-s", help="Of all together.", min=60)] = 14_400,
        parallel: Annotated[int, typer.Option(help="Trials at once.", min=1, max=100)] = 1,
        run: Annotated[str, typer.Option(help="Whose photos; the newest that succeeded if left out.")] = "",
        encoder: Annotated[list[str], typer.Option(help="Of timm, to choose from.")] = [],  # noqa: B006  # typer copies it
        given: Annotated[list[str], typer.Option("--set", metavar="NAME=VALUE", help="Of every trial.")] = [],  # noqa: B006
        name: Annotated[str, typer.Option(help="Of the search; if left out, of what is searched.")] = "",
        instance_type: Annotated[str, typer.Option(help="The run's if left out.")] = "",
        data_dir: DataDir = DEFAULT_DATA_DIR,
        *,
        as_tuning_job: Annotated[bool, typer.Option("--as-tuning-job", help="As SageMaker's own, on AWS.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", "--print", help="Show the request, send nothing.")] = False,
        write: Annotated[bool, typer.Option(help="What is found, into configs/training.yaml.")] = True,
    ) -> None:
        from sync.tuning.space import read_space
        from sync.tuning.wanted import Effort, wanted

        space, changed = read_space(stage), dict(map(_pair, given))  # before anything is asked of anyone
        loop = loop_of(data_dir)
        searches, of_run = _searches(loop), _run(loop, run)
        search = wanted(
            searches.training_of(of_run, loop.runs.execution(of_run), stage),
            space,
            Effort(trials, parallel, time_limit_s, instance_type),
            encoders=encoder,
            changed=changed,
            name=name,
        )
        if as_tuning_job:
            _tuning_job(searches, search, dry_run=dry_run)
        else:
            _search(searches, search, dry_run=dry_run, write=write)

    return tune


for _stage in STAGES:
    app.command(
        _stage,
        help=f"Search for a better {_stage} on the photos of a run, and write what is found into the defaults. The "
        "first trial has the values of now. Ctrl-C leaves the search at work; the same command again follows it, and "
        "goes on with one that was stopped, failed or is to have more trials.",
    )(_command(_stage))


@app.command()
def status(
    name: Name = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What a search has found so far."""
    searches = _searches(loop_of(data_dir))
    job = _newest(searches, name)
    report = searches.report(job.search)
    if as_json:
        typer.echo(json.dumps({"name": job.search, "status": job.status, "report": report}, indent=2))
    else:
        show(job, report)


@app.command()
def stop(name: Name = "", data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop a search: its trials end, what it has found stays."""
    searches = _searches(loop_of(data_dir))
    job = _newest(searches, name)
    searches.stop(job)
    typer.echo(f"Search {job.search} stops. The command that began it goes on from there.")


def _search(searches: Searches, search: Wanted, *, dry_run: bool, write: bool) -> None:
    earlier = searches.newest(search.name)
    request = searches.request(search, earlier)
    if dry_run:
        typer.echo(json.dumps(request, indent=2))
        return
    is_current = earlier is not None and earlier.covers(search.effort.trials)
    job = follow(searches, earlier if earlier and is_current else searches.start(request))
    report = searches.report(search.name)
    if job is None:
        return
    if job.status != "Completed" or report is None:
        show(job, report)
        raise typer.Exit(1)
    conclude(job, report, search.base, write=write)


def _tuning_job(searches: Searches, search: Wanted, *, dry_run: bool) -> None:
    request = searches.tuning_request(search)
    if dry_run:
        typer.echo(json.dumps(request, indent=2))
        return
    searches.start_tuning_job(request)
    typer.echo(f"Tuning job {request['HyperParameterTuningJobName']} starts. SageMaker's console follows and stops it.")


def _searches(loop: Loop) -> Searches:
    import boto3

    from sync.bootstrap import PATIENCE
    from sync.tuning.searches import Searches

    s3, sagemaker = boto3.client("s3", config=PATIENCE), boto3.client("sagemaker", config=PATIENCE)
    return Searches(s3, sagemaker, loop.settings.storage, loop.settings.training)


def _run(loop: Loop, name: str) -> Run:
    """Raises RunMissing."""
    from phenoloop.errors import RunMissing

    if name:
        return run_named(loop, name)
    run = next((run for run in reversed(loop.runs.list()) if loop.runs.status(run) == "Succeeded"), None)
    if run is None:
        raise RunMissing(
            "No run has succeeded yet.", cure="Start one with `phenoloop pipeline start`, or wait for the one at work."
        )
    return run


def _pair(word: str) -> tuple[str, str]:
    from phenoloop.errors import SettingsInvalid

    name, equals, value = word.partition("=")
    if not equals:
        raise SettingsInvalid("A hyperparameter is not NAME=VALUE.", cure="Such as --set epochs=20.", given=word)
    return name, value


def _newest(searches: Searches, name: str) -> SearchJob:
    """Raises RunMissing."""
    from phenoloop.errors import RunMissing

    job = searches.newest(name)
    if job is None:
        raise RunMissing("There is no such search.", cure="Start one with `phenoloop tune detector`.", search=name)
    return job
