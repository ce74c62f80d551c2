"""The whole check of one module, from its signature to what it refuses."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from loc360.conformance import photos as made
from loc360.conformance.bench import Bench, Tried, bench_of, tried
from loc360.conformance.courses import course_breaches, memory_breaches, size_breaches, upright_breaches
from loc360.conformance.platform import Course, Invoke, Platform
from loc360.conformance.refusals import (
    foreign_release_breaches,
    gap_breaches,
    model_error_breaches,
    unknown_model_breaches,
    unreadable_photo_breaches,
)
from loc360.conformance.report import Breaches, Report, Rule
from loc360.conformance.signature import signature_breaches


def check_module(
    module: ModuleType,
    photos: Sequence[str],
    invoke: Invoke,
    *,
    models: Sequence[str],
    release: str,
    properties: Mapping[str, Any] | None = None,
) -> Report:
    """Drive `module` as the platform does, with list splitting on and off.

    `photos` are good ones, at least one, with something on them; `invoke(model, payload)` gives a model's raw reply;
    `models` are the two `dl_model_name`s in order; `release` is what every reply says that it is of; `properties` go
    with every call. The module is also called in processes of its own, so it must be importable by its name.
    What `invoke` raises ends the check.
    """
    if breaches := tuple(signature_breaches(module)):
        return Report(breaches, unchecked=tuple(rule for rule in Rule if rule is not Rule.SIGNATURE))
    with bench_of(module, Platform(invoke, tuple(models), dict(properties or {}))) as bench:
        return checked(bench, photos, release)


def checked(bench: Bench, photos: Sequence[str], release: str) -> Report:
    """All but the signature."""
    good = [bench.laid(photo, number) for number, photo in enumerate(photos)]
    tries = [tried(bench, photo) for photo in (*good, made.blank(bench.folder))]
    found = [*_of_courses(bench, tries, good[0]), *unknown_model_breaches(bench), *unreadable_photo_breaches(bench)]
    several = _several_objects(bench, [attempt.split for attempt in tries if attempt.is_done], good[0])
    if several is None:
        return Report(tuple(found), unchecked=(Rule.MODEL_ERROR, Rule.GAPS, Rule.ONE_RELEASE))
    found += [
        *model_error_breaches(bench, several),
        *gap_breaches(bench, several),
        *foreign_release_breaches(bench, several, release),
    ]
    return Report(tuple(found), unchecked=())


def _of_courses(bench: Bench, tries: Sequence[Tried], good: str) -> Breaches:
    *of_things, of_nothing = tries
    for attempt in of_things:
        yield from course_breaches(bench, attempt, otherwise=Rule.RUNS)
    yield from course_breaches(bench, of_nothing, otherwise=Rule.NO_FINDS)
    yield from memory_breaches(bench, [attempt.split for attempt in tries if attempt.is_done])
    if of_things[0].is_done:
        yield from upright_breaches(bench, good)
        yield from size_breaches(bench)


def _several_objects(bench: Bench, done: Sequence[Course], good: str) -> Course | None:
    """A course whose last model was called at least twice; if need be of a photo laid beside itself."""
    for course in done:
        if len(course.split_replies) > 1:
            return course
    if not done:
        return None
    course = bench.platform.run(bench.here, made.twice(good, bench.folder), splits_lists=True)
    return course if course.is_done and len(course.split_replies) > 1 else None
