"""Steps that happen, or fail with a reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from phenoloop.demo.proof.bucket import Bucket, RunEnd
from phenoloop.demo.proof.control import Before, see_control_refused
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.steps import StepFailed, Steps
from phenoloop.demo.proof.watch import Patience, Watch
from phenoloop.errors import StorageUnavailable

IMPATIENT = Patience(predicted_s=3, started_s=3, trained_s=3, released_s=0, relabelled_s=3)


class Clock:
    """A second passes whenever someone looks."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += 1.0
        return self._now_s


class FakeBucket:
    def __init__(self) -> None:
        self.known_runs: list[str] = []
        self.unstarted: set[str] = set()
        self.release = "release-0"
        self.end: RunEnd | None = None
        self.steps: tuple[str, ...] = ()
        self.facts: dict[str, Any] = {}
        self.made_by = "run-1"
        self.known_packages = {"chain/1": "Approved", "chain/2": "Approved"}

    def runs(self) -> list[str]:
        return self.known_runs

    def is_started(self, run: str) -> bool:
        return run not in self.unstarted

    def release_run(self, release: str) -> str | None:
        return self.made_by

    def live_release(self) -> str:
        return self.release

    def run_end(self, name: str) -> RunEnd | None:
        return self.end

    def run_steps(self, name: str) -> tuple[str, ...]:
        return self.steps

    def run_facts(self, name: str) -> dict[str, Any]:
        return {"photos": {"train": 14, "validation": 4, "test": 6}} | self.facts | {"run": name}

    def packages(self) -> dict[str, str]:
        return self.known_packages


class FakeDesk:
    def __init__(self, versions: Iterator[set[str]] | None = None) -> None:
        self._versions = versions or iter(())

    def predicted_by(self, model_version: str) -> int:
        return 3

    def versions_on(self, task_ids: Sequence[int]) -> Mapping[int, set[str]]:
        shown = next(self._versions)
        return dict.fromkeys(task_ids, shown)


def stepping(told: list[str] | None = None) -> Steps:
    """`told` collects what is being done, and what is done in brackets."""
    told = [] if told is None else told
    return Steps(lambda step: told.append(f"[{step}]"), told.append, clock=Clock(), pause=lambda _: None)


def watching(bucket: FakeBucket, desk: FakeDesk | None = None, *, says: str = "") -> Watch:
    return Watch(cast("Bucket", bucket), cast("Desk", desk or FakeDesk()), stepping(), lambda: says, IMPATIENT)


def test_steps_are_told_and_timed() -> None:
    told: list[str] = []
    steps = stepping(told)
    with steps.step("Photos rendered"):
        pass
    assert (told, steps.seconds) == (["Photos rendered", "[Photos rendered (1.0 s)]"], {"Photos rendered": 1.0})


def test_an_error_of_ours_fails_the_step_that_it_happened_in() -> None:
    steps = stepping()
    with (
        pytest.raises(StepFailed, match=r"Photos uploaded: S3 can't be reached\. \(key=a\) Look\."),
        steps.step("Photos uploaded"),
    ):
        raise StorageUnavailable("S3 can't be reached.", cure="Look.", key="a")
    assert "Photos uploaded" in steps.seconds


def test_waiting_ends_with_what_was_found() -> None:
    seen = iter([None, None, "run-1"])
    assert stepping().wait("Run started", lambda: next(seen), timeout_s=30) == "run-1"


def test_waiting_in_vain_fails_and_tells_what_was_seen_last() -> None:
    with pytest.raises(StepFailed, match=r"Run started: it did not happen.*2 of 20 changed"):
        stepping().wait("Run started", lambda: None, timeout_s=3, meanwhile=lambda: "2 of 20 changed")


def test_long_waiting_tells_what_there_is_to_see() -> None:
    told: list[str] = []
    with pytest.raises(StepFailed):
        stepping(told).wait("Release live", lambda: None, timeout_s=40, meanwhile=lambda: "TrainDetector Executing")
    assert any("TrainDetector Executing" in line for line in told)


def test_only_a_run_that_was_not_there_before_counts() -> None:
    bucket = FakeBucket()
    bucket.known_runs = ["old", "new"]
    assert watching(bucket).run_after({"old"}, "Run started", photos=24) == "new"
    with pytest.raises(StepFailed, match=r"Control: run started.*3 of 20 changed annotations"):
        watching(bucket, says="3 of 20 changed annotations").run_after(
            {"old", "new"}, "Control: run started", photos=24
        )


def test_of_several_new_runs_the_oldest_counts() -> None:
    bucket = FakeBucket()
    bucket.known_runs = ["z-first", "a-second"]
    assert watching(bucket).run_after(set(), "Run started", photos=24) == "z-first"


def test_a_run_counts_once_it_is_started() -> None:
    bucket = FakeBucket()
    bucket.known_runs, bucket.unstarted = ["asked-for"], {"asked-for"}
    with pytest.raises(StepFailed, match="Run started"):
        watching(bucket).run_after(set(), "Run started", photos=24)


def test_a_run_that_started_before_all_was_annotated_fails() -> None:
    bucket = FakeBucket()
    bucket.known_runs = ["early"]
    with pytest.raises(StepFailed, match="not of every annotated photo"):
        watching(bucket).run_after(set(), "Run started", photos=25)


def test_the_release_that_goes_live_is_found() -> None:
    bucket = FakeBucket()
    bucket.release = "release-1"
    assert watching(bucket).release_after("release-0", "run-1") == "release-1"


