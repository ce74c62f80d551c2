"""What the backend refuses, and how it says so."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.unit.backend_client import KNOWN, ROUTES, basic, client, error_of
from tests.unit.backend_fakes import FakeChain, recorded


class Broken(FakeChain):
    def version(self, project=None):
        raise RuntimeError("secret detail")


@pytest.fixture
def logged():
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


@pytest.mark.parametrize(
    "headers", [{}, basic("phenoloop", "wrong"), basic("someone", "pässword of tests"), basic("", "")]
)
@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/nowhere")])
def test_all_but_the_health_check_needs_the_credentials(method, path, headers):
    response = client().open(path, method=method, json={}, headers=headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert error_of(response)


@pytest.mark.parametrize("authorization", ["Basic", "Basic !!!", "Bearer abc", "Basic " + "YQ==", "x" * 5000])
def test_credentials_of_another_form_are_refused(authorization):
    assert client().get("/metrics", headers={"Authorization": authorization}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/predict", 405), ("POST", "/health", 405), ("POST", "/train", 404)],
)
def test_what_is_not_served_is_a_small_json_error(method, path, status):
    response = client().open(path, method=method, headers=KNOWN, json={})

    assert response.status_code == status
    assert error_of(response)


@pytest.mark.parametrize("path", ["/setup", "/predict", "/webhook"])
def test_what_is_no_json_is_refused(path):
    served = client()

    plain = served.post(path, data="{}", headers=KNOWN)
    cut_off = served.post(path, data='{"tasks": [', content_type="application/json", headers=KNOWN)
    nested = served.post(path, data="[" * 100_000, content_type="application/json", headers=KNOWN)

    assert [plain.status_code, cut_off.status_code, nested.status_code] == [415, 400, 400]
    assert all(error_of(response) for response in (plain, cut_off, nested))


def test_a_body_over_the_limit_is_refused_and_the_log_says_what_to_do_since_label_studio_says_nothing():
    with capture_logs() as lines:
        response = client(max_body_bytes=1000).post("/predict", json={"tasks": ["x" * 1000]}, headers=KNOWN)

    assert response.status_code == 413
    assert error_of(response)
    (line,) = [line for line in lines if line["event"] == "request too large"]
    assert (line["log_level"], "MAX_BODY_BYTES" in line["cure"]) == ("error", True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", []),
        ("/predict", {}),
        ("/predict", {"tasks": {}, "label_config": ""}),
        ("/predict", {"tasks": [1], "label_config": ""}),
        ("/predict", {"tasks": [{"id": "one", "data": {}}], "label_config": ""}),
        ("/predict", {"tasks": [], "label_config": "", "params": {"context": {"result": "box"}}}),
        ("/predict", {"tasks": [], "label_config": "<View/>"}),
        ("/setup", {"project": 1}),
        ("/webhook", {"action": "TASKS_CREATED", "tasks": [{"data": {}}]}),
    ],
)
def test_a_body_of_another_form_is_refused(path, body):
    response = client().post(path, json=body, headers=KNOWN)

    assert response.status_code == 422
    assert error_of(response)


def test_a_refusal_repeats_nothing_of_the_body():
    response = client().post("/predict", json={"tasks": "hush", "label_config": 5}, headers=KNOWN)

    assert response.status_code == 422
    assert "hush" not in response.text


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tasks", "id", "data", "params", "context", "result", "label_config", "action"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(deadline=None, max_examples=60)
@given(path=st.sampled_from(["/setup", "/predict", "/webhook"]), body=bodies)
def test_no_body_is_a_bug(path, body):
    response = client().post(path, data=json.dumps(body), content_type="application/json", headers=KNOWN)

    assert response.status_code in {200, 422}


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200))
def test_no_bytes_are_a_bug(data):
    response = client().post("/predict", data=data, content_type="application/json", headers=KNOWN)

    assert response.status_code in {400, 422}
    assert error_of(response)


def test_a_bug_is_answered_by_an_id_that_the_log_knows(logged):
    response = client(chain=Broken()).post("/setup", json=recorded("setup"), headers=KNOWN)

    assert response.status_code == 500
    (line,) = (line for line in logged if "bug" in line["event"])
    assert line["trace_id"] == response.get_json()["id"] == response.headers["X-Request-ID"]
    assert "secret detail" not in response.text
    assert error_of(response)
