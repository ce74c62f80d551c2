"""Waiting for what the loop does by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phenoloop.demo.proof.bucket import Bucket, RunEnd
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.steps import StepFailed, Steps


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each thing may take."""

    predicted_s: float = 300.0
    started_s: float = 120.0
    trained_s: float = 900.0
    released_s: float = 120.0
    """From the end of a run."""
    relabelled_s: float = 120.0


class Watch:
    """Looks at the bucket and at Label Studio until something has happened. Every method raises StepFailed."""

    def __init__(
        self, bucket: Bucket, desk: Desk, steps: Steps, loop_says: Callable[[], str], patience: Patience
    ) -> None:
        self._bucket, self._desk, self._steps = bucket, desk, steps
        self._loop_says, self._patience = loop_says, patience

    def predicted(self, model_version: str, photos: int) -> None:
        """Until so many tasks have a prediction of that version."""
        self._steps.wait(
            "Photos pre-annotated",
            lambda: self._desk.predicted_by(model_version) >= photos,
            timeout_s=self._patience.predicted_s,
            meanwhile=lambda: f"{self._desk.predicted_by(model_version)} of {photos}",
        )

    def served(self, release: str, serves: Callable[[], str]) -> None:
        """Until the backend answers by that release: it learns of a new one within seconds."""
        self._steps.wait(
            f"Backend serves {release}",
            lambda: serves() == release,
            timeout_s=self._patience.relabelled_s,
            meanwhile=serves,
        )

    def run_after(self, known: set[str], step: str, *, photos: int) -> str:
        """The run that was asked for since, which nobody but the loop itself may have done, once SageMaker has it.

        It must learn from, and be judged on, so many photos in all.
        """

        def started() -> str | None:
            first = next((run for run in self._bucket.runs() if run not in known), None)
            return first if first and self._bucket.is_started(first) else None

        run = self._steps.wait(
            step,
            started,
            timeout_s=self._patience.started_s,
            meanwhile=self._loop_says,
        )
        learnt = sum((self._bucket.run_facts(run)["photos"] or {}).values())
        if learnt != photos:
            raise StepFailed("The run is not of every annotated photo.", run=run, of_photos=learnt, annotated=photos)
        return run

    def release_after(self, before: str, run: str) -> str:
        """The release that this run led to, no other."""
        ended_s: float | None = None

        def live() -> str | None:
            nonlocal ended_s
            release = self._bucket.live_release()
            if release != before:
                return release
            end = self._bucket.run_end(run)
            if end is None:
                return None
            ended_s = ended_s or time.monotonic()
            _see_succeeded(run, end)
            if time.monotonic() - ended_s > self._patience.released_s:
                raise StepFailed("The run led to no release.", run=run, steps=", ".join(end.steps))
            return None

        release = self._steps.wait(
            "Release 1 live", live, timeout_s=self._patience.trained_s, meanwhile=lambda: self._run_says(run)
        )
        made_by = self._bucket.release_run(release)
        if made_by != run:
            raise StepFailed("The live release is not of this run.", release=release, run=run, made_by=made_by)
        return release

    def succeeded(self, run: str) -> None:
        """Until the run has ended: its release may be live while its last steps are under way."""
        _see_succeeded(run, self.end_of(run, "Run succeeded"))

    def relabelled(self, task_ids: Sequence[int], release: str) -> None:
        """Until an open task has a prediction of the release."""
        self._steps.wait(
            "First new pre-annotation",
            lambda: any(release in versions for versions in self._desk.versions_on(task_ids).values()),
            timeout_s=self._patience.relabelled_s,
            meanwhile=self._loop_says,
        )

    def superseded_gone(self, task_ids: Sequence[int], release: str) -> None:
        """Until every open task has the release's prediction and no other."""
        self._steps.wait(
            "Superseded predictions gone from open tasks",
            lambda: all(versions == {release} for versions in self._desk.versions_on(task_ids).values()),
            timeout_s=self._patience.relabelled_s,
            meanwhile=self._loop_says,
        )

    def end_of(self, run: str, step: str) -> RunEnd:
        return self._steps.wait(
            step,
            lambda: self._bucket.run_end(run),
            timeout_s=self._patience.trained_s,
            meanwhile=lambda: self._run_says(run),
        )

    def _run_says(self, run: str) -> str:
        """Which steps are under way or failed; the last one if all are done."""
        steps = self._bucket.run_steps(run)
        open_ = [step for step in steps if not step.endswith(" Succeeded")]
        return ", ".join(open_ or steps[-1:]) or self._loop_says()


def _see_succeeded(run: str, end: RunEnd) -> None:
    if end.status != "Succeeded":
        raise StepFailed("The run failed.", run=run, status=end.status, reason=end.reason)
