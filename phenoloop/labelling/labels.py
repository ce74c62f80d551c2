"""From a model's label to the project's."""

from collections.abc import Mapping
from functools import lru_cache

from phenoloop.labelling.config import Control


def project_label(label: str | None, control: Control, label_map: Mapping[str, str]) -> str | None:
    """What the control calls the model's `label`; None if it has no such label, which never becomes another one.

    In this order: the control's aliases (`predicted_values`, `alias`), the configured map, the very name, the name
    but for case, spaces and underscores.
    """
    if label is None:
        return None
    if label in control.label_aliases:
        return control.label_aliases[label]
    name = label_map.get(label, label)
    if name in control.labels:
        return name
    return next((known for known in control.labels if same_name(known, name)), None)


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in nothing but case, spaces, underscores and hyphens."""
    return _plain(one) == _plain(other)


@lru_cache(maxsize=1024)  # a few names, compared for every object and number
def _plain(name: str) -> str:
    return name.casefold().translate(str.maketrans("", "", " _-"))
