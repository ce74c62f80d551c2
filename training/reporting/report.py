"""`report.html`: one page for whoever decides or wants to know; it needs nothing else, no network and no scripts."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from training.evaluation.chain_files import CANDIDATE, LIVE
from training.evaluation.comparison import SIZES
from training.evaluation.corruptions import CORRUPTIONS
from training.evaluation.summary import blame_of
from training.names import folded
from training.reporting import charts
from training.reporting.facts import Evaluated, Facts
from training.reporting.model_card import model_card
from training.reporting.names import ERROR_KINDS, FIGURES
from training.reporting.pictures import heat_url, photo_url, url_of

TEMPLATES = Path(__file__).parent / "templates"
MOST_SHEET_BYTES = 2_000_000
"""A larger augmentation sheet is left out."""
_DIGITS = {"share": 3, "objects": 2}
_NOTHING, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "numpy",
    "opencv-python-headless",
    "pycocotools",
    "captum",
)

Json = dict[str, Any]


def report(facts: Facts) -> str:
    """The page. Optional parts that are missing are told of, with the reason."""
    summary = facts.evaluated.summary
    page = _templates().get_template("report.html")
    return page.render(
        facts=facts,
        summary=summary,
        chains=(CANDIDATE, LIVE),
        figures=[figure for figure in FIGURES if figure.name in summary[CANDIDATE] or figure.name in summary[LIVE]],
        labels=_labels(facts.evaluated),
        charts=_charts(facts.evaluated),
        corruptions=CORRUPTIONS,
        error_kinds=ERROR_KINDS,
        training=list(_training(facts.evaluated)),
        photos=list(_photos(facts)),
        looks=list(_looks(facts)),
        card=model_card(facts),
        environment=_environment(),
        missing=facts.parts.missing,
        seconds=facts.parts.seconds,
    )


def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"figure": _figure, "signed": _signed, "words": lambda name: name.replace("_", " ")}
    templates.globals["style"] = Markup((TEMPLATES / "style.css").read_text())  # noqa: S704  # our own
    return templates


def _labels(evaluated: Evaluated) -> dict[str, str]:
    """Folded label -> as it is written; of those that anything here has."""
    written = [label for files in evaluated.files.values() for label in files.manifest.labels]
    written += [thing.label for photo in evaluated.photos for thing in photo.objects if thing.label]
    return {folded(label): label for label in reversed(written)}


def _charts(evaluated: Evaluated) -> dict[str, Markup]:
    summary, made = evaluated.summary, {}
    if evaluated.photos:
        made["headlines"] = charts.headlines(summary)
        made["counts"] = charts.counts({name: _counts(run.comparisons) for name, run in evaluated.runs.items()})
    if any(summary[name]["calibration"]["bins"] for name in evaluated.runs):
        made["reliability"] = charts.reliability(summary)
    comparisons = evaluated.runs[CANDIDATE].comparisons
    measured = {
        name: np.concatenate([np.zeros((0, 2)), *(photo.sizes[name] for photo in comparisons)]) for name in SIZES
    }
    if any(len(pairs) for pairs in measured.values()):
        made["sizes"] = charts.sizes(measured, {"length": "mm", "width": "mm", "area": "mm²"})
    if told := summary.get("robustness"):
        made["robustness"] = charts.robustness(told, "none")
    return made


def _counts(photos: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([(len(photo.overlaps), photo.found) for photo in photos], np.float64).reshape(-1, 2)


def _training(evaluated: Evaluated) -> Iterator[Json]:
    """Of each stage, what its archive tells of its training."""
    live = evaluated.files[LIVE].archives
    for role, archive in evaluated.files[CANDIDATE].archives.items():
        sheet, history = archive.folder / "augmentations.jpg", archive.folder / "history.jsonl"
        rounds = [json.loads(line) for line in history.read_text().splitlines()] if history.is_file() else []
        yield {
            "stage": role,
            "is_new": archive is not live[role],
            "about": archive.about,
            "curves": charts.curves(role, rounds) if rounds else None,
            "sheet": url_of(sheet.read_bytes()) if _is_small(sheet) else None,
        }


def _is_small(file: Path) -> bool:
    return file.is_file() and file.stat().st_size <= MOST_SHEET_BYTES


def _photos(facts: Facts) -> Iterator[Json]:
    """The worst first."""
    evaluated = facts.evaluated
    for index in facts.shown:
        photo = evaluated.photos[index]
        yield {
            "name": photo.source,
            "chains": {
                name: {
                    "picture": photo_url(photo, run.seen[index]),
                    "blame": blame_of(run.seen[index]),
                    "overlap": _mean(run.seen[index].comparison.overlaps),
                    "failure": run.failures.get(photo.source),
                }
                for name, run in evaluated.runs.items()
            },
        }


def _looks(facts: Facts) -> Iterator[Json]:
    for item in facts.explanations.explained if facts.explanations else ():
        stages = {"detector": item.detector, "segmenter": item.segmenter}
        yield {
            "name": item.photo.source,
            "label": item.label,
            "stages": {
                stage: {"picture": heat_url(heat.image, heat.heat, heat.boxes), "heat": heat}
                for stage, heat in stages.items()
            },
        }


def _environment() -> Mapping[str, str]:
    told = {"Python": platform.python_version(), "machine": f"{platform.machine()}, {os.cpu_count()} processors"}
    for package in _PACKAGES:
        try:
            told[package] = version(package)
        except PackageNotFoundError:
            told[package] = "not installed"
    return told


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def _figure(value: float | None, unit: str = "share") -> str:
    if value is None:
        return _NOTHING
    return f"{value:,.{_DIGITS.get(unit, 1)}f}"


def _signed(value: float | None, unit: str = "share") -> str:
    return _NOTHING if value is None else f"{'+' if value >= 0 else _MINUS}{_figure(abs(value), unit)}"
