"""What the console counts: corrections by release, and how fresh releases are."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.console.charts import HEIGHT, WIDTH, line_chart
from sync.console.corrections import NEWEST, Tally, tally
from sync.console.freshness import Freshnesses, Learnt
from sync.console.releases import Figure
from sync.console.words import duration
from tests.unit.annotation_objects import START, box
from tests.unit.backend_fakes import recorded
from tests.unit.console_things import Desk, saved

shares = st.floats(0, 1)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.predictions.known[1] = {"model_version": "phenoloop-1", "result": [box(id_="a"), box(id_="b"), box(id_="c")]}
    return desk


def region(id_: str, origin: str) -> dict[str, object]:
    return box(id_=id_, origin=origin)


# Corrections


def test_a_region_is_accepted_corrected_deleted_or_added() -> None:
    predicted = [box(id_=name) for name in "abc"]
    annotated = [region("a", "prediction"), region("b", "prediction-changed"), region("d", "manual")]
    found = tally(predicted, annotated)
    assert found == Tally(annotations=1, accepted=1, corrected=1, deleted=1, added=1)
    assert found.correction_rate == 0.75


def test_numbers_of_a_region_are_no_regions_of_their_own() -> None:
    """Label Studio's own export: one tomato with its length and more."""
    annotated = recorded("annotation_masks")["result"]
    assert tally(annotated, annotated).accepted == len(
        {item["id"] for item in annotated if "brushlabels" in item["value"]}
    )


def test_nothing_predicted_and_nothing_drawn_is_no_rate() -> None:
    assert tally([], []).correction_rate is None


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_every_region_is_counted_once(before: list[str], after: list[str]) -> None:
    found = tally([box(id_=name) for name in before], [region(name, "prediction") for name in after])
    assert found.regions == len(set(before) | set(after))


def test_corrections_are_told_by_the_release_that_made_the_prediction(desk: Desk) -> None:
    desk.predictions.known[2] = {"model_version": "phenoloop-2", "result": [box(id_="a")]}
    desk.annotated.save(1, **saved(1, region("a", "prediction")))
    desk.annotated.save(2, **saved(2, region("a", "prediction")))
    desk.annotated.save(3, **saved(1, region("b", "prediction-changed")))
    found = corrections(desk).by_release()
    assert {name: (one.annotations, one.accepted, one.deleted) for name, one in found.items()} == {
        "phenoloop-1": (2, 1, 4),
        "phenoloop-2": (1, 1, 0),
    }


def test_what_was_made_from_a_prediction_that_a_new_release_took_the_place_of_is_of_no_release(desk: Desk) -> None:
    desk.annotated.save(1, **saved(1, region("x", "prediction"), region("y", "prediction-changed")))
    assert corrections(desk).by_release() == {}


def test_what_was_counted_is_not_read_again_until_it_changes(desk: Desk) -> None:
    counting = corrections(desk)
    desk.annotated.save(1, **saved(1, region("a", "prediction")))
    counting.by_release()
    counting.by_release()
    assert desk.predictions.asked == 1
    desk.annotated.save(1, **saved(1, region("a", "prediction-changed")))
    assert counting.by_release()["phenoloop-1"].corrected == 1


def test_skipped_unreadable_and_unparented_annotations_are_of_no_release(desk: Desk) -> None:
    desk.annotated.save(1, **saved(1, region("a", "prediction")), was_cancelled=True)
    desk.annotated.save(2)
    desk.annotated.save(3, **saved(99, region("a", "prediction")))
    desk.annotated.put(4, b"no annotation")
    assert corrections(desk).by_release() == {}


def test_only_the_newest_annotations_are_looked_at(desk: Desk) -> None:
    for number in range(NEWEST + 3):
        desk.annotated.save(number + 1, "s3://loop/images/1.jpg", **saved(1, region("a", "prediction")))
    assert corrections(desk).by_release()["phenoloop-1"].annotations == NEWEST


def corrections(desk: Desk):  # type: ignore[no-untyped-def]
    return desk.sources().corrections


# Freshness


def test_a_release_is_as_fresh_as_what_it_alone_learnt_from(desk: Desk) -> None:
    desk.annotated.save(1)
    first = desk.train("one", index=desk.annotated.build().index)
    desk.annotated.save(2)
    desk.annotated.save(4)
    second = desk.train("two", index=desk.annotated.build().index)
    hour = timedelta(hours=1)
    learnt = [Learnt("r2", second, START + hour), Learnt("r1", first, START + hour / 2)]
    newest, oldest = Freshnesses(desk.annotated.store).of(learnt)
    assert (newest.release, newest.annotations, newest.median_s, newest.longest_s) == ("r2", 2, 57 * 60, 58 * 60)
    assert (oldest.release, oldest.annotations, oldest.longest_s) == ("r1", 1, 29 * 60)


def test_a_release_that_learnt_nothing_new_is_left_out(desk: Desk) -> None:
    desk.annotated.save(1)
    run = desk.train("one", index=desk.annotated.build().index)
    learnt = [Learnt(name, run, START + timedelta(hours=hours)) for hours, name in enumerate(["r1", "r2"], 1)]
    assert [one.release for one in Freshnesses(desk.annotated.store).of(learnt)] == ["r1"]


# Plots


@given(st.lists(st.one_of(st.none(), st.builds(Figure, shares, shares, shares)), max_size=30))
def test_every_mark_lies_on_the_plot(figures: list[Figure | None]) -> None:
    chart = line_chart([f"v{n}" for n in range(len(figures))], {"quality": figures})
    (line,) = chart.lines
    assert len(line.marks) == sum(figure is not None for figure in figures)
    assert all(
        0 <= mark.x <= WIDTH and 0 <= y <= HEIGHT for mark in line.marks for y in (mark.y, mark.low_y, mark.high_y)
    )
    assert [mark.x for mark in line.marks] == sorted(mark.x for mark in line.marks)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (93600, "1 d 2 h"), (-3, "0 s")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
