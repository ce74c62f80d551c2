"""What a trace is made of: the loop's things, each with those that it came from or led to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["annotation", "snapshot", "run", "package", "release", "prediction", "predictions"]
Fact = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Link:
    """One thing, and what follows from it in the direction of the trace."""

    kind: Kind
    name: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    """Sentences: what can't be followed any more, and why."""
    links: tuple[Link, ...] = ()

    def walk(self) -> Iterator[Link]:
        """This and everything that it leads to."""
        yield self
        for link in self.links:
            yield from link.walk()


@dataclass(frozen=True, slots=True)
class Trace:
    """The ledger's answer."""

    thing: Link
    before: tuple[Link, ...]
    """What it came from."""
    after: tuple[Link, ...]
    """What came of it."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
