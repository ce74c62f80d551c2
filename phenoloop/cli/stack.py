"""`up`, `down` and `status`: the whole loop on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from phenoloop.cli.settings import has_own_settings
from phenoloop.cli.standing import in_words, standing
from phenoloop.demo.state import DataFolder, Ports, alive
from phenoloop.errors import LocalStackError, SettingsInvalid
from phenoloop.local_aws.environments import REPOSITORY
from phenoloop.local_aws.processes import stop_group
from phenoloop.logs import configure_logs
from phenoloop.settings import read_settings

if TYPE_CHECKING:
    from phenoloop.demo.stack import StackOptions

DataDir = Annotated[Path, typer.Option("--data-dir", help="Where the stack keeps everything.")]
DEFAULT_DATA_DIR = Path(".phenoloop")
DEFAULT_LABEL_CONFIG = REPOSITORY / "configs" / "labelling" / "masks.xml"


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    images: Annotated[Path | None, typer.Option(help="Folder of your own photos, instead of generated ones.")] = None,
    photos: Annotated[int, typer.Option(help="How many photos to generate.", min=1, max=10_000)] = 24,
    label_config: Annotated[Path, typer.Option(help="Labelling configuration.")] = DEFAULT_LABEL_CONFIG,
    port: Annotated[
        list[str] | None, typer.Option(help=f"NAME=NUMBER, may be repeated. Names: {', '.join(Ports.model_fields)}.")
    ] = None,
    workers: Annotated[int, typer.Option(help="RQ workers.", min=1, max=16)] = 1,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is up; stop it with `down`.")] = False,
) -> None:
    """Start the whole loop here: Label Studio, S3, queue, SageMaker endpoints, backend, workers and sync."""
    if images is not None and not images.is_dir():
        raise SettingsInvalid("--images names no folder.", cure="Give the folder that holds your photos.", path=images)
    if not label_config.is_file():
        raise SettingsInvalid("--label-config names no file.", cure="See configs/labelling/.", path=label_config)
    if detach:
        _start_detached(DataFolder(data_dir), [word for word in sys.argv[1:] if word != "--detach"])
        return
    from phenoloop.demo.programs import OVERRIDABLE  # heavy, and of no use to the other commands
    from phenoloop.demo.stack import StackOptions

    options = StackOptions(
        ports=Ports.parse(port or []),
        images=images,
        photo_count=photos,
        label_config=label_config,
        overrides={name: value for name, value in os.environ.items() if name.startswith(OVERRIDABLE)},
        workers=workers,
    )
    folder = DataFolder(data_dir)
    with folder.lock():
        folder.write_status({"pid": os.getpid(), "ready": False, "processes": {}})
        _run(folder, options)


def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop every process of the stack; its data stay."""
    folder = DataFolder(data_dir)
    status = folder.read_status()
    if not folder.is_locked():
        typer.echo("Nothing runs on this data folder.")
        return
    stop_group(status["pid"], timeout_s=60.0)
    left = [name for name, pid in status["processes"].items() if alive(pid)]
    if left:
        raise LocalStackError("Some processes did not stop.", cure="Look at them with ps.", names=", ".join(left))
    typer.echo("Stopped.")


def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What the loop does now, what runs, and where to log in. Exit code 3 if the stack is down.

    With PHENOLOOP_ settings in the environment, that loop instead of a stack on this machine.
    """
    if has_own_settings():
        loop = standing(read_settings())
        typer.echo(json.dumps({"loop": loop}, indent=2) if as_json else "\n".join(_lines(in_words(loop))))
        return
    folder = DataFolder(data_dir)
    found = folder.read_status()
    variables = found.pop("settings", {})
    found["ready"] = found["ready"] and folder.is_locked()
    if found["ready"]:
        os.environ.update(variables)
        found["loop"] = standing(read_settings())
        release = found["loop"]["release"]
        found["release"] = release.get("name", found["release"])
        found["endpoints"] = release.get("endpoints", found["endpoints"])
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(found)
    if not found["ready"]:
        raise typer.Exit(3)


def _run(folder: DataFolder, options: StackOptions) -> None:
    from phenoloop.demo.stack import Stack

    configure_logs(as_json=False)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _interrupt(stopping))
    console = Console()
    stack = Stack(folder, options)
    try:
        with console.status("Starting") as spinner:
            started = stack.start(lambda step: _next(step, console, spinner, stopping))
        _print(started, with_password=console.is_terminal)
        console.print("Ctrl-C stops everything; `phenoloop up` (or `make demo`) continues with the same data.")
        stack.supervise(stopping)
    except KeyboardInterrupt:
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        with console.status("Stopping"):
            stack.stop()
        console.print("Stopped.")


def _interrupt(stopping: threading.Event) -> None:
    """The first signal ends supervision, or breaks off a start that is under way."""
    if not stopping.is_set():  # a second one must not break off the stop
        stopping.set()
        raise KeyboardInterrupt


def _next(step: str, console: Console, spinner: Any, stopping: threading.Event) -> None:
    if stopping.is_set():  # Python drops an exception that hits one of fork's own hooks
        raise KeyboardInterrupt
    if not console.is_terminal:
        console.print(step, markup=False)
    spinner.update(escape(step))


def _start_detached(folder: DataFolder, arguments: list[str]) -> None:
    folder.lock().close()
    folder.logs.mkdir(parents=True, exist_ok=True)
    log = folder.logs / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "phenoloop.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with Console(stderr=True).status(f"Starting; it writes to {log}"):
        while process.poll() is None:
            if (folder.path / "status.json").exists():
                found = folder.read_status()
                if found["pid"] == process.pid and found["ready"]:
                    _print(found)
                    return
            time.sleep(0.2)
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise LocalStackError("The stack did not start.", cure=f"It says: {''.join(last)}", log=log)


def _print(status: dict[str, Any], *, with_password: bool = True) -> None:
    """What a person wants to know; rows that a stack never came to are left out."""
    rows = {"state": "up" if status["ready"] else "not up"}
    rows |= in_words(status.get("loop", {}))
    if label_studio := status.get("label_studio"):
        rows["Label Studio"] = f"{label_studio['url']}/projects/{label_studio['project_id']}/data"
        rows["user"] = label_studio["user"]
        rows["password"] = label_studio["password"] if with_password else "see `phenoloop status`"
        rows.setdefault("release", status["release"])
    if console := status.get("console"):
        password = console["password"] if with_password else "see `phenoloop status`"
        rows["console"] = f"{console['url']}, user {console['user']}, password {password}"
    if processes := status["processes"]:
        rows["processes"] = ", ".join(f"{name} {pid}" for name, pid in processes.items())
    typer.echo("\n".join(_lines(rows)))


def _lines(rows: dict[str, str]) -> list[str]:
    return [f"{name.replace('_', ' '):<14}{value}" for name, value in rows.items()]
