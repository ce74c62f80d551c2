"""Whether the last photos look, or are answered, unlike those that the model was made with.

How far apart two histograms are: the population stability index, PSI (Siddiqi, "Credit Risk Scorecards", Wiley 2006),
0 if they are alike. Whether that is more than chance: a permutation test. Were reference and window photos of one kind,
every way to deal them out would be equally likely, so counts drawn from both together (multivariate hypergeometric)
say how often chance alone gives a PSI as large; p = (1 + as large) / (1 + drawn), never below the true one (Phipson &
Smyth, Stat. Appl. Genet. Mol. Biol. 2010). Of several numbers each gets its share of the rate (Bonferroni). Pure numpy.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.facts import OUTPUTS, Facts, Statistics, counted

RATE = 0.001
"""Of looks at photos of the reference's kind, at most this share says drift, over references and windows alike.

That holds for photos taken independently of each other: one morning of one field is no sample of a season.
"""
WINDOW, STEP = 64, 16
"""Photos that are looked at together, and those that come in between two looks."""
_DRAWN, _AT_ONCE = 20_000, 200
_UNSEEN = 0.5
"""Photos that each bin is thought to hold beyond those counted, so that empty bins say little."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drift:
    """What one look saw."""

    distances: Mapping[str, float]
    """PSI, of each number that both sides know."""
    drifted: tuple[str, ...]
    """Those that are further apart than chance explains."""

    @property
    def of_inputs(self) -> float:
        """The largest of what the model is shown."""
        return max((value for name, value in self.distances.items() if name not in OUTPUTS), default=0.0)

    @property
    def of_outputs(self) -> float:
        """The largest of what the model says."""
        return max((value for name, value in self.distances.items() if name in OUTPUTS), default=0.0)


class Window:
    """The last photos beside the reference. A photo that is there already is not counted again."""

    def __init__(self, reference: Statistics, *, rate: float = RATE) -> None:
        """Raises AttributeError, KeyError, TypeError or ValueError if that is no reference."""
        self._edges = {name: tuple(told["edges"]) for name, told in reference.items()}
        self._reference = {name: np.array(told["counts"], np.int64) for name, told in reference.items()}
        if not reference or any(len(self._reference[name]) != len(edges) + 1 for name, edges in self._edges.items()):
            raise ValueError("No histograms to compare with.")
        self._rate = rate
        self._photos: deque[Facts] = deque(maxlen=WINDOW)
        self._since_look = 0

    def add(self, facts: Facts) -> Drift | None:
        """What is seen, after each `STEP` photos."""
        if facts in self._photos:
            return None
        self._photos.append(facts)
        self._since_look = (self._since_look + 1) % STEP
        return None if self._since_look else self._look(list(self._photos))

    def _look(self, photos: list[Facts]) -> Drift:
        values = {name: [photo[name] for photo in photos if name in photo] for name in self._reference}
        current = {name: counted(told, self._edges[name]) for name, told in values.items() if told}
        level, rng = self._rate / len(self._reference), np.random.default_rng(0)
        return Drift(
            {name: stability_index(self._reference[name], counts) for name, counts in current.items()},
            tuple(name for name, counts in current.items() if differ(self._reference[name], counts, level, rng)),
        )


def stability_index(reference: Counts, current: Counts) -> float:
    """PSI of two histograms (bins,); without upper bound."""
    return float(_indices(reference, current))


def differ(reference: Counts, current: Counts, level: float, rng: np.random.Generator) -> bool:
    """Whether two histograms (bins,) are further apart than chance explains but for that share of cases."""
    observed, pooled = _indices(reference, current), reference + current
    allowed = int(level * (1 + _DRAWN)) - 1
    as_large = 0
    for _ in range(_DRAWN // _AT_ONCE):
        drawn = rng.multivariate_hypergeometric(pooled, int(current.sum()), size=_AT_ONCE)
        as_large += np.count_nonzero(_indices(pooled - drawn, drawn) >= observed - 1e-9)
        if as_large > allowed:  # the rest can't change the answer
            return False
    return True


def _indices(reference: Counts, current: Counts) -> NDArray[np.float64]:
    """(...) of histograms (..., bins)."""
    was, now = ((counts + _UNSEEN) / (counts + _UNSEEN).sum(axis=-1, keepdims=True) for counts in (reference, current))
    return np.asarray(((now - was) * np.log(now / was)).sum(axis=-1))
