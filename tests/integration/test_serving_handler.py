"""The archive's own code behind `python -m serving`: what it may bring, and what becomes of its failures."""

from pathlib import Path

import pytest

from tests.integration.containers import error_message, running, with_handler

pytestmark = pytest.mark.integration


def test_ping_says_503_until_the_model_is_loaded(container_python: Path, tmp_path: Path) -> None:
    code = f"""
import pathlib, time
def model_fn(model_dir):
    while not pathlib.Path({str(tmp_path / "go")!r}).exists():
        time.sleep(0.02)
def transform_fn(model, body, content_type, accept):
    return body
"""
    with running(container_python, with_handler(tmp_path, code)) as container:
        container.wait_for_ping(503)
        assert container.invoke("{}")[0] == 503
        (tmp_path / "go").touch()
        container.wait_for_ping(200)
        assert container.invoke('{"a": 1}') == (200, b'{"a": 1}')


def test_a_container_whose_model_does_not_load_ends_with_a_failure(container_python: Path, tmp_path: Path) -> None:
    code = "def model_fn(model_dir):\n    raise RuntimeError('torn weights')\n"
    with running(container_python, with_handler(tmp_path, code)) as container:
        assert container.process.wait(30) == 3
    assert "torn weights" in container.log.read_text()


def test_a_models_fault_is_told_to_the_log_alone(container_python: Path, tmp_path: Path) -> None:
    code = """
def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept): raise KeyError("inner secret")
"""
    with running(container_python, with_handler(tmp_path, code)) as container:
        container.wait_for_ping(200)
        status, body = container.invoke("{}")
    assert status == 500
    assert error_message(body) == "The model failed; its log says why."
    assert "inner secret" in container.log.read_text()
    assert "Traceback" in container.log.read_text()


def test_a_handler_in_part_is_completed_by_the_toolkits_own(container_python: Path, tmp_path: Path) -> None:
    code = """
def pre_model_fn(model_dir): print("first", flush=True)
def model_fn(model_dir, context): return 2
def model_warmup_fn(model_dir, model): print("then warm with", model, flush=True)
def predict_fn(numbers, model): return model * numbers
"""
    with running(container_python, with_handler(tmp_path, code)) as container:
        container.wait_for_ping(200)
        assert container.invoke("[1, 2]") == (200, b"[2, 4]")
        assert container.invoke("1,2", "text/csv") == (200, b"[2, 4]")
    assert [line for line in container.log.read_text().splitlines() if line[:1] in "ft"] == [
        "first",
        "then warm with 2",
    ]


def test_a_handler_may_say_what_it_answers_and_with_which_status(container_python: Path, tmp_path: Path) -> None:
    code = """
from sagemaker_inference.errors import BaseInferenceToolkitError
def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept, context):
    if body != b"please":
        raise BaseInferenceToolkitError(int(body), "told to the log", "Say please.")
    return b"\\x00", "application/octet-stream"
"""
    with running(container_python, with_handler(tmp_path, code)) as container:
        container.wait_for_ping(200)
        assert container.invoke("please", "text/plain") == (200, b"\0")
        status, answer = container.invoke("422", "text/plain")
        assert (status, error_message(answer)) == (422, "Say please.")
        status, answer = container.invoke("503", "text/plain")
        assert (status, error_message(answer)) == (503, "The model failed; its log says why.")


def test_a_handler_of_both_kinds_is_none(container_python: Path, tmp_path: Path) -> None:
    code = "def model_fn(model_dir): return None\ndef transform_fn(): pass\ndef predict_fn(): pass\n"
    with running(container_python, with_handler(tmp_path, code)) as container:
        assert container.process.wait(30) == 3
    assert "transform_fn besides" in container.log.read_text()
