"""Where the loop stands: what it waits for, what it learns, what is live."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from phenoloop.errors import PhenoloopError
from sync.registry import ChainPackage
from sync.release.choice import is_live

if TYPE_CHECKING:
    from phenoloop.settings import Settings
    from sync.loop import Loop

IMPATIENT = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
"""Someone waits for the answer, perhaps because something is down."""


def standing(settings: Settings) -> dict[str, Any]:
    """By concern; one that can't be seen says why under `problem` and hides no other."""
    from sync.bootstrap import build_loop  # heavy, and of no use to the other commands

    loop = build_loop(settings, patience=IMPATIENT)
    looks: dict[str, Callable[[Loop], dict[str, Any]]] = {
        "annotations": _annotations,
        "run": _run,
        "release": _release,
        "open_tasks": _open_tasks,
    }
    return {name: _seen(look, loop) for name, look in looks.items()}


def in_words(found: dict[str, Any]) -> dict[str, str]:
    """A line for each concern."""
    return {name: f"unknown: {seen['problem']}" if "problem" in seen else seen["text"] for name, seen in found.items()}


def _seen(look: Callable[[Loop], dict[str, Any]], loop: Loop) -> dict[str, Any]:
    try:
        return look(loop)
    except PhenoloopError as error:
        return {"problem": str(error)}


def _annotations(loop: Loop) -> dict[str, Any]:
    decision, pending = loop.decision()
    text = f"a run is due: {decision.reason}" if decision.due else decision.reason
    return {"changed": pending.count, "due": decision.due, "text": text}


def _run(loop: Loop) -> dict[str, Any]:
    runs = loop.runs.list()
    if not runs:
        return {"name": None, "text": "none yet"}
    run = runs[-1]
    execution = loop.runs.execution(run)
    status = execution.status if execution else loop.runs.status(run)
    steps = dict(execution.steps) if execution else {}
    working = ", ".join(name for name, state in steps.items() if state in ("Starting", "Executing"))
    outcome = {"Executing": working, "Failed": execution.failure_reason if execution else ""}.get(status, "")
    if status == "Succeeded":
        outcome = f"registered {execution.package_arn}" if execution and execution.package_arn else "no better chain"
    text = f"{run.name} {status}" + (f": {outcome}" if outcome else "")
    return {"name": run.name, "status": status, "steps": steps, "text": text}


def _release(loop: Loop) -> dict[str, Any]:
    live, known = loop.live(), loop.packages()
    choice, pointer = loop.decisions.choice(), loop.releases.pointer() if live else None
    waiting = [package.version for package in known if package.waits]
    version = next((package.version for package in known if live and package.arn == live.package_arn), None)
    text = f"{live.name} (version {version or 'adopted'})" if live else "none"
    coming = choice.version if isinstance(choice, ChainPackage) and not is_live(choice, live) else None
    text += f"; version {coming} is on its way" if coming else ""
    text += f", canary in {_numbers(pointer.canary.projects)}" if pointer and pointer.canary else ""
    text += f"; `phenoloop releases approve {waiting[0]}` or reject it" if waiting else ""
    endpoints = {"detector": live.detector.endpoint, "segmenter": live.segmenter.endpoint} if live else {}
    return {
        "name": live.name if live else None,
        "version": version,
        "coming": coming,
        "waiting": waiting,
        "endpoints": endpoints,
        "text": text,
    }


def _numbers(projects: tuple[int, ...]) -> str:
    return f"project{'s' if len(projects) > 1 else ''} {', '.join(map(str, projects))}"


def _open_tasks(loop: Loop) -> dict[str, Any]:
    live = loop.live()
    behind = sum(map(len, loop.open_tasks.behind(live.name).values())) if live else 0
    text = f"{behind} wait for a prediction of the live release" if behind else "all predicted by the live release"
    return {"behind": behind, "text": text}
