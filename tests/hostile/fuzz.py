"""Coverage-guided fuzzing of the decoders with atheris, from documents of the right form.

libFuzzer takes its process over and ends it, so each decoder has its own: `python -m tests.hostile.fuzz NAME -runs=N`.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = ["loc360", "phenoloop.labelling", "phenoloop.chain", "sync"]
LONGEST_BYTES = 16_384
SLOWEST_S = 60
LARGEST_MIB = 4096

NAMES = ["labelling configuration", "brush mask", "annotation object", "queue event", "snapshot's index", "release",
         "request to a model", "reply of the detector", "reply of the segmenter", "photo", "mask picture"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fuzzed:
    cases: int
    find: str
    """Empty if there was none."""


def fuzzed(name: str, *, runs: int, seed: int) -> Fuzzed:
    with tempfile.TemporaryDirectory(prefix="phenoloop-fuzz-") as folder:
        finds = Path(folder, "finds")
        finds.mkdir()
        options = (
            f"-runs={runs}",
            f"-seed={seed + 1}",
            f"-artifact_prefix={finds}/",
            "-print_final_stats=1",
        )  # 0 is any
        limits = (f"-max_len={LONGEST_BYTES}", f"-timeout={SLOWEST_S}", f"-rss_limit_mb={LARGEST_MIB}")
        command = [sys.executable, "-m", __name__, name, *options, *limits]
        inside = {**os.environ, "TMPDIR": folder}  # libFuzzer ends the process without cleaning up
        done = subprocess.run(command, env=inside, capture_output=True, check=False, timeout=3600)
        said = (done.stdout + done.stderr).decode(errors="replace")
        executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", said)
        cases = int(executed[1]) if executed else 0
        if done.returncode == 0:
            return Fuzzed(cases, "")
        inputs = "\n".join(repr(file.read_bytes()[:2000]) for file in finds.iterdir())
        return Fuzzed(cases, f"{said[-4000:]}\n{inputs}")


@dataclass(frozen=True, slots=True)
class _Target:
    door: Any
    case: Callable[[bytes], Any]
    """What the door is handed for some bytes."""
    corpus: list[bytes]


def _main(name: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=OURS):
        from tests.hostile import door

        target = _target(name)

    def one(body: bytes) -> None:
        door.visit(target.door, target.case(body))

    with tempfile.TemporaryDirectory(prefix="phenoloop-corpus-") as folder:
        for number, body in enumerate(target.corpus):
            (Path(folder) / str(number)).write_bytes(body)
        atheris.Setup([sys.argv[0], *options, folder], one)
        atheris.Fuzz()


def _target(name: str) -> _Target:
    import structlog

    from tests.hostile import labelling_doors, module_doors, stored_doors
    from tests.hostile.door import Door
    from tests.hostile.pictures import KINDS, picture

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    doors = {door.name: door for room in (labelling_doors, module_doors, stored_doors) for door in room.DOORS}
    rle = bytes(labelling_doors.small_brush())
    index = Door("snapshot's index", None, stored_doors.read_index, (ValueError,))  # type: ignore[arg-type]
    detector, segmenter = json.dumps(module_doors.DETECTOR_REPLY), json.dumps(module_doors.SEGMENTER_REPLY)
    pictures = [picture(kind, (64, 48), 6) for kind in range(len(KINDS))]
    targets = {
        "labelling configuration": (doors["labelling configuration"], _text, [labelling_doors.MASKS.encode()]),
        "brush mask": (doors["brush mask (RLE)"], lambda body: (list(body), 64, 48), [rle]),
        "annotation object": (doors["annotation object"], bytes, _written(*stored_doors.ANNOTATIONS)),
        "queue event": (doors["queue event"], bytes, _written(*stored_doors.EVENTS)),
        "snapshot's index": (index, lambda body: gzip.compress(body, 1), [stored_doors.index_lines()]),
        "release": (
            doors["release and pointer"],
            lambda body: (json.dumps(stored_doors.POINTER).encode(), body),
            _written(stored_doors.RELEASE),
        ),
        "request to a model": (
            doors["request to a model"],
            bytes,
            _written(module_doors.DETECTOR_REQUEST, module_doors.SEGMENTER_REQUEST),
        ),
        "reply of the detector": (
            doors["reply of a model"],
            lambda body: module_doors.Replies(_text(body), segmenter),
            [detector.encode()],
        ),
        "reply of the segmenter": (
            doors["reply of a model"],
            lambda body: module_doors.Replies(detector, _text(body)),
            [segmenter.encode()],
        ),
        "photo": (doors["photo"], bytes, pictures),
        "mask picture": (doors["mask picture"], bytes, pictures),
    }
    return _Target(*targets[name])


def _written(*values: Any) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def _text(body: bytes) -> str:
    return body.decode(errors="replace")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
