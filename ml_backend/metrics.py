"""Numbers of the running backend, and of its workers."""

from prometheus_client import Counter, Histogram

from phenoloop import metrics
from phenoloop.metrics import SECONDS


class Metrics(metrics.Metrics):
    def __init__(self) -> None:
        super().__init__()
        self.requests = Counter(
            "phenoloop_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.predict_seconds = Histogram(
            "phenoloop_predict_seconds", "Time of one task.", ["kind"], buckets=SECONDS, registry=self.registry
        )
        self.tasks = Counter(
            "phenoloop_tasks", "Tasks: predicted, failed or deferred.", ["outcome"], registry=self.registry
        )
        self.failures = Counter("phenoloop_failures", "Failed tasks by error.", ["error"], registry=self.registry)
        self.objects = Counter("phenoloop_objects", "Objects found by the chain.", registry=self.registry)
        self.webhooks = Counter("phenoloop_webhooks", "Webhooks by action.", ["action"], registry=self.registry)
        self.job_seconds = Histogram(
            "phenoloop_job_seconds",
            "Time of one background job.",
            ["outcome"],
            buckets=(1, 5, 10, 30, 60, 120, 300, 600, 1800),
            registry=self.registry,
        )
