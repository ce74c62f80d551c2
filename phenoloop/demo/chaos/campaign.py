"""One kill campaign: rounds of blows while an annotator works and runs train, then rest, and a look at everything."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from phenoloop.demo.chaos.annotator import RestlessAnnotator
from phenoloop.demo.chaos.blows import blows, deck
from phenoloop.demo.chaos.checks import Breaches, Rested, checks
from phenoloop.demo.chaos.wellness import Wellness
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.generated import known_photo
from phenoloop.demo.proof.known import KnownPhoto
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.scenes.files import read_scene
from phenoloop.demo.state import DataFolder
from phenoloop.errors import PhenoloopError
from sync.bootstrap import build_loop
from sync.registry import register_chain

if TYPE_CHECKING:
    from sync.loop import Loop

LEFT_OPEN = 4
BACK_WITHIN_S = 300.0
RESTS_WITHIN_S = 600.0
GOES_ON_WITHIN_S = 900.0
LONGEST_QUIET_S = 4.0
NEW_CHAIN_EVERY = 9
"""Rounds after which someone registers and approves another chain, besides what the runs bring."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    hit: str
    away_s: float
    """Until everything answered again; of one that never did, how long it was waited for."""
    ails: str
    """What was still not well then; empty if all was."""


@dataclass(slots=True)
class Outcome:
    seed: int
    rounds: list[Round] = field(default_factory=list)
    annotator: dict[str, int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    """How many ended how."""
    releases: int = 0
    rested_s: float = 0.0
    """From the last blow until nothing was left to do."""
    breaches: dict[str, Breaches] = field(default_factory=dict)
    went_on: bool = False
    """Another run succeeded after the last blow, with nobody's help."""
    troubles: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        came_back = all(not one.ails for one in self.rounds)
        return came_back and self.went_on and not self.troubles and not any(self.breaches.values())

    def as_json(self) -> dict[str, Any]:
        return {"holds": self.holds, **asdict(self)}


class Campaign:
    """On one running stack with generated photos, whose settings this process's environment has."""

    def __init__(self, folder: DataFolder, loop: Loop, seed: int, tell: Tell) -> None:
        status = folder.read_status()
        settings: Mapping[str, str] = status["settings"]
        self._doors, self._loop, self._tell = Doors.of(status), loop, tell
        self._desk = Desk(self._doors)
        self._random = random.Random(seed)  # noqa: S311  # no secret
        self._blows = blows(folder, self._doors, settings)
        self._wellness = Wellness(folder, self._doors, settings, self._desk)
        self._annotator = RestlessAnnotator(
            self._desk, self._doors.label_config, _photos(folder, self._desk), leave_open=LEFT_OPEN, seed=seed
        )
        self._told = ""
        self.outcome = Outcome(seed)

    def run(self, rounds: int) -> Outcome:
        outcome = self.outcome
        with self._annotator:
            for number, name in zip(range(1, rounds + 1), self._hits(), strict=False):
                outcome.rounds.append(self._round(name))
                self._say(number, rounds)
                self._decide(new_chain=number % NEW_CHAIN_EVERY == 0)
        if self._annotator.bug is not None:
            outcome.troubles.append(f"the annotator stopped: {self._annotator.bug!r}")
        outcome.rested_s = self._rest()
        outcome.went_on = self._goes_on()
        self._rest()
        outcome.annotator = dict(self._annotator.done)
        outcome.runs = dict(Counter(self._loop.runs.status(run) for run in self._loop.runs.list()))
        outcome.releases = sum(package.approved for package in self._loop.packages())
        return outcome

    def _hits(self) -> Iterator[str]:
        """Names of blows that found something to hit; one that did not has its turn later."""
        waiting: list[str] = []
        for name in deck(list(self._blows), self._random):
            for candidate in [*waiting, name]:
                if candidate in waiting:
                    waiting.remove(candidate)
                if self._strike(candidate):
                    yield candidate
                else:
                    waiting.append(candidate)

    def _strike(self, name: str) -> bool:
        time.sleep(self._random.uniform(0.0, LONGEST_QUIET_S))
        try:
            return self._blows[name](self._random)
        except (BotoCoreError, ClientError, RedisError):  # not there just now, though it answered a moment ago
            return False

    def _round(self, name: str) -> Round:
        struck_s = time.monotonic()
        time.sleep(0.6)  # the supervisor has seen it
        while (ails := self._wellness.ails()) and time.monotonic() - struck_s < BACK_WITHIN_S:
            time.sleep(0.3)
        return Round(name, round(time.monotonic() - struck_s, 1), ails)

    def _say(self, number: int, rounds: int) -> None:
        last, done = self.outcome.rounds[-1], self._annotator.done
        came_back = f"still {last.ails}" if last.ails else f"all well after {last.away_s} s"
        self._tell(f"{number}/{rounds} {last.hit}: {came_back}; annotator {dict(done)}")

    def _tell_once(self, what: str) -> None:
        if what != self._told:
            self._tell(what)
        self._told = what

    def _decide(self, *, new_chain: bool) -> None:
        """As a person would: approve what waits, and now and then bring a chain of their own."""
        try:
            if new_chain:
                self._register_other_chain()
            for package in self._loop.packages():
                if package.waits:
                    self._loop.approve(package, "approved by the campaign")
        except (BotoCoreError, ClientError):
            return
        except PhenoloopError as error:
            if not error.retryable:
                raise

    def _register_other_chain(self) -> None:
        """The newest chain's models under a manifest that no other has."""
        known = self._loop.newest_approved()
        if known is None:
            return
        s3, bucket = self._doors.client("s3"), self._doors.bucket
        key = known.artifacts.manifest_url.removeprefix(f"s3://{bucket}/")
        manifest = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        manifest["score_threshold"] = round(self._random.uniform(0.2, 0.5), 6)
        key = f"{key.rpartition('/')[0]}/campaign-{manifest['score_threshold']}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
        register_chain(
            self._doors.client("sagemaker"),
            group=self._doors.package_group,
            image=known.image,
            artifacts=replace(known.artifacts, manifest_url=f"s3://{bucket}/{key}"),
            approved=False,
            description="another threshold",
        )

    def _rest(self) -> float:
        """Wait until nothing is left to do and nothing is amiss, or too long; how long it took."""
        rested, started_s = Rested(self._doors, self._desk, self._loop, self._annotator.memories), time.monotonic()
        while True:
            self._decide(new_chain=False)
            busy = self._busy()
            self.outcome.breaches = {} if busy else {name: check(rested) for name, check in checks().items()}
            amiss = busy or [name for name, found in self.outcome.breaches.items() if found]
            waited_s = round(time.monotonic() - started_s, 1)
            if not amiss or waited_s > RESTS_WITHIN_S:
                break
            self._tell_once(f"coming to rest: {amiss}")
            time.sleep(5.0)
        if busy:
            self.outcome.troubles.append(f"never came to rest: {busy}")
        return waited_s

    def _busy(self) -> str:
        try:
            decision, _ = build_loop(self._loop.settings).decision()  # ours knows the annotations as it first saw them
            if decision.due or self._loop.runs.working() is not None:
                return decision.reason
            return "tasks are being predicted" if self._loop.open_tasks.are_being_predicted() else ""
        except PhenoloopError as error:
            return str(error)

    def _goes_on(self) -> bool:
        """Whether enough new corrections lead to a run that succeeds."""
        before = {run.name for run in self._loop.runs.list()}
        self._annotator.annotate_all()
        deadline_s = time.monotonic() + GOES_ON_WITHIN_S
        while time.monotonic() < deadline_s:
            fresh = [run for run in self._loop.runs.list() if run.name not in before]
            if any(self._loop.runs.status(run) == "Succeeded" for run in fresh):
                return True
            self._tell_once("waiting for a run that starts and succeeds by itself")
            time.sleep(5.0)
        return False


def _photos(folder: DataFolder, desk: Desk) -> dict[int, KnownPhoto]:
    """Task -> its generated photo, with the truth that lies in the data folder."""
    generated = folder.path / "generated"
    truths = sorted((generated / "truth").glob("*.json"))
    photos = [known_photo(read_scene(truth), generated / "images" / f"{truth.stem}.jpg") for truth in truths]
    tasks = desk.tasks_by_photo()
    return {tasks[photo.name]: photo for photo in photos if photo.name in tasks}
