"""A process for one call: `python -m loc360.conformance.fresh MODULE FUNCTION PHOTO`, metadata in, outcome out.

What Python writes, starts or connects to is heard by an audit hook, since nothing else would tell of a temporary file.
"""

import importlib
import json
import os
import sys
from dataclasses import replace
from typing import Any

from loc360.conformance.calls import observed, outcome_text

_EVENTS = frozenset({
    *("os.chdir", "os.chmod", "os.link", "os.mkdir", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.symlink"),
    *("os.truncate", "os.unsetenv", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
    *("subprocess.Popen", "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto"),
})  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    name, function, photo = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the module prints is no answer
    metadata, module = json.load(sys.stdin), importlib.import_module(name)
    touched: list[str] = []
    listening = True

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if listening and _touches(event, args):
            touched.append(f"{event} {str(args[0])[:200] if args else ''}".strip())

    sys.addaudithook(hear)
    outcome = observed(module, function, photo, metadata)
    listening = False
    answers.write(outcome_text(replace(outcome, touched=tuple(dict.fromkeys(touched)))))
    answers.flush()


def _touches(event: str, args: tuple[Any, ...]) -> bool:
    if event == "open":
        path, _, flags = args
        return bool(flags & _WRITING) and isinstance(path, str | bytes) and os.fsdecode(path) != os.devnull
    return event in _EVENTS


if __name__ == "__main__":
    main()
