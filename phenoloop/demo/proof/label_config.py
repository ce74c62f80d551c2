"""Labelling configurations with other labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from defusedxml import ElementTree

from phenoloop.local_aws.environments import REPOSITORY

DEMO = REPOSITORY / "configs" / "labelling"


def demo_config(labels: Sequence[str], *, with_masks: bool) -> str:
    """The demo's configuration for masks or boxes, with these labels instead of its own."""
    xml = (DEMO / ("masks.xml" if with_masks else "boxes.xml")).read_text()
    return _relabelled(xml, lambda _: labels)


def with_labels_too(xml: str, labels: Sequence[str]) -> str:
    """The configuration, each of its controls with these labels too."""
    return _relabelled(xml, lambda known: [*known, *(label for label in labels if label not in known)])


def _relabelled(xml: str, labels_for: Callable[[Sequence[str]], Sequence[str]]) -> str:
    root = ElementTree.fromstring(xml, forbid_dtd=True)
    for control in list(root.iter()):
        known = {str(label.get("value")): label for label in control.findall("Label")}
        if known:
            _set_labels(control, {label: known.get(label) for label in labels_for(list(known))})
    return str(ElementTree.tostring(root, encoding="unicode"))


def _set_labels(control: Any, labels: dict[str, Any]) -> None:
    for old in control.findall("Label"):
        control.remove(old)
    for label, old in labels.items():
        control.append(control.makeelement("Label", {"value": label}) if old is None else old)
