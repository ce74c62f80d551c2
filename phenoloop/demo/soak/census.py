"""Who lives in a running stack, and what each process holds: memory, threads, open files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

import psutil

MIB = 1024 * 1024
BASE_DIR = "SAGEMAKER_BASE_DIR"
"""In a container's environment: the folder of its endpoint or job."""
FOREIGN = ("label-studio", "ministack", "redis")
"""Told of, not judged. Jobs end by themselves."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    name: str
    """Of its service or endpoint; a child has its parent's, and ` worker`."""
    pid: int
    born_s: float
    """Since the epoch: together with the pid it names one life of one process."""
    at_s: float
    """On the monotonic clock."""
    rss_mib: float
    anon_mib: float
    """Of the RSS what is the process's own making. Pages of files come and go with the machine's page cache."""
    pss_mib: float
    threads: int
    files: int

    @property
    def is_ours(self) -> bool:
        return not self.name.startswith((*FOREIGN, "job"))


def census(services: Mapping[str, int], at_s: float) -> list[Sample]:
    """One sample of each process of the stack, whose services have these pids. What ends meanwhile is left out."""
    found = [(name, process) for name, pid in services.items() for process in _process(pid)]
    grown = [member for name, process in found for member in _family(name, process)]
    return [sample for name, process in grown for sample in _sample(name, process, at_s)]


def _process(pid: int) -> Iterator[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        yield psutil.Process(pid)


def _family(name: str, process: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    yield name, process
    if name == "supervisor":  # its children are the services
        return
    with suppress(psutil.NoSuchProcess):
        for child in process.children():
            yield from _family(_child_name(name, child), child)


def _child_name(parent: str, child: psutil.Process) -> str:
    """A container is named for its endpoint, or is a job; any other child is its parent's worker."""
    if parent != "sagemaker":
        return parent if parent == "job" else f"{parent} worker"
    parts = PurePath(child.environ().get(BASE_DIR, "")).parts
    return f"endpoint {parts[parts.index('endpoints') + 1]}" if "endpoints" in parts else "job"


def _sample(name: str, process: psutil.Process, at_s: float) -> Iterator[Sample]:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
        memory = process.memory_full_info()
        yield Sample(
            name=name,
            pid=process.pid,
            born_s=process.create_time(),
            at_s=at_s,
            rss_mib=memory.rss / MIB,
            anon_mib=(memory.rss - memory.shared) / MIB,
            pss_mib=memory.pss / MIB,
            threads=process.num_threads(),
            files=process.num_fds(),
        )
