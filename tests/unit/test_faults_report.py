import io
import json

from rich.console import Console

from phenoloop.demo.faults.campaign import FEW, WHOLE, Findings
from phenoloop.demo.faults.events import EventTrial
from phenoloop.demo.faults.faults import Fault, Kind, Service
from phenoloop.demo.faults.report import print_report
from phenoloop.demo.faults.trial import Trial


def trial(*breaches: str, complete_s: float | None = 4.2) -> Trial:
    fault = Fault(Kind.STALL, share=0.3)
    return Trial(
        Service.S3, fault, tasks=5, complete_s=complete_s, breaches=list(breaches), health_said=["S3 [is] away"]
    )


def printed(findings: Findings) -> str:
    page = io.StringIO()
    print_report(Console(file=page, width=240), findings)
    return page.getvalue()


def test_a_campaign_holds_only_if_nothing_was_breached() -> None:
    assert Findings(seed=7, trials=[trial()]).holds
    assert not Findings(seed=7, trials=[trial("an answer took 99.0 s")]).holds
    assert not Findings(seed=7, events=EventTrial(breaches=["sync told of 9 changes"])).holds
    assert not Findings(seed=7, troubles=["a bug"]).holds


def test_the_report_names_fault_figures_and_breaches_and_what_never_happened() -> None:
    page = printed(Findings(seed=7, trials=[trial("an answer took 99.0 s", complete_s=None)]))
    for told in ("stall 30%", "never", "Breach: an answer took 99.0 s", "S3 [is] away", "Seed 7: does not hold"):
        assert told in page


def test_findings_are_json() -> None:
    told = json.loads(json.dumps(Findings(seed=7, trials=[trial()]).as_json()))
    assert (told["holds"], told["trials"][0]["fault"]["kind"]) == (True, "stall")


def test_every_fault_that_a_service_can_have_is_tried() -> None:
    tried = {(service, kind) for service, kind, _ in WHOLE}
    possible = {(service, kind) for service in Service for kind in Kind} - {(Service.LABEL_STUDIO, Kind.SKEW)}
    assert tried == possible
    assert set(FEW) <= set(WHOLE)
