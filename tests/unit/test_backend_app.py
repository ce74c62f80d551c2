import base64
import json
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisDown
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ml_backend.app import create_app
from phenoloop.errors import ReleaseMissing
from tests.unit.backend_fakes import RELEASE, FakeChain, FakeQueue, backend, recorded

ROUTES = [("GET", "/versions"), ("POST", "/setup"), ("POST", "/predict"), ("POST", "/webhook"), ("GET", "/metrics")]


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


KNOWN = basic("phenoloop", "pässword of tests")


class Unreleased(FakeChain):
    def version(self):
        raise ReleaseMissing("No release is live.")


class Broken(FakeChain):
    def version(self):
        raise RuntimeError("secret detail")


def client(**parts):
    served = backend(**parts)
    return create_app(served, served.settings).test_client()


@pytest.fixture
def logged():
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


def error_of(response):
    body = response.get_json()
    assert response.content_type == "application/json"
    assert "Traceback" not in response.text
    assert 'File "' not in response.text
    return body["error"]


def test_the_health_check_needs_no_credentials_and_names_the_release():
    for path in ("/", "/health"):
        assert client().get(path).get_json() == {"status": "UP", "model_version": RELEASE, "problems": []}


def test_without_a_live_release_the_health_check_says_so_and_setup_fails():
    unreleased = client(chain=Unreleased())

    assert unreleased.get("/health").get_json()["model_version"] is None
    response = unreleased.post("/setup", json=recorded("setup"), headers=KNOWN)
    assert (response.status_code, error_of(response)) == (503, "No release is live.")


def test_what_keeps_it_from_its_work_is_in_the_health_check_and_makes_it_not_ready():
    troubled = replace(backend(), problems=lambda: ["Redis does not answer."])
    served = create_app(troubled, troubled.settings).test_client()

    assert served.get("/health").get_json()["problems"] == ["Redis does not answer."]
    assert served.get("/health").status_code == 200  # Label Studio still calls it connected: it is
    response = served.get("/ready")
    assert (response.status_code, response.get_json()) == (
        503,
        {"ready": False, "problems": ["Redis does not answer."]},
    )


def test_one_that_can_do_its_work_is_ready_to_anyone_who_asks():
    response = client().get("/ready")

    assert (response.status_code, response.get_json()) == (200, {"ready": True, "problems": []})


def test_every_answer_bears_the_id_of_its_request(logged):
    told = client().post("/predict", json=recorded("predict"), headers=KNOWN | {"X-Request-ID": "request-7"})

    assert told.headers["X-Request-ID"] == "request-7"
    (line,) = (line for line in logged if line["event"] == "request answered")
    assert (line["trace_id"], line["route"], line["status"]) == ("request-7", "/predict", 200)


def test_what_a_task_logs_in_its_thread_has_the_requests_id_and_its_own_numbers(logged):
    asked = recorded("predict")
    asked["tasks"][0]["data"] = {}

    client().post("/predict", json=asked, headers=KNOWN | {"X-Request-ID": "request-7"})

    (line,) = (line for line in logged if line["event"] == "task failed")
    assert (line["trace_id"], line["task"], line["project"]) == ("request-7", 6, 2)


@pytest.mark.parametrize("given", [None, "two words", "x" * 65, "é"])
def test_what_is_no_id_is_not_taken_over(given):
    response = client().get("/health", headers={"X-Request-ID": given} if given else {})

    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_a_job_is_asked_for_under_the_id_of_its_request():
    queue = FakeQueue()

    client(queue=queue).post(
        "/webhook", json=recorded("webhook_tasks_created"), headers=KNOWN | {"X-Request-ID": "request-7"}
    )

    assert [job.meta for job in queue.jobs] == [{"trace_id": "request-7"}]


def test_setup_answers_the_release_in_far_less_than_three_seconds():
    served, asked = client(), recorded("setup")
    started = time.perf_counter()

    response = served.post("/setup", json=asked, headers=KNOWN)

    assert response.get_json() == {"model_version": RELEASE}
    assert time.perf_counter() - started < 0.5


