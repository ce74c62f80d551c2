"""A project's labelling configuration: which regions and numbers its annotators draw, under which labels."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from phenoloop.errors import LabellingConfigInvalid

MAX_CHARACTERS = 300_000
MAX_CONTROLS = 64
"""A larger configuration is refused: each photo costs as much as it has controls."""

_LARGEST_NUMBER = 1e12
_SMALLEST_STEP = 1e-6


class ControlKind(Enum):
    """What a control draws, the most exact first."""

    BRUSH = "brush"
    POLYGON = "polygon"
    RECTANGLE = "rectangle"
    KEYPOINT = "keypoint"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Control:
    """One control tag of the image."""

    kind: ControlKind
    name: str
    to_name: str
    result_type: str
    """The `type` of its results: the tag in lower case, such as `brushlabels`."""
    labels: tuple[str, ...] = ()
    labels_name: str = ""
    """Name of the control that carries its labels: itself, or a `Labels` tag beside a plain `Brush` and such."""
    label_aliases: Mapping[str, str] = field(default_factory=dict)
    """Label's `alias` and each of its `predicted_values` -> the label."""
    score_threshold: float | None = None
    """`model_score_threshold`: objects below it are left out of this control."""
    smart: bool = True
    smart_only: bool = False
    """Only prompts are drawn with it; it holds no regions."""
    per_region: bool = False
    step: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class LabellingConfig:
    image_name: str
    """Name of the Image tag, the `to_name` of every control."""
    image_key: str
    """Key in `task.data` that holds the image's URI."""
    controls: tuple[Control, ...]

    @property
    def region_controls(self) -> tuple[Control, ...]:
        """Controls that hold regions, the most exact first; within a kind in the configuration's order."""
        exactness = list(ControlKind)
        regions = (c for c in self.controls if c.kind is not ControlKind.NUMBER and not c.smart_only)
        return tuple(sorted(regions, key=lambda control: exactness.index(control.kind)))

    @property
    def region_numbers(self) -> tuple[Control, ...]:
        return tuple(c for c in self.controls if c.kind is ControlKind.NUMBER and c.per_region)

    @property
    def image_numbers(self) -> tuple[Control, ...]:
        return tuple(c for c in self.controls if c.kind is ControlKind.NUMBER and not c.per_region)


def parse_labelling_config(xml: str) -> LabellingConfig:
    """Read a labelling configuration; of several images the first one counts. Tags we can't fill are passed over.

    Raises LabellingConfigInvalid if it is no XML, unsafe or endless XML, or has no image whose value is a key of the
    task's data.
    """
    if len(xml) > MAX_CHARACTERS:
        raise LabellingConfigInvalid(
            "The labelling configuration is too long.", characters=len(xml), most=MAX_CHARACTERS
        )
    try:
        tags = [_Tag(element) for element in ElementTree.fromstring(xml, forbid_dtd=True).iter()]
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise LabellingConfigInvalid(
            "The labelling configuration is no XML that we read.", problem=type(error).__name__
        ) from error
    image = next((tag for tag in tags if tag.kind == "image"), None)
    if image is None or not image.text("value").startswith("$"):
        raise LabellingConfigInvalid(
            "The labelling configuration shows no image of the task.", cure='Add <Image name="image" value="$image"/>.'
        )
    image_name = image.text("name")
    tags = [tag for tag in tags if tag.text("toname") == image_name and tag.text("name")]
    if len(tags) > MAX_CONTROLS:
        raise LabellingConfigInvalid(
            "The labelling configuration has too many controls.", controls=len(tags), most=MAX_CONTROLS
        )
    shared_labels = next((tag for tag in tags if tag.kind == "labels"), None)
    controls = tuple(_controls(tags, shared_labels))
    return LabellingConfig(image_name=image_name, image_key=image.text("value")[1:], controls=controls)


class _Tag:
    """One XML element; names of tags and attributes are of any case, as in Label Studio's editor."""

    def __init__(self, element: Any) -> None:
        self.kind = element.tag.lower()
        self._element = element
        self._attributes = {name.lower(): value.strip() for name, value in element.attrib.items()}

    def labels(self) -> list["_Tag"]:
        return [_Tag(child) for child in self._element.iter() if child.tag.lower() == "label"]

    def text(self, name: str) -> str:
        return str(self._attributes.get(name, ""))

    def flag(self, name: str, *, default: bool) -> bool:
        return self.text(name).lower() in {"true", "1"} if name in self._attributes else default

    def number(self, name: str) -> float | None:
        if self.text(name) in {"", "any"}:
            return None
        try:
            number = float(self.text(name))
        except ValueError:
            number = math.nan
        if not abs(number) <= _LARGEST_NUMBER:
            raise LabellingConfigInvalid(
                "An attribute of the labelling configuration is no number that we count with.",
                tag=self.text("name"),
                attribute=name,
            )
        return number


def _controls(tags: list[_Tag], shared_labels: _Tag | None) -> Iterator[Control]:
    kinds = {kind.value: kind for kind in ControlKind}
    for tag in tags:
        kind = kinds.get(tag.kind.removesuffix("labels"))
        if kind is None:
            continue
        labels_tag = tag if tag.kind.endswith("labels") else shared_labels
        labels = labels_tag.labels() if labels_tag else []
        yield Control(
            kind=kind,
            name=tag.text("name"),
            to_name=tag.text("toname"),
            result_type=tag.kind,
            labels=tuple(label.text("value") for label in labels),
            labels_name=labels_tag.text("name") if labels_tag else "",
            label_aliases={alias: label.text("value") for label in labels for alias in _aliases(label)},
            score_threshold=tag.number("model_score_threshold"),
            smart=tag.flag("smart", default=True),
            smart_only=tag.flag("smartonly", default=False),
            per_region=tag.flag("perregion", default=False),
            step=max(abs(step), _SMALLEST_STEP) if (step := tag.number("step")) else None,
            low=tag.number("min"),
            high=tag.number("max"),
        )


def _aliases(label: _Tag) -> list[str]:
    given = [label.text("alias"), *label.text("predicted_values").split(",")]
    return [alias.strip() for alias in given if alias.strip()]
