"""Whatever happened in between, a snapshot says what its annotations say now."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.annotation_objects import Annotated, box, lines
from tests.unit.fake_s3 import FakeS3

PHOTOS = ("a.jpg", "b.jpg", "c.jpg")

annotations = st.fixed_dictionaries(
    {
        "photo": st.sampled_from(PHOTOS),
        "minute": st.integers(0, 3),
        "label": st.sampled_from(["carrot", "leek"]),
        "ground_truth": st.booleans(),
        "was_cancelled": st.booleans(),
    }
)
ids = st.integers(1, 6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("save"), ids, annotations),
        st.tuples(st.just("delete"), ids),
        st.tuples(st.just("take photo"), st.sampled_from(PHOTOS)),
        st.tuples(st.just("build")),
    ),
    max_size=25,
)


def save(annotated: Annotated, id_: int, photo: str, minute: int, label: str, **marks: bool) -> None:
    annotated.save(id_, f"s3://loop/images/{photo}", minute=minute, result=[box(label)], **marks)


def do(annotated: Annotated, step: tuple[Any, ...]) -> None:
    what, *values = step
    if what == "save":
        save(annotated, values[0], **values[1])
    elif what == "delete":
        annotated.delete(values[0])
    elif what == "take photo":
        annotated.photo(values[0])
    else:
        annotated.build()


@settings(deadline=None, max_examples=60)
@given(steps)
def test_a_snapshot_built_step_by_step_is_the_one_built_at_once(history: list[tuple[Any, ...]]) -> None:
    annotated = Annotated(FakeS3(), "loop")
    for step in history:
        do(annotated, step)
    step_by_step = annotated.build()

    for key in [key for key in annotated.s3.objects if key.startswith("snapshots/")]:
        annotated.delete_key(key)
    at_once = annotated.build()

    same = {"created_at", "index"}  # but for these, which tell of the way
    assert step_by_step.model_dump(exclude=same) == at_once.model_dump(exclude=same)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(ids, annotations).flatmap(lambda saved: st.tuples(st.just(saved), st.permutations(list(saved)))))
def test_the_same_annotations_saved_in_any_order_make_the_same_name(
    case: tuple[dict[int, dict[str, Any]], list[int]],
) -> None:
    saved, order = case
    names = set()
    for ids_ in (sorted(saved), order):
        annotated = Annotated(FakeS3(), "loop")
        for photo in PHOTOS:
            annotated.photo(photo)
        for id_ in ids_:
            save(annotated, id_, **saved[id_])
        names.add(annotated.build().name)

    assert len(names) == 1


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(ids, annotations))
def test_of_each_photo_the_one_annotation_is_in_that_the_rule_says(saved: dict[int, dict[str, Any]]) -> None:
    annotated = Annotated(FakeS3(), "loop")
    for photo in PHOTOS:
        annotated.photo(photo)
    for id_, values in saved.items():
        save(annotated, id_, **values)

    snapshot = annotated.build()

    kept = {id_: values for id_, values in saved.items() if not values["was_cancelled"]}
    by_rank = sorted(kept, key=lambda id_: (kept[id_]["ground_truth"], kept[id_]["minute"], id_))
    expected = {f"s3://loop/images/{kept[id_]['photo']}": id_ for id_ in by_rank}
    assert {line["photo"]: line["annotation_id"] for line in lines(annotated, snapshot)} == expected
    assert snapshot.left_out["skipped"] == len(saved) - len(kept)
    assert snapshot.left_out["superseded"] == len(kept) - len(expected)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["id", "task", "result", "was_cancelled", "ground_truth", "updated_at", "project"])
data = st.dictionaries(st.sampled_from(["image", "mm_per_px", "group", "other"]), anything)


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(fields, anything, max_size=2)
    | st.fixed_dictionaries({"task": st.fixed_dictionaries({"id": st.just(2), "data": data})})
    | st.fixed_dictionaries({"result": st.lists(anything.map(lambda value: box() | {"value": value}))})
    | st.fixed_dictionaries({"result": st.lists(st.dictionaries(st.text(max_size=5), anything))})
)
def test_whatever_an_object_holds_it_costs_no_other_annotation(changes: dict[str, Any]) -> None:
    annotated = Annotated(FakeS3(), "loop")
    annotated.save(1)
    annotated.save(2, **changes)

    first = annotated.build()

    assert f"s3://{annotated.bucket}/images/1.jpg" in {line["photo"] for line in lines(annotated, first)}
    assert annotated.build() == first


def test_a_number_of_thousands_of_digits_costs_no_other_annotation() -> None:
    annotated = Annotated(FakeS3(), "loop")
    annotated.save(1)
    annotated.save(2, result=[box(odd="number")])
    annotated.put(2, annotated.s3.objects["annotations/2"].replace(b'"number"', b"1" * 5000))

    assert annotated.build().left_out["unreadable"] == 1
