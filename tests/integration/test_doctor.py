"""`phenoloop doctor` on a running stack: all is well; and what it says when something is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from phenoloop.labelling.admin import LabelStudioAdmin
from tests.conftest import RunningStack, phenoloop

pytestmark = pytest.mark.integration


def doctor(stack: RunningStack) -> dict[str, dict[str, str]]:
    done = phenoloop("doctor", "--json", "--data-dir", str(stack.data_dir))
    lines = {line["check"]: line for line in json.loads(done.stdout)}
    assert done.returncode == int(any(line["state"] == "failed" for line in lines.values())), done.stderr
    return lines


def connect(stack: RunningStack, *words: str) -> str:
    done = phenoloop("connect", "--data-dir", str(stack.data_dir), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def admin_of(stack: RunningStack) -> tuple[LabelStudioAdmin, int]:
    status = stack.status()["label_studio"]
    return LabelStudioAdmin(status["url"], status["token"]), status["project_id"]


def not_passed(lines: dict[str, dict[str, str]]) -> list[str]:
    return [name for name, line in lines.items() if line["state"] in {"failed", "not checked"}]


def test_a_fresh_stack_is_healthy(stack: RunningStack):
    assert not_passed(doctor(stack)) == []


def test_connecting_what_is_connected_changes_nothing(stack: RunningStack):
    told = connect(stack)

    assert {line.split()[0] for line in told.splitlines()[:-1]} == {"right"}
    assert "phenoloop doctor" in told.splitlines()[-1]


def test_a_deleted_webhook_is_found_and_connected_again(stack: RunningStack):
    admin, project_id = admin_of(stack)
    (hook,) = admin.webhooks(project_id)
    admin.delete_webhook(hook["id"])

    assert not_passed(doctor(stack)) == ["webhook"]
    assert "done   webhook" in connect(stack)
    assert not_passed(doctor(stack)) == []


def test_a_missing_notification_is_found_and_set_again(stack: RunningStack):
    s3, bucket = stack.client("s3"), stack.status()["s3"]["bucket"]
    with restored(s3, bucket):
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})

        line = doctor(stack)["bucket notification"]
        assert (line["state"], "--apply-notification" in line["cure"]) == ("failed", True)
        assert "done   bucket notification" in connect(stack, "--apply-notification")
        assert not_passed(doctor(stack)) == []


@contextmanager
def restored(s3: Any, bucket: str) -> Iterator[None]:
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    before = {name: value for name, value in found.items() if name != "ResponseMetadata"}
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before)


def test_project_settings_without_predictions_are_found_and_corrected(stack: RunningStack):
    admin, project_id = admin_of(stack)
    admin.update_project(project_id, evaluate_predictions_automatically=False)

    assert not_passed(doctor(stack)) == ["project settings"]
    connect(stack)
    assert not_passed(doctor(stack)) == []


def test_a_backend_that_hangs_is_told_as_label_studio_sees_it(stack: RunningStack):
    served = psutil.Process(stack.status()["processes"]["backend"]).children(recursive=True)
    for process in served:
        process.suspend()
    try:
        line = doctor(stack)["backend"]
    finally:
        for process in served:
            process.resume()

    assert (line["state"], "Label Studio does not reach" in line["found"]) == ("failed", True)
    assert "timed out" in line["found"]


@pytest.mark.parametrize(
    ("variable", "value", "failing", "cure"),
    [
        ("PHENOLOOP_LABEL_STUDIO__TOKEN", "0" * 40, "Label Studio token", "Legacy Token"),
        ("PHENOLOOP_LABEL_STUDIO__URL", "http://127.0.0.1:1", "Label Studio", "PHENOLOOP_LABEL_STUDIO__URL"),
        ("PHENOLOOP_STORAGE__BUCKET", "no-such-bucket", "S3 bucket", "PHENOLOOP_STORAGE__BUCKET"),
        ("PHENOLOOP_QUEUE_URL", "http://127.0.0.1:1/000000000000/q", "queue", "PHENOLOOP_QUEUE_URL"),
        ("PHENOLOOP_REDIS_URL", "redis://127.0.0.1:1/0", "Redis", "PHENOLOOP_REDIS_URL"),
        ("PHENOLOOP_BACKEND__PASSWORD", "another password", "webhook", "phenoloop connect"),
        ("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:1", "detector endpoint", "reachable"),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure_and_hides_no_other_check(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, failing: str, cure: str
):
    status = json.loads((stack.data_dir / "status.json").read_text())
    for name, right in status["settings"].items():
        monkeypatch.setitem(os.environ, name, right)
    monkeypatch.setitem(os.environ, variable, value)

    lines = doctor(stack)

    assert lines[failing]["state"] == "failed"
    assert cure in lines[failing]["cure"]
    assert any(line["state"] == "ok" for line in lines.values())
