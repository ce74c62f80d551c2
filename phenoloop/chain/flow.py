"""A multi-model flow, driven as the Loc360 platform drives its module."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from phenoloop.errors import ModelReplyInvalid

Preprocess = Callable[[str, dict[str, Any]], str]
Process = Callable[[str, dict[str, Any]], dict[str, Any]]


class Invoker(Protocol):
    """What a flow needs of `Endpoints`."""

    def invoke(self, endpoint_name: str, payload: str) -> str: ...

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]: ...


class FanOut(Enum):
    """What one call carries."""

    IMAGE = "image"
    """The whole payload, be it a list or not."""
    OBJECT = "object"
    """One element of a stringified list; a payload that is no list goes in one call."""


@dataclass(frozen=True, slots=True)
class Stage:
    model: str
    """`dl_model_name`."""
    endpoint: str
    fan_out: FanOut


@dataclass(frozen=True, slots=True)
class Flow:
    stages: tuple[Stage, ...]
    preprocess: Preprocess
    process: Process

    def run(self, photo_path: str, properties: Mapping[str, Any], endpoints: Invoker) -> dict[str, Any]:
        """What `process` makes of the last model's reply. Raises what the module and the endpoints raise.

        As on the platform, each call of the module gets metadata built anew from `properties`; nothing is remembered
        between them but the raw response of the model before.
        """
        return self.processed(self.reply(0, None, photo_path, properties, endpoints), photo_path, properties)

    def reply(
        self, done: int, reply: str | None, photo_path: str, properties: Mapping[str, Any], endpoints: Invoker
    ) -> str:
        """The raw response of the last model.

        The first `done` stages are left out: `reply` stands for the raw response of the last of them.
        """
        for stage in self.stages[done:]:
            payload = self.preprocess(photo_path, _metadata(properties, stage.model, reply))
            reply = _reply(stage, payload, endpoints)
        if reply is None:
            raise ValueError("A flow without stages has no reply.")
        return reply

    def processed(self, reply: str, photo_path: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """What `process` makes of the last model's raw response."""
        return self.process(photo_path, _metadata(properties, self.stages[-1].model, reply))


def _metadata(properties: Mapping[str, Any], model: str, reply: str | None) -> dict[str, Any]:
    response = {} if reply is None else {"sagemaker_response": reply}
    return {"properties": {**properties, "dl_model_name": model, **response}}


def _reply(stage: Stage, payload: str, endpoints: Invoker) -> str:
    elements = _elements(payload) if stage.fan_out is FanOut.OBJECT else None
    if elements is None:
        return endpoints.invoke(stage.endpoint, payload)
    return json.dumps(endpoints.invoke_each(stage.endpoint, elements))


def _elements(payload: str) -> list[str] | None:
    """The calls that a stringified list stands for; None if it is no list."""
    try:
        value = json.loads(payload)
    except ValueError as error:
        raise ModelReplyInvalid("The module made a payload that is not JSON.") from error
    if not isinstance(value, list):
        return None
    return [item if isinstance(item, str) else json.dumps(item) for item in value]
