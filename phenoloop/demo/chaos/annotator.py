"""An annotator who works on whatever happens: saves, changes and deletes, and remembers what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from phenoloop.demo.proof.annotator import decisions
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.drawing import saved_result, truth_result
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.errors import LabelStudioRefused, LabelStudioUnavailable
from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.config import parse_labelling_config
from phenoloop.labelling.regions import Result

LONGEST_PAUSE_S = 1.5
DELETIONS = 0.1
"""Of all that it does."""
DELETED = "deleted"


@dataclass(slots=True)
class Memory:
    """Of one annotation that Label Studio acknowledged."""

    task_id: int
    certain: str
    """The mark of the last save that was acknowledged, or DELETED."""
    possible: set[str] = field(default_factory=set)
    """Marks that were sent since, without an answer: they may have been taken or not."""

    @property
    def may_be_gone(self) -> bool:
        return DELETED in {self.certain, *self.possible}

    def allows(self, mark: str) -> bool:
        return mark == self.certain or mark in self.possible

    def acknowledged(self, mark: str) -> None:
        self.certain, self.possible = mark, set()


class RestlessAnnotator:
    """`with` it works in a thread of its own. Some tasks are left open, whatever it does."""

    def __init__(
        self, desk: Desk, label_config: str, photos: Mapping[int, KnownPhoto], *, leave_open: int, seed: int
    ) -> None:
        """`photos` by task."""
        self._desk, self._config, self._photos = desk, parse_labelling_config(label_config), photos
        self._tasks = sorted(photos)[leave_open:]
        self._random = random.Random(seed)  # noqa: S311  # no secret
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="annotator", daemon=True)
        self.memories: dict[int, Memory] = {}
        self.done: Counter[str] = Counter()
        """How often what was acknowledged, and how often no answer came."""
        self.bug: BaseException | None = None

    def __enter__(self) -> RestlessAnnotator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def annotate_all(self) -> None:
        """Each of its tasks once, after the thread's end."""
        for task_id in self._tasks:
            self._save_or_change(task_id)

    def _work(self) -> None:
        try:
            while not self._stopping.wait(self._random.uniform(0.1, LONGEST_PAUSE_S)):
                try:
                    self._do_something()
                except LabelStudioUnavailable:
                    self.done["without an answer"] += 1
                    time.sleep(0.5)
        except BaseException as error:  # the campaign says so; a silent end would look like a quiet annotator
            self.bug = error
            raise

    def _do_something(self) -> None:
        if self._random.random() < DELETIONS:
            self._delete()
        else:
            self._save_or_change(self._random.choice(self._tasks))

    def _save_or_change(self, task_id: int) -> None:
        known = [number for number, memory in self.memories.items() if memory.task_id == task_id]
        present = [number for number in known if not self.memories[number].may_be_gone]
        if present:
            self._change(present[-1])
        else:
            self._save(task_id)

    def _save(self, task_id: int) -> None:
        task, photo, mark = self._desk.open_task(task_id), self._photos[task_id], self._new_mark()
        made = decisions(decode_regions(task.result), photo.objects)
        result = _marked(saved_result(made, task.result, self._config, photo), mark)
        number = self._desk.save(task, result, lead_time_s=1.0)
        self.memories[number] = Memory(task_id, mark)
        self.done["saved"] += 1

    def _change(self, number: int) -> None:
        memory, mark = self.memories[number], self._new_mark()
        photo = self._photos[memory.task_id]
        memory.possible.add(mark)
        self._desk.replace(number, _marked(truth_result(photo.objects, self._config, photo), mark))
        memory.acknowledged(mark)
        self.done["changed"] += 1

    def _delete(self) -> None:
        present = [number for number, memory in self.memories.items() if not memory.may_be_gone]
        if present:
            memory = self.memories[number := self._random.choice(present)]
            memory.possible.add(DELETED)
            try:
                self._desk.delete(number)
            except LabelStudioRefused as error:
                if error.facts.get("status") != 404:  # an earlier attempt, whose answer was lost, deleted it
                    raise
            memory.acknowledged(DELETED)
            self.done["deleted"] += 1

    def _new_mark(self) -> str:
        return f"mark {self._random.getrandbits(64):016x}"


def _marked(result: list[Result], mark: str) -> list[Result]:
    """With the mark as the first region's note, as a note typed in the editor is stored."""
    return [result[0] | {"meta": {"text": [mark]}}, *result[1:]] if result else result


def mark_of(result: list[Result]) -> str:
    """Empty if there is none."""
    notes = [item["meta"]["text"] for item in result if item.get("meta", {}).get("text")]
    return str(notes[0][0]) if notes else ""
