"""Jobs at work: each runs in a thread and a process of its own, as the store says it should."""

import os
import shutil
import threading
import time
from pathlib import Path

import structlog

from phenoloop.local_aws.sagemaker.containers import Launcher
from phenoloop.local_aws.sagemaker.jobs.contract import Contract
from phenoloop.local_aws.sagemaker.jobs.records import Job, JobStatus, Phase
from phenoloop.local_aws.sagemaker.jobs.run import JobRun, Yard
from phenoloop.local_aws.sagemaker.s3_files import S3Files
from phenoloop.local_aws.sagemaker.store import Kind, Resource, Store

MAX_RUNS = 3
"""Of one job that takes the server with it each time."""


class JobRunner:
    """Begins jobs, stops them, and takes up after a restart what an earlier server left.

    A container does not outlive its server, and no state of it is kept but its checkpoints: a job that was under way
    is run again from its request. So a pipeline goes on to its end by itself. Outputs are uploaded at a job's end,
    under the same names, so a second run leaves nothing double. A job whose server was killed three times over it has
    failed.
    """

    def __init__(
        self,
        launcher: Launcher,
        store: Store,
        files: S3Files,
        contracts: tuple[Contract, ...],
        data_dir: Path,
        *,
        stop_timeout_s: float,
        shutdown_timeout_s: float,
    ) -> None:
        self._store = store
        self._contracts = {contract.kind: contract for contract in contracts}
        self._folders = data_dir / "jobs"
        self._runs: dict[str, JobRun] = {}
        self._lock = threading.Lock()
        self._log = structlog.get_logger()
        self._yard = Yard(
            launcher=launcher,
            store=store,
            files=files,
            folders=self._folders,
            logs=data_dir / "logs",
            threads=self._threads,
            stop_timeout_s=stop_timeout_s,
            shutdown_timeout_s=shutdown_timeout_s,
        )

    def begin(self, job: Resource) -> None:
        """Run it in the background."""
        run = JobRun(self._yard, self._contracts[job.kind], job, on_end=self._forget)
        with self._lock:
            self._runs[job.arn] = run
        run.start()

    def stop_job(self, job: Resource) -> None:
        """SIGTERM, later SIGKILL; the record says when it is over."""
        with self._lock:
            run = self._runs.get(job.arn)
        if run:
            run.stop()

    def interrupt(self, name: str) -> bool:
        """As when EC2 takes the instances of a managed spot training away; False if there is no such job at work."""
        with self._lock:
            runs = [run for run in self._runs.values() if run.name == name]
        return any(run.interrupt() for run in runs)

    def resume(self) -> None:
        shutil.rmtree(self._folders, ignore_errors=True)
        for kind in self._contracts:
            for resource in self._store.all(kind):
                self._take_up(kind, resource)

    def put_off(self) -> None:
        """Have every process end; the next server begins these jobs again."""
        for run in self._all_runs():
            run.put_off()

    def join(self, *, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        for run in self._all_runs():
            run.join(max(0.0, deadline_s - time.monotonic()))

    def _all_runs(self) -> list[JobRun]:
        with self._lock:
            return list(self._runs.values())

    def _take_up(self, kind: Kind, resource: Resource) -> None:
        job = Job.of(resource)
        if job.status == JobStatus.STOPPING:
            self._store.change(kind, resource.name, job.ended(Phase.STOPPED).model_dump(mode="json"))
        elif not job.status.is_final and job.runs >= MAX_RUNS:
            reason = f"InternalServerError: The server was killed {job.runs} times while it ran this job."
            self._store.change(kind, resource.name, job.ended(Phase.FAILED, reason=reason).model_dump(mode="json"))
        elif not job.status.is_final:
            self._log.warning("running a job again that its server did not finish", job=resource.name)
            self.begin(resource)

    def _threads(self) -> int:
        """Of one job, if those under way share the cores."""
        with self._lock:
            return max(1, _cores() // max(1, len(self._runs)))

    def _forget(self, job: Resource) -> None:
        with self._lock:
            self._runs.pop(job.arn, None)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
