"""`aws`: the loop's part of an AWS account, as one stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from phenoloop.errors import DeploymentFailed, SettingsInvalid

if TYPE_CHECKING:
    from phenoloop.aws.stack import Plan, Stack

app = typer.Typer(no_args_is_help=True, help="The loop's part of an AWS account, as one CloudFormation stack.")
Name = Annotated[str, typer.Option("--stack", help="Of the stack.")]
Parameters = Annotated[
    list[str], typer.Option("--parameter", "-p", help="NAME=VALUE, as in infra/template.yaml; others stay as they are.")
]
CodeBucket = Annotated[
    str, typer.Option(help="Of the Lambdas' code, made if missing; phenoloop-code-ACCOUNT-REGION if left out.")
]
EnvFile = Annotated[Path, typer.Option("--env", help="File that gets the settings of backend, workers and sync.")]


@app.command()
def plan(stack: Name = "phenoloop", parameter: Parameters = [], code_bucket: CodeBucket = "") -> None:  # noqa: B006  # typer's
    """Show what `deploy` would change, and about what it would cost. Changes nothing."""
    work = _stack(stack)
    planned = _planned(work, parameter, code_bucket or _code_bucket())
    work.discard(planned)


@app.command()
def deploy(
    stack: Name = "phenoloop",
    parameter: Parameters = [],  # noqa: B006  # typer's
    code_bucket: CodeBucket = "",
    env: EnvFile = Path(".env"),
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Make or change the stack, wait until it is there, and write the settings that follow from it."""
    import boto3

    from phenoloop.aws.deployment import upload_code

    work, bucket = _stack(stack), code_bucket or _code_bucket()
    planned = _planned(work, parameter, bucket)
    if planned.changes and not (yes or typer.confirm("Go on?")):
        work.discard(planned)
        raise typer.Exit(1)
    if planned.changes:
        with Console(stderr=True).status("The Lambdas' code is put into S3"):
            upload_code(boto3.client("s3"), bucket, _region())
        work.carry_out(planned)
    else:
        work.discard(planned)
    settings(stack, env)


@app.command()
def settings(stack: Name = "phenoloop", env: EnvFile = Path(".env")) -> None:
    """Write the settings that follow from the stack; other lines of the file stay."""
    from phenoloop.aws.settings import settings_of, write_settings

    outputs = _stack(stack).outputs()
    write_settings(env, settings_of(outputs, _region()))
    typer.echo(f"Settings are in {env}. Further outputs of the stack:")
    for name in ("BackendRoleArn", "SyncRoleArn", "LabelStudioRoleArn", "OperatorRoleArn", "PredictionsUrl"):
        if name in outputs:
            typer.echo(f"  {name:<20} {outputs[name]}")


def _planned(stack: Stack, given: Sequence[str], code_bucket: str) -> Plan:
    from phenoloop.aws.deployment import template_with_code

    template, parameters = template_with_code(code_bucket), _parameters(given)
    with Console(stderr=True).status("CloudFormation compares"):
        planned = stack.plan(template, parameters)
    _show(planned)
    defaults = {name: str(about.get("Default", "")) for name, about in template["Parameters"].items()}
    _show_costs({**defaults, **stack.parameters(), **parameters})
    return planned


def _show(planned: Plan) -> None:
    if not planned.changes:
        typer.echo("Nothing would change.")
        return
    table = Table("", "what", "kind", "")
    for change in planned.changes:
        table.add_row(change.action, change.name, change.kind, "made anew" if change.replaces else "")
    Console(soft_wrap=True).print(table)


def _show_costs(parameters: dict[str, str]) -> None:
    from phenoloop.aws.costs import PRICES_OF, SOURCE, costs

    table = Table("about", "USD a month", "for")
    for cost in costs(parameters):
        table.add_row(cost.what, "?" if cost.usd_per_month is None else f"{cost.usd_per_month:,.0f}", cost.basis)
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"Estimates: {PRICES_OF}. What you pay: {SOURCE}.", highlight=False)


def _stack(name: str) -> Stack:
    import boto3  # heavy, and of no use to the other commands

    from phenoloop.aws.stack import Stack

    _region()
    return Stack(boto3.client("cloudformation"), name, tell=typer.echo)


def _code_bucket() -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        account = boto3.client("sts").get_caller_identity()["Account"]
    except (ClientError, BotoCoreError) as error:
        cure = f"Set AWS credentials and try again. {error}"
        raise DeploymentFailed("AWS does not say whose account this is.", cure=cure) from error
    return f"phenoloop-code-{account}-{_region()}"


def _region() -> str:
    import boto3

    region = boto3.Session().region_name
    if not region:
        raise SettingsInvalid("Which region?", cure="Set AWS_DEFAULT_REGION.")
    return region


def _parameters(given: Sequence[str]) -> dict[str, str]:
    if wrong := [word for word in given if "=" not in word]:
        raise SettingsInvalid("A parameter has no value.", cure="Give --parameter NAME=VALUE.", given=wrong[0])
    return dict(word.split("=", 1) for word in given)
