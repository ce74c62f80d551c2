"""Endpoints at work: containers come up, take the traffic, are replaced and go, as the store says they should."""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from phenoloop.local_aws.sagemaker.deployments import Deployment, Endpoint, Status
from phenoloop.local_aws.sagemaker.replica import ContainerFailed, ContainerStopped, Replica, Workshop
from phenoloop.local_aws.sagemaker.store import Kind

DRAIN_TIMEOUT_S = 60.0


class NoSuchEndpoint(Exception):
    """No endpoint of this name (case counts) takes traffic."""


class NoSuchVariant(Exception):
    """The endpoint has no variant of this name."""


class Fleet:
    """The replicas of one deployment, one for each variant."""

    def __init__(self, workshop: Workshop, deployment: Deployment, folder: Path, log: Path, *, patient: bool) -> None:
        self.folder = folder
        self._replicas = [
            Replica(workshop, variant, folder / variant.name, log, patient=patient) for variant in deployment.variants
        ]

    def wait_until_healthy(self) -> None:
        """Raises ContainerFailed or ContainerStopped."""
        for replica in self._replicas:
            replica.wait_until_healthy()

    def pick(self, variant: str | None) -> Replica:
        """The named variant's replica, else one by the variants' weights. Raises NoSuchVariant."""
        among = [r for r in self._replicas if variant in (None, r.variant.name)]
        if not among:
            raise NoSuchVariant(variant)
        weights = [replica.variant.weight for replica in among]
        return random.choices(among, weights if any(weights) else None)[0]  # noqa: S311  # traffic, not secrets

    def drain(self) -> None:
        """Wait until no invocation is under way, or too long."""
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while any(replica.in_flight for replica in self._replicas) and time.monotonic() < deadline_s:
            time.sleep(0.05)

    def stop(self) -> None:
        stopping = [threading.Thread(target=replica.stop, daemon=True) for replica in self._replicas]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def discard(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Hosting:
    """Carries out what endpoint records ask for, each change in a thread of its own."""

    def __init__(self, workshop: Workshop, data_dir: Path) -> None:
        self._workshop = workshop
        self._store = workshop.store
        self._folders = data_dir / "endpoints"
        self._logs = data_dir / "logs"
        self._lock = threading.Lock()
        self._live: dict[str, Fleet] = {}
        self._coming: set[Fleet] = set()
        self._log = structlog.get_logger()

    def resume(self) -> None:
        """After a restart, take up every endpoint where it stood."""
        for resource in self._store.all(Kind.ENDPOINT):
            name, endpoint = resource.name, Endpoint.of(resource)
            if endpoint.status == Status.DELETING:
                self.retire(name)
            elif endpoint.live:
                if endpoint.status == Status.IN_SERVICE:
                    self._save(name, endpoint.having(Status.SYSTEM_UPDATING))
                self._live[name] = self._fleet(name, endpoint.live, patient=True)
                _in_background(self._bring_back, name, self._live[name])
            if endpoint.status in (Status.CREATING, Status.UPDATING):
                self.roll_out(name)

    def roll_out(self, name: str) -> None:
        """Bring up the endpoint's pending deployment, then let it take over from the live one (blue/green)."""
        _in_background(self._roll_out, name)

    def retire(self, name: str) -> None:
        """Stop what the endpoint runs, then forget the endpoint."""
        with self._lock:
            fleet = self._live.pop(name, None)
        _in_background(self._retire, name, fleet)

    @contextmanager
    def replica(self, endpoint: str, variant: str | None) -> Iterator[Replica]:
        """A replica to invoke; it is not stopped meanwhile. Raises NoSuchEndpoint, NoSuchVariant."""
        with self._lock:
            if endpoint not in self._live:
                raise NoSuchEndpoint(endpoint)
            replica = self._live[endpoint].pick(variant)
            replica.in_flight += 1
        try:
            yield replica
        finally:
            with self._lock:
                replica.in_flight -= 1

    def stop(self, *, timeout_s: float) -> None:
        """Stop every container; records stay as they are."""
        with self._lock:
            fleets = [*self._live.values(), *self._coming]
        stopping = [_in_background(fleet.stop) for fleet in fleets]
        deadline_s = time.monotonic() + timeout_s
        for thread in stopping:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def _roll_out(self, name: str) -> None:
        endpoint = self._endpoint(name)
        if endpoint.pending is None:
            raise ValueError(f"endpoint {name} has nothing to roll out")
        fleet = self._fleet(name, endpoint.pending, patient=False)
        try:
            with self._tracked(fleet):
                fleet.wait_until_healthy()
        except ContainerStopped:
            return
        except ContainerFailed as failure:
            fleet.discard()
            self._save(name, endpoint.failed(str(failure)))
            return
        with self._lock:
            replaced, self._live[name] = self._live.get(name), fleet
        self._save(name, endpoint.deployed())
        if replaced:
            replaced.drain()
            replaced.discard()

    def _bring_back(self, name: str, fleet: Fleet) -> None:
        try:
            fleet.wait_until_healthy()
        except ContainerStopped:
            return
        except ContainerFailed as failure:
            self._log.error("endpoint can't be brought back", endpoint=name, reason=str(failure))
            return
        with self._store.transaction():
            endpoint = self._endpoint(name)
            if endpoint.status == Status.SYSTEM_UPDATING:
                self._save(name, endpoint.having(Status.IN_SERVICE))

    def _retire(self, name: str, fleet: Fleet | None) -> None:
        if fleet:
            fleet.drain()
            fleet.stop()
        shutil.rmtree(self._folders / name, ignore_errors=True)
        resource = self._store.find(Kind.ENDPOINT, name)
        if resource:
            self._store.remove(resource)

    def _fleet(self, name: str, deployment: Deployment, *, patient: bool) -> Fleet:
        folder, log = self._folders / name / deployment.id, self._logs / f"{name}.log"
        return Fleet(self._workshop, deployment, folder, log, patient=patient)

    @contextmanager
    def _tracked(self, fleet: Fleet) -> Iterator[None]:
        with self._lock:
            self._coming.add(fleet)
        try:
            yield
        finally:
            with self._lock:
                self._coming.discard(fleet)

    def _endpoint(self, name: str) -> Endpoint:
        resource = self._store.find(Kind.ENDPOINT, name)
        if resource is None:
            raise NoSuchEndpoint(name)
        return Endpoint.of(resource)

    def _save(self, name: str, endpoint: Endpoint) -> None:
        self._log.info("endpoint", endpoint=name, status=endpoint.status, reason=endpoint.failure_reason or None)
        self._store.change(Kind.ENDPOINT, name, endpoint.model_dump(mode="json"))


def _in_background(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=work.__name__, daemon=True)
    thread.start()
    return thread
