"""The findings as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from phenoloop.demo.proof.annotator import Shares, Verdict
from phenoloop.demo.proof.findings import Findings
from phenoloop.demo.proof.scoring import ReleaseScore
from training.evaluation.scores import Gain

FIGURES = {
    "quality": "quality",
    "box_ap50": "box AP50",
    "box_ap50_any_label": "box AP50, any label",
    "mask_ap50": "mask AP50",
    "mask_ap50_any_label": "mask AP50, any label",
    "box_ap50_pooled": "box AP50, labels pooled",
    "mask_ap50_pooled": "mask AP50, labels pooled",
    "mean_iou": "mean IoU",
    "length_median_error_mm": "length error, mm (median)",
    "width_median_error_mm": "width error, mm (median)",
}
"""Those that are shown; the JSON has all."""


def print_report(console: Console, findings: Findings) -> None:
    tables = (_scores(findings), _regions(findings), _after_annotating(findings), _runs(findings), _steps(findings))
    for table in tables:
        if table.row_count:
            title, table.title = table.title, None
            console.print("", str(title), table, sep="\n", highlight=False)
    for failure in findings.failures:
        console.print(f"failed: {failure}", style="bold red", markup=False, soft_wrap=True)
    verdict = "The loop does not close." if findings.failures else "The loop closes."
    console.print(f"{verdict} Seed {findings.seed}, {findings.total_s:.0f} s.", style="bold", highlight=False)


def _scores(findings: Findings) -> Table:
    tests = findings.photos.tests if findings.photos else 0
    table = _table(f"On {tests} test photos that the loop never saw (95 % bootstrap interval)", "")
    for number in range(len(findings.releases)):
        table.add_column(f"release {number}")
    for number in range(len(findings.gains)):
        table.add_column(f"release {number + 1} minus {number}")
    for figure, title in FIGURES.items():
        cells = [_figure(score, figure) for score in findings.releases]
        if any(cells):
            table.add_row(title, *cells, *(_gain(gains, figure) for gains in findings.gains))
    return table


def _figure(score: ReleaseScore, figure: str) -> str:
    value, interval = getattr(score.scores, figure, None), score.intervals.get(figure)
    if value is None:
        return ""
    return f"{value:.3f}" + (f" ({interval.low:.3f} to {interval.high:.3f})" if interval else "")


def _gain(gains: Mapping[str, Gain], figure: str) -> str:
    found = gains.get(figure)
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})" if found else ""


def _regions(findings: Findings) -> Table:
    titles = (f"{verdict.value}" for verdict in Verdict)
    table = _table("What the annotator does with pre-annotated regions (added: of the regions in the end)", "", *titles)
    if findings.annotated is not None:
        table.add_row("release 0, saved annotations", *_share_cells(findings.annotated))
    for number, score in enumerate(findings.releases):
        table.add_row(f"release {number}, test photos", *_share_cells(score.shares))
    return table


def _share_cells(shares: Shares) -> Iterator[str]:
    for verdict in Verdict:
        yield f"{shares.share(verdict):.0%} ({getattr(shares, verdict.value)})"


def _after_annotating(findings: Findings) -> Table:
    table = _table("After the last annotation was saved", "", "s")
    for what, seconds in findings.after_last_annotation_s.items():
        table.add_row(what, f"{seconds:.1f}")
    return table


def _runs(findings: Findings) -> Table:
    table = _table(
        "Training runs", "learnt from", "run", "its own test photos", "gain over the live release", "verdict"
    )
    for what, facts in findings.runs.items():
        gain = facts.get("gain") or {}
        told = f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain else "not judged"
        verdict = str(facts.get("verdict") or "")
        table.add_row(what, str(facts["run"]), str(facts.get("test_photos", "")), told, verdict)
    return table


def _steps(findings: Findings) -> Table:
    table = _table("Steps", "", "s")
    for name, seconds in findings.step_seconds.items():
        table.add_row(name, f"{seconds:.1f}")
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, show_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name)
    return table
