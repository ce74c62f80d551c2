"""One run of one job, from its inputs to its outputs."""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import structlog

from phenoloop.local_aws.sagemaker.containers import Launcher, UnknownImage, free_port
from phenoloop.local_aws.sagemaker.jobs.cluster import Cluster, running
from phenoloop.local_aws.sagemaker.jobs.contract import Contract, Instance, local_path
from phenoloop.local_aws.sagemaker.jobs.measured import final_metrics
from phenoloop.local_aws.sagemaker.jobs.mirror import Mirror, uploading
from phenoloop.local_aws.sagemaker.jobs.records import Job, JobStatus, Phase
from phenoloop.local_aws.sagemaker.s3_files import S3Files, S3Unreadable, S3Unwritable
from phenoloop.local_aws.sagemaker.store import Resource, Store

POLL_S = 0.05


class Ending(Enum):
    """Why the containers are no more."""

    EXITED = auto()
    STOPPED = auto()
    TOO_LONG = auto()
    WAITED_TOO_LONG = auto()
    INTERRUPTED = auto()
    PUT_OFF = auto()


LAST_PHASES = {
    Ending.EXITED: Phase.COMPLETED,
    Ending.STOPPED: Phase.STOPPED,
    Ending.TOO_LONG: Phase.TOO_LONG,
    Ending.WAITED_TOO_LONG: Phase.WAITED_TOO_LONG,
}


@dataclass(frozen=True, slots=True)
class Yard:
    """What every run works with."""

    launcher: Launcher
    store: Store
    files: S3Files
    folders: Path
    logs: Path
    threads: Callable[[], int]
    stop_timeout_s: float
    """Between SIGTERM and SIGKILL of a job that is stopped, interrupted or takes too long."""
    shutdown_timeout_s: float
    """The same, while the server stops."""


class JobFailed(Exception):
    """The text is a FailureReason in SageMaker's words."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.message = message
        """The container's own."""


class _NeverRan(Exception):
    """The job was stopped or put off before its containers ran, or put off while they did."""


