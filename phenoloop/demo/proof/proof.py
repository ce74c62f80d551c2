"""The proof, step by step: photos, annotations, a run, a better release; then nonsense, and no release."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.control import Before, before_control, see_control_refused
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.known import Subjects
from phenoloop.demo.proof.roles import judged_on
from phenoloop.demo.proof.scoring import gain_over, score_release, served_release
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.proof.steps import StepFailed, Steps
from phenoloop.demo.proof.watch import Patience, Watch
from phenoloop.demo.proof.work import Saved, annotate, mix_up, shares
from phenoloop.labelling.config import parse_labelling_config

PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Annotated:
    by_annotator: list[Saved]
    last_saved_s: float


class Proof:
    """One proof on a running stack, filling `findings` as it goes."""

    def __init__(
        self,
        doors: Doors,
        subjects: Subjects,
        findings: Findings,
        steps: Steps,
        *,
        loop_says: Callable[[], str] = str,
        patience: Patience = PATIENCE,
    ) -> None:
        self._doors, self._subjects, self._findings, self._steps = doors, subjects, findings, steps
        self._desk, self._bucket = Desk(doors), Bucket(doors)
        self._watch = Watch(self._bucket, self._desk, steps, loop_says, patience)
        self._config = parse_labelling_config(doors.label_config)
        self._runs: set[str] = set()

    def run(self, *, with_control: bool) -> None:
        """Raises StepFailed at the first step that does not happen. What can still be judged goes to the findings."""
        release0 = self._import_photos()
        self._score(release0)
        annotated = self._annotate(release0)
        release1 = self._see_release(release0, annotated)
        self._see_new_predictions(release1, annotated)
        self._see_tests_unseen()
        before = self._start_control(annotated) if with_control else None
        self._score(release1)  # while the control trains
        self._judge_gain()
        if before:
            see_control_refused(before, self._bucket, self._watch, self._findings, self._steps)

    def _import_photos(self) -> str:
        """Every photo to annotate is a task with a pre-annotation of release 0, whose name this returns."""
        photos = [*self._subjects.open, *self._subjects.annotated]
        with self._steps.step("Photos uploaded and imported"):
            self._bucket.put_photos(self._subjects.annotated)
            self._bucket.put_tests(self._subjects.tests)
            self._desk.import_photos()
            release = self._bucket.live_release()
        self._watch.predicted(release, len(photos))
        return release

    def _score(self, release: str) -> None:
        self._watch.served(release, lambda: served_release(self._doors))
        with self._steps.step(f"Release {len(self._findings.releases)} scored on the test photos"):
            tests = {self._bucket.test_url(photo): photo for photo in self._subjects.tests}
            labels = self._bucket.labels_of(release)
            score = score_release(self._doors, tests, release=release, labels=labels)
        self._findings.add(score)

    def _annotate(self, release: str) -> Annotated:
        self._runs = set(self._bucket.runs())
        with self._steps.step("Photos annotated"):
            saved = annotate(self._desk, self._config, self._subjects.annotated, model_version=release)
            last_saved_s = time.monotonic()
        self._findings.annotated = shares(saved)
        return Annotated(saved, last_saved_s)

    def _see_release(self, before: str, annotated: Annotated) -> str:
        run = self._watch.run_after(self._runs, "Run started", photos=len(annotated.by_annotator))
        self._findings.note("run started", annotated.last_saved_s)
        try:
            release = self._watch.release_after(before, run)
            self._findings.note("release live", annotated.last_saved_s)
            self._watch.succeeded(run)
        finally:
            self._findings.runs["annotations"] = self._bucket.run_facts(run)
        return release

    def _see_new_predictions(self, release: str, annotated: Annotated) -> None:
        tasks = self._desk.tasks_by_photo()
        open_tasks = [tasks[photo.name] for photo in self._subjects.open]
        self._watch.relabelled(open_tasks, release)
        self._findings.note("first new pre-annotation", annotated.last_saved_s)
        self._watch.superseded_gone(open_tasks, release)
        self._findings.note("superseded predictions gone", annotated.last_saved_s)

    def _see_tests_unseen(self) -> None:
        with self._steps.step("Test photos in no snapshot and no task"):
            learnt = {url.rpartition("/")[2] for url in self._bucket.photos_in_snapshots()}
            if not learnt:
                raise StepFailed("The snapshots hold no photo.")
            held_out = {photo.name for photo in self._subjects.tests}
            leaked = held_out & (learnt | set(self._desk.tasks_by_photo()))
            if leaked:
                raise StepFailed("Test photos leaked into the loop.", photos=", ".join(sorted(leaked)))

    def _judge_gain(self) -> None:
        earlier, later = self._findings.releases[-2:]
        gains = gain_over(later, earlier)
        self._findings.gains.append(gains)
        quality = gains.get("quality")
        if quality is None:
            self._findings.failures.append("The test photos can't tell release 1 from release 0.")
        elif not quality.low > 0:
            reason = f"by {quality.mean:+.3f}, 95 % interval {quality.low:+.3f} to {quality.high:+.3f}"
            self._findings.failures.append(f"Release 1 does not clearly beat release 0: {reason}.")

    def _start_control(self, annotated: Annotated) -> Before:
        """The truth that the pipeline judges by stays as it is: only what it learns from becomes nonsense."""
        before = before_control(self._bucket, len(annotated.by_annotator))
        judges = {photo.name for photo in judged_on(self._subjects.annotated, self._doors.images_prefix)}
        learnt_from = [saved for saved in annotated.by_annotator if saved.photo.name not in judges]
        with self._steps.step("Annotations shuffled between photos that are learnt from"):
            mix_up(self._desk, self._config, learnt_from, self._findings.seed)
        return before
