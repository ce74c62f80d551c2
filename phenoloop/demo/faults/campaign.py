"""The campaign: every fault of every service, one after another, and then events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from phenoloop.demo.faults.bench import Bench
from phenoloop.demo.faults.events import EventTrial, hear_events
from phenoloop.demo.faults.faults import Fault, Kind, Service
from phenoloop.demo.faults.patience import Patience
from phenoloop.demo.faults.trial import Trial, Trials
from phenoloop.errors import PhenoloopError

LEFT_OPEN = 4
"""Tasks that are predicted again and again; the others are annotated."""
Plan = Sequence[tuple[Service, Kind, float]]
"""What fails how, for which share of the requests."""

WHOLE: Plan = (
    *((Service.S3, kind, share) for kind, share in (
        (Kind.THROTTLED, 0.5), (Kind.FAILING, 0.5), (Kind.RUBBISH, 0.3), (Kind.HALF, 0.5), (Kind.RESET, 0.5),
        (Kind.SKEW, 1.0), (Kind.STALL, 1.0), (Kind.TRICKLE, 1.0),
    )),
    *((Service.SAGEMAKER, kind, share) for kind, share in (
        (Kind.THROTTLED, 0.3), (Kind.FAILING, 0.3), (Kind.FAILING, 1.0), (Kind.RUBBISH, 0.3), (Kind.HALF, 0.3),
        (Kind.RESET, 0.3), (Kind.SKEW, 1.0), (Kind.STALL, 0.3), (Kind.STALL, 1.0), (Kind.TRICKLE, 1.0),
    )),
    *((Service.LABEL_STUDIO, kind, share) for kind, share in (
        (Kind.THROTTLED, 0.5), (Kind.FAILING, 1.0), (Kind.RUBBISH, 0.5), (Kind.HALF, 0.5), (Kind.RESET, 0.5),
        (Kind.STALL, 1.0), (Kind.TRICKLE, 1.0),
    )),
)  # fmt: skip
FEW: Plan = (
    (Service.S3, Kind.HALF, 0.5),
    (Service.SAGEMAKER, Kind.STALL, 1.0),
    (Service.LABEL_STUDIO, Kind.RESET, 0.5),
)
"""Of each kind of damage one: enough for a test."""


@dataclass(slots=True)
class Findings:
    seed: int
    without_fault_s: float | None = None
    trials: list[Trial] = field(default_factory=list)
    events: EventTrial = field(default_factory=EventTrial)
    troubles: list[str] = field(default_factory=list)
    """What ended the campaign before its time."""
    total_s: float = 0.0

    @property
    def holds(self) -> bool:
        return not (self.troubles or self.events.breaches or any(trial.breaches for trial in self.trials))

    def as_json(self) -> dict[str, Any]:
        return {"holds": self.holds, **asdict(self)}


def campaign(
    status: Mapping[str, Any], folder: Path, patience: Patience, plan: Plan, seed: int, tell: Callable[[str], None]
) -> Findings:
    """Beside the running stack that wrote `status`; the product's logs go to `folder`."""
    findings = Findings(seed)
    try:
        with Bench(status, folder, patience, seed) as bench:
            _try_all(bench, plan, findings, tell)
    except PhenoloopError as error:  # what was found until then is worth telling
        findings.troubles.append(str(error))
    return findings


def _try_all(bench: Bench, plan: Plan, findings: Findings, tell: Callable[[str], None]) -> None:
    trials = Trials(bench, bench.tasks[:LEFT_OPEN])
    findings.without_fault_s = trials.without_fault()
    tell(f"all tasks predicted in {findings.without_fault_s:.1f} s without a fault")
    for service, kind, share in plan:
        trial = trials.run(service, Fault(kind, share, bench.patience.stalls_s))
        findings.trials.append(trial)
        tell(f"{service}, {kind}, {share:.0%} of requests: {'; '.join(trial.breaches) or 'holds'}")
    findings.events = hear_events(bench, bench.tasks[LEFT_OPEN:], findings.seed)
    tell(f"events: {'; '.join(findings.events.breaches) or 'holds'}")
