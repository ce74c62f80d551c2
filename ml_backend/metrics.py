"""Numbers of the running backend, in Prometheus' text format. One process, one registry."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 85)


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "phenoloop_requests", "Requests by route and status.", ["route", "status"], registry=self._registry
        )
        self.predict_seconds = Histogram(
            "phenoloop_predict_seconds", "Time of one task.", ["kind"], buckets=_SECONDS, registry=self._registry
        )
        self.tasks = Counter(
            "phenoloop_tasks", "Tasks: predicted, failed or deferred.", ["outcome"], registry=self._registry
        )
        self.failures = Counter("phenoloop_failures", "Failed tasks by error.", ["error"], registry=self._registry)
        self.objects = Counter("phenoloop_objects", "Objects found by the chain.", registry=self._registry)
        self.webhooks = Counter("phenoloop_webhooks", "Webhooks by action.", ["action"], registry=self._registry)

    def text(self) -> str:
        return generate_latest(self._registry).decode()
