"""`python -m benchmarks`: one table of all figures, each beside its reference in the same run, and a file of JSON."""

import argparse
import importlib
import json
import pkgutil
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import topics
from benchmarks.figure import Figure, Topic

NAMES = sorted(module.name for module in pkgutil.iter_modules(topics.__path__) if not module.ispkg)


def main() -> int:
    """0 if every topic could be measured, also if figures are missed: the table says so."""
    asked, console = _asked(), Console(width=160)
    if asked.topic:
        _tell(asked.topic, quick=asked.quick)
        return 0
    told, failed = [], []
    for name in asked.only or NAMES:
        started_s = time.monotonic()
        figures = _measured(name, quick=asked.quick)
        if figures is None:
            failed.append(name)
        else:
            told += [asdict(figure) | {"topic": name, "met": figure.is_met} for figure in figures]
            console.print(_table(name, figures, time.monotonic() - started_s))
    _write(asked.json, told, failed)
    missed = [item["what"] for item in told if not item["met"]]
    console.print(f"{len(told) - len(missed)} of {len(told)} figures are met.")
    for text in missed:
        console.print(f"Missed: {text}", markup=False)
    for name in failed:
        console.print(f"Not measured, see above: {name}", markup=False)
    return int(bool(failed))


def _measured(name: str, *, quick: bool) -> list[Figure] | None:
    """In a process of its own: no topic's memory, threads or imports are another's. None if it failed."""
    command = [sys.executable, "-m", "benchmarks", "--topic", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines()]


def _tell(name: str, *, quick: bool) -> None:
    for figure in _topic(name)(quick=quick):
        sys.stdout.write(json.dumps(asdict(figure)) + "\n")
        sys.stdout.flush()


def _topic(name: str) -> Topic:
    measure: Topic = importlib.import_module(f"benchmarks.topics.{name}").measure
    return measure


def _table(name: str, figures: Sequence[Figure], seconds: float) -> Table:
    table = Table(title=f"{name} ({seconds:.0f} s)", title_justify="left", expand=True)
    for column, justify in _COLUMNS:
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        table.add_row(*_cells(figure))
    return table


_COLUMNS = (
    ("what", "left"),
    ("measured", "right"),
    ("reference", "left"),
    ("its value", "right"),
    ("ratio", "right"),
    ("wanted", "right"),
    ("met", "left"),
    ("note", "left"),
)


def _cells(figure: Figure) -> Iterator[str]:
    yield figure.what
    yield f"{figure.value:.4g} {figure.unit}"
    yield figure.reference
    yield f"{figure.reference_value:.4g} {figure.unit}"
    yield f"{figure.ratio:.3g}"
    yield figure.wanted
    yield "yes" if figure.is_met else "NO"
    yield figure.note


def _write(path: Path, told: Sequence[dict[str, Any]], failed: Sequence[str]) -> None:
    machine = {"cpus": psutil.cpu_count(), "python": platform.python_version(), "load": psutil.getloadavg()}
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": told, "not_measured": failed}
    path.write_text(json.dumps(document, indent=2))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, help="these topics; otherwise all")
    parser.add_argument("--quick", action="store_true", help="smaller, for trying it: figures not to be quoted")
    parser.add_argument("--json", type=Path, default=Path("artifacts/bench.json"))
    parser.add_argument("--topic", choices=NAMES, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
