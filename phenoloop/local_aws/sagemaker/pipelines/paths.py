"""Paths into documents: `a.b[0]`, `Outputs['train'].S3Output.S3Uri`."""

import re
from typing import Any

PART = re.compile(r"""\.?(?P<name>[^.\[\]'"]+)|\[(?P<index>\d+)\]|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""")
NAME_MEMBERS = ("OutputName", "InputName", "ChannelName")

Path = tuple[str | int, ...]


class NoSuchPath(Exception):
    """The path is malformed, or leads nowhere."""


def parsed(path: str) -> Path:
    """Raises NoSuchPath."""
    parts: list[str | int] = []
    position = 0
    while position < len(path):
        part = PART.match(path, position)
        if part is None or (position == 0 and path[0] == "."):
            raise NoSuchPath(f"{path!r} is not a path")
        parts.append(int(part["index"]) if part["index"] is not None else part["name"] or part["key"])
        position = part.end()
    if not parts:
        raise NoSuchPath("the path is empty")
    return tuple(parts)


def looked_up(document: Any, path: Path) -> Any:
    """What lies there. A list of named things (outputs, inputs, channels) is entered by name or by place.

    Raises NoSuchPath.
    """
    for part in path:
        document = _member(document, part, path)
    return document


def _member(document: Any, part: str | int, path: Path) -> Any:
    if isinstance(document, dict) and part in document:
        return document[part]
    if isinstance(document, list):
        if isinstance(part, int) and part < len(document):
            return document[part]
        for item in document:
            if isinstance(item, dict) and any(item.get(member) == part for member in NAME_MEMBERS):
                return item
    raise NoSuchPath(f"there is no {part!r} (of {'.'.join(map(str, path))})")
