"""What a process counts, and what it looks up when someone asks."""

import re
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from ml_backend.health import Health
from ml_backend.metrics import Metrics as BackendMetrics
from phenoloop.metrics import EndpointWatch, Metrics
from sync.metrics import SyncMetrics
from tests.unit.fake_models import release


@pytest.fixture
def s3() -> Any:
    return boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


def test_calls_are_told_apart_by_the_stage_that_they_serve_not_by_endpoint() -> None:
    metrics = Metrics()
    watch = EndpointWatch(metrics, release)
    watch.called(release().detector.endpoint, 0.3, "ok")
    watch.called(release().segmenter.endpoint, 0.1, "EndpointUnavailable")
    watch.called("one-of-long-ago", 0.1, "ok")
    watch.retried(release().segmenter.endpoint)
    for line in (
        'phenoloop_endpoint_calls_total{outcome="ok",stage="detector"} 1.0',
        'phenoloop_endpoint_calls_total{outcome="EndpointUnavailable",stage="segmenter"} 1.0',
        'phenoloop_endpoint_calls_total{outcome="ok",stage="other"} 1.0',
        'phenoloop_endpoint_retries_total{stage="segmenter"} 1.0',
        'phenoloop_stage_seconds_bucket{le="0.25",stage="detector"} 0.0',
        'phenoloop_stage_seconds_bucket{le="0.5",stage="detector"} 1.0',
    ):
        assert line in metrics.text()


def test_a_step_is_timed_though_it_fails() -> None:
    metrics = Metrics()
    with pytest.raises(ZeroDivisionError), metrics.timed("photo"):
        raise ZeroDivisionError
    assert 'phenoloop_stage_seconds_count{stage="photo"} 1.0' in metrics.text()


def test_what_is_looked_up_is_of_the_moment_of_asking() -> None:
    metrics, jobs = Metrics(), {"waiting": 3.0}
    metrics.at_scrape("phenoloop_jobs", "Jobs.", "state", lambda: jobs)
    jobs["waiting"] = 5.0
    assert 'phenoloop_jobs{state="waiting"} 5.0' in metrics.text()


def test_calls_of_aws_are_counted_with_their_outcome_and_their_retries(s3: Any) -> None:
    metrics = Metrics()
    metrics.watch_aws(s3)
    with Stubber(s3) as answers:
        answers.add_response("head_object", {"ResponseMetadata": {"RetryAttempts": 2}})
        answers.add_client_error("head_object", "SlowDown")
        s3.head_object(Bucket="bucket", Key="key")
        with pytest.raises(ClientError):
            s3.head_object(Bucket="bucket", Key="key")
    for line in (
        'phenoloop_aws_calls_total{operation="HeadObject",outcome="ok",service="s3"} 1.0',
        'phenoloop_aws_calls_total{operation="HeadObject",outcome="SlowDown",service="s3"} 1.0',
        'phenoloop_aws_retries_total{operation="HeadObject",service="s3"} 2.0',
    ):
        assert line in metrics.text()


def test_an_aws_that_can_not_be_reached_is_counted_too() -> None:
    metrics = Metrics()
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=boto3.session.Config(retries={"total_max_attempts": 1}),
    )
    metrics.watch_aws(s3)
    with pytest.raises(EndpointConnectionError):
        s3.list_buckets()
    expected = 'phenoloop_aws_calls_total{operation="ListBuckets",outcome="EndpointConnectionError",service="s3"} 1.0'
    assert expected in metrics.text()


def test_a_process_tells_its_own_memory_and_open_files() -> None:
    text = Metrics().text()
    assert "process_resident_memory_bytes" in text
    assert "process_open_fds" in text


def test_every_number_that_the_operators_guide_names_exists() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    named = set(re.findall(r"phenoloop_[a-z_]+", guide))
    backend, sync = BackendMetrics(), SyncMetrics()
    Health(cast("Any", None), cast("Any", None), cast("Any", None)).show_in(backend, EndpointWatch(backend))
    queued = {"phenoloop_events_queued"}  # by sync's own door
    known = {name for metrics in (backend, sync) for name in metrics.registry._names_to_collectors} | queued
    assert named - known == set()
    assert len(named) > 15
