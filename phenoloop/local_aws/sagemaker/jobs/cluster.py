"""The containers of one job at work: one process an instance, which begin and end together."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import structlog

from phenoloop.local_aws.processes import stop_group
from phenoloop.local_aws.sagemaker.containers import JobProgram, Launcher
from phenoloop.local_aws.sagemaker.jobs.contract import Instance
from phenoloop.local_aws.sagemaker.store import Store


class Cluster:
    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self._processes = processes

    @property
    def is_over(self) -> bool:
        """All have ended, or one has failed, which ends the others."""
        codes = [process.poll() for process in self._processes]
        return None not in codes or any(codes)

    def failed(self) -> tuple[int, int] | None:
        """The first instance that failed and its exit code: 137 for one that SIGKILL ended, as engines say it."""
        for index, process in enumerate(self._processes):
            if code := process.poll():
                return index, code if code > 0 else 128 - code
        return None

    def terminate(self) -> None:
        for process in self._running():
            process.terminate()

    @property
    def is_gone(self) -> bool:
        return not self._running()

    def kill(self) -> None:
        for process in self._running():
            structlog.get_logger().warning("job ignored SIGTERM", pid=process.pid)
            process.kill()

    def _running(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self._processes if process.poll() is None]


@contextmanager
def running(
    launcher: Launcher,
    store: Store,
    programs: Sequence[tuple[Instance, JobProgram, Path]],
    *,
    threads: int,
    stop_timeout_s: float,
) -> Iterator[Cluster]:
    """Each instance runs its program, with a log of its own; no process is left afterwards.

    Raises UnknownImage, OSError.
    """
    with ExitStack() as stack:
        yield Cluster(
            [
                stack.enter_context(
                    _process(launcher, store, instance, program, log, threads=threads, stop_timeout_s=stop_timeout_s)
                )
                for instance, program, log in programs
            ]
        )


@contextmanager
def _process(
    launcher: Launcher,
    store: Store,
    instance: Instance,
    program: JobProgram,
    log: Path,
    *,
    threads: int,
    stop_timeout_s: float,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running container; its whole process group is gone afterwards."""
    process = launcher.start_job(program, base_dir=instance.base_dir, threads=threads, log=log)
    try:
        structlog.get_logger().info("container started", pid=process.pid, log_file=str(log))
        store.record_process(process.pid, psutil.Process(process.pid).create_time())
        yield process
    finally:
        stop_group(process.pid, timeout_s=stop_timeout_s)
        process.wait()
        store.forget_process(process.pid)
