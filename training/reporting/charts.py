"""The report's charts, as SVG that stands in the page: its own fonts, and colours that follow light and dark."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray

from training.evaluation.chain_files import CANDIDATE, LIVE
from training.reporting.names import BY_NAME, HEADLINES

Json = dict[str, Any]

_INK, _MUTED, _LINE, _CANDIDATE, _LIVE = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {_INK: "ink", _MUTED: "muted", _LINE: "line", _CANDIDATE: "candidate", _LIVE: "live"}
"""Colours that stand for the page's own."""
_COLOURS = {CANDIDATE: _CANDIDATE, LIVE: _LIVE}
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.titlecolor": _INK,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def headlines(summary: Json) -> Markup:
    """Of each chain the figures that go from 0 to 1, with their intervals."""
    names = [name for name in HEADLINES if name in summary[CANDIDATE] or name in summary[LIVE]]
    with _drawing("headlines", (9.6, 0.42 * len(names) + 0.6)) as (drawing, made):
        axes = drawing.subplots()
        for chain, shift in ((CANDIDATE, -0.13), (LIVE, 0.13)):
            for place, name in enumerate(names):
                _interval(axes, summary[chain], name, place + shift, _COLOURS[chain])
            axes.plot([], [], "o", color=_COLOURS[chain], label=chain)
        axes.set(xlim=(0, 1), yticks=range(len(names)), yticklabels=[BY_NAME[name].title for name in names])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, handletextpad=0.1)
    return made[0]


def reliability(summary: Json) -> Markup:
    """Mean score against the share that is right; the larger a dot, the more finds."""
    with _drawing("reliability", (4.4, 3.9)) as (drawing, made):
        axes = drawing.subplots()
        axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        for chain in (LIVE, CANDIDATE):
            bins = summary[chain]["calibration"]["bins"]
            finds = np.array([item["finds"] for item in bins], np.float64)
            x, y = ([item[name] for item in bins] for name in ("mean_score", "share_right"))
            axes.plot(x, y, color=_COLOURS[chain], linewidth=1.2)
            axes.scatter(x, y, s=10 + 90 * finds / max(finds.sum(), 1), color=_COLOURS[chain], label=chain)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="score", ylabel="share right", aspect="equal")
        axes.legend(loc="upper left")
    return made[0]


def counts(pairs: Mapping[str, NDArray[np.float64]]) -> Markup:
    """By chain (photos, 2): objects there and found."""
    with _drawing("counts", (4.4, 3.9)) as (drawing, made):
        axes = drawing.subplots()
        for chain in (LIVE, CANDIDATE):
            axes.scatter(*pairs[chain].T, s=16, alpha=0.7, linewidths=0, color=_COLOURS[chain], label=chain)
        _diagonal(axes, np.concatenate(list(pairs.values())))
        axes.set(xlabel="objects there", ylabel="objects found")
        axes.legend(loc="upper left")
    return made[0]


def sizes(pairs: Mapping[str, NDArray[np.float64]], units: Mapping[str, str]) -> Markup:
    """Of one chain, by what is measured: (pairs, 2) true and found."""
    with _drawing("sizes", (9.6, 3.2)) as (drawing, made):
        for axes, (name, values) in zip(drawing.subplots(1, len(pairs)), pairs.items(), strict=True):
            axes.scatter(*values.T, s=12, alpha=0.6, linewidths=0, color=_CANDIDATE)
            _diagonal(axes, values)
            axes.set(title=name.capitalize(), xlabel=f"true, {units[name]}", ylabel=f"found, {units[name]}")
    return made[0]


def robustness(told: Json, clean: str) -> Markup:
    """Of each kind of corruption, grade by grade, what is left of the figures on unspoilt photos (named `clean`)."""
    chains = [chain for chain in (LIVE, CANDIDATE) if chain in told]
    kinds = [kind for kind in told[chains[0]] if any(told[chain][kind] for chain in chains)]
    with _drawing("robustness", (9.6, 2.1 * -(-len(kinds) // 4))) as (drawing, made):
        panels = drawing.subplots(-(-len(kinds) // 4), 4, sharey=True, squeeze=False).ravel()
        for axes, kind in zip(panels, kinds, strict=False):
            for chain in chains:
                _robust(axes, told[chain][kind], _COLOURS[chain])
            axes.set(ylim=(0, 1.15), title=kind)
            grades = [item["grade"] for item in told[chains[0]][kind]]
            axes.set_xticks(range(len(grades) + 1), [clean, *(f"{grade:g}" for grade in grades)])
        for axes in panels[len(kinds) :]:
            axes.set_visible(False)
    return made[0]


def curves(stage: str, rounds: Sequence[Json]) -> Markup:
    """One line a round of a stage's training: its loss, and how good it is on the validation photos."""
    with _drawing(f"curves-{stage}", (9.6, 2.6)) as (drawing, made):
        for axes, name in zip(drawing.subplots(1, 2), ("loss", "validation"), strict=True):
            points = [(item.get("epoch", index), item[name]) for index, item in enumerate(rounds) if name in item]
            axes.plot(*np.array(points, np.float64).reshape(-1, 2).T, color=_CANDIDATE, linewidth=1.4)
            axes.set(title=name.capitalize(), xlabel="epoch")
            axes.set_ylim(bottom=0)
    return made[0]


@contextmanager
def _drawing(name: str, size_in: tuple[float, float]) -> Iterator[tuple[Drawing, list[Markup]]]:
    """A drawing, and where its SVG is once it is done."""
    made: list[Markup] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        drawing = Drawing(figsize=size_in, layout="constrained")
        yield drawing, made
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    made.append(Markup(_in_page(text.getvalue(), name)))  # noqa: S704  # matplotlib escapes its texts


def _in_page(svg: str, name: str) -> str:
    """Without what makes it a file of its own, with ids of its own, and in the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    shown = rf'\1 class="chart" role="img" aria-label="{name}" style="max-width:\2pt"'
    svg = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt"', shown, svg, count=1)
    svg = re.sub(r' id="([a-z]+[\w.]*_\d+)"', "", svg)
    svg = re.sub(r"font: (\d+\.?\d*)px [^;\"]*", r"font-size: \1px", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def _interval(axes: Axes, scores: Json, name: str, place: float, colour: str) -> None:
    if name not in scores:
        return
    if interval := scores["intervals"].get(name):
        axes.plot([interval["low"], interval["high"]], [place, place], color=colour, linewidth=2, alpha=0.55)
    axes.plot(scores[name], place, "o", color=colour, markersize=5.5)


def _diagonal(axes: Axes, values: NDArray[np.float64]) -> None:
    most = 1.05 * float(values.max(initial=1.0))
    axes.plot([0, most], [0, most], color=_MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, most), ylim=(0, most))


def _robust(axes: Axes, grades: Sequence[Json], colour: str) -> None:
    for name, line in (("box_ap50_pooled", "-"), ("mean_iou", ":")):
        if all(item["unspoilt"].get(name) for item in grades):
            kept = [1.0, *(item["spoilt"].get(name, 0.0) / item["unspoilt"][name] for item in grades)]
            axes.plot(range(len(kept)), kept, line, marker="o", markersize=3, linewidth=1.4, color=colour)
