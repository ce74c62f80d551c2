"""The stack in CloudFormation: planned as a change set, then carried out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from phenoloop.errors import DeploymentFailed

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ChangeTypeDef, ParameterTypeDef, StackTypeDef

LARGEST_TEMPLATE_BYTES = 51_200
"""That goes without a bucket of its own."""
PLANNED_WITHIN_S, DONE_WITHIN_S = 300.0, 3600.0
LOOK_EVERY_S = 2.0
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Change:
    action: str
    """Add, Modify, Remove, ..."""
    name: str
    kind: str
    replaces: bool
    """It is made anew, and what it was is removed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A change set that waits."""

    id: str
    changes: tuple[Change, ...]
    is_new: bool
    """There is no such stack yet."""


class Stack:
    """Raises DeploymentFailed in everything it does."""

    def __init__(
        self, cloudformation: CloudFormationClient, name: str, *, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._cloudformation, self.name, self._tell = cloudformation, name, tell

    def parameters(self) -> dict[str, str]:
        """As they are now; empty if there is no stack."""
        found = self._described()
        if found is None:
            return {}
        return {given["ParameterKey"]: given["ParameterValue"] for given in found.get("Parameters", [])}

    def outputs(self) -> dict[str, str]:
        found = self._described()
        if found is None:
            cure = "Make it with `phenoloop aws deploy`."
            raise DeploymentFailed("There is no such stack.", cure=cure, stack=self.name)
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def plan(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> Plan:
        """What would change. Parameters that are not given stay as they are, or have their defaults in a new stack."""
        body = json.dumps(template, separators=(",", ":"))
        if len(body) > LARGEST_TEMPLATE_BYTES:
            raise DeploymentFailed("The template is too large.", bytes=len(body), most=LARGEST_TEMPLATE_BYTES)
        status = self._status()
        if status == "ROLLBACK_COMPLETE":
            cure = "Its first deployment failed: delete the stack, then deploy again."
            raise DeploymentFailed("The stack can't be changed.", cure=cure, stack=self.name)
        is_new = status in {"", "REVIEW_IN_PROGRESS"}
        with _in_our_words(self.name):
            made = self._cloudformation.create_change_set(
                StackName=self.name,
                ChangeSetName=f"phenoloop-{uuid4().hex[:12]}",
                ChangeSetType="CREATE" if is_new else "UPDATE",
                TemplateBody=body,
                Parameters=_given(template, parameters, {} if is_new else self.parameters()),
                Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
                ImportExistingResources=True,  # what outlived a stack before, such as the bucket
            )
            try:
                return Plan(made["Id"], self._changes(made["Id"]), is_new)
            except DeploymentFailed:
                self.discard(Plan(made["Id"], (), is_new))
                raise

    def discard(self, plan: Plan) -> None:
        """Leave nothing of the plan behind."""
        with _in_our_words(self.name):
            self._cloudformation.delete_change_set(ChangeSetName=plan.id)
            if plan.is_new:
                self._cloudformation.delete_stack(StackName=self.name)

    def carry_out(self, plan: Plan) -> None:
        """Waits for the end, and tells of each resource on the way."""
        with _in_our_words(self.name):
            before = seen = self._events()
            self._cloudformation.execute_change_set(ChangeSetName=plan.id)
            deadline_s = time.monotonic() + DONE_WITHIN_S
            while True:
                time.sleep(LOOK_EVERY_S)
                status, events = self._status(), self._events()
                for event_id, line in events.items():
                    if event_id not in seen:
                        self._tell(line)
                seen = events
                if not status.endswith("IN_PROGRESS") and seen != before:  # it may take a moment to begin
                    break
                if time.monotonic() > deadline_s:
                    cure = "It goes on by itself: look at the stack's events."
                    raise DeploymentFailed("The deployment takes long.", cure=cure, status=status)
        if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            said = [line for line in seen.values() if line.partition(" ")[0].endswith("_FAILED")]
            cure = "Look at: " + "; ".join(said[-5:])
            raise DeploymentFailed("The deployment failed and was taken back.", cure=cure, status=status)

    def _changes(self, change_set: str) -> tuple[Change, ...]:
        deadline_s = time.monotonic() + PLANNED_WITHIN_S
        while True:
            found = self._cloudformation.describe_change_set(ChangeSetName=change_set)
            reason = found.get("StatusReason", "")
            if found["Status"] == "CREATE_COMPLETE":
                pages = self._cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
                return tuple(_change(change) for page in pages for change in page["Changes"])
            if found["Status"] == "FAILED" and any(words in reason for words in _NOTHING_TO_DO):
                return ()
            if found["Status"] == "FAILED" or time.monotonic() > deadline_s:
                raise DeploymentFailed("CloudFormation refuses the plan.", cure=f"It says: {reason}", stack=self.name)
            time.sleep(LOOK_EVERY_S)

    def _events(self) -> dict[str, str]:
        found = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return {
            event["EventId"]: " ".join(
                filter(None, (event["ResourceStatus"], event["LogicalResourceId"], event.get("ResourceStatusReason")))
            )
            for event in reversed(found)
        }

    def _status(self) -> str:
        """Empty if there is no stack."""
        found = self._described()
        return "" if found is None else found["StackStatus"]

    def _described(self) -> StackTypeDef | None:
        with _in_our_words(self.name):
            try:
                return self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in str(error):
                    return None
                raise


def _given(
    template: Mapping[str, Any], wanted: Mapping[str, str], present: Mapping[str, str]
) -> list[ParameterTypeDef]:
    known: Mapping[str, Any] = template["Parameters"]
    if unknown := wanted.keys() - known.keys():
        cure = f"There are: {', '.join(known)}."
        raise DeploymentFailed("The template has no such parameter.", cure=cure, given=", ".join(sorted(unknown)))
    missing = [name for name in known if "Default" not in known[name] and name not in {*wanted, *present}]
    if missing:
        cure = f"Give --parameter {missing[0]}=..."
        raise DeploymentFailed("A parameter is missing.", cure=cure, what=known[missing[0]].get("Description", ""))
    kept: list[ParameterTypeDef] = [
        {"ParameterKey": name, "UsePreviousValue": True} for name in present if name in known and name not in wanted
    ]
    return kept + [{"ParameterKey": name, "ParameterValue": value} for name, value in wanted.items()]


def _change(change: ChangeTypeDef) -> Change:
    about = change["ResourceChange"]
    return Change(
        action=about["Action"],
        name=about["LogicalResourceId"],
        kind=about["ResourceType"],
        replaces=about.get("Replacement") == "True",
    )


@contextmanager
def _in_our_words(stack: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        cure = f"CloudFormation says: {told.get('Message')}"
        raise DeploymentFailed("CloudFormation refused.", cure=cure, stack=stack, code=told.get("Code")) from error
    except BotoCoreError as error:
        cure = f"Are region and credentials set? {error}"
        raise DeploymentFailed("CloudFormation can't be reached.", cure=cure, stack=stack) from error
