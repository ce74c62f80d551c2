"""`phenoloop endpoints test` passes sound endpoints, and fails each kind of broken ones with the test meant for it."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from loc360.errors import RequestInvalid
from loc360.payloads import PAYLOAD_LIMIT_BYTES
from phenoloop import endpoint_tests
from phenoloop.endpoint_tests.subject import Plugin, Subject, draw_photo
from tests.unit.fake_models import detect, release, segment

FOLDER = str(Path(str(endpoint_tests.__file__)).parent)


class Containers:
    """Both endpoints, as SageMaker answers for them; `fault` breaks them in one way."""

    def __init__(self, fault: str) -> None:
        self.fault, self.calls = fault, 0

    def invoke_endpoint(self, *, EndpointName: str, Body: bytes, ContentType: str) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        if len(Body) > PAYLOAD_LIMIT_BYTES and self.fault != "limit":
            raise refused("ValidationError", 413)
        if ContentType != "application/json" and self.fault != "content type":
            raise refused("ModelError", 415)
        text = self.reply(EndpointName, Body.decode()).encode()
        return {"Body": StreamingBody(io.BytesIO(text), len(text))}

    def reply(self, endpoint: str, body: str) -> str:
        if self.fault == "list" and "segmenter" in endpoint and body.startswith("["):
            raise refused("ModelError", 500)
        try:
            reply = detect(body) if "detector" in endpoint else segment(body)
        except RequestInvalid as error:
            raise refused("ModelError", 500 if self.fault == "bad requests" else 400) from error
        if '"error"' in reply:
            raise refused("ModelError", 500 if self.fault == "bad requests" else 400)
        if self.fault == "release":
            return reply.replace("release-1", "release-0")
        return f"{reply}{' ' * self.calls}" if self.fault == "never the same" else reply


def refused(code: str, status: int) -> ClientError:
    error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**error, "OriginalStatusCode": status, "OriginalMessage": "no"}, "InvokeEndpoint")  # type: ignore[typeddict-unknown-key]


class Failures:
    def __init__(self) -> None:
        self.names: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.add(report.nodeid.rpartition("::")[2].partition("[")[0])


def run(fault: str, folder: Path, *, most_ms: float = 60_000) -> tuple[int, set[str]]:
    """Exit code, and the tests that failed."""
    runtime: Any = Containers(fault)
    subject, failures = Subject(runtime, release(), draw_photo(folder / "photo.png"), most_ms), Failures()
    alone = ["--config-file", os.devnull, "--rootdir", FOLDER, "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main([*alone, FOLDER], plugins=[Plugin(subject), failures])), failures.names


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        ("none", set()),
        ("release", {"test_both_stages_are_of_this_release"}),
        ("list", {"test_the_segmenter_takes_a_list_and_answers_as_to_single_calls"}),
        ("limit", {"test_a_body_over_the_limit_is_refused"}),
        ("content type", {"test_another_content_type_is_refused"}),
        ("bad requests", {"test_a_request_that_is_none_is_refused"}),
        ("never the same", {"test_the_same_request_is_answered_the_same"}),
    ],
)
def test_a_fault_is_found_by_its_test(fault: str, found_by: set[str], tmp_path: Path) -> None:
    code, failed = run(fault, tmp_path)
    assert code == (1 if found_by else 0), failed
    assert found_by <= failed


def test_slow_endpoints_fail(tmp_path: Path) -> None:
    assert run("none", tmp_path, most_ms=0.001) == (1, {"test_it_answers_in_time"})


def test_the_photo_is_always_the_same(tmp_path: Path) -> None:
    assert draw_photo(tmp_path / "1.png").read_bytes() == draw_photo(tmp_path / "2.png").read_bytes()
