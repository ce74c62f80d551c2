"""The loop's things as links: what is said of each, whichever way a trace comes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phenoloop.chain.release import Release
from phenoloop.errors import RegistryFailed
from phenoloop.ledger.links import Fact, Link
from phenoloop.ledger.stored import Stored
from sync.index import Entry
from sync.registry import ChainPackage
from sync.runs import Run

Links = Sequence[Link]


def prediction_link(values: dict[str, Any], links: Links = (), gaps: Sequence[str] = ()) -> Link:
    """`values` as Label Studio tells them."""
    facts = {
        "task": values["task"],
        "project": values["project"],
        "by": str(values["model_version"] or ""),
        "score": values["score"],
        "made_at": f"{values['created_at']:.19}",
    }
    return Link("prediction", str(values["id"]), facts, tuple(gaps), tuple(links))


def release_link(stored: Stored, release: Release, links: Links = (), gaps: Sequence[str] = ()) -> Link:
    return Link("release", release.name, {"live": release.name == stored.live}, tuple(gaps), tuple(links))


def package_link(
    package: ChainPackage, links: Links = (), gaps: Sequence[str] = (), *, made: Sequence[str] = ()
) -> Link:
    """`made`: the roles whose models the run made through which the trace comes."""
    facts: dict[str, Fact] = {
        "status": package.status,
        "reason": package.status_reason,
        "registered_at": f"{package.registered_at.isoformat():.19}",
        "with_its": list(made),
    }
    return Link("package", str(package.version), facts, tuple(gaps), tuple(links))


def run_link(stored: Stored, run: Run, links: Links = (), *, made: Sequence[str] = ()) -> Link:
    """`made`: the roles whose models it made of the chain through which the trace comes."""
    outcome, gaps = _outcome(stored, run)
    facts: dict[str, Fact] = {
        "asked_at": f"{run.requested_at.isoformat():.19}",
        "reason": run.reason,
        "to_beat": run.live_release,
        "outcome": outcome,
        "made_its": list(made),
    }
    return Link("run", run.name, facts, gaps, tuple(links))


def annotation_link(number: int, entry: Entry, split: str = "") -> Link:
    """As a snapshot knows it."""
    facts = {"task": entry.task_id, "project": entry.project_id, "photo": entry.photo, "split": split}
    return Link("annotation", str(number), facts)


def _outcome(stored: Stored, run: Run) -> tuple[str, tuple[str, ...]]:
    """The verdict; without one, SageMaker's word on how far it came."""
    evaluation = stored.records.evaluation(run)
    if evaluation is not None:
        return str(evaluation.get("verdict", "")), ()
    try:
        return stored.records.status(run), ()
    except RegistryFailed:
        return "", ("SageMaker does not know its execution any more, and no evaluation is stored.",)
