"""The long campaign: `python -m tests.hostile --runs 1000 --seed 7` visits every door so often and fuzzes the decoders.

Prints a table and the seed. Ends with status 1 on a find, with the smallest case that shows it.
"""

import argparse
import random
import sys
import time
import traceback

import structlog
from rich.console import Console
from rich.table import Table

from tests.hostile.door import Door, Tally, visits
from tests.hostile.doors import DOORS
from tests.hostile.fuzz import NAMES, fuzzed


def main() -> int:
    asked = _asked()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # the product's own lines
    table = Table(
        "door", "cases", "refused clearly", "accepted", "worst s", "bound s", "peak MiB", "bound MiB", "took s"
    )
    finds = []
    cases = 0
    for door in DOORS:
        started_s = time.monotonic()
        try:
            tally = visits(door, asked.runs, asked.seed, extremes=True)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # the others are visited all the same
            finds.append((door.name, "".join(traceback.format_exception(error))))
            tally = Tally()
        cases += tally.cases
        table.add_row(*_row(door, tally, time.monotonic() - started_s))
    for name in NAMES:
        started_s = time.monotonic()
        run = fuzzed(name, runs=10 * asked.runs, seed=asked.seed)
        if run.find:
            finds.append((name, run.find))
        cases += run.cases
        row = [f"{name}, guided by its branches", str(run.cases), *[""] * 6, f"{time.monotonic() - started_s:.0f}"]
        table.add_row(*row)
    console = Console(width=150)
    console.print(table)
    for name, find in finds:
        console.print(f"[bold]{name}[/bold]")
        console.print(find, markup=False)
    console.print(f"{cases} cases, {len(finds)} finds, seed {asked.seed}")
    return 1 if finds else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument(
        "--runs", type=int, default=1000, help="generated cases a door; ten times so many a fuzzed decoder"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


def _row(door: Door, tally: Tally, took_s: float) -> list[str]:
    worst = [f"{tally.worst_s:.2f}", f"{door.most_s:.0f}", f"{tally.worst_mib:.0f}", f"{door.most_mib:.0f}"]
    return [door.name, str(tally.cases), str(tally.refused), str(tally.accepted), *worst, f"{took_s:.0f}"]


if __name__ == "__main__":
    sys.exit(main())
