import json
from collections.abc import Sequence
from typing import Any

import pytest

from phenoloop.chain.flow import FanOut, Flow, Stage
from phenoloop.errors import ModelReplyInvalid


class Echo:
    """Endpoints that answer `endpoint(payload)`."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def invoke(self, endpoint_name: str, payload: str) -> str:
        self.calls.append(f"{endpoint_name}({payload})")
        return self.calls[-1]

    def invoke_each(self, endpoint_name: str, payloads: Sequence[str]) -> list[str]:
        return [self.invoke(endpoint_name, payload) for payload in payloads]


class Module:
    """A module that answers what it is told to, and keeps what it was called with."""

    def __init__(self, payloads: dict[str, str]) -> None:
        self.payloads = payloads
        self.seen: list[dict[str, Any]] = []

    def preprocess(self, img_path: str, metadata: dict[str, Any]) -> str:
        self.seen.append({"path": img_path, **metadata["properties"]})
        metadata["properties"]["scribble"] = "must not reach the next call"
        return self.payloads[metadata["properties"]["dl_model_name"]]

    def process(self, img_path: str, metadata: dict[str, Any]) -> dict[str, Any]:
        self.seen.append({"path": img_path, **metadata["properties"]})
        return {"result": metadata["properties"]["sagemaker_response"]}


def flow(module: Module, fan_out: FanOut = FanOut.OBJECT) -> Flow:
    stages = (Stage("one", "e1", FanOut.IMAGE), Stage("two", "e2", fan_out))
    return Flow(stages, module.preprocess, module.process)


def test_each_call_of_the_module_knows_its_model_and_the_reply_before_and_nothing_else() -> None:
    module = Module({"one": "first", "two": '["a"]'})

    flow(module, FanOut.IMAGE).run("photo.jpg", {"mm_per_px": 0.5}, Echo())

    base = {"path": "photo.jpg", "mm_per_px": 0.5}
    assert module.seen == [
        {**base, "dl_model_name": "one"},
        {**base, "dl_model_name": "two", "sagemaker_response": "e1(first)"},
        {**base, "dl_model_name": "two", "sagemaker_response": 'e2(["a"])'},
    ]


def test_fan_out_by_object_makes_one_call_per_element_and_a_list_of_the_raw_replies() -> None:
    endpoints = Echo()

    result = flow(Module({"one": "first", "two": json.dumps(["a", {"b": 1}])})).run("photo.jpg", {}, endpoints)

    assert endpoints.calls == ["e1(first)", "e2(a)", 'e2({"b": 1})']
    assert json.loads(result["result"]) == ["e2(a)", 'e2({"b": 1})']


def test_fan_out_by_object_of_no_objects_makes_no_call() -> None:
    endpoints = Echo()

    assert flow(Module({"one": "first", "two": "[]"})).run("photo.jpg", {}, endpoints) == {"result": "[]"}
    assert endpoints.calls == ["e1(first)"]


def test_fan_out_by_object_of_a_single_payload_is_one_call() -> None:
    assert flow(Module({"one": "first", "two": '{"b": 1}'})).run("photo.jpg", {}, Echo()) == {"result": 'e2({"b": 1})'}


def test_a_flow_can_start_after_a_stage_whose_reply_is_given() -> None:
    module = Module({"two": '["a"]'})

    reply = flow(module).reply(1, "given", "photo.jpg", {}, Echo())

    assert module.seen[0]["sagemaker_response"] == "given"
    assert json.loads(reply) == ["e2(a)"]


def test_a_payload_that_is_not_json_cannot_be_fanned_out() -> None:
    with pytest.raises(ModelReplyInvalid):
        flow(Module({"one": "first", "two": "rubbish"})).run("photo.jpg", {}, Echo())
