"""`proof`: show, in numbers, that the loop closes on this machine."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from phenoloop.errors import SettingsInvalid


def proof(
    report: Annotated[Path | None, typer.Option("--json", help="Write everything found to this file.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="COCO file with boxes or masks, instead of generated photos.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder with the photos of --dataset.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draws photos and shuffles; a new one each time if left out.")
    ] = None,
    *,
    control: Annotated[
        bool | None,
        typer.Option("--control/--no-control", help="Shuffle annotations and see that they lead to no release."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack's folder also if all went well.")] = False,
) -> None:
    """Prove that the loop closes: annotate photos on a stack of its own until a better release is live by itself.

    Exit code 1 if any step does not happen, if release 1 is not clearly better, or if nonsense is promoted.
    """
    from phenoloop.demo.proof.report import print_report  # heavy, and of no use to the other commands
    from phenoloop.demo.proof.run import Ask, prove

    if (dataset is None) != (images is None):
        raise SettingsInvalid("A data set is a COCO file and its photos.", cure="Give both --dataset and --images.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped then too
    folder, console, started_s = Path(tempfile.mkdtemp(prefix="phenoloop-proof-")), Console(), time.monotonic()
    ask = Ask(
        folder=folder,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        dataset=dataset,
        images=images,
        with_control=dataset is None if control is None else control,
    )
    console.print(f"Seed {ask.seed}. Folder {folder}.", highlight=False)
    failed = True
    try:
        with console.status("") as spinner:

            def tell(step: str) -> None:
                console.print(f"{time.monotonic() - started_s:6.0f} s  {step}", markup=False, highlight=False)

            def tell_now(step: str) -> None:
                spinner.update(escape(step))
                if not console.is_terminal:
                    console.print(f"          {step} …", markup=False, highlight=False)

            findings = prove(ask, tell, tell_now)
        findings.total_s = time.monotonic() - started_s
        failed = bool(findings.failures)
        print_report(console, findings)
        if report is not None:
            report.write_text(json.dumps(findings.as_json(), indent=2))
    finally:
        if failed or keep:
            console.print(f"Photos, data and logs stay in {folder}.", highlight=False)
        else:
            shutil.rmtree(folder)
    if failed:
        raise typer.Exit(1)
