"""Which photos are annotated, held out, left open; and how annotations are shuffled."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenoloop.demo.proof.coco import CocoPhotos
from phenoloop.demo.proof.dataset import DataSet
from phenoloop.demo.proof.generated import scene_seeds
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.label_config import demo_config, with_labels_too
from phenoloop.demo.proof.roles import (
    LEAST_ANNOTATED,
    LEAST_JUDGED,
    LEAST_JUDGED_GROUPS,
    MOST_ANNOTATED,
    enough_to_annotate,
    is_tested,
    judged_on,
)
from phenoloop.demo.proof.steps import StepFailed
from phenoloop.demo.proof.work import shuffled
from phenoloop.errors import SettingsInvalid
from phenoloop.labelling.config import parse_labelling_config
from tests.unit.backend_fakes import MASKS
from tests.unit.proof_things import known, photo


def photos(number: int, *, groups: int = 0) -> tuple[KnownPhoto, ...]:
    made = [photo(known(), name=f"{index:03d}.jpg") for index in range(number)]
    return tuple(replace(one, group=f"plant-{index % groups}" if groups else None) for index, one in enumerate(made))


def group_of(one: KnownPhoto) -> str:
    """Of `photos`; in the file's name, whatever group it is uploaded under."""
    assert one.group
    return "plant-" + one.group.rpartition("-")[2]


def dealt(number: int, *, groups: int = 0, seed: int = 1) -> DataSet:
    return DataSet(CocoPhotos(("tomato",), with_masks=True, photos=photos(number, groups=groups)), seed, "images/")


def test_enough_photos_are_annotated_even_if_the_first_ones_are_all_tested() -> None:
    assert list(enough_to_annotate(range(100), lambda _: True)) == list(range(LEAST_ANNOTATED))


def test_annotating_goes_on_until_enough_are_tested() -> None:
    chosen = list(enough_to_annotate(range(100), lambda number: number >= 50))
    assert chosen == [*range(LEAST_ANNOTATED), *range(50, 50 + LEAST_JUDGED)]


def test_annotating_ends_with_the_photos() -> None:
    assert list(enough_to_annotate(range(10), lambda _: False)) == list(range(10))


def test_annotating_has_an_end() -> None:
    def forever() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    tested = {number * 1000 for number in range(100)}
    assert len(list(enough_to_annotate(forever(), lambda number: number in tested, most=26))) == 26


@given(st.integers(0, 10**6))
def test_generated_photos_are_enough_for_the_pipeline_and_never_play_two_parts(seed: int) -> None:
    seeds = scene_seeds(seed, "images/")
    tested = [is_tested(None, f"images/scene_{scene:06d}.jpg") for scene in seeds.annotated]
    assert LEAST_ANNOTATED <= len(tested) <= MOST_ANNOTATED
    assert sum(tested) == seeds.judged_on >= LEAST_JUDGED
    assert len({*seeds.open, *seeds.annotated, *seeds.tests}) == sum(
        map(len, (seeds.open, seeds.annotated, seeds.tests))
    )


def test_the_same_seed_draws_the_same_photos() -> None:
    assert scene_seeds(7, "images/") == scene_seeds(7, "images/")
    assert scene_seeds(7, "images/") != scene_seeds(8, "images/")


def test_a_data_set_is_dealt_out_without_overlap() -> None:
    subjects = dealt(80).subjects()
    parts = [subjects.open, subjects.annotated, subjects.tests]
    assert len(subjects.tests) >= 16
    assert len({one.name for part in parts for one in part}) == sum(map(len, parts))


def test_test_photos_are_whole_groups() -> None:
    subjects = dealt(90, groups=18).subjects()
    tested = {group_of(one) for one in subjects.tests}
    assert tested.isdisjoint({group_of(one) for one in (*subjects.open, *subjects.annotated)})


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_data_set_of_many_small_groups_holds_out_just_enough(seed: int) -> None:
    data = dealt(38, groups=20, seed=seed)
    assert (data.plan.tests, data.plan.annotated, data.plan.open) == (16, 20, 2)


@given(st.integers(0, 10**6), st.sampled_from([0, 20]))
@settings(max_examples=10, deadline=None)
def test_the_pipeline_gets_enough_photos_and_groups_to_judge_on(seed: int, groups: int) -> None:
    data = dealt(38, groups=groups, seed=seed)
    judges = judged_on(data.subjects().annotated, "images/")
    assert len(judges) == data.plan.judged_on >= 6
    assert len({one.group for one in judges}) >= LEAST_JUDGED_GROUPS
    assert data.plan.shuffled == data.plan.annotated - data.plan.judged_on


def test_groups_keep_together_under_the_names_they_are_dealt_by() -> None:
    names: dict[str, set[str | None]] = {}
    for one in dealt(60, groups=20).subjects().annotated:
        names.setdefault(group_of(one), set()).add(one.group)
    assert all(len(found) == 1 for found in names.values())


def test_the_same_seed_deals_alike_and_another_one_under_other_names() -> None:
    def uploaded(seed: int) -> set[str | None]:
        return {one.group for one in dealt(60, seed=seed).subjects().annotated}

    assert uploaded(1) == uploaded(1)
    assert uploaded(1).isdisjoint(uploaded(2))


def test_empty_photos_are_not_counted_as_shuffled() -> None:
    some_empty = tuple(replace(one, objects=() if n % 2 else one.objects) for n, one in enumerate(photos(60)))
    plan = DataSet(CocoPhotos(("tomato",), with_masks=True, photos=some_empty), 1, "images/").plan
    assert 0 < plan.shuffled < plan.annotated - plan.judged_on


def test_a_data_set_of_a_few_large_groups_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="can't be dealt"):
        dealt(40, groups=4)


def test_a_small_data_set_has_fewer_test_photos() -> None:
    subjects = dealt(15).subjects()
    assert (len(subjects.tests), len(subjects.open), len(subjects.annotated)) == (5, 2, 8)


def test_a_data_set_of_a_few_photos_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="too small"):
        dealt(5)


def test_a_data_set_of_one_group_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="can't be dealt"):
        dealt(40, groups=1)


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_a_data_set_gets_a_configuration_of_its_own_labels(kind: str) -> None:
    config = parse_labelling_config(demo_config(["apple", "leaf & stem"], with_masks=kind == "mask"))
    assert [(control.name, control.labels) for control in config.region_controls] == [(kind, ("apple", "leaf & stem"))]


def test_labels_are_added_to_a_configuration_once() -> None:
    config = parse_labelling_config(with_labels_too(MASKS, ["tomato", "apple"]))
    (mask,) = config.region_controls
    assert mask.labels == ("carrot", "tomato", "pepper", "cucumber", "potato", "apple")


@given(st.integers(2, 40), st.integers(0, 1000))
def test_shuffling_gives_every_photo_another_ones_annotation(number: int, seed: int) -> None:
    sources = shuffled(range(number), seed)
    assert sorted(sources) == sorted(sources.values()) == list(range(number))
    assert all(one != source for one, source in sources.items())


def test_one_annotation_can_not_be_shuffled() -> None:
    with pytest.raises(StepFailed):
        shuffled([1], seed=0)
