import json
import threading

import pytest
from redis.exceptions import ConnectionError as RedisDown
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ml_backend.model import phenoloop_model
from phenoloop.deadlines import remaining_s
from phenoloop.errors import EndpointUnavailable, LabellingConfigInvalid, TimeOver
from tests.unit.backend_fakes import BOXES, MASKS, RELEASE, FakeChain, FakeQueue, Gate, backend, tasks


def predict(served, given, label_config=MASKS):
    return phenoloop_model(served)().predict(given, label_config=label_config)


def failing_at(name, error):
    def check(etag):
        if etag == name:
            raise error

    return FakeChain(before=check)


def values(item, control):
    return [region["value"] for region in item["result"] if region["from_name"] == control]


def test_a_prediction_has_regions_numbers_score_and_the_releases_name():
    (item,) = predict(backend(), tasks("a-scaled.jpg"))

    assert [region["from_name"] for region in item["result"]] == ["mask", "length_mm", "width_mm", "count"]
    assert [value["number"] for value in values(item, "length_mm")] == [20]
    assert (item["score"], item["model_version"]) == (0.8, RELEASE)


def test_the_scale_in_the_tasks_data_wins_over_the_photos_own():
    (task,) = tasks("a-scaled.jpg")
    task["data"]["mm_per_px"] = "2"

    (item,) = predict(backend(), [task])

    assert [value["number"] for value in values(item, "length_mm")] == [80]


def test_without_a_scale_no_length_is_told():
    (item,) = predict(backend(), tasks("a.jpg"))

    assert values(item, "length_mm") == []


def test_nothing_found_is_an_empty_result_and_not_an_empty_item():
    assert predict(backend(chain=FakeChain(labels=())), tasks("a.jpg")) == [
        {"result": [], "score": 0.0, "model_version": RELEASE}
    ]


@pytest.mark.parametrize(
    "error", [EndpointUnavailable("The endpoint throttled."), ValueError("a bug"), MemoryError("too large")]
)
def test_a_failed_task_is_answered_by_an_empty_item_and_costs_the_others_nothing(error):
    served = backend(chain=failing_at("b.jpg", error))

    with capture_logs(processors=[merge_contextvars]) as logs:
        first, second, third = predict(served, tasks("a.jpg", "b.jpg", "c.jpg"))

    assert second == []
    assert first["result"]
    assert third["result"]
    assert [(log["task"], log["project"]) for log in logs if log["event"].startswith("task failed")] == [(2, 3)]
    assert f'phenoloop_failures_total{{error="{type(error).__name__}"}} 1.0' in served.metrics.text()


@pytest.mark.parametrize(
    "reference",
    [
        "s3://elsewhere/a.jpg",
        "https://example.org/a.jpg",
        "file:///etc/passwd",
        "/data/upload/1/a.jpg",
        "s3://phenoloop",
        "",
    ],
)
def test_a_photo_that_is_not_in_an_allowed_bucket_is_not_read(reference):
    (task,) = tasks("a.jpg")
    task["data"]["image"] = reference

    assert predict(backend(), [task]) == [[]]


@pytest.mark.parametrize(
    "data", [{}, {"image": None}, {"image": ["s3://phenoloop/a.jpg"]}, {"other": "s3://phenoloop/a.jpg"}]
)
def test_a_task_that_names_no_photo_fails(data):
    assert predict(backend(), [{"id": 1, "data": data}]) == [[]]


@pytest.mark.parametrize("scale", [0, -1, "wide", "nan", [1]])
def test_a_scale_that_is_none_fails_the_task_rather_than_being_passed_over(scale):
    (task,) = tasks("a.jpg")
    task["data"]["mm_per_px"] = scale

    assert predict(backend(), [task]) == [[]]


def test_each_project_gets_regions_of_its_own_configuration():
    served = backend()

    (masked,) = predict(served, tasks("a.jpg"), MASKS)
    (boxed,) = predict(served, tasks("a.jpg"), BOXES)

    assert (masked["result"][0]["type"], boxed["result"][0]["type"]) == ("brushlabels", "rectanglelabels")


def test_the_configured_map_names_what_the_project_calls_otherwise():
    german = BOXES.replace('value="tomato"', 'value="Tomate"')

    (item,) = predict(backend(label_map={"tomato": "Tomate"}), tasks("a.jpg"), german)

    assert values(item, "box")[0]["rectanglelabels"] == ["Tomate"]


def test_the_same_photo_gives_the_same_bytes_whatever_its_task():
    first, second = (json.dumps(predict(backend(), [task])) for task in tasks("a.jpg", "a.jpg"))

    assert first == second


def test_a_configuration_without_an_image_is_refused_as_a_whole():
    with pytest.raises(LabellingConfigInvalid):
        predict(backend(), tasks("a.jpg"), "<View/>")


def test_no_tasks_give_no_items():
    assert predict(backend(), []) == []


def test_items_come_in_the_tasks_order_though_tasks_run_in_parallel():
    gate = Gate("a.jpg")
    served = backend(
        chain=FakeChain(before=lambda etag: gate.open() if etag == "c.jpg" else gate(etag)), parallel_tasks=2
    )

    items = predict(served, [*tasks("a.jpg", "elsewhere:b", "c.jpg")])

    assert [bool(item) for item in items] == [True, False, True]


def test_what_is_late_is_answered_by_empty_items_and_handed_to_the_background():
    gate, queue = Gate("b.jpg", "c.jpg"), FakeQueue()
    served = backend(chain=FakeChain(before=gate), queue=queue, predict_deadline_s=0.3, parallel_tasks=2)

    try:
        first, *late = predict(served, tasks("a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    finally:
        gate.open()

    assert first["result"]
    assert late == [[], [], []]
    assert [job.args for job in queue.jobs] == [(3, [2, 3, 4])]
    assert 'phenoloop_tasks_total{outcome="deferred"} 3.0' in served.metrics.text()


def test_finished_items_are_answered_even_if_the_late_ones_can_not_be_handed_over():
    gate = Gate("b.jpg")
    served = backend(chain=FakeChain(before=gate), queue=FakeQueue(RedisDown("down")), predict_deadline_s=0.3)

    try:
        first, late = predict(served, tasks("a.jpg", "b.jpg"))
    finally:
        gate.open()

    assert first["result"]
    assert late == []


def test_a_task_knows_how_much_time_it_has():
    left_s = []
    served = backend(chain=FakeChain(before=lambda etag: left_s.append(remaining_s())), predict_deadline_s=7)

    predict(served, tasks("a.jpg"))

    assert left_s == [pytest.approx(7, abs=1)]


def test_a_task_that_ran_out_of_time_is_no_failure_for_good_but_goes_to_the_background():
    queue = FakeQueue()
    served = backend(chain=failing_at("a.jpg", TimeOver("No turn came in time.")), queue=queue)

    assert predict(served, tasks("a.jpg")) == [[]]
    assert [job.args for job in queue.jobs] == [(3, [1])]


def test_what_comes_after_the_deadline_counts_as_failed_and_is_told_once():
    gate, ended = Gate("a.jpg"), threading.Event()
    served = backend(chain=FakeChain(before=gate), predict_deadline_s=0.1)

    def tell(_, __, line):
        if line["event"] == "task failed":
            ended.set()
        return line

    with capture_logs(processors=[merge_contextvars, tell]) as logs:
        assert predict(served, tasks("a.jpg")) == [[]]
        gate.open()
        assert ended.wait(10)

    (line,) = [log for log in logs if log["log_level"] == "warning"]
    assert (line["error_type"], line["task"]) == ("TimeOver", 1)
