"""Modules that break the contract with Loc360, each caught by the rule that is meant for it. In one process."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import loc360
from loc360.conformance import Rule, check_module
from loc360.conformance.bench import Bench
from loc360.conformance.calls import here
from loc360.conformance.check import checked
from loc360.conformance.platform import Invoke, Platform
from loc360.errors import PhotoUnreadable
from loc360.wire import Box
from tests.unit.fake_models import DETECTOR_MODEL, SEGMENTER_MODEL, Painted, detect, manifest, paint, save, segment

MODELS = (DETECTOR_MODEL, SEGMENTER_MODEL)
MANIFEST = manifest().to_dict()
SCENE = [Painted("tomato", Box(60, 40, 120, 100), ellipse=True), Painted("carrot", Box(150, 50, 250, 80))]

Preprocess = Callable[[str, dict[str, Any]], Any]
Process = Callable[[str, dict[str, Any]], Any]
BrokenRules = Callable[..., set[Rule]]


def invoke(model: str, payload: str) -> str:
    return detect(payload) if model == DETECTOR_MODEL else segment(payload)


def module_of(preprocess: Preprocess = loc360.sagemaker_preprocess, process: Process = loc360.process) -> ModuleType:
    module = ModuleType("broken")
    vars(module).update(sagemaker_preprocess=preprocess, process=process)
    return module


def is_call_2(metadata: dict[str, Any]) -> bool:
    return metadata["properties"]["dl_model_name"] == SEGMENTER_MODEL


@pytest.fixture
def broken_rules(tmp_path: Path) -> BrokenRules:
    def rules(module: ModuleType, models: Invoke = invoke) -> set[Rule]:
        photo = save(paint(300, 160, SCENE), tmp_path / "photo.png")
        folder = tmp_path / "bench"
        folder.mkdir()
        bench = Bench(Platform(models, MODELS, {"manifest": MANIFEST}), here(module), here(module), folder)
        report = checked(bench, [photo], "release-1")
        return {breach.rule for breach in report.breaches}

    return rules


def test_our_module_breaks_no_rule(broken_rules: BrokenRules) -> None:
    assert broken_rules(module_of()) == set()


def as_bytes(photo: str, metadata: dict[str, Any]) -> bytes:
    return loc360.sagemaker_preprocess(photo, metadata).encode()


def padded(photo: str, metadata: dict[str, Any]) -> str:
    return loc360.sagemaker_preprocess(photo, metadata) + " " * 6_291_456


def raw_pixels(photo: str, metadata: dict[str, Any]) -> str:
    """Small photos only fit."""
    payload = loc360.sagemaker_preprocess(photo, metadata)
    with Image.open(photo) as opened:
        return payload + " " * (opened.width * opened.height * 3)


def changing_metadata(photo: str, metadata: dict[str, Any]) -> str:
    payload = loc360.sagemaker_preprocess(photo, metadata)
    metadata["properties"]["seen"] = True
    return payload


def any_model(photo: str, metadata: dict[str, Any]) -> str:
    name = metadata["properties"]["dl_model_name"]
    properties = {**metadata["properties"], "dl_model_name": name if name in MODELS else DETECTOR_MODEL}
    return loc360.sagemaker_preprocess(photo, {"properties": properties})


def no_clear_word(photo: str, metadata: dict[str, Any]) -> str:
    return loc360.sagemaker_preprocess(photo, {"properties": {"manifest": MANIFEST, **by_name(metadata)}})


def by_name(metadata: dict[str, Any]) -> dict[str, Any]:
    known = {name: {"dl_model_name": name} for name in MODELS}
    return {**metadata["properties"], **known[metadata["properties"]["dl_model_name"]]}  # KeyError


def black_if_unreadable(photo: str, metadata: dict[str, Any]) -> str:
    try:
        return loc360.sagemaker_preprocess(photo, metadata)
    except PhotoUnreadable:
        return "{}"


def deaf_to_errors(photo: str, metadata: dict[str, Any]) -> str:
    if is_call_2(metadata) and "finds" not in metadata["properties"]["sagemaker_response"]:
        return "[]"
    return loc360.sagemaker_preprocess(photo, metadata)


def blind_to_exif(photo: str, metadata: dict[str, Any]) -> str:
    with Image.open(photo) as opened:
        plain = Path(photo).with_suffix(".bmp")
        Image.fromarray(np.asarray(opened.convert("RGB"))).save(plain)
    return loc360.sagemaker_preprocess(str(plain), metadata)


def stumbling_over_nothing(photo: str, metadata: dict[str, Any]) -> str:
    payload = loc360.sagemaker_preprocess(photo, metadata)
    if payload == "[]":
        raise ValueError("nothing found")
    return payload


@pytest.mark.parametrize(
    ("preprocess", "rule"),
    [
        (as_bytes, Rule.PAYLOAD),
        (padded, Rule.SIZE),
        (raw_pixels, Rule.SIZE),
        (changing_metadata, Rule.METADATA),
        (any_model, Rule.UNKNOWN_MODEL),
        (no_clear_word, Rule.UNKNOWN_MODEL),
        (black_if_unreadable, Rule.UNREADABLE_PHOTO),
        (deaf_to_errors, Rule.MODEL_ERROR),
        (blind_to_exif, Rule.UPRIGHT),
        (stumbling_over_nothing, Rule.NO_FINDS),
    ],
)
def test_a_broken_preprocess_is_caught(broken_rules: BrokenRules, preprocess: Preprocess, rule: Rule) -> None:
    assert broken_rules(module_of(preprocess=preprocess)) == {rule}


def as_list(photo: str, metadata: dict[str, Any]) -> list[Any]:
    return [loc360.process(photo, metadata)]


def with_arrays(photo: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return {**loc360.process(photo, metadata), "boxes": np.zeros(4)}


def with_nan(photo: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return {**loc360.process(photo, metadata), "mean": float("nan")}


def patched_up(photo: str, metadata: dict[str, Any], fault: Callable[[list[dict[str, Any]]], None]) -> dict[str, Any]:
    """Repairs the replies as `fault` says, where they can be read."""
    try:
        replies = [json.loads(reply) for reply in json.loads(metadata["properties"]["sagemaker_response"])]
        fault(replies)
    except (TypeError, ValueError, KeyError):
        return loc360.process(photo, metadata)
    properties = {**metadata["properties"], "sagemaker_response": json.dumps(replies)}
    return loc360.process(photo, {"properties": properties})


def careless_of_gaps(photo: str, metadata: dict[str, Any]) -> dict[str, Any]:
    def renumber(replies: list[dict[str, Any]]) -> None:
        for index, reply in enumerate(replies):
            reply["echo"].update(index=index, count=len(replies))

    return patched_up(photo, metadata, renumber)


def careless_of_releases(photo: str, metadata: dict[str, Any]) -> dict[str, Any]:
    def rename(replies: list[dict[str, Any]]) -> None:
        for reply in replies:
            reply["echo"]["release"] = "release-1"

    return patched_up(photo, metadata, rename)


def silent_on_errors(photo: str, metadata: dict[str, Any]) -> dict[str, Any]:
    if '"mask' not in metadata["properties"]["sagemaker_response"].replace("\\", ""):
        return {"count": 0} if metadata["properties"]["sagemaker_response"] != "[]" else loc360.process(photo, metadata)
    return loc360.process(photo, metadata)


@pytest.mark.parametrize(
    ("process", "rule"),
    [
        (as_list, Rule.RESULT),
        (with_arrays, Rule.RESULT),
        (with_nan, Rule.RESULT),
        (careless_of_gaps, Rule.GAPS),
        (careless_of_releases, Rule.ONE_RELEASE),
        (silent_on_errors, Rule.MODEL_ERROR),
    ],
)
def test_a_broken_process_is_caught(broken_rules: BrokenRules, process: Process, rule: Rule) -> None:
    assert broken_rules(module_of(process=process)) == {rule}


@pytest.mark.parametrize("split_only", ["an error", "the first only"])
def test_a_chain_that_works_only_with_lists_split_is_caught(broken_rules: BrokenRules, split_only: str) -> None:
    def answered(model: str, payload: str) -> str:
        if not payload.startswith("["):
            return invoke(model, payload)
        return "Internal Server Error" if split_only == "an error" else segment(json.dumps(json.loads(payload)[:1]))

    assert broken_rules(module_of(), answered) == {Rule.SPLITTING}


def test_what_is_remembered_from_one_photo_to_the_next_is_caught(broken_rules: BrokenRules) -> None:
    seen: list[str] = []

    def counting(photo: str, metadata: dict[str, Any]) -> dict[str, Any]:
        seen.append(photo)
        return {**loc360.process(photo, metadata), "call": 10 * len(seen)}

    assert Rule.STATELESS in broken_rules(module_of(process=counting))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("process", None),
        ("process", lambda img_path: {}),
        ("process", lambda metadata, img_path: {}),
        ("sagemaker_preprocess", lambda img_path, metadata, release: ""),
        ("sagemaker_preprocess", lambda img_path, *, metadata: ""),
    ],
)
def test_a_function_that_the_platform_could_not_call_is_caught(photo: str, name: str, function: Any) -> None:
    module = module_of()
    setattr(module, name, function)

    report = check_module(module, [photo], invoke, models=MODELS, release="release-1")

    assert [breach.rule for breach in report.breaches] == [Rule.SIGNATURE]
    assert Rule.RUNS in report.unchecked
