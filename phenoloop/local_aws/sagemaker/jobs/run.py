"""One run of one job, from its inputs to its outputs."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import psutil
import structlog

from phenoloop.local_aws.processes import stop_group
from phenoloop.local_aws.sagemaker.containers import Launcher, UnknownImage
from phenoloop.local_aws.sagemaker.jobs.contract import Contract
from phenoloop.local_aws.sagemaker.jobs.records import Job, JobStatus, Phase
from phenoloop.local_aws.sagemaker.s3_files import S3Unreadable, S3Unwritable
from phenoloop.local_aws.sagemaker.store import Resource, Store

POLL_S = 0.05


class Ending(Enum):
    """Why a container is no more, or must not be."""

    EXITED = auto()
    STOPPED = auto()
    TOO_LONG = auto()
    PUT_OFF = auto()


@dataclass(frozen=True, slots=True)
class Yard:
    """What every run works with."""

    launcher: Launcher
    store: Store
    folders: Path
    logs: Path
    threads: Callable[[], int]
    stop_timeout_s: float
    """Between SIGTERM and SIGKILL of a job that is stopped or takes too long."""
    shutdown_timeout_s: float
    """The same, while the server stops."""


class JobFailed(Exception):
    """The text is a FailureReason in SageMaker's words."""


class _Interrupted(Exception):
    """The job was stopped or put off before its container ran."""


class JobRun:
    def __init__(self, yard: Yard, contract: Contract, job: Resource, on_end: Callable[[Resource], None]) -> None:
        self._yard = yard
        self._contract = contract
        self._job = job
        self._on_end = on_end
        self._folder = yard.folders / job.kind / job.name
        self._log_file = yard.logs / f"{job.name}.log"
        self._stopped = threading.Event()
        self._put_off = threading.Event()
        self._log = structlog.get_logger().bind(job=job.name)
        self._thread = threading.Thread(target=self._run, name=f"job {job.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def put_off(self) -> None:
        self._put_off.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._carry_out()
        except _Interrupted:
            self._save(Job.put_off if self._put_off.is_set() else lambda job: job.ended(Phase.STOPPED))
        except JobFailed as failure:
            self._fail(str(failure))
        except Exception as error:  # noqa: BLE001  # whoever waits for the job must hear of it
            self._log.exception("job failed for a fault of ours")
            self._fail(f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._on_end(self._job)

    def _carry_out(self) -> None:
        job = self._save(Job.beginning)
        if job.status == JobStatus.STOPPING:  # since it was made, before this run was there to be told
            raise _Interrupted
        self._enter(Phase.DOWNLOADING)
        try:
            self._contract.fill(self._job, job.request, self._folder)
        except S3Unreadable as error:
            raise JobFailed(f"ClientError: Data download failed: {error}") from error
        if self._stopped.is_set() or self._put_off.is_set():
            raise _Interrupted
        self._enter(Phase.RUNNING)
        ending, code = self._run_container()
        if ending == Ending.PUT_OFF:
            raise _Interrupted
        self._finish(ending, code)

    def _finish(self, ending: Ending, code: int) -> None:
        self._enter(Phase.UPLOADING)
        request, message = self._read().request, self._contract.message(self._folder)
        stopped, failed = ending != Ending.EXITED, ending == Ending.EXITED and code != 0
        try:
            self._contract.collect(self._job, request, self._folder, failed=failed, stopped=stopped)
        except (S3Unwritable, S3Unreadable) as error:
            raise JobFailed(f"ClientError: Data upload failed: {error}") from error
        if failed:
            self._fail(f"AlgorithmError: {message}, exit code: {code}. See {self._log_file}", message)
        else:
            phases = {Ending.STOPPED: Phase.STOPPED, Ending.TOO_LONG: Phase.TOO_LONG, Ending.EXITED: Phase.COMPLETED}
            self._save(lambda job: job.ended(phases[ending], exit_message=message))

    def _run_container(self) -> tuple[Ending, int]:
        """Why it ended, and its exit code if it did so by itself."""
        limit_s = self._contract.limit_s(self._read().request)
        with self._process() as process:
            ending = self._wait(process, time.monotonic() + limit_s)
            if ending != Ending.EXITED:
                yard = self._yard
                patience_s = yard.shutdown_timeout_s if ending == Ending.PUT_OFF else yard.stop_timeout_s
                self._end(process, patience_s)
            return ending, _shell_code(process.returncode or 0)

    @contextmanager
    def _process(self) -> Iterator[subprocess.Popen[bytes]]:
        """A running container; its whole process group is gone afterwards."""
        try:
            program = self._contract.program(self._job, self._read().request, self._folder)
            process = self._yard.launcher.start_job(
                program, base_dir=self._folder, threads=self._yard.threads(), log=self._log_file
            )
        except (UnknownImage, OSError) as error:
            raise JobFailed(f"ClientError: The container can't be started. {error}") from error
        try:
            self._log.info("job started", pid=process.pid, log_file=str(self._log_file))
            self._yard.store.record_process(process.pid, psutil.Process(process.pid).create_time())
            yield process
        finally:
            stop_group(process.pid, timeout_s=self._yard.shutdown_timeout_s)
            process.wait()
            self._yard.store.forget_process(process.pid)

    def _wait(self, process: subprocess.Popen[bytes], deadline_s: float) -> Ending:
        while process.poll() is None:
            if self._put_off.is_set():
                return Ending.PUT_OFF
            if self._stopped.is_set():
                return Ending.STOPPED
            if time.monotonic() > deadline_s:
                return Ending.TOO_LONG
            time.sleep(POLL_S)
        return Ending.EXITED

    def _end(self, process: subprocess.Popen[bytes], patience_s: float) -> None:
        """SIGTERM, and wait; the caller kills what is left. A server that stops does not wait as long."""
        process.terminate()
        deadline_s = time.monotonic() + patience_s
        while process.poll() is None and time.monotonic() < deadline_s:
            if self._put_off.is_set():
                deadline_s = min(deadline_s, time.monotonic() + self._yard.shutdown_timeout_s)
            time.sleep(POLL_S)
        if process.poll() is None:
            self._log.warning("job ignored SIGTERM", pid=process.pid)
            process.kill()

    def _fail(self, reason: str, message: str = "") -> None:
        self._log.warning("job failed", reason=reason)
        self._save(lambda job: job.ended(Phase.FAILED, reason=reason, exit_message=message))

    def _enter(self, phase: Phase) -> None:
        self._save(lambda job: job.entering(phase))

    def _save(self, change: Callable[[Job], Job]) -> Job:
        with self._yard.store.transaction():
            job = change(self._read())
            self._yard.store.change(self._job.kind, self._job.name, job.model_dump(mode="json"))
        if job.status.is_final:
            self._log.info("job ended", status=job.status)
        return job

    def _read(self) -> Job:
        resource = self._yard.store.find(self._job.kind, self._job.name)
        if resource is None:
            raise LookupError(f"job {self._job.name} has no record")
        return Job.of(resource)


def _shell_code(code: int) -> int:
    """137 for a process that SIGKILL ended, as container engines say it."""
    return code if code >= 0 else 128 - code
