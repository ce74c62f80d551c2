"""The record of each release's way to being live: durable, and all that it takes to go on after a crash.

One object a release, changed by conditional write only, so that of two workers one sees what the other did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from phenoloop.chain.bodies import at_most
from phenoloop.chain.release import Frozen, Release
from phenoloop.chain.s3_errors import listed, s3_errors
from phenoloop.errors import BucketMissing, ReleaseMissing
from phenoloop.settings import StorageSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Outcome = Literal["", "live", "replaced", "overtaken", "refused", "rolled back"]
"""Empty while it is under way. Overtaken: another was decided for before it came live."""
FAILED: tuple[Outcome, ...] = ("refused", "rolled back")
PROVEN = {"shadow", "canary", "watched"}
"""Steps that a release which was live once need not take again: its name stands for models and code."""
OF_ONE_TIME = {"endpoints", "live", "published", "followed"}
MAX_BYTES = 1024 * 1024


class Step(Frozen):
    """One that is done."""

    name: str
    at: datetime
    facts: Mapping[str, Any] = Field(default_factory=dict)


class Rollout(Frozen):
    release: str
    package_arn: str
    """Empty if someone else deployed the endpoints."""
    endpoints: tuple[str, str]
    """Detector, segmenter."""
    decided_at: datetime
    """When the package was approved or the endpoints were adopted, on the clock of where it was."""
    adopted: bool = False
    attempt: int = 1
    steps: tuple[Step, ...] = ()
    outcome: Outcome = ""
    reason: str = ""
    """Of an outcome that nobody wished for."""

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)

    @property
    def has_failed(self) -> bool:
        return self.outcome in FAILED

    @property
    def began_at(self) -> datetime:
        return self.steps[0].at if self.steps else self.decided_at

    def again(self, *, keeping: set[str]) -> Rollout:
        kept = tuple(step for step in self.steps if step.name in keeping)
        return self.model_copy(update={"steps": kept, "outcome": "", "reason": ""})


class Rollouts:
    """Every method raises BucketMissing and StorageUnavailable; those that write, WriteConflict."""

    def __init__(self, s3: S3Client, storage: StorageSettings) -> None:
        self._s3, self._bucket, self._prefix = s3, storage.bucket, f"{storage.releases_prefix}rollouts/"
        self._read: dict[str, tuple[str, Rollout | None]] = {}
        """Key -> ETag and what was read there: only what changed is read again."""

    def list(self) -> list[Rollout]:
        """Newest decision first; what can't be read as one is passed over."""
        with s3_errors(BucketMissing, prefix=self._prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            tags = {item["Key"]: item["ETag"] for item in listed(pages)}
        for key in [key for key, tag in tags.items() if self._read.get(key, ("",))[0] != tag]:
            rollout, tag = self._at(key)
            self._read[key] = (tag, rollout)
        found = [rollout for key in tags if (rollout := self._read[key][1]) is not None]
        return sorted(found, key=lambda rollout: rollout.decided_at, reverse=True)

    def find(self, release: str) -> Rollout | None:
        return self._at(self._key(release))[0]

    def begin(self, release: Release, *, decided_at: datetime, is_live: bool, adopted: bool = False) -> Rollout:
        """The release's rollout, to go on with. One that failed starts over if it was decided for anew."""
        fresh = Rollout(
            release=release.name,
            package_arn=release.package_arn,
            endpoints=(release.detector.endpoint, release.segmenter.endpoint),
            decided_at=decided_at,
            adopted=adopted,
        )

        def begun(known: Rollout | None) -> Rollout:
            if known is None or (known.has_failed and known.decided_at != decided_at):
                return fresh.model_copy(update={"attempt": known.attempt + 1 if known else 1})
            if known.has_failed:
                return known
            known = known.model_copy(update={"decided_at": decided_at})
            if known.step("retired"):
                return known.again(keeping=PROVEN if known.step("live") else set())
            if is_live and known.outcome in ("replaced", "overtaken"):
                return known.model_copy(update={"outcome": "live"})
            if not is_live and known.outcome:
                return known.again(keeping={step.name for step in known.steps} - OF_ONE_TIME)
            return known

        return self._change(release.name, begun)

    def note(self, release: str, step: str, **facts: Any) -> Rollout:
        """The step is done; if that is noted already, it stays as it was. Raises ReleaseMissing without a rollout."""

        def noted(known: Rollout | None) -> Rollout:
            rollout = _there(known, release)
            if rollout.step(step):
                return rollout
            steps = (*rollout.steps, Step(name=step, at=datetime.now(UTC), facts=facts))
            return rollout.model_copy(update={"steps": steps, **({"outcome": "live"} if step == "live" else {})})

        return self._change(release, noted)

    def end(self, release: str, outcome: Outcome, reason: str = "") -> Rollout:
        """A failure stays as it was first told. Raises ReleaseMissing if there is no such rollout."""

        def ended(known: Rollout | None) -> Rollout:
            rollout = _there(known, release)
            if rollout.has_failed:
                return rollout
            return rollout.model_copy(update={"outcome": outcome, "reason": reason})

        return self._change(release, ended)

    def _change(self, release: str, change: Callable[[Rollout | None], Rollout]) -> Rollout:
        key = self._key(release)
        before, tag = self._at(key)
        after = change(before)
        if after == before:
            return after
        with s3_errors(BucketMissing, key=key):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=after.model_dump_json(indent=2).encode(),
                ContentType="application/json",
                **({"IfMatch": tag} if tag else {"IfNoneMatch": "*"}),  # type: ignore[arg-type]
            )
        return after

    def _at(self, key: str) -> tuple[Rollout | None, str]:
        """With its ETag, which is empty if there is no object; what can't be read is written anew."""
        try:
            with s3_errors(ReleaseMissing, key=key):
                reply = self._s3.get_object(Bucket=self._bucket, Key=key)
                body, tag = at_most(reply["Body"], MAX_BYTES), reply["ETag"]
        except ReleaseMissing:
            return None, ""
        try:
            return Rollout.model_validate_json(body), tag
        except ValidationError:
            return None, tag

    def _key(self, release: str) -> str:
        return f"{self._prefix}{release}.json"


def _there(rollout: Rollout | None, release: str) -> Rollout:
    if rollout is None:
        raise ReleaseMissing("There is no record of this release's rollout.", release=release)
    return rollout