@pytest.mark.parametrize("made_by", [None, "run-0"])
def test_a_release_that_came_of_something_else_fails(made_by: str | None) -> None:
    bucket = FakeBucket()
    bucket.release, bucket.made_by = "release-1", cast("str", made_by)
    with pytest.raises(StepFailed, match="not of this run"):
        watching(bucket).release_after("release-0", "run-1")


def test_a_run_that_fails_after_its_release_is_live_fails() -> None:
    bucket = FakeBucket()
    bucket.end = RunEnd("Failed", "CanNotTell", ())
    with pytest.raises(StepFailed, match="The run failed"):
        watching(bucket).succeeded("run-1")


def test_a_failed_run_fails_at_once_with_its_reason() -> None:
    bucket = FakeBucket()
    bucket.end = RunEnd("Failed", "TrainDetector: out of memory", ("TrainDetector Failed",))
    with pytest.raises(StepFailed, match="out of memory"):
        watching(bucket).release_after("release-0", "run-1")


def test_a_run_that_leads_to_no_release_fails() -> None:
    bucket = FakeBucket()
    bucket.end = RunEnd("Succeeded", "", ("Evaluate Succeeded", "IsBetter Succeeded"))
    with pytest.raises(StepFailed, match=r"no release.*Evaluate Succeeded"):
        watching(bucket).release_after("release-0", "run-1")


def test_a_release_that_never_comes_fails_with_the_step_that_the_run_is_at() -> None:
    bucket = FakeBucket()
    bucket.steps = ("Preprocess Succeeded", "TrainDetector Executing")
    with pytest.raises(StepFailed, match="TrainDetector Executing"):
        watching(bucket).release_after("release-0", "run-1")


def test_a_release_is_scored_once_the_backend_serves_it() -> None:
    serving = iter(["release-0", "", "release-1"])
    watching(FakeBucket()).served("release-1", lambda: next(serving))
    assert next(serving, None) is None


def test_open_tasks_keep_only_the_new_releases_predictions() -> None:
    shown = iter([{"release-0"}, {"release-0", "release-1"}, {"release-0", "release-1"}, {"release-1"}])
    watch = watching(FakeBucket(), FakeDesk(shown))
    watch.relabelled([1, 2], "release-1")
    watch.superseded_gone([1, 2], "release-1")
    assert next(shown, None) is None


def test_predictions_that_stay_fail_the_step() -> None:
    watch = watching(FakeBucket(), FakeDesk(iter([{"release-0", "release-1"}] * 50)))
    with pytest.raises(StepFailed, match="Superseded"):
        watch.superseded_gone([1], "release-1")


def controlled(bucket: FakeBucket) -> Findings:
    """What a control finds when shuffled annotations led to `run-2`."""
    findings, before = (
        Findings(seed=1),
        Before({"run-1"}, {"chain/1": "Approved", "chain/2": "Approved"}, "release-1", 24),
    )
    bucket.known_runs = ["run-1", "run-2"]
    see_control_refused(before, cast("Bucket", bucket), watching(bucket), findings, stepping(), pause=lambda _: None)
    return findings


def control_bucket() -> FakeBucket:
    """Of a run that was judged and not promoted."""
    bucket = FakeBucket()
    bucket.release, bucket.end = "release-1", RunEnd("Succeeded", "", ("IsBetter Succeeded",))
    bucket.facts = {"test_photos": 6, "gain": {"mean": -0.4, "low": -0.5, "high": -0.3}}
    return bucket


def test_a_control_that_is_judged_and_not_promoted_holds() -> None:
    assert controlled(control_bucket()).runs["shuffled annotations"]["run"] == "run-2"


def test_a_control_that_is_promoted_fails() -> None:
    bucket = control_bucket()
    bucket.release = "release-2"
    with pytest.raises(StepFailed, match="promoted"):
        controlled(bucket)


@pytest.mark.parametrize("approval", ["Approved", "PendingManualApproval"])
def test_a_control_that_is_registered_fails(approval: str) -> None:
    bucket = control_bucket()
    bucket.known_packages = bucket.known_packages | {"chain/3": approval}
    with pytest.raises(StepFailed, match="registered or promoted"):
        controlled(bucket)


def test_a_control_whose_run_crashed_proves_nothing() -> None:
    bucket = control_bucket()
    bucket.end, bucket.facts = RunEnd("Failed", "out of memory", ()), {}
    with pytest.raises(StepFailed, match=r"never judged.*out of memory"):
        controlled(bucket)


@pytest.mark.parametrize(
    "facts",
    [{"gain": {"mean": -0.1, "low": -0.3, "high": 0.1}}, {"verdict": "better"}],
    ids=["perhaps no worse", "called better"],
)
def test_a_control_that_is_not_measured_to_be_worse_fails(facts: dict[str, Any]) -> None:
    bucket = control_bucket()
    bucket.facts |= facts
    with pytest.raises(StepFailed, match="not measured to be worse"):
        controlled(bucket)


@pytest.mark.parametrize("verdict", [None, "not better"])
def test_a_control_holds_with_or_without_a_verdict(verdict: str | None) -> None:
    bucket = control_bucket()
    bucket.facts["verdict"] = verdict
    assert controlled(bucket).runs["shuffled annotations"]["verdict"] == verdict


def test_a_control_on_too_few_test_photos_proves_nothing() -> None:
    bucket = control_bucket()
    bucket.facts["test_photos"] = 3
    with pytest.raises(StepFailed, match="never judged"):
        controlled(bucket)
