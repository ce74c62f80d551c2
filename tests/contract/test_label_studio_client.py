"""The API client against recordings of Label Studio 1.23.2; integration tests walk the same way through a real one."""

import socket
from typing import Any

import pytest
import stamina

from phenoloop.errors import LabelStudioRefused, LabelStudioUnavailable
from phenoloop.labelling.client import LabelStudio
from phenoloop.labelling.storages import is_at_work, is_stuck
from tests.contract.label_studio_walk import BOX, LABEL_CONFIG, predict_twice, walk_through
from tests.contract.recorded_label_studio import RecordedLabelStudio, recorded


def test_a_project_is_walked_through_as_recorded():
    with RecordedLabelStudio(recorded("api_walk_through")) as server:
        walk_through(LabelStudio(server.url, "legacy-token", attempts=1), "phenoloop")

        assert server.is_finished
        assert set(server.authorizations) == {"Token legacy-token"}


def test_a_task_with_predictions_of_two_releases_is_found_as_recorded():
    with RecordedLabelStudio(recorded("api_predicted_twice")) as server:
        predict_twice(LabelStudio(server.url, "token", attempts=1))

        assert server.is_finished


def test_predictions_that_label_studio_drops_are_an_error():
    found = {"task": 25, "result": [BOX | {"from_name": "unknown"}], "score": 0.9, "model_version": "release-1"}

    with (
        RecordedLabelStudio(recorded("api_dropped")) as server,
        pytest.raises(LabelStudioRefused, match="dropped"),
    ):
        LabelStudio(server.url, "token", attempts=1).import_predictions(3, [found])


def test_a_connected_backends_webhook_gets_the_credentials_and_tells_of_new_tasks_only():
    exchanges = recorded("api_connect_backend")
    url = exchanges[0]["sent"]["url"]

    with RecordedLabelStudio(exchanges) as server:
        label_studio = LabelStudio(server.url, "token", attempts=1)
        project_id = exchanges[0]["sent"]["project"]
        backend_id = label_studio.connect_backend(project_id, url, user="phenoloop", password="pw")
        (connected,) = label_studio.backends(project_id)

        assert server.is_finished
    assert (connected["id"], connected["url"], connected["readable_state"]) == (backend_id, url, "Connected")
    (hook,) = [exchange["answer"] for exchange in exchanges if exchange["method"] == "PATCH"]
    assert (hook["actions"], hook["send_for_all_actions"]) == (["TASKS_CREATED"], False)
    assert hook["headers"]["Authorization"].startswith("Basic ")


def exchange(name: str, path: str) -> dict[str, Any]:
    """The first recorded exchange of that file with that path."""
    return next(dict(exchange) for exchange in recorded(name) if exchange["path"] == path)


BUY = exchange("api_personal_token", "/api/token/refresh/")
VERSION = exchange("api_personal_token", "/api/version")
NOT_KNOWN = VERSION | next(
    {"status": 401, "answer": refusal["answer"]} for refusal in recorded("api_refusals") if refusal["status"] == 401
)
DOWN = VERSION | {"status": 503, "answer": None}


def test_a_personal_access_token_buys_one_access_token_for_many_requests():
    with RecordedLabelStudio([BUY, VERSION, VERSION]) as server:
        label_studio = LabelStudio(server.url, "header.payload.signature", attempts=1)

        assert (label_studio.version(), label_studio.version()) == ("1.23.2", "1.23.2")
        assert server.authorizations == [None, "Bearer bought", "Bearer bought"]


def test_an_expired_access_token_is_bought_anew():
    with RecordedLabelStudio([BUY, VERSION, NOT_KNOWN, BUY, VERSION]) as server:
        label_studio = LabelStudio(server.url, "header.payload.signature", attempts=1)
        label_studio.version()

        assert label_studio.version() == "1.23.2"
        assert server.is_finished


def test_a_request_that_may_be_repeated_is_tried_again_while_label_studio_is_down():
    with RecordedLabelStudio([DOWN, DOWN, VERSION]) as server, stamina.set_testing(True, attempts=3):
        assert LabelStudio(server.url, "token").version() == "1.23.2"


def test_a_request_that_makes_something_is_sent_once():
    made = recorded("api_walk_through")[2]
    assert (made["method"], made["path"]) == ("POST", "/api/projects/")

    with RecordedLabelStudio([made | {"status": 503}, made]) as server:
        with pytest.raises(LabelStudioUnavailable):
            LabelStudio(server.url, "token").create_project("Contract", LABEL_CONFIG, show_collab_predictions=True)
        assert not server.is_finished


def test_a_sync_that_outlasts_its_answer_goes_on_and_is_asked_for_once():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        label_studio = LabelStudio(f"http://127.0.0.1:{mute.getsockname()[1]}", "token", timeout_s=0.2)

        assert label_studio.sync_photo_storage(3) is None

        mute.accept()[0].close()
        mute.setblocking(False)  # noqa: FBT003  # its own name for it
        with pytest.raises(BlockingIOError):
            mute.accept()


def test_a_sync_that_outlasts_a_proxys_patience_goes_on():
    sync = exchange("api_walk_through", "/api/storages/s3/3/sync")
    with RecordedLabelStudio([sync | {"status": 504, "answer": None}]) as server:
        assert LabelStudio(server.url, "token").sync_photo_storage(3) is None


def test_a_sync_that_label_studio_can_not_begin_is_asked_for_once():
    sync = exchange("api_walk_through", "/api/storages/s3/3/sync")
    with RecordedLabelStudio([sync | {"status": 500}, sync]) as server:
        with pytest.raises(LabelStudioUnavailable):
            LabelStudio(server.url, "token").sync_photo_storage(3)
        assert not server.is_finished


def test_a_storage_that_label_studio_works_on_says_so():
    added = exchange("api_walk_through", "/api/storages/export/s3")["answer"]
    synced = exchange("api_walk_through", "/api/storages/s3/3/sync")["answer"]
    assert (added["status"], is_stuck(added), is_at_work(synced)) == ("queued", True, False)  # stuck by now


def test_a_label_studio_that_is_not_there_is_unavailable():
    with RecordedLabelStudio([]) as server:
        url = server.url

    with pytest.raises(LabelStudioUnavailable):
        LabelStudio(url, "token", attempts=1).version()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, LabelStudioRefused),
        (404, LabelStudioRefused),
        (429, LabelStudioUnavailable),
        (500, LabelStudioUnavailable),
    ],
)
def test_a_status_tells_whether_trying_again_can_help(status, expected):
    with RecordedLabelStudio([VERSION | {"status": status}]) as server, pytest.raises(expected):
        LabelStudio(server.url, "token", attempts=1).version()


def test_a_refusal_says_why_and_shows_no_token():
    with RecordedLabelStudio([NOT_KNOWN]) as server, pytest.raises(LabelStudioRefused) as caught:
        LabelStudio(server.url, "hush-hush", attempts=1).version()

    assert "Invalid token" in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_an_answer_that_is_no_json_is_refused():
    with (
        RecordedLabelStudio(
            [VERSION | {"answer": "<html>a proxy's page</html>", "content_type": "text/html"}]
        ) as server,
        pytest.raises(LabelStudioRefused, match="no JSON"),
    ):
        LabelStudio(server.url, "token", attempts=1).version()
