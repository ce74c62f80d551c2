"""The doctor looks at every connection, whatever becomes of the others."""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from redis.exceptions import AuthenticationError

from phenoloop.doctor.check import Check, Finding, State, examine, ok, warn
from phenoloop.doctor.checks import loop_checks
from phenoloop.doctor.loop import Loop
from phenoloop.doctor.s3 import clock_finding
from phenoloop.doctor.words import reason_and_cure
from phenoloop.errors import EndpointUnavailable, ReleaseMissing
from phenoloop.settings import BackendSettings, LabelStudioSettings, Settings, StorageSettings


def fails() -> Finding:
    raise ReleaseMissing("There is none.", cure="Make one.")


def states(*checks: Check) -> dict[str, str]:
    return {line.name: str(line.finding.state) for line in examine(checks)}


def test_a_check_that_raises_fails_with_the_cure_and_hides_no_other():
    first, second = examine([Check("first", fails), Check("second", lambda: ok("fine"))])

    assert (first.finding.state, first.finding.found, first.finding.cure) == (
        State.FAILED,
        "There is none.",
        "Make one.",
    )
    assert second.finding.state is State.OK


def test_a_check_that_hangs_fails_when_its_time_is_over():
    hanging = threading.Event()
    slow = Check("slow", lambda: ok(str(hanging.wait(60))), timeout_s=0.05)

    assert states(slow, Check("quick", lambda: ok("fine"))) == {"slow": "failed", "quick": "ok"}
    hanging.set()


def test_a_check_is_left_out_if_one_that_it_needs_failed_and_names_the_first_of_them():
    checks = [
        Check("inner", lambda: ok(""), needs=("outer",)),
        Check("innermost", lambda: ok(""), needs=("inner",)),
        Check("outer", fails),
    ]

    lines = examine(checks)

    assert [line.finding.state for line in lines] == [State.NOT_CHECKED, State.NOT_CHECKED, State.FAILED]
    assert [line.finding.found for line in lines[:2]] == ["first cure: outer", "first cure: outer"]


def test_a_warning_keeps_nobody_from_looking_further():
    checks = [Check("outer", lambda: warn("late", "Hurry.")), Check("inner", lambda: ok(""), needs=("outer",))]

    assert states(*checks) == {"outer": "warn", "inner": "ok"}


def test_a_bug_in_a_check_is_told_as_one():
    (line,) = examine([Check("odd", lambda: ok(str(1 / 0)))])

    assert line.finding.state is State.FAILED
    assert "ZeroDivisionError" in line.finding.found


def test_every_check_of_the_loop_needs_only_checks_that_are_there():
    names = [check.name for check in loop_checks(a_loop())]
    needed = {need for check in loop_checks(a_loop()) for need in check.needs}

    assert len(set(names)) == len(names)
    assert needed <= set(names)


@pytest.mark.parametrize(
    ("error", "says", "cure"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject"), "PutObject is denied", "role"),
        (ClientError({"Error": {"Code": "403"}}, "HeadBucket"), "denied", "s3:ListBucket"),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "GetObject"), "ExpiredToken", "Renew"),
        (ClientError({"Error": {"Code": "RequestTimeTooSkewed"}}, "GetObject"), "clock", "NTP"),
        (ClientError({"Error": {"Code": "AWS.SimpleQueueService.NonExistentQueue"}}, "X"), "queue", "QUEUE_URL"),
        (EndpointConnectionError(endpoint_url="http://s3:1"), "http://s3:1", "reachable"),
        (NoCredentialsError(), "credentials", "AWS_ACCESS_KEY_ID"),
        (AuthenticationError(), "password", "PHENOLOOP_REDIS_URL"),
        (EndpointUnavailable("The model failed.", endpoint="e-1"), "e-1", "Is it up"),
    ],
)
def test_an_error_names_what_happened_and_its_cure(error: Exception, says: str, cure: str):
    found = reason_and_cure(error)

    assert says in found[0]
    assert cure in found[1]


def test_clocks_a_minute_apart_are_told():
    now = datetime.now(UTC)

    assert clock_finding(format_datetime(now)) is None
    behind = clock_finding(format_datetime(now + timedelta(minutes=5)))
    assert behind is not None
    assert "behind" in behind.found


def a_loop() -> Loop:
    settings = Settings(
        storage=StorageSettings(bucket="photos"),
        label_studio=LabelStudioSettings(url="http://label-studio", token="t"),  # type: ignore[arg-type]
        backend=BackendSettings(password="p" * 12),  # type: ignore[arg-type]
        queue_url="http://queue",
    )
    return Loop(settings, project_id=None)
