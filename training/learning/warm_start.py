"""Starting from the live model's weights, if it is of the same network: a few new photos then change what is known."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.archives.unpacking import Archive, unpacked
from training.errors import ArchiveInvalid
from training.learning.lesson import Lesson
from training.log import note
from training.names import folded

ARCHIVE = "model.tar.gz"


class _Unfit(Exception):
    """The text says why."""


def warm_started(lesson: Lesson, encoder: str, live: Path) -> str | None:
    """The version of the model in the channel `live` whose weights the lesson's network has now.

    None if it keeps its own; then the log says why. `encoder`: the name of the network's.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            archive = _live_archive(live, Path(folder), lesson.network_name, encoder)
            weights = torch.jit.load(str(archive.folder / "model.pt"), map_location="cpu").state_dict()
            known = [str(label) for label in archive.about["labels"]]
            lesson.network.load_state_dict(_start(lesson, weights, known))
    except (_Unfit, ArchiveInvalid, OSError, RuntimeError, KeyError, TypeError) as error:
        note(f"No warm start: {error}.")
        return None
    version = str(archive.about.get("version", "unnamed"))
    note(f"Starts from the live model {version}, whose labels are {known}; this one's are {list(lesson.labels)}.")
    return version


def _live_archive(live: Path, folder: Path, network: str, encoder: str) -> Archive:
    """Raises _Unfit if it is of another network, ArchiveInvalid."""
    if not (live / ARCHIVE).is_file():
        raise _Unfit("there is no live model")
    archive = unpacked(live / ARCHIVE, folder)
    if archive is None:
        raise _Unfit("the live archive holds no model")
    told = archive.about.get("network"), archive.about.get("encoder")
    if told != (network, encoder):
        raise _Unfit(f"the live model is of another network, {told[0]} on {told[1]}")
    return archive


def _start(lesson: Lesson, weights: dict[str, Tensor], known: Sequence[str]) -> dict[str, Tensor]:
    """The network's state with the live weights. Raises _Unfit if they are not all there."""
    own = lesson.network.state_dict()
    found = {name: weights[name] for name in own if name in weights}
    for name in lesson.per_label:
        if name in found:
            found[name] = _rows_by_label(own[name], lesson.labels, found[name], known)
    differing = [name for name, value in own.items() if name not in found or found[name].shape != value.shape]
    if differing:
        raise _Unfit(f"{len(differing)} of {len(own)} weights do not fit, such as {differing[0]}")
    return found


def _rows_by_label(own: Tensor, labels: Sequence[str], stored: Tensor, known: Sequence[str]) -> Tensor:
    """`own` with the rows of `stored` for labels that are `known`. Raises _Unfit if rows are of another form."""
    if stored.shape[1:] != own.shape[1:] or len(stored) < len(known):
        raise _Unfit("the live model's labels are laid out in another way")
    rows, places = own.clone(), {folded(label): row for row, label in enumerate(known)}
    for row, label in enumerate(labels):
        if folded(label) in places:
            rows[row] = stored[places[folded(label)]]
    return rows
