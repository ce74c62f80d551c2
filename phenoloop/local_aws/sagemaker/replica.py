"""One container of an endpoint, kept alive by a thread of its own."""

import http.client
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from phenoloop.local_aws.processes import RESTART_PAUSES_S, stop_group
from phenoloop.local_aws.sagemaker.containers import Launcher, UnknownImage, free_port
from phenoloop.local_aws.sagemaker.deployments import Variant
from phenoloop.local_aws.sagemaker.model_data import ModelData, ModelDataMissing
from phenoloop.local_aws.sagemaker.store import Store

START_ATTEMPTS = 3
PING_TIMEOUT_S = 2.0
POLL_S = 0.1
STEADY_S = 30.0
"""A container that ran this long starts its restart pauses afresh."""


class ContainerFailed(Exception):
    """The container never became healthy. The text is a FailureReason in SageMaker's words."""


class ContainerStopped(Exception):
    """It was stopped before it became healthy or failed."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every replica works with."""

    launcher: Launcher
    model_data: ModelData
    store: Store
    startup_timeout_s: float
    stop_timeout_s: float


class Replica:
    """Unpacks the model data, starts the process, waits for /ping, restarts the process when it dies.

    A `patient` replica served before: it is never given up, only restarted with growing pauses.
    """

    def __init__(self, workshop: Workshop, variant: Variant, folder: Path, log: Path, *, patient: bool) -> None:
        self.variant = variant
        self.port: int | None = None
        """Where the container answers; None while it does not."""
        self.in_flight = 0
        """Invocations under way; the hosting's lock guards it."""
        self._workshop = workshop
        self._folder = folder
        self._log_file = log
        self._patient = patient
        self._came_up = False
        self._failure: ContainerFailed | None = None
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._log = structlog.get_logger().bind(variant=variant.name, log_file=str(log))
        self._thread = threading.Thread(target=self._run, name=f"replica {folder}", daemon=True)
        self._thread.start()

    def wait_until_healthy(self) -> None:
        """Raises ContainerFailed or ContainerStopped."""
        self._settled.wait()
        if self._failure:
            raise self._failure
        if not self._came_up:
            raise ContainerStopped

    def stop(self) -> None:
        """Returns when the process is gone."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._unpack()
            self._keep_running()
        except ContainerFailed as failure:
            self._failure = failure
            self._log.warning("container failed", reason=str(failure))
        except Exception as error:  # noqa: BLE001  # the endpoint must not wait for ever
            reason = f"The container of variant {self.variant.name} can't be run. {type(error).__name__}: {error}"
            self._failure = ContainerFailed(reason)
            self._log.exception("container failed", reason=reason)
        finally:
            self._settled.set()

    def _unpack(self) -> None:
        model = self._folder / "model"
        if model.exists():
            return
        try:
            if self.variant.model_data_url is None:
                model.mkdir(parents=True)
            else:
                self._workshop.model_data.unpack(self.variant.model_data_url, model)
        except ModelDataMissing as error:
            raise ContainerFailed(str(error)) from error

    def _keep_running(self) -> None:
        give_up_at_s = time.monotonic() + self._startup_timeout_s
        exits = 0
        while not self._stopping.is_set():
            started_s = time.monotonic()
            self._run_process()
            exits = 1 if time.monotonic() - started_s > STEADY_S else exits + 1
            hopeless = exits >= START_ATTEMPTS or time.monotonic() > give_up_at_s
            if hopeless and not (self._patient or self._stopping.is_set()):
                raise ContainerFailed(self._no_ping())
            self._stopping.wait(RESTART_PAUSES_S[min(exits, len(RESTART_PAUSES_S)) - 1])

    def _run_process(self) -> None:
        """One life of the container, from start to end."""
        try:
            with self._process() as (process, port):
                if self._becomes_healthy(process, port):
                    self._came_up = self._patient = True
                    self.port = port
                    self._settled.set()
                    self._watch(process)
        except Exception as error:
            if not self._patient:
                raise
            self._log.error("container can't be started again", reason=str(error))
        finally:
            self.port = None

    @contextmanager
    def _process(self) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """A running container; its whole process group is gone afterwards."""
        port = free_port()
        try:
            process = self._workshop.launcher.start(
                self.variant.image, self.variant.environment, base_dir=self._folder, port=port, log=self._log_file
            )
        except (UnknownImage, OSError) as error:
            raise ContainerFailed(f"The container of variant {self.variant.name} can't be started. {error}") from error
        try:
            self._log.info("container started", pid=process.pid, port=port)
            self._workshop.store.record_process(process.pid, psutil.Process(process.pid).create_time())
            yield process, port
        finally:
            stop_group(process.pid, timeout_s=self._workshop.stop_timeout_s)
            process.wait()
            self._workshop.store.forget_process(process.pid)

    def _becomes_healthy(self, process: subprocess.Popen[bytes], port: int) -> bool:
        """Whether /ping says so before the process ends, takes too long, or is to be stopped."""
        deadline_s = time.monotonic() + self._startup_timeout_s
        while process.poll() is None and time.monotonic() < deadline_s:
            if _ping(port):
                return True
            if self._stopping.wait(POLL_S):
                break
        return False

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Returns when the process ended or is to be stopped."""
        while not self._stopping.wait(POLL_S):
            if process.poll() is not None:
                self._log.warning("container stopped by itself", exit_code=process.returncode)
                return

    @property
    def _startup_timeout_s(self) -> float:
        return self.variant.startup_timeout_s or self._workshop.startup_timeout_s

    def _no_ping(self) -> str:
        return (
            f"The primary container for production variant {self.variant.name} did not pass the ping health check. "
            f"Please check CloudWatch logs for this endpoint. (Here: {self._log_file})"
        )


def _ping(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PING_TIMEOUT_S)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
