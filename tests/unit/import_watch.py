"""`python import_watch.py FOLDER ROOM...`: imports every module of these rooms, writes what they do meanwhile.

What counts is done by a line outside of any function, or by what that line calls: files, sockets, processes, threads,
looks at the environment. What a library does while it is imported, or pydantic while it makes a class, is their own
business.
"""

import os
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

WORK = {
    *("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove"),
    *("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"),
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn"),
}
FOUND: set[str] = set()


FOLDER = Path(sys.argv[1])


class Environment(dict[str, str]):
    """Whose readers are noted."""

    def __getitem__(self, name: str) -> str:
        note("environment")
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        note("environment")
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        note("environment")
        return super().__contains__(name)


class Thread(threading.Thread):
    def start(self) -> None:
        note("threading.Thread")
        super().start()


def note(work: str) -> None:
    place = importing(sys._getframe(2))
    if place:
        FOUND.add(f"{place}: {work}")


def importing(frame: FrameType | None) -> str:
    """Our line that is being run by an import; empty if it is a library that is imported, or nothing is."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        file = Path(frame.f_code.co_filename)
        if frame.f_globals.get("__name__", "").startswith("pydantic."):
            return ""
        if frame.f_code.co_name == "<module>" and file.is_relative_to(FOLDER) and ".venv" not in file.parts:
            return "" if file == Path(__file__) else f"{file.relative_to(FOLDER)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def modules(room: str) -> Iterator[str]:
    for file in sorted((FOLDER / room).rglob("*.py")):
        name = ".".join(file.relative_to(FOLDER).with_suffix("").parts)
        yield name.removesuffix(".__init__")


def main() -> None:
    sys.path.insert(0, str(FOLDER))
    os.environ = Environment(os.environ)  # type: ignore[assignment]  # noqa: B003  # for this process alone
    threading.Thread = Thread  # type: ignore[misc]
    sys.addaudithook(lambda event, _: note(event) if event in WORK else None)
    for room in sys.argv[2:]:
        for name in modules(room):
            import_module(name)
    sys.stdout.write("\n".join(sorted(FOUND)))


if __name__ == "__main__":
    main()
