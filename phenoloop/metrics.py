"""Numbers of a running process in Prometheus' text format: what the backend, its workers and sync have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from phenoloop.chain.release import Release

if TYPE_CHECKING:
    from botocore.client import BaseClient

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 85)

Look = Callable[[], Mapping[str, float]]
"""Label -> number. Asked at every scrape, so it must answer from memory."""


class Metrics:
    """One process, one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.stages = Histogram(
            "phenoloop_stage_seconds",
            "Time of one step of the work.",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.endpoint_calls = Counter(
            "phenoloop_endpoint_calls", "Calls of endpoints.", ["stage", "outcome"], registry=self.registry
        )
        self.endpoint_retries = Counter(
            "phenoloop_endpoint_retries", "Calls made again after a failure.", ["stage"], registry=self.registry
        )
        self.aws_calls = Counter(
            "phenoloop_aws_calls", "Calls of AWS.", ["service", "operation", "outcome"], registry=self.registry
        )
        self.aws_retries = Counter(
            "phenoloop_aws_retries", "Calls of AWS made again.", ["service", "operation"], registry=self.registry
        )

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def timed(self, stage: str) -> AbstractContextManager[object]:
        """Around one step of the work, whether it does well or not."""
        return self.stages.labels(stage).time()

    def at_scrape(self, name: str, text: str, label: str, look: Look) -> None:
        """A gauge whose numbers are looked up when someone asks."""
        self.registry.register(_LookedUp(name, text, label, look))

    def show_ready(self, problems: Callable[[], list[str]]) -> None:
        """As `/ready` tells it."""
        self.at_scrape("phenoloop_ready", "1 if the process can do its work.", "what", lambda: {"all": not problems()})

    def watch_aws(self, client: BaseClient) -> None:
        """Count what the boto3 client calls, and how often it had to try again."""

        def answered(parsed: Mapping[str, Any], event_name: str, **_: object) -> None:
            service, operation = event_name.split(".")[1:]
            self.aws_calls.labels(service, operation, parsed.get("Error", {}).get("Code", "ok")).inc()
            self.aws_retries.labels(service, operation).inc(parsed["ResponseMetadata"].get("RetryAttempts", 0))

        def failed(exception: Exception, event_name: str, **_: object) -> None:
            service, operation = event_name.split(".")[1:]
            self.aws_calls.labels(service, operation, type(exception).__name__).inc()

        client.meta.events.register("after-call", answered)
        client.meta.events.register("after-call-error", failed)


class EndpointWatch:
    """Hears of the calls that `chain.endpoints.Endpoints` makes; told apart by the stage that they serve."""

    def __init__(self, metrics: Metrics, live: Callable[[], Release | None] = lambda: None) -> None:
        self._metrics, self._live = metrics, live

    def called(self, endpoint_name: str, seconds: float, outcome: str) -> None:
        stage = self.stage(endpoint_name)
        self._metrics.stages.labels(stage).observe(seconds)
        self._metrics.endpoint_calls.labels(stage, outcome).inc()

    def retried(self, endpoint_name: str) -> None:
        self._metrics.endpoint_retries.labels(self.stage(endpoint_name)).inc()

    def stage(self, endpoint_name: str) -> str:
        """There is a new pair of endpoints with each release; of one that is not live, the stage is `other`."""
        live = self._live()
        stages = {live.detector.endpoint: "detector", live.segmenter.endpoint: "segmenter"} if live else {}
        return stages.get(endpoint_name, "other")


class _LookedUp(Collector):
    def __init__(self, name: str, text: str, label: str, look: Look) -> None:
        self._family, self._look = (name, text, label), look

    def describe(self) -> list[GaugeMetricFamily]:
        name, text, label = self._family
        return [GaugeMetricFamily(name, text, labels=[label])]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        (family,) = self.describe()
        for value, number in self._look().items():
            family.add_metric([value], number)
        yield family
