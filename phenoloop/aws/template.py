"""The stack's template: `infra/template.yaml` with the policies of `infra/iam` put in."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from phenoloop.errors import DeploymentFailed

INFRA = Path(__file__).resolve().parents[2] / "infra"
PLACES: dict[str, Any] = {
    "bucket": {"Ref": "BucketName"},
    "queue": {"Ref": "QueueName"},
    "role": {"Ref": "RoleName"},
    "account": {"Ref": "AWS::AccountId"},
    "region": {"Ref": "AWS::Region"},
}
"""What stands for the `${...}` of the policies."""

_PLACE = re.compile(r"\$\{(\w+)\}")


def stack_template(infra: Path = INFRA) -> dict[str, Any]:
    """As CloudFormation takes it, but for the Lambdas' code, which is named as folders. Raises DeploymentFailed."""
    try:
        read: dict[str, Any] = _Loader((infra / "template.yaml").read_text()).get_single_data()
    except OSError as error:
        cure = "Run from a clone of the repository."
        raise DeploymentFailed("The template is missing.", cure=cure, folder=infra) from error
    included: dict[str, Any] = _with_policies(read, infra)
    return included


def _with_policies(part: Any, infra: Path) -> Any:
    """Each AWS::Include of a file of ours replaced by what the file holds."""
    match part:
        case {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": str(location)}}}:
            return _placed(json.loads((infra / location).read_text()))
        case dict():
            return {name: _with_policies(value, infra) for name, value in part.items()}
        case list():
            return [_with_policies(value, infra) for value in part]
    return part


def _placed(part: Any) -> Any:
    match part:
        case dict():
            return {name: _placed(value) for name, value in part.items()}
        case list():
            return [_placed(value) for value in part]
        case str() if places := _PLACE.findall(part):
            return {"Fn::Sub": [part, {place: PLACES[place] for place in places}]}
    return part


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions: `!Ref A` is `{Ref: A}`, `!Sub a` is `{Fn::Sub: a}`."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # there are but three kinds
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)
