"""The candidate's model card: what it is for, what it learnt from, how good it is, and where it ends.

Form: AWS, "Amazon SageMaker Model Cards", model card JSON schema (the `Content` of CreateModelCard). It bounds texts
(2,048 characters, names 63), lists (15 data sets of training, 10 of evaluation) and allows no fields of others.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from training.evaluation.chain_files import CANDIDATE, LIVE
from training.reporting.facts import Facts
from training.reporting.names import FIGURES

Json = dict[str, Any]

PURPOSE = (
    "Finds vegetables in photos and outlines each of them, so that length, width, area and colour can be measured. "
    "Two models in a chain: a detector that points at objects, and a segmenter that outlines one object at a time."
)
USES = (
    "Pre-annotation of photos in Label Studio, where a person checks and corrects; phenotyping measurements of photos "
    "like those that it was trained and tested on. Not for other crops, for grading without a person who looks at "
    "samples, or for anything where a missed object is a danger."
)
FACTORS = (
    "Light, focus, distance and ground that the training photos don't show; objects that cover each other; labels with "
    "few examples. Sizes in millimetres need the photo's scale and hold in the plane of the ground."
)
CAVEATS = (
    "Intervals are of resampled test photos: they tell of other photos of the same kind, not of other fields or "
    "cameras. Where annotators let a pre-annotation stand, the truth is the live chain's own outline. See the "
    "evaluation's report for robustness, for what each stage does wrong, and for photos."
)
_TEXT, _NAME, _VALUE = 2048, 63, 255
_TRAINING_LINES = 100


def model_card(facts: Facts) -> Json:
    """`ModelCardContent`, to be sent as JSON text."""
    summary = facts.evaluated.summary
    return {
        "model_overview": {
            "model_name": _cut(f"Phenoloop chain, run {facts.run}", 1024),
            "model_description": _cut(PURPOSE, 1024),
            "problem_type": "Instance segmentation",
            "algorithm_type": "Detector and segmenter with a convolutional encoder",
            "model_creator": "Phenoloop",
            "model_artifact": [summary[f"{role}_url"] for role in ("detector", "segmenter")],
        },
        "intended_uses": {
            "purpose_of_model": PURPOSE,
            "intended_uses": USES,
            "factors_affecting_model_efficiency": FACTORS,
            "risk_rating": "Low",
            "explanations_for_risk_rating": "A person checks its annotations; its errors cost work, not safety.",
        },
        "training_details": {
            "objective_function": {
                "function": {
                    "function": "Maximize",
                    "facet": "Accuracy",
                    "condition": "Average precision on the validation photos",
                },
            },
            "training_observations": _cut(_trained(facts), 1024),
            "training_job_details": {
                "training_datasets": [facts.snapshot_url] if facts.snapshot_url else [],
                "user_provided_hyper_parameters": list(_hyperparameters(facts))[:_TRAINING_LINES],
            },
        },
        "evaluation_details": [_evaluation(facts, name) for name in (CANDIDATE, LIVE)],
        "additional_information": {
            "ethical_considerations": "The photos show plants and produce. Photos that show people are to be left out.",
            "caveats_and_recommendations": _cut(CAVEATS, _TEXT),
            "custom_details": {"run": facts.run, "snapshot": facts.snapshot_url, "verdict": summary["verdict"]},
        },
    }


def _trained(facts: Facts) -> str:
    photos = {role: archive.about.get("photos") for role, archive in facts.evaluated.files[CANDIDATE].archives.items()}
    told = [f"{role}: {_listed(counts)} photos" for role, counts in photos.items() if isinstance(counts, Mapping)]
    return "; ".join(told) or "Not trained: rules of colour and contrast."


def _listed(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items())


def _hyperparameters(facts: Facts) -> Iterator[Json]:
    for role, archive in facts.evaluated.files[CANDIDATE].archives.items():
        for name, value in archive.about.get("hyperparameters", {}).items():
            yield {"name": _cut(f"{role}.{name}", _VALUE), "value": _cut(str(value), _VALUE)}


def _evaluation(facts: Facts, chain: str) -> Json:
    summary = facts.evaluated.summary
    return {
        "name": _cut(f"{chain} chain on {summary['test_photos']} test photos", _NAME),
        "evaluation_observation": _cut(" ".join(summary["reasons"]), _TEXT),
        "datasets": [facts.snapshot_url] if facts.snapshot_url else [],
        "metric_groups": [
            {"name": "all labels", "metric_data": list(_metrics(summary[chain]))},
            *(
                {"name": _cut(label, _NAME), "metric_data": [_metric(*item) for item in scores.items()]}
                for label, scores in summary[chain]["by_label"].items()
            ),
        ],
    }


def _metrics(scores: Json) -> Iterator[Json]:
    for figure in FIGURES:
        if figure.name in scores:
            interval = scores["intervals"].get(figure.name)
            notes = f"95 % interval {interval['low']:.4g} to {interval['high']:.4g}" if interval else ""
            yield _metric(figure.name, scores[figure.name]) | ({"notes": notes} if notes else {})


def _metric(name: str, value: float) -> Json:
    return {"name": _cut(name, _VALUE), "type": "number", "value": value}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