def test_versions_names_the_live_one():
    assert client().get("/versions", json={"project": "1.1"}, headers=KNOWN).get_json() == {"versions": [RELEASE]}


@pytest.mark.parametrize("name", ["predict", "predict_rectangle", "predict_keypoint"])
def test_a_recorded_request_gets_one_item_a_task(name):
    asked = recorded(name)

    response = client().post("/predict", json=asked, headers=KNOWN)

    (item,) = response.get_json()["results"]
    assert len(asked["tasks"]) == 1
    assert item["model_version"] == RELEASE
    assert item["result"]


def test_a_batch_gets_one_item_a_task_though_some_fail():
    asked = recorded("predict")
    (task,) = asked["tasks"]
    asked["tasks"] = [task, task | {"data": {}}, task | {"data": {"image": "s3://elsewhere/a.jpg"}}]

    results = client().post("/predict", json=asked, headers=KNOWN).get_json()["results"]

    assert [bool(item) for item in results] == [True, False, False]


def test_two_requests_of_the_same_photo_get_the_same_bytes():
    served = client()

    first, again = (served.post("/predict", json=recorded("predict"), headers=KNOWN).data for _ in range(2))

    assert first == again


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


def test_a_body_over_the_limit_is_refused():
    response = client(max_body_bytes=1000).post("/predict", json={"tasks": ["x" * 1000]}, headers=KNOWN)

    assert response.status_code == 413
    assert error_of(response)


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


def test_new_tasks_are_handed_to_the_background_and_acknowledged():
    queue = FakeQueue()

    response = client(queue=queue).post("/webhook", json=recorded("webhook_tasks_created"), headers=KNOWN)

    assert response.status_code == 200
    assert [job.args for job in queue.jobs] == [(2, [6, 7])]


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "PROJECT_UPDATED", "START_TRAINING", "SOMETHING_NEW"])
def test_other_webhooks_are_acknowledged_and_counted(action):
    queue = FakeQueue()
    served = client(queue=queue)

    response = served.post("/webhook", json={"action": action, "project": {"id": 3}}, headers=KNOWN)

    assert response.status_code == 200
    assert queue.jobs == []
    counted = "other" if action == "SOMETHING_NEW" else action
    assert f'phenoloop_webhooks_total{{action="{counted}"}} 1.0' in served.get("/metrics", headers=KNOWN).text


def test_a_webhook_that_redis_does_not_take_is_an_error_that_may_pass():
    served = client(queue=FakeQueue(RedisDown("down")))

    response = served.post("/webhook", json=recorded("webhook_tasks_created"), headers=KNOWN)

    assert response.status_code == 503
    assert error_of(response)


def test_metrics_count_requests_tasks_and_objects():
    served = client()
    served.post("/predict", json=recorded("predict"), headers=KNOWN)
    served.post("/predict", json={}, headers=KNOWN)

    response = served.get("/metrics", headers=KNOWN)

    assert response.content_type.startswith("text/plain")
    for line in (
        'phenoloop_requests_total{route="/predict",status="200"} 1.0',
        'phenoloop_requests_total{route="/predict",status="422"} 1.0',
        'phenoloop_tasks_total{outcome="predicted"} 1.0',
        'phenoloop_predict_seconds_count{kind="batch"} 1.0',
        "phenoloop_objects_total 1.0",
    ):
        assert line in response.text


def test_two_apps_count_apart():
    first, second = client(), client()
    first.post("/predict", json=recorded("predict"), headers=KNOWN)

    assert "phenoloop_objects_total 0.0" in second.get("/metrics", headers=KNOWN).text


def test_an_answer_is_what_label_studio_reads():
    """It zips results with tasks, and takes `result`, `score`, `model_version` of each."""
    results = json.loads(client().post("/predict", json=recorded("predict"), headers=KNOWN).data)["results"]

    assert all(set(item) == {"result", "score", "model_version"} for item in results)
