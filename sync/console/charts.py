"""Where the marks of a plot stand, for the templates to draw as SVG. Lengths are in the plot's own pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sync.console.releases import Figure

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 30
MOST_LABELS = 12


@dataclass(frozen=True, slots=True)
class Mark:
    x: float
    y: float
    low_y: float
    """Ends of its interval; both are `y` without one."""
    high_y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    marks: tuple[Mark, ...]

    @property
    def points(self) -> str:
        """As SVG's polyline has them."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True, slots=True)
class LineChart:
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def line_chart(labels: Sequence[str], series: Mapping[str, Sequence[Figure | None]]) -> LineChart:
    """Shares from 0 to 1 over `labels`; each series has a figure, or None, for each label."""
    places = [_x(index, len(labels)) for index in range(len(labels))]
    every = -(-len(labels) // MOST_LABELS)
    return LineChart(
        lines=tuple(Line(name, _marks(name, labels, places, figures)) for name, figures in series.items()),
        x_ticks=tuple(zip(places, labels, strict=True))[::every] if labels else (),
        y_ticks=tuple((_y(tenths / 10), f"{tenths / 10:g}") for tenths in range(0, 11, 2)),
    )


def _marks(
    name: str, labels: Sequence[str], places: Sequence[float], figures: Sequence[Figure | None]
) -> tuple[Mark, ...]:
    return tuple(
        Mark(
            x=x,
            y=_y(figure.value),
            low_y=_y(figure.value if figure.low is None else figure.low),
            high_y=_y(figure.value if figure.high is None else figure.high),
            title=f"{name} of {label}: {figure.value:.3f}",
        )
        for label, x, figure in zip(labels, places, figures, strict=True)
        if figure is not None
    )


def _x(index: int, count: int) -> float:
    """The first at the left, the last at the right; one alone in the middle."""
    share = index / (count - 1) if count > 1 else 0.5
    return LEFT + 16 + share * (WIDTH - LEFT - RIGHT - 32)


def _y(share: float) -> float:
    return TOP + (1 - min(max(share, 0.0), 1.0)) * (HEIGHT - TOP - BOTTOM)
