"""What a kill campaign did and found, as tables."""

from __future__ import annotations

from statistics import median

from rich.console import Console
from rich.table import Table

from phenoloop.demo.chaos.campaign import Outcome


def print_report(console: Console, outcome: Outcome) -> None:
    hits = Table("hit", "rounds", "away s, median", "longest", "came back")
    for name in sorted({one.hit for one in outcome.rounds}):
        away_s = [one.away_s for one in outcome.rounds if one.hit == name]
        back = sum(not one.ails for one in outcome.rounds if one.hit == name)
        hits.add_row(name, str(len(away_s)), f"{median(away_s):.1f}", f"{max(away_s):.1f}", f"{back} of {len(away_s)}")
    console.print(hits)
    found = Table("must be true", "breaches")
    for name, breaches in outcome.breaches.items():
        found.add_row(name, "\n".join([str(len(breaches)), *breaches[:5]]))
    found.add_row("the loop goes on by itself", "0" if outcome.went_on else "1: no run succeeded afterwards")
    console.print(found)
    for name, values in (("Annotator", outcome.annotator), ("Runs", outcome.runs)):
        console.print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in sorted(values.items())))
    console.print(f"Approved packages: {outcome.releases}. Came to rest after {outcome.rested_s:.0f} s.")
    for trouble in outcome.troubles:
        console.print(f"Trouble: {trouble}", markup=False)
    console.print(f"Seed {outcome.seed}: " + ("holds." if outcome.holds else "does not hold."))
