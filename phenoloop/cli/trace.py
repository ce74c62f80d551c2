"""`trace`: where a thing of the loop came from and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.text import Text
from rich.tree import Tree

from phenoloop.cli.loop import loop_of
from phenoloop.cli.runs import AsJson
from phenoloop.cli.stack import DEFAULT_DATA_DIR, DataDir
from phenoloop.errors import SettingsInvalid

if TYPE_CHECKING:
    from phenoloop.ledger.links import Fact, Link, Trace
    from phenoloop.ledger.stored import Stored


MOST_DIGITS = 18
"""Of any number that Label Studio gives."""


class Kind(StrEnum):
    ANNOTATION = "annotation"
    PREDICTION = "prediction"
    RELEASE = "release"
    PACKAGE = "package"
    RUN = "run"


What = Annotated[Kind, typer.Argument(help="What it is.")]
Name = Annotated[
    str,
    typer.Argument(help="Label Studio's number, a release's name or `live`, a package's version, a run's name."),
]
Every = Annotated[bool, typer.Option("--all", help="List every annotation, where else they are counted.")]


def trace(
    what: What, name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, *, every: Every = False, as_json: AsJson = False
) -> None:
    """Follow annotation, snapshot, run, package, release and prediction both ways, from what is stored."""
    from phenoloop.ledger.stored import Stored  # heavy, and of no use to the other commands

    with Console(stderr=True).status("Reading what is stored"):
        found = _traced(Stored.of(loop_of(data_dir)), what, name, every=every)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        Console(highlight=False).print(shown(found))


def _traced(stored: Stored, what: Kind, name: str, *, every: bool) -> Trace:
    from phenoloop.ledger import trace as ledger

    match what:
        case Kind.ANNOTATION:
            return ledger.trace_annotation(stored, _number(name), every=every)
        case Kind.PREDICTION:
            return ledger.trace_prediction(stored, _number(name), every=every)
        case Kind.RELEASE:
            return ledger.trace_release(stored, name, every=every)
        case Kind.PACKAGE:
            return ledger.trace_package(stored, _number(name), every=every)
        case Kind.RUN:
            return ledger.trace_run(stored, name, every=every)


def _number(name: str) -> int:
    if not (name.isascii() and name.isdigit() and len(name) <= MOST_DIGITS):
        raise SettingsInvalid("That is no number.", cure="Annotations, predictions and packages have one.", given=name)
    return int(name)


def shown(found: Trace) -> Group:
    """The thing itself, and a tree each way."""
    return Group(
        _tree(found.thing),
        _side("came from", found.before, "nothing that the loop made"),
        _side("led to", found.after, "nothing yet"),
    )


def _side(title: str, links: tuple[Link, ...], nothing: str) -> Tree:
    side = Tree(Text(title, style="bold"))
    for link in links:
        side.add(_tree(link))
    if not links:
        side.add(nothing)
    return side


def _tree(link: Link) -> Tree:
    tree = Tree(Text.assemble((_title(link), "bold"), "  ", _words(link.facts)))
    for gap in link.gaps:
        tree.add(Text(gap, style="yellow"))
    for following in link.links:
        tree.add(_tree(following))
    return tree


def _title(link: Link) -> str:
    """A snapshot's name says what it is."""
    if link.kind == "predictions":
        return "1 prediction" if link.name == "1" else f"{link.name} predictions"
    return link.name if link.kind == "snapshot" else f"{link.kind} {link.name}"


def _words(facts: Mapping[str, Fact]) -> str:
    """What is false, empty or unknown is left out."""
    told = (_fact(name.replace("_", " "), fact) for name, fact in facts.items())
    return ", ".join(words for words in told if words)


def _fact(name: str, fact: Fact) -> str:
    if isinstance(fact, bool):
        return name if fact else ""
    if isinstance(fact, str):
        return f"{name}: {fact}" if fact else ""
    if isinstance(fact, list):
        return f"{name} {' and '.join(fact)}" if fact else ""
    return "" if fact is None else f"{name} {fact}"
