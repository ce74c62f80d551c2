"""The ledger: from anything to what it came from and what came of it, as far as it is still stored."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenoloop.errors import AnnotationMissing, PredictionMissing, RegistryFailed, ReleaseMissing, RunMissing
from phenoloop.ledger.links import Link, Trace
from phenoloop.ledger.trace import trace_annotation, trace_package, trace_prediction, trace_release, trace_run
from tests.unit.ledger_things import Past, gaps, reached


class Round:
    """Once around the loop: photo 1 is predicted by a chain from outside, corrected, learnt from and predicted anew."""

    def __init__(self) -> None:
        self.past = past = Past()
        self.first = past.release(past.register())
        self.prediction = past.predict(1, self.first)
        self.annotation = past.annotate(1, parent=self.prediction)
        self.run = past.train()
        self.package = past.register(self.run)
        self.second = past.release(self.package)
        self.new_prediction = past.predict(1, self.second)


@pytest.fixture
def loop() -> Round:
    return Round()


def found(trace: Trace, kind: str) -> list[Link]:
    sides = (*trace.before, *trace.after)
    return [link for first in sides for link in first.walk() if link.kind == kind]


def test_an_annotation_leads_to_the_prediction_that_it_was_made_from_and_to_those_made_from_it(loop: Round) -> None:
    before, after = reached(trace_annotation(loop.past.stored(), loop.annotation))
    assert before == {("prediction", str(loop.prediction)), ("release", loop.first.name), ("package", "1")}
    assert after == {
        ("snapshot", loop.run.snapshot),
        ("run", loop.run.name),
        ("package", "2"),
        ("release", loop.second.name),
        ("predictions", "1"),
        ("prediction", str(loop.new_prediction)),
    }


def test_a_prediction_leads_back_to_every_annotation_that_its_chain_learnt_from(loop: Round) -> None:
    before, _ = reached(trace_prediction(loop.past.stored(), loop.new_prediction, every=True))
    assert {("release", loop.second.name), ("run", loop.run.name), ("annotation", str(loop.annotation))} <= before


def test_a_prediction_leads_on_to_what_was_made_from_it_and_to_the_chain_that_learnt_from_that(loop: Round) -> None:
    _, after = reached(trace_prediction(loop.past.stored(), loop.prediction))
    assert {("annotation", str(loop.annotation)), ("release", loop.second.name)} <= after


def test_a_release_leads_to_its_predictions_and_to_the_annotations_made_from_them(loop: Round) -> None:
    left_alone = loop.past.predict(1, loop.first)
    assert reached(trace_release(loop.past.stored(), loop.first.name))[1] == {("predictions", "2")}
    _, after = reached(trace_release(loop.past.stored(), loop.first.name, every=True))
    assert {("prediction", str(loop.prediction)), ("annotation", str(loop.annotation))} <= after
    assert ("prediction", str(left_alone)) not in after


def test_without_all_annotations_are_counted_and_not_listed(loop: Round) -> None:
    trace = trace_release(loop.past.stored(), loop.second.name)
    (snapshot,) = found(trace, "snapshot")
    assert sum(int(str(snapshot.facts[split])) for split in ("train", "validation", "test")) == 1
    assert found(trace, "annotation") == []


def test_the_live_release_and_its_package_and_run_lead_to_the_same_things(loop: Round) -> None:
    stored = loop.past.stored()
    by_release = trace_release(stored, "live")
    assert by_release.thing.facts["live"]
    assert reached(trace_package(stored, 2))[0] == reached(by_release)[0] - {("package", "2")}
    assert ("release", loop.second.name) in reached(trace_run(stored, loop.run.name))[1]


def test_an_annotation_that_another_one_superseded_is_left_out_and_leads_nowhere(loop: Round) -> None:
    better = loop.past.annotate(1)
    run = loop.past.train()
    trace = trace_annotation(loop.past.stored(), loop.annotation)
    known = {link.name: link for link in trace.after}
    assert known[loop.run.snapshot].facts["split"]
    assert known[run.snapshot].facts["left_out"] == f"superseded by annotation {better}"
    assert known[run.snapshot].links == ()


def test_a_skipped_annotation_is_in_the_snapshot_of_its_time_as_left_out(loop: Round) -> None:
    skipped = loop.past.annotate(2, skipped=True)
    run = loop.past.train()
    assert run.snapshot == loop.run.snapshot, "it changes nothing to learn from"
    (known,) = trace_annotation(loop.past.stored(), skipped).after
    assert (known.name, known.facts["left_out"]) == (run.snapshot, "skipped")


def test_a_run_that_kept_the_live_segmenter_shares_its_chain_with_the_run_that_made_it(loop: Round) -> None:
    loop.past.delete(loop.annotation)
    loop.past.annotate(3)
    run = loop.past.train()
    third = loop.past.release(loop.past.register(run, keep_segmenter_of=loop.package))
    trace = trace_release(loop.past.stored(), third.name, every=True)
    assert {link.name: link.facts["made_its"] for link in found(trace, "run")} == {
        run.name: ["detector"],
        loop.run.name: ["segmenter"],
    }
    assert ("release", third.name) in reached(trace_annotation(loop.past.stored(), loop.annotation))[1]


def test_the_latest_snapshot_counts_though_no_run_has_learnt_from_it(loop: Round) -> None:
    number = loop.past.annotate(3)
    snapshot = loop.past.annotated.build()
    (known,) = trace_annotation(loop.past.stored(), number).after
    assert (known.name, known.gaps) == (snapshot.name, ("No run has learnt from it yet.",))


# Gaps


def test_what_came_from_outside_the_loop_is_said_to(loop: Round) -> None:
    assert gaps(trace_release(loop.past.stored(), loop.first.name)) == [
        "Its detector and segmenter were made outside the loop, by no run."
    ]


def test_an_adopted_release_has_no_package(loop: Round) -> None:
    adopted = loop.first.model_copy(update={"package_arn": ""})
    loop.past.releases[adopted.name] = adopted
    assert "adopted" in gaps(trace_release(loop.past.stored(), adopted.name))[0]


def test_a_deleted_annotation_is_still_known_by_the_snapshots_that_held_it(loop: Round) -> None:
    loop.past.delete(loop.annotation)
    trace = trace_annotation(loop.past.stored(), loop.annotation)
    assert trace.thing.gaps == ("It is not in Label Studio any more.", "It is not in S3.")
    assert ("release", loop.second.name) in reached(trace)[1]


def test_a_prediction_deleted_since_is_a_gap_behind_the_annotation_made_from_it(loop: Round) -> None:
    del loop.past.desk.predicted[loop.prediction]
    loop.past.desk.annotated[loop.annotation]["parent_prediction"] = None  # as Label Studio does; S3 keeps the number
    (prediction,) = trace_annotation(loop.past.stored(), loop.annotation).before
    assert prediction.name == str(loop.prediction)
    assert "not in Label Studio any more" in prediction.gaps[0]


def test_a_package_that_is_gone_hides_neither_the_run_nor_the_release(loop: Round) -> None:
    loop.past.packages.clear()
    trace = trace_release(loop.past.stored(), loop.second.name)
    assert "not in the registry any more" in trace.thing.gaps[0]
    assert ("run", loop.run.name) in reached(trace)[0]
    assert ("release", loop.second.name) in reached(trace_annotation(loop.past.stored(), loop.annotation))[1]


def test_a_run_whose_record_is_gone_is_named_all_the_same(loop: Round) -> None:
    loop.past.runs.clear()
    trace = trace_release(loop.past.stored(), loop.second.name)
    (run,) = found(trace, "run")
    assert (run.name, run.gaps) == (loop.run.name, ("Its record is not there any more.",))


def test_a_snapshot_whose_files_are_gone_is_told_and_no_annotation_is_denied(loop: Round) -> None:
    s3 = loop.past.annotated.s3
    for key in [key for key in s3.objects if key.startswith("snapshots/") and "latest" not in key]:
        s3.delete_object(Bucket="loop", Key=key)
    loop.past.annotated.store = loop.past.annotated.store_with(s3)
    s3.delete_object(Bucket="loop", Key="snapshots/latest.json")
    (known,) = trace_annotation(loop.past.stored(), loop.annotation).after
    assert (known.name, known.facts) == (loop.run.snapshot, {})
    assert "Nobody can tell any more" in known.gaps[0]
    assert "not all there" in gaps(trace_run(loop.past.stored(), loop.run.name))[0]


def test_a_run_recorded_before_runs_named_their_index_is_followed_through_its_snapshot(loop: Round) -> None:
    older = json.loads(loop.run.model_dump_json(exclude={"index"}))
    loop.past.runs[loop.run.name] = type(loop.run).model_validate(older)
    assert loop.past.runs[loop.run.name].index == ""
    assert ("run", loop.run.name) in reached(trace_annotation(loop.past.stored(), loop.annotation))[1]


def test_a_run_that_nothing_is_left_of_but_its_record_says_so(loop: Round) -> None:
    loop.past.records.verdicts.clear()
    assert "SageMaker does not know its execution" in trace_run(loop.past.stored(), loop.run.name).thing.gaps[0]


def test_what_was_never_there_is_an_error_and_no_empty_trace(loop: Round) -> None:
    stored = loop.past.stored()
    with pytest.raises(AnnotationMissing):
        trace_annotation(stored, 999_999)
    with pytest.raises(PredictionMissing):
        trace_prediction(stored, 999_999)
    with pytest.raises(ReleaseMissing):
        trace_release(stored, "phenoloop-000000000000")
    with pytest.raises(RegistryFailed):
        trace_package(stored, 99)
    with pytest.raises(RunMissing):
        trace_run(stored, "nothing")


# Both directions say the same

PHOTOS = st.integers(1, 5)
STEPS = st.one_of(
    st.tuples(st.just("annotate"), PHOTOS, st.booleans()),
    st.tuples(st.just("delete"), PHOTOS, st.booleans()),
    st.tuples(st.just("predict"), PHOTOS, st.booleans()),
    st.tuples(st.just("train"), PHOTOS, st.booleans()),
    st.tuples(st.just("lose a package"), PHOTOS, st.booleans()),
)


def lived(steps: list[tuple[str, int, bool]]) -> tuple[Past, list[int]]:
    """A past, and all annotations that ever were."""
    past, numbers = Past(), list[int]()
    past.release(past.register())
    for step, photo, is_so in steps:
        made = [values["id"] for values in past.desk.predictions(photo)]
        there = [number for number in numbers if number in past.desk.annotated]
        if step == "annotate":
            numbers.append(past.annotate(photo, parent=made[-1] if made and is_so else None, skipped=photo == 5))
        elif step == "delete" and there:
            past.delete(there[photo % len(there)])
        elif step == "predict":
            past.predict(photo, past.releases[past.live])
        elif step == "train":
            keep = list(past.packages.values())[-1] if is_so and past.packages else None
            past.release(past.register(past.train(), keep_segmenter_of=keep))
        elif step == "lose a package" and is_so and past.packages:
            past.packages.popitem()
    return past, numbers


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=12))
def test_whatever_leads_from_an_annotation_to_a_release_leads_from_the_release_to_the_annotation(
    steps: list[tuple[str, int, bool]],
) -> None:
    past, numbers = lived(steps)
    stored = past.stored()
    releases = {name: reached(trace_release(stored, name, every=True)) for name in past.releases}
    for number in numbers:
        try:
            before, after = reached(trace_annotation(stored, number))
        except AnnotationMissing:  # deleted before anything knew it
            before, after = set(), set()
        for name, (release_before, release_after) in releases.items():
            assert (("release", name) in after) == (("annotation", str(number)) in release_before)
            assert (("release", name) in before) == (("annotation", str(number)) in release_after)
