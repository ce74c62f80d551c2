"""Good photos: what the three calls make of them, and whether they keep to themselves."""

from collections.abc import Sequence
from pathlib import Path

from loc360.conformance import photos as made
from loc360.conformance.bench import Bench, Tried
from loc360.conformance.calls import PREPROCESS, PROCESS, Ending, Outcome
from loc360.conformance.likeness import difference
from loc360.conformance.platform import Course
from loc360.conformance.report import Breach, Breaches, Rule
from loc360.payloads import PAYLOAD_LIMIT_BYTES

_LIMIT = f"less than {PAYLOAD_LIMIT_BYTES:,} bytes"


def course_breaches(bench: Bench, attempt: Tried, *, otherwise: Rule) -> Breaches:
    """Of one photo, list splitting on and off. `otherwise` is broken if a call fails in a way that no rule names."""
    for course in (attempt.split, attempt.whole):
        yield from _side_effects(course)
    if not attempt.is_done:
        if attempt.split.is_done:
            yield from _why_not(bench, attempt.whole, Rule.SPLITTING)
        else:
            yield from _why_not(bench, attempt.split, otherwise)
        return
    name = Path(attempt.split.photo).name
    if found := difference(attempt.split.result, attempt.whole.result):
        yield Breach(Rule.SPLITTING, f"{name} with a call for each element, then with one call", "the same", found)
    yield from _not_the_same_again(bench, attempt)


def memory_breaches(bench: Bench, courses: Sequence[Course]) -> Breaches:
    """In one process, photo by photo in another order at each call: what is remembered gets in the way."""
    for stage in range(len(bench.platform.models) + 1):
        for course in courses if stage % 2 else reversed(courses):
            outcome = _called_again(bench, course, stage, fresh=False)
            if outcome.text != course.outcomes[stage].text:
                did = f"{outcome.function} of {Path(course.photo).name} between calls for other photos"
                yield Breach(Rule.STATELESS, did, "what it gave in a process of its own", _instead(outcome))


def upright_breaches(bench: Bench, photo: str) -> Breaches:
    """The same upright pixels, stored sideways."""
    upright, turned = (
        bench.platform.run(bench.here, path, splits_lists=True) for path in made.upright_and_turned(photo, bench.folder)
    )
    if upright.is_done and turned.is_done:
        seen = difference(upright.result, turned.result)
    else:
        seen = str(turned.last if upright.is_done else upright.last)
    if seen:
        yield Breach(Rule.UPRIGHT, "a photo stored sideways, as its EXIF orientation says", "the upright one's", seen)


def size_breaches(bench: Bench) -> Breaches:
    """Of a photo that hardly compresses."""
    model = bench.platform.models[0]
    outcome = bench.here(PREPROCESS, made.noise(bench.folder), bench.platform.metadata(model))
    if (size_bytes := len(outcome.text.encode())) >= PAYLOAD_LIMIT_BYTES:
        yield Breach(Rule.SIZE, f"{PREPROCESS} of noise for {model}", _LIMIT, f"{size_bytes:,} bytes")


def _side_effects(course: Course) -> Breaches:
    for outcome in course.outcomes:
        did = f"{outcome.function} of {Path(course.photo).name}"
        if outcome.changed_metadata:
            yield Breach(Rule.METADATA, did, "metadata as they were given", "others")
        if outcome.touched:
            yield Breach(Rule.PURE, did, "nothing written, started or connected to", "; ".join(outcome.touched[:5]))


def _why_not(bench: Bench, course: Course, otherwise: Rule) -> Breaches:
    name, last = Path(course.photo).name, course.last
    if course.is_too_large:
        yield Breach(Rule.SIZE, f"{PREPROCESS} of {name}", _LIMIT, f"{course.largest_bytes:,} bytes")
    elif last.ending is Ending.OTHER and last.function == PREPROCESS:
        yield Breach(Rule.PAYLOAD, f"{PREPROCESS} of {name}", "a string", str(last))
    elif last.ending is Ending.OTHER:
        yield Breach(Rule.RESULT, f"{PROCESS} of {name}", "a dictionary that JSON can hold", str(last))
    elif last.ending is not Ending.LOST and _works_here(bench, course):
        expected = "that it needs nothing of the call before, as in one process"
        yield Breach(Rule.STATELESS, f"{last.function} of {name} in a process of its own", expected, str(last))
    else:
        yield Breach(otherwise, f"{last.function} of {name}", "that it returns", str(last))


def _works_here(bench: Bench, course: Course) -> bool:
    """In one process, so with a memory."""
    return bench.platform.run(bench.here, course.photo, splits_lists=course.splits_lists).is_done


def _not_the_same_again(bench: Bench, attempt: Tried) -> Breaches:
    """The payloads were made twice already, since only the last call differs; `process` is called once more."""
    split, whole = attempt.split, attempt.whole
    again = (*whole.outcomes[:-1], _called_again(bench, split, len(split.outcomes) - 1, fresh=True))
    for before, after in zip(split.outcomes, again, strict=True):
        if before.text != after.text:
            did = f"{before.function} of {Path(split.photo).name} twice"
            yield Breach(Rule.DETERMINISTIC, did, "the same", _instead(after))


def _called_again(bench: Bench, course: Course, stage: int, *, fresh: bool) -> Outcome:
    models, call = bench.platform.models, bench.fresh if fresh else bench.here
    model = models[min(stage, len(models) - 1)]
    metadata = bench.platform.metadata(model, *course.replies[max(stage - 1, 0) : stage])
    return call(course.outcomes[stage].function, course.photo, metadata)


def _instead(outcome: Outcome) -> str:
    return "something else" if outcome.returned else str(outcome)
