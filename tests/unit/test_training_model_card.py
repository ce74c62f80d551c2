"""The model card, held against the bounds of SageMaker's model card schema; which photos are shown; what may fail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.fake_models import manifest
from tests.unit.scored_photos import find, photos, true
from training.archives.unpacking import Archive
from training.data.dataset import LabelledPhoto
from training.errors import JobFailed
from training.evaluation.chain_files import ChainFiles
from training.evaluation.chain_run import ChainRun, Finds, Seen
from training.evaluation.comparison import Comparison
from training.evaluation.parts import Parts
from training.evaluation.summary import evaluation
from training.evaluation.verdict import Demands
from training.reporting.facts import Evaluated, Facts, notable
from training.reporting.model_card import model_card

NAME: dict[str, Any] = {"type": "string", "pattern": "^.{1,63}$"}
LONG: dict[str, Any] = {"type": "string", "maxLength": 2048}
URLS: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": 1024}}


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


METRIC = closed(
    {
        "name": {"type": "string", "pattern": "^.{0,255}$"},
        "notes": {"type": "string", "maxLength": 4096},
        "type": {"enum": ["number", "string", "boolean"]},
        "value": {"type": ["number", "string", "boolean"]},
    },
    "name", "type", "value",
)  # fmt: skip
CARD = closed(
    {
        "model_overview": closed(
            {
                "model_name": {"type": "string", "maxLength": 1024},
                "model_description": {"type": "string", "maxLength": 1024},
                "problem_type": {"type": "string"},
                "algorithm_type": {"type": "string", "maxLength": 1024},
                "model_creator": {"type": "string", "maxLength": 1024},
                "model_artifact": URLS | {"maxItems": 15},
            }
        ),
        "intended_uses": closed(
            {
                "purpose_of_model": LONG,
                "intended_uses": LONG,
                "factors_affecting_model_efficiency": LONG,
                "risk_rating": {"enum": ["High", "Medium", "Low", "Unknown"]},
                "explanations_for_risk_rating": LONG,
            }
        ),
        "training_details": closed(
            {
                "objective_function": closed(
                    {
                        "function": closed(
                            {
                                "function": {"enum": ["Maximize", "Minimize"]},
                                "facet": {"type": "string", "maxLength": 63},
                                "condition": {"type": "string", "maxLength": 63},
                            }
                        ),
                        "notes": {"type": "string", "maxLength": 1024},
                    }
                ),
                "training_observations": {"type": "string", "maxLength": 1024},
                "training_job_details": closed(
                    {
                        "training_datasets": URLS | {"maxItems": 15},
                        "user_provided_hyper_parameters": {
                            "type": "array",
                            "maxItems": 100,
                            "items": closed(
                                {
                                    "name": {"type": "string", "pattern": "^.{1,255}$"},
                                    "value": {"type": "string", "pattern": "^.{0,255}$"},
                                },
                                "name", "value",
                            ),
                        },
                    }
                ),
            }
        ),
        "evaluation_details": {
            "type": "array",
            "items": closed(
                {
                    "name": NAME,
                    "evaluation_observation": {"type": "string", "maxLength": 2096},
                    "datasets": URLS | {"maxItems": 10},
                    "metric_groups": {
                        "type": "array",
                        "items": closed({"name": NAME, "metric_data": {"type": "array", "items": METRIC}},
                                        "name", "metric_data"),
                    },
                },
                "name",
            ),
        },
        "additional_information": closed(
            {
                "ethical_considerations": LONG,
                "caveats_and_recommendations": LONG,
                "custom_details": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 1024}},
            }
        ),
    }
)  # fmt: skip
"""After AWS, "Model card JSON schema", of which it has the fields that we fill."""


def run(*pairs: Any) -> ChainRun:
    seen = [Seen(tuple(there), Finds(tuple(found)), scored)
            for (there, found), scored in zip(pairs, photos(*pairs), strict=True)]  # fmt: skip
    return ChainRun(tuple(seen), {}, 0.1)


def facts(label: str = "carrot", **about: Any) -> Facts:
    candidate = run(([true(0, label), true(50, label)], [find(0, 0.9, label)]))
    live = run(([true(0, label), true(50, label)], []))
    photo = [LabelledPhoto(Path(), "s3://loop/1.jpg", None, 400, 300, None, ())]
    summary = evaluation(photo, candidate, live, urls={"detector": "s3://a", "segmenter": "s3://b"}, demands=Demands())
    runs = {"candidate": candidate, "live": live}
    archives = {"detector": Archive(Path(), about)}
    files = {name: ChainFiles(name, manifest(name), archives, {}) for name in runs}
    return Facts("run-1", "s3://loop/snapshots/1.json", Evaluated(photo, runs, files, summary))


def test_the_card_has_the_form_that_sagemaker_takes() -> None:
    card = model_card(facts(hyperparameters={"epochs": 60, "encoder": "x" * 300}, photos={"train": 20}))
    jsonschema.validate(card, CARD)
    assert card["training_details"]["training_observations"] == "detector: 20 train photos"
    assert card["training_details"]["training_job_details"]["user_provided_hyper_parameters"][0] == {
        "name": "detector.epochs",
        "value": "60",
    }


def test_long_labels_and_many_settings_stay_within_its_bounds() -> None:
    many = {f"setting_{index}": index for index in range(200)}
    jsonschema.validate(model_card(facts("leek " * 40, hyperparameters=many)), CARD)


def test_a_chain_that_was_not_trained_says_so() -> None:
    card = model_card(facts())
    assert card["training_details"]["training_observations"].startswith("Not trained")


def test_the_card_has_the_figures_of_both_chains() -> None:
    candidate, live = (dict(metrics(item)) for item in model_card(facts())["evaluation_details"])
    assert (candidate["recall"], live["recall"]) == (0.5, 0)


def metrics(evaluated: dict[str, Any]) -> Iterator[tuple[str, float]]:
    return ((item["name"], item["value"]) for item in evaluated["metric_groups"][0]["metric_data"])


def scored() -> list[Comparison]:
    """Ever better photos; the last has nothing on it."""
    half = [([true(0), true(50)], [find(0, 0.9)] if found else []) for found in (False, True)]
    return photos(*half, ([true(0)], [find(1, 0.9)]), ([true(0)], [find(0, 0.9)]), ([], []))


def test_the_worst_photos_come_first_and_empty_ones_are_not_shown() -> None:
    assert notable(scored(), 16) == [0, 1, 2, 3]


def test_of_many_photos_mostly_the_worst_are_shown_and_some_of_the_best() -> None:
    assert notable(scored(), 3) == [0, 1, 3]
    assert notable(scored(), 0) == []


def test_a_part_that_fails_is_missing_with_its_reason() -> None:
    parts = Parts()

    def fails() -> None:
        raise JobFailed("There was no time.")

    assert parts.optional("robustness", fails) is None
    assert parts.optional("coco", lambda: 3) == 3
    assert parts.missing == {"robustness": "There was no time."}
    assert set(parts.seconds) == {"robustness", "coco"}


@pytest.mark.parametrize("error", [KeyError("x"), ImportError("no captum")])
def test_a_part_that_fails_for_an_unknown_reason_is_missing_too(error: Exception) -> None:
    parts = Parts()

    def fails() -> None:
        raise error

    parts.optional("explanations", fails)
    assert parts.missing["explanations"].startswith(type(error).__name__)
