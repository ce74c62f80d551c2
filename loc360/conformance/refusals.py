"""What the module must refuse, with one exception that says why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loc360.conformance import photos as made
from loc360.conformance.bench import Bench
from loc360.conformance.calls import PREPROCESS, PROCESS, Ending
from loc360.conformance.platform import Course
from loc360.conformance.report import Breach, Breaches, Rule

_STRANGER = "a-model-of-another-project"
_OTHER_RELEASE = "another-release"
_ERRORS = (
    "Internal Server Error",
    json.dumps({"error": {"code": "out-of-memory", "message": "The model ran out of memory."}}),
    json.dumps({"ErrorCode": "INTERNAL_FAILURE_FROM_MODEL", "Message": "Received server error (500)."}),
    "",
)


def unknown_model_breaches(bench: Bench) -> Breaches:
    yield from _refused(bench, Rule.UNKNOWN_MODEL, _Asked(PREPROCESS, made.blank(bench.folder), _STRANGER), "")


def unreadable_photo_breaches(bench: Bench) -> Breaches:
    for what, photo in made.unreadable(bench.folder).items():
        asked = _Asked(PREPROCESS, photo, bench.platform.models[0])
        yield from _refused(bench, Rule.UNREADABLE_PHOTO, asked, f" that is {what}")


def model_error_breaches(bench: Bench, course: Course) -> Breaches:
    """In place of a reply, and among the replies of a list."""
    replies = course.split_replies
    for error in _ERRORS:
        words = f" after the model said {error[:60]!r}"
        for asked in _after(bench, course, {PREPROCESS: error, PROCESS: error}):
            yield from _refused(bench, Rule.MODEL_ERROR, asked, words)
        for asked in _after(bench, course, {PROCESS: json.dumps([*replies[:-1], error])}):
            yield from _refused(bench, Rule.MODEL_ERROR, asked, f"{words} in one call of several")


def gap_breaches(bench: Bench, course: Course) -> Breaches:
    replies = course.split_replies
    broken = {"the first missing": replies[1:], "the last missing": replies[:-1], "one doubled": [*replies, replies[0]],
              "one in another's place": [replies[1], *replies[1:]]}  # fmt: skip
    for words, some in broken.items():
        for asked in _after(bench, course, {PROCESS: json.dumps(some)}):
            yield from _refused(bench, Rule.GAPS, asked, f" with {words} of {len(replies)} replies")


def foreign_release_breaches(bench: Bench, course: Course, release: str) -> Breaches:
    """Of the first model, of all objects, and of one."""
    first, replies = course.replies[0], course.split_replies
    if not all(release in reply for reply in (first, *replies)):
        did = "reads the models' replies"
        yield Breach(Rule.ONE_RELEASE, did, f"that each says it is of {release!r}", "one that does not")
        return
    foreign = [reply.replace(release, _OTHER_RELEASE) for reply in replies]
    mixed = json.dumps([*replies[:-1], foreign[-1]])
    for asked in (
        *_after(bench, course, {PREPROCESS: first.replace(release, _OTHER_RELEASE), PROCESS: json.dumps(foreign)}),
        *_after(bench, course, {PROCESS: mixed}),
    ):
        yield from _refused(bench, Rule.ONE_RELEASE, asked, " with replies of another release")


@dataclass(frozen=True, slots=True)
class _Asked:
    function: str
    photo: str
    model: str
    reply: str | None = None


def _after(bench: Bench, course: Course, replies: dict[str, str]) -> Iterator[_Asked]:
    for function, reply in replies.items():
        yield _Asked(function, course.photo, bench.platform.models[1], reply)


def _refused(bench: Bench, rule: Rule, asked: _Asked, words: str) -> Breaches:
    metadata: dict[str, Any] = bench.platform.metadata(asked.model, *([] if asked.reply is None else [asked.reply]))
    outcome = bench.here(asked.function, asked.photo, metadata)
    if outcome.ending is not Ending.REFUSED:
        did = f"{asked.function} of {Path(asked.photo).name} for {asked.model}{words}"
        yield Breach(rule, did, f"that it {Ending.REFUSED}", str(outcome))
