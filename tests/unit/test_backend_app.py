import json
import re
import time
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisDown
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ml_backend.app import create_app
from phenoloop.errors import ReleaseMissing
from tests.unit.backend_client import KNOWN, client, error_of
from tests.unit.backend_fakes import RELEASE, FakeChain, FakeQueue, backend, recorded


class Unreleased(FakeChain):
    def version(self, project=None):
        raise ReleaseMissing("No release is live.")


class Broken(FakeChain):
    def version(self, project=None):
        raise RuntimeError("secret detail")


@pytest.fixture
def logged():
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines


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


def test_setup_answers_the_release_that_its_project_is_served():
    chain = FakeChain()
    chain.canaries = {2: "phenoloop-canary"}  # of the recorded project
    assert client(chain=chain).post("/setup", json=recorded("setup"), headers=KNOWN).get_json() == {
        "model_version": "phenoloop-canary"
    }
    other = recorded("setup") | {"project": "3.1795250760"}
    assert client(chain=chain).post("/setup", json=other, headers=KNOWN).get_json() == {"model_version": RELEASE}
    unnumbered = recorded("setup") | {"project": "no number"}
    assert client(chain=chain).post("/setup", json=unnumbered, headers=KNOWN).get_json() == {"model_version": RELEASE}


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
