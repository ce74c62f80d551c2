"""What every check works with: the platform, the module called here and in fresh processes, and a folder."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from loc360.conformance.calls import Call, here, in_fresh_process
from loc360.conformance.platform import Course, Platform


@dataclass(frozen=True, slots=True)
class Bench:
    platform: Platform
    here: Call
    fresh: Call
    folder: Path
    """Of the photos; the fresh processes work in it too."""

    def laid(self, photo: str, number: int) -> str:
        """A copy, so that whatever happens to it is seen and harms nobody."""
        return shutil.copy(photo, str(self.folder / f"photo-{number}{Path(photo).suffix}"))


@dataclass(frozen=True, slots=True)
class Tried:
    """One good photo, each call in a process of its own."""

    split: Course
    whole: Course
    """Without list splitting."""

    @property
    def is_done(self) -> bool:
        return self.split.is_done and self.whole.is_done


@contextmanager
def bench_of(module: ModuleType, platform: Platform) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="loc360-conformance-") as name:
        folder = Path(name)
        yield Bench(platform, here(module), in_fresh_process(module.__name__, folder), folder)


def tried(bench: Bench, photo: str) -> Tried:
    split, whole = (bench.platform.run(bench.fresh, photo, splits_lists=splits) for splits in (True, False))
    return Tried(split, whole)
