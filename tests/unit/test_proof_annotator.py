"""What the simulated annotator decides, and what it saves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenoloop.demo.proof.annotator import Decision, Habits, Shares, Verdict, decisions, overlap
from phenoloop.demo.proof.drawing import on_another_photo, saved_result, truth_result
from phenoloop.demo.proof.known import KnownObject
from phenoloop.errors import LabellingConfigInvalid
from phenoloop.labelling.annotated import AnnotatedRegion, decode_regions
from phenoloop.labelling.config import LabellingConfig
from phenoloop.labelling.regions import Result
from tests.unit.proof_things import BOXES_CONFIG, MASKS_CONFIG, known, photo, predicted

HABITS = Habits()


def decided(shown: list[Result], *objects: KnownObject, habits: Habits = HABITS) -> list[Decision]:
    return decisions(decode_regions(shown), objects, habits)


def verdicts(shown: list[Result], *objects: KnownObject) -> list[Verdict]:
    return [decision.verdict for decision in decided(shown, *objects)]


def saved(
    shown: list[Result], *objects: KnownObject, config: LabellingConfig = MASKS_CONFIG
) -> tuple[list[Result], list[AnnotatedRegion]]:
    result = saved_result(decided(shown, *objects), shown, config, photo(*objects))
    return result, decode_regions(result)


def test_a_region_with_the_right_label_and_outline_is_accepted() -> None:
    assert verdicts(predicted(known()), known()) == [Verdict.ACCEPTED]


def test_an_outline_that_is_a_little_off_is_accepted() -> None:
    assert verdicts(predicted(known(width=38)), known(width=40)) == [Verdict.ACCEPTED]


def test_a_worse_outline_is_corrected() -> None:
    assert verdicts(predicted(known(width=30)), known(width=40)) == [Verdict.CORRECTED]


def test_a_wrong_label_is_corrected() -> None:
    assert verdicts(predicted(known("carrot")), known("tomato")) == [Verdict.CORRECTED]


def test_a_region_without_an_object_is_deleted() -> None:
    assert verdicts(predicted(known(x=120))) == [Verdict.DELETED]


def test_an_object_without_a_region_is_added() -> None:
    assert verdicts([], known()) == [Verdict.ADDED]


def test_a_region_that_hardly_covers_its_object_is_deleted_and_the_object_added() -> None:
    assert verdicts(predicted(known(width=8)), known(width=40)) == [Verdict.DELETED, Verdict.ADDED]


def test_of_two_regions_on_one_object_the_better_one_stays() -> None:
    shown = predicted(known(width=30), known(width=40))
    assert verdicts(shown, known(width=40)) == [Verdict.DELETED, Verdict.ACCEPTED]


def test_boxes_are_compared_where_there_are_no_masks() -> None:
    (region,) = decode_regions(predicted(known(), config=BOXES_CONFIG))
    assert overlap(region, known()) == 1.0


def test_an_accepted_region_is_saved_as_it_was_predicted() -> None:
    shown = predicted(known())
    result, _ = saved(shown, known())
    assert result == [item | {"origin": "prediction"} for item in shown]


def test_a_corrected_region_keeps_its_id_and_gets_the_true_outline_and_label() -> None:
    shown = predicted(known("carrot", width=30))
    _, (region,) = saved(shown, known("tomato", width=40))
    assert (region.id, region.origin, region.label) == (shown[0]["id"], "prediction-changed", "tomato")
    assert overlap(region, known(width=40)) == 1.0


def test_a_deleted_region_leaves_nothing_behind() -> None:
    result, regions = saved(predicted(known(x=120)))
    assert regions == []
    assert [item["from_name"] for item in result] == ["count"]


def test_an_added_region_is_manual_and_true() -> None:
    _, (region,) = saved([], known("pepper"))
    assert (region.origin, region.label, overlap(region, known())) == ("manual", "pepper", 1.0)


def test_the_count_is_put_right() -> None:
    result, _ = saved(predicted(known(), known(x=120)), known(), known(x=80, width=10), known(x=60, width=10))
    (count,) = [item for item in result if item["from_name"] == "count"]
    assert (count["value"]["number"], count["origin"]) == (3, "prediction-changed")


def test_known_boxes_are_drawn_in_a_project_of_boxes() -> None:
    box = KnownObject("tomato", (10.0, 10.0, 50.0, 30.0), None, (0, 0))
    _, (region,) = saved([], box, config=BOXES_CONFIG)
    assert np.allclose(region.box_px, box.box_px)


def test_an_object_that_the_project_has_no_label_for_is_never_lost_silently() -> None:
    with pytest.raises(LabellingConfigInvalid, match="apple"):
        saved([], known("apple"))


def test_what_is_saved_is_the_truth_whatever_was_predicted() -> None:
    objects = (known(), known("carrot", x=120, y=40), known("potato", x=60, y=60))
    shown = predicted(known(width=30), known("pepper", x=118, y=40), known(x=0, y=80, width=5))
    _, regions = saved(shown, *objects)
    assert sorted(str(region.label) for region in regions) == ["carrot", "potato", "tomato"]
    assert all(max(overlap(region, thing) for thing in objects) == 1.0 for region in regions)


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 70)), max_size=4), st.integers(0, 150))
def test_every_region_and_every_object_is_decided_on_once(places: list[tuple[int, int]], x: int) -> None:
    objects = [known(x=left, y=top) for left, top in places]
    made = decided(predicted(known(x=x), known("carrot", x=20, y=20)), *objects)
    assert sum(decision.predicted is not None for decision in made) == 2
    assert sum(decision.known is not None for decision in made) == len(objects)


def test_shares_are_of_the_predicted_regions_and_added_ones_of_those_in_the_end() -> None:
    shares = Shares(accepted=6, corrected=2, deleted=2, added=2)
    found = {verdict: round(shares.share(verdict), 2) for verdict in Verdict}
    assert found == {
        Verdict.ACCEPTED: 0.6,
        Verdict.CORRECTED: 0.2,
        Verdict.DELETED: 0.2,
        Verdict.ADDED: 0.2,
    }


def test_shares_of_nothing_are_none() -> None:
    assert Shares().share(Verdict.ACCEPTED) == 0.0


def test_objects_of_another_photo_are_drawn_at_the_same_relative_place() -> None:
    small, large = photo(known()), photo(size_px=(400, 200))
    moved = on_another_photo(known(), small, large)
    result = truth_result([moved], MASKS_CONFIG, large)
    (region,) = decode_regions(result)
    assert (region.box_px, region.origin) == ((20, 20, 100, 60), "manual")
