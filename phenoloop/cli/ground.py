"""Where a campaign takes place: a folder and a seed of its own, and what becomes of them."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console


@dataclass(slots=True)
class Ground:
    folder: Path
    seed: int
    console: Console
    started_s: float
    holds: bool = False
    """What the campaign sets is true at its end, if it is."""

    def tell(self, what: str) -> None:
        line = f"{time.monotonic() - self.started_s:6.0f} s  {what}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def conclude(self, found: dict[str, Any], report: Path | None, *, holds: bool) -> None:
        self.holds = holds
        if report is not None:
            report.write_text(json.dumps(found, indent=2))


@contextmanager
def ground(name: str, seed: int | None, *, keep: bool) -> Iterator[Ground]:
    """The folder stays if asked for, or if the campaign does not hold; then the command ends with status 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped then too
    console = Console(width=None if sys.stdout.isatty() else 220)
    folder = Path(tempfile.mkdtemp(prefix=f"phenoloop-{name}-"))
    here = Ground(folder, secrets.randbelow(1_000_000) if seed is None else seed, console, time.monotonic())
    console.print(f"Seed {here.seed}. Folder {folder}.", highlight=False)
    try:
        yield here
    finally:
        if here.holds and not keep:
            shutil.rmtree(folder)
        else:
            console.print(f"Data and logs stay in {folder}.", highlight=False)
    if not here.holds:
        raise typer.Exit(1)