class JobRun:
    def __init__(self, yard: Yard, contract: Contract, job: Resource, on_end: Callable[[Resource], None]) -> None:
        self._yard = yard
        self._contract = contract
        self._job = job
        self._request = Job.of(job).request
        self._terms = contract.terms(self._request)
        self._on_end = on_end
        self._folder = yard.folders / job.kind / job.name
        self._ran_s = 0.0
        self._stopped, self._interrupted, self._put_off = threading.Event(), threading.Event(), threading.Event()
        self._log = structlog.get_logger().bind(job=job.name)
        self._thread = threading.Thread(target=self._run, name=f"job {job.name}", daemon=True)

    @property
    def name(self) -> str:
        return self._job.name

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def interrupt(self) -> bool:
        """As when EC2 takes a spot instance away; whether the job is one that this happens to."""
        if self._terms.is_spot:
            self._interrupted.set()
        return self._terms.is_spot

    def put_off(self) -> None:
        self._put_off.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._carry_out()
        except _NeverRan:
            self._save(Job.put_off if self._put_off.is_set() else lambda job: job.ended(Phase.STOPPED))
        except JobFailed as failure:
            self._fail(str(failure), failure.message)
        except Exception as error:  # noqa: BLE001  # whoever waits for the job must hear of it
            self._log.exception("job failed for a fault of ours")
            self._fail(f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._on_end(self._job)

    def _carry_out(self) -> None:
        if self._save(Job.beginning).status == JobStatus.STOPPING:  # before this run was there to be told
            raise _NeverRan
        instances, ending = self._instances(), Ending.INTERRUPTED
        while ending == Ending.INTERRUPTED:
            mirrors = self._fill(instances)
            ending = self._run_containers(instances, mirrors)
            if ending == Ending.PUT_OFF:
                raise _NeverRan
            self._upload_rest(mirrors)
            if ending == Ending.INTERRUPTED:
                self._begin_again()
        self._enter(Phase.UPLOADING)
        self._collect(instances, failed=False, stopped=ending != Ending.EXITED)
        message, metrics = self._message(instances), final_metrics(self._request, self._log_of(instances[0]))
        self._save(lambda job: job.ended(LAST_PHASES[ending], exit_message=message, metrics=metrics))

    def _instances(self) -> list[Instance]:
        count, port = self._terms.instance_count, free_port()
        return [
            Instance(index, count, self._terms.instance_type, self._folder / f"algo-{index + 1}", port)
            for index in range(count)
        ]

    def _fill(self, instances: list[Instance]) -> list[Mirror]:
        """What the containers find; the folders to upload meanwhile."""
        self._enter(Phase.DOWNLOADING)
        mirrors = []
        try:
            for instance in instances:
                self._contract.fill(self._job, self._request, instance)
                for kept in self._contract.kept(self._job, self._request):
                    folder = local_path(kept.folder, instance.base_dir)
                    folder.mkdir(parents=True, exist_ok=True)
                    mirrors.append(Mirror(self._yard.files, folder, kept.url))
                    if kept.comes_back:
                        mirrors[-1].restore()
        except S3Unreadable as error:
            raise JobFailed(f"ClientError: Data download failed: {error}") from error
        if self._stopped.is_set() or self._put_off.is_set():
            raise _NeverRan
        return mirrors

    def _run_containers(self, instances: list[Instance], mirrors: list[Mirror]) -> Ending:
        """Why they ended. Raises JobFailed if one of them failed."""
        self._enter(Phase.RUNNING)
        yard, begun_s = self._yard, time.monotonic()
        programs = [(i, self._contract.program(self._job, self._request, i), self._log_of(i)) for i in instances]
        threads = max(1, yard.threads() // len(instances))
        stop_timeout_s = yard.shutdown_timeout_s
        try:
            with (
                running(yard.launcher, yard.store, programs, threads=threads, stop_timeout_s=stop_timeout_s) as cluster,
                uploading(mirrors),
            ):
                ending = self._wait(cluster)
                if ending != Ending.EXITED:
                    self._end(cluster, ending)
                failed = cluster.failed() if ending == Ending.EXITED else None
        except (UnknownImage, OSError) as error:
            raise JobFailed(f"ClientError: The container can't be started. {error}") from error
        self._ran_s += time.monotonic() - begun_s
        if failed:
            self._fail_with(instances, mirrors, *failed)
        return ending

    def _wait(self, cluster: Cluster) -> Ending:
        limit_s = time.monotonic() + self._terms.limit_s - self._ran_s
        wait_limit_s = time.monotonic() + self._terms.wait_limit_s - (time.time() - self._job.created_at_s)
        while not cluster.is_over:
            for event, ending in (
                *((self._put_off, Ending.PUT_OFF), (self._stopped, Ending.STOPPED)),
                (self._interrupted, Ending.INTERRUPTED),
            ):
                if event.is_set():
                    return ending
            if time.monotonic() > limit_s:
                return Ending.TOO_LONG
            if time.monotonic() > wait_limit_s:
                return Ending.WAITED_TOO_LONG
            time.sleep(POLL_S)
        return Ending.EXITED

    def _end(self, cluster: Cluster, ending: Ending) -> None:
        """SIGTERM, wait, SIGKILL. A server that stops does not wait as long."""
        hurried_s, patience_s = self._yard.shutdown_timeout_s, self._yard.stop_timeout_s
        cluster.terminate()
        deadline_s = time.monotonic() + (hurried_s if ending == Ending.PUT_OFF else patience_s)
        while not cluster.is_gone and time.monotonic() < deadline_s:
            if self._put_off.is_set():
                deadline_s = min(deadline_s, time.monotonic() + hurried_s)
            time.sleep(POLL_S)
        cluster.kill()

    def _begin_again(self) -> None:
        self._log.info("job interrupted")
        self._interrupted.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._enter(Phase.INTERRUPTED)
        self._enter(Phase.STARTING)

    def _upload_rest(self, mirrors: list[Mirror]) -> None:
        try:
            for mirror in mirrors:
                mirror.upload()
        except S3Unwritable as error:
            raise JobFailed(f"ClientError: Data upload failed: {error}") from error

    def _collect(self, instances: list[Instance], *, failed: bool, stopped: bool) -> None:
        base_dirs = [instance.base_dir for instance in instances]
        try:
            self._contract.collect(self._job, self._request, base_dirs, failed=failed, stopped=stopped)
        except (S3Unwritable, S3Unreadable) as error:
            raise JobFailed(f"ClientError: Data upload failed: {error}") from error

    def _fail_with(self, instances: list[Instance], mirrors: list[Mirror], index: int, code: int) -> None:
        self._enter(Phase.UPLOADING)
        self._upload_rest(mirrors)
        self._collect(instances, failed=True, stopped=False)
        message, log_file = self._message(instances[index:]), self._log_of(instances[index])
        raise JobFailed(f"AlgorithmError: {message}, exit code: {code}. See {log_file}", message)

    def _message(self, instances: list[Instance]) -> str:
        return next(filter(None, (self._contract.message(instance.base_dir) for instance in instances)), "")

    def _log_of(self, instance: Instance) -> Path:
        return self._yard.logs / f"{self._job.name}{f'-{instance.name}' if instance.index else ''}.log"

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
