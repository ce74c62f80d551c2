"""The findings as tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from phenoloop.demo.soak.findings import BOUNDS, LEAST_MIN, WARM_UP, Findings, Life, Trend


def print_report(console: Console, findings: Findings) -> None:
    console.print("", _processes(findings), "", _requests(findings), sep="\n", highlight=False)
    for kind, asked in findings.answered.items():
        for reason, times in asked.reasons.items():
            console.print(f"{kind}, {times} times: {reason}", markup=False, soft_wrap=True, highlight=False)
    for what, counts in (("Meanwhile", findings.done), ("Too short a life to be judged", findings.short_lives)):
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        console.print(f"{what}: {told or 'none'}.", markup=False, soft_wrap=True, highlight=False)
    for failure in findings.failures:
        console.print(f"failed: {failure}", style="bold red", markup=False, soft_wrap=True)
    grown = (
        "nothing of ours grows"
        if findings.minutes >= LEAST_MIN
        else f"in under {LEAST_MIN:.0f} min growth shows nothing"
    )
    verdict = "It does not hold." if findings.failures else f"It holds: {grown}."
    console.print(f"{verdict} Seed {findings.seed}, {findings.minutes:.1f} min.", style="bold", highlight=False)


def _processes(findings: Findings) -> Table:
    """Foreign services are told of, not judged."""
    table = Table(
        title=f"After a warm-up of {WARM_UP:.0%}: first to last, and the slope an hour with its 95 % interval. "
        f"Flat is own (anonymous) memory below {BOUNDS['anon_mib']:.0f} MiB an hour",
        title_justify="left",
        show_edge=False,
    )
    table.add_column("process", no_wrap=True)
    for column in ("min", "own memory, MiB", "RSS, MiB", "PSS", "threads", "open files", "verdict"):
        table.add_column(column, justify="right", no_wrap=True)
    for life in sorted(findings.lives, key=lambda life: (not life.is_ours, life.name)):
        table.add_row(*_cells(life))
    return table


def _cells(life: Life) -> tuple[str, ...]:
    own, trends = life.trends["anon_mib"], life.trends
    beyond = [f"{figure} {trend.verdict.value}" for figure, trend in trends.items() if trend.verdict.value != "flat"]
    verdict = ", ".join(beyond) or "flat"
    return (
        life.name,
        f"{life.lived_min:.1f}",
        f"{_moved(own)} ({own.slope_per_h.low:+.1f} to {own.slope_per_h.high:+.1f})",
        _moved(trends["rss_mib"]),
        f"{life.pss_mib:.0f}",
        _moved(trends["threads"]),
        _moved(trends["files"]),
        verdict if life.is_ours else f"(not ours) {verdict}",
    )


def _moved(trend: Trend) -> str:
    return f"{trend.first:.0f} to {trend.last:.0f}, {trend.slope_per_h.value:+.1f}"


def _requests(findings: Findings) -> Table:
    table = Table(title="Requests", title_justify="left", show_edge=False)
    table.add_column("")
    for column in ("done", "failed", "p50, s", "p99, s", "slowest, s"):
        table.add_column(column, justify="right")
    for kind, asked in findings.answered.items():
        seconds = (f"{value:.3f}" for value in (asked.p50_s, asked.p99_s, asked.slowest_s))
        table.add_row(kind, str(asked.requests), str(asked.failures), *seconds)
    return table
