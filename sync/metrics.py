"""Numbers of the running sync worker."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

from phenoloop import metrics
from phenoloop.metrics import SECONDS
from sync.catalogue import Changes

LAGS = (1, 2, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 6 * 3600)


class SyncMetrics(metrics.Metrics):
    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.look_seconds = Histogram(
            "phenoloop_look_seconds",
            "Time of one look at a concern, by what came of it: ok, or an error.",
            ["concern", "outcome"],
            buckets=(*SECONDS, 300, 900),
            registry=registry,
        )
        self.last_good_look = Gauge(
            "phenoloop_last_good_look_timestamp_seconds", "When a look last went well.", ["concern"], registry=registry
        )
        self.events = Counter("phenoloop_events", "Events heard, by what they are about.", ["about"], registry=registry)
        self.annotation_lag = Histogram(
            "phenoloop_annotation_lag_seconds",
            "From an annotation's object in S3 until it is known here.",
            buckets=LAGS,
            registry=registry,
        )
        self.release_lag = Histogram(
            "phenoloop_release_lag_seconds",
            "From a release's going live until every open task has its prediction.",
            buckets=LAGS,
            registry=registry,
        )
        self.annotation_objects = Gauge(
            "phenoloop_annotation_objects",
            "Against the last snapshot. The unchanged ones are not read again.",
            ["state"],
            registry=registry,
        )
        self.oldest_change = Gauge(
            "phenoloop_oldest_change_timestamp_seconds",
            "When the oldest change was made that no run has learnt from; 0 if there is none.",
            registry=registry,
        )

    def learnt_of(self, saved_at: Iterable[datetime]) -> None:
        """Annotations saved at these times are known as of now."""
        for moment in saved_at:
            self.annotation_lag.observe(_seconds_since(moment))

    def saw(self, objects: int, changes: Changes) -> None:
        """So many objects, and what of them is new to the last snapshot."""
        read = {"added": changes.added, "changed": changes.changed, "rewritten": changes.rewritten}
        counts = {state: len(keys) for state, keys in read.items()}
        counts |= {"unchanged": objects - sum(counts.values()), "removed": len(changes.removed)}
        for state, count in counts.items():
            self.annotation_objects.labels(state).set(count)
        self.oldest_change.set(changes.first_at.timestamp() if changes.first_at else 0)

    def followed(self, live_since: datetime) -> None:
        """Every open task has a prediction of the release that went live then."""
        self.release_lag.observe(_seconds_since(live_since))

    def looked(self, concern: str, seconds: float, outcome: str) -> None:
        """`outcome` is "ok" or the error's class name."""
        self.look_seconds.labels(concern, outcome).observe(seconds)
        if outcome == "ok":
            self.last_good_look.labels(concern).set(time.time())


def _seconds_since(moment: datetime) -> float:
    """Never below 0: the clock of S3 may be ahead of ours."""
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0)
