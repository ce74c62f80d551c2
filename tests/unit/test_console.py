"""The console: who gets in, what its pages say, and what its forms do."""

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from loc360.wire import Box
from phenoloop.errors import SageMakerUnavailable
from sync.executions import StepProgress
from tests.unit.console_things import AT, KNOWN, STORAGE, Desk, evaluation, statuses
from tests.unit.fake_models import Painted, paint, save

PAGES = ["/console", "/console/releases", "/console/runs", "/console/try"]


@pytest.fixture
def desk() -> Desk:
    """Version 1 is live, version 2 of run abc waits for a decision."""
    desk = Desk()
    desk.train("abc", evaluated=evaluation())
    desk.register(1, live=True)
    desk.wait_for(2, run="abc")
    return desk


# Who gets in


@pytest.mark.parametrize("path", [*PAGES, "/console/runs/abc", "/console/runs/abc/report", "/console/static/style.css"])
def test_nothing_is_shown_without_credentials(desk: Desk, path: str) -> None:
    answer = desk.app().test_client().get(path)
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("path", ["/console/releases/2/approve", "/console/releases/2/reject", "/console/rollback"])
@pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": "console.forged"}])
def test_a_form_of_another_site_decides_nothing(desk: Desk, path: str, token: dict[str, str]) -> None:
    before = statuses(desk)
    answer = desk.app().test_client().post(path, headers=KNOWN, data={"reason": "mine", **token})
    assert (answer.status_code, statuses(desk)) == (403, before)


@pytest.mark.parametrize("path", [*PAGES, "/console/nowhere"])
def test_every_page_lets_the_browser_load_nothing_foreign(desk: Desk, path: str) -> None:
    headers = desk.client().get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_report_may_show_itself_and_no_more(desk: Desk) -> None:
    answer = desk.client().get("/console/runs/abc/report")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "Better." in answer.text


# What the pages say


def test_the_overview_says_what_is_live_what_waits_and_what_the_queues_hold(desk: Desk) -> None:
    page = desk.client().get("/console").text
    for words in ("phenoloop-live", "Version 2 waits for a decision", "3 of 20 changed annotations", "Roll back"):
        assert words in page
    assert ">7<" in page


def test_a_new_loop_says_what_to_do(desk: Desk) -> None:
    page = Desk().client().get("/console")
    assert page.status_code == 200
    for words in ("Nothing yet", "none yet", "No alarm is set yet", "No annotation was made", "No release has learnt"):
        assert words in page.text


def test_a_source_that_fails_says_so_in_its_own_place(desk: Desk) -> None:
    desk.loop.failure = SageMakerUnavailable("SageMaker does not answer.")
    page = desk.client().get("/console")
    assert page.status_code == 200
    assert "SageMaker does not answer." in page.text
    assert "3 of 20 changed annotations" in page.text


def test_a_bug_in_one_panel_is_no_bug_of_the_page(desk: Desk) -> None:
    desk.cloudwatch.alarms = [{"AlarmName": "phenoloop-x-drift"}]
    page = desk.client().get("/console")
    assert page.status_code == 200
    assert "log says what" in page.text


def test_an_unreachable_cloudwatch_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(operation: str) -> None:
        raise EndpointConnectionError(endpoint_url="http://cloudwatch")

    monkeypatch.setattr(desk.cloudwatch, "get_paginator", down)
    assert "Is CloudWatch reachable?" in desk.client().get("/console").text


def test_alarms_that_ring_come_first(desk: Desk) -> None:
    desk.cloudwatch.alarms = [
        {"AlarmName": "phenoloop-a-errors", "StateValue": "OK", "StateUpdatedTimestamp": AT},
        {"AlarmName": "phenoloop-b-drift", "StateValue": "ALARM", "StateUpdatedTimestamp": AT, "StateReason": "far"},
    ]
    page = desk.client().get("/console").text
    assert page.index(">b<") < page.index(">a<")


def test_what_comes_from_elsewhere_is_never_markup(desk: Desk) -> None:
    desk.problems.append("<script>alert(1)</script>")
    page = desk.client().get("/console").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_releases_are_plotted_with_what_their_runs_measured(desk: Desk) -> None:
    page = desk.client().get("/console/releases").text
    assert "<polyline" in page
    assert "quality of v2: 0.700" in page


def test_a_release_on_its_way_shows_its_steps(desk: Desk) -> None:
    live = desk.loop.live_release
    assert live is not None
    desk.rollouts.begin(live, decided_at=AT, is_live=False)
    desk.rollouts.note(live.name, "shadow", photos=8, matched=0.93)
    client = desk.client()
    assert "On its way" in client.get("/console").text
    assert "photos: 8, matched: 0.93" in client.get("/console/releases").text


def test_a_run_shows_its_steps_its_figures_and_its_report(desk: Desk) -> None:
    page = desk.client().get("/console/runs/abc").text
    for words in ("Fetch", "1 min 15 s", "TrainDetector", "0.700", "/console/runs/abc/report", "Approve"):
        assert words in page


def test_a_run_that_nobody_asked_for_is_not_found(desk: Desk) -> None:
    assert desk.client().get("/console/runs/nothing").status_code == 404


# What the forms do


def test_a_chain_is_approved(desk: Desk) -> None:
    client = desk.client()
    client.get("/console")
    answer = client.post("/console/releases/2/approve")
    assert answer.status_code == 303
    assert statuses(desk)[2] == "Approved"
    assert "Version 2 is approved." in client.get(answer.headers["Location"]).text


def test_a_chain_is_rejected_with_a_reason(desk: Desk) -> None:
    client = desk.client()
    client.get("/console")
    assert client.post("/console/releases/2/reject", reason=" ").status_code == 400
    assert client.post("/console/releases/2/reject", reason="misses carrots").status_code == 303
    assert statuses(desk)[2] == "Rejected"
    assert desk.loop.packages()[0].status_reason == "misses carrots"


def test_the_live_chain_is_rolled_back_and_not_rejected(desk: Desk) -> None:
    desk.register(3, live=True)
    client = desk.client()
    client.get("/console")
    assert client.post("/console/releases/3/reject", reason="worse").status_code == 409
    assert client.post("/console/rollback", reason="worse").status_code == 303
    assert statuses(desk)[3] == "Rejected"


def test_there_is_no_way_back_from_the_only_chain(desk: Desk) -> None:
    client = desk.client()
    client.get("/console")
    answer = client.post("/console/rollback", reason="worse")
    assert answer.status_code == 409
    assert "nothing could take its place" in answer.text
    assert statuses(desk)[1] == "Approved"


# The box to try


def photo(folder: Path, name: str = "photo.png") -> bytes:
    painted = paint(400, 300, [Painted("tomato", Box(100, 100, 200, 150))])
    return Path(save(painted, folder / name)).read_bytes()


def test_a_photo_is_shown_with_what_the_live_chain_finds(desk: Desk, tmp_path: Path) -> None:
    client = desk.client()
    client.get("/console/try")
    page = client.post("/console/try", photo=(io.BytesIO(photo(tmp_path)), "p.png"), mm_per_px="0,5")
    assert page.status_code == 200
    for words in ("1 found by", "tomato", "length, mm", "50.0", "data:image/jpeg;base64,"):
        assert words in page.text
    assert desk.s3.objects == {}


def test_a_photo_as_a_camera_writes_it_fits_the_form(desk: Desk, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(100, 140, (600, 800, 1), np.uint8).repeat(3, axis=2)
    body, client = Path(save(noise, tmp_path / "large.png")).read_bytes(), desk.client()
    assert len(body) > 300_000
    client.get("/console/try")
    page = client.post("/console/try", photo=(io.BytesIO(body), "p.png"))
    assert page.status_code == 200
    assert "The chain found nothing in this photo." in page.text


def test_a_photo_becomes_a_task_if_asked_for(desk: Desk, tmp_path: Path) -> None:
    client, body = desk.client(), photo(tmp_path)
    client.get("/console/try")
    page = client.post("/console/try", photo=(io.BytesIO(body), "../../x.png"), mm_per_px="0.5", keep="on")
    (key,) = desk.s3.objects
    assert key.startswith(f"{STORAGE.images_prefix}incoming/")
    assert desk.s3.objects[key] == body
    assert desk.s3.head_object(Bucket="loop", Key=key)["Metadata"] == {"mm-per-px": "0.5"}
    assert key in page.text


@pytest.mark.parametrize(
    ("body", "scale", "says"),
    [
        (b"", "", "No photo was chosen"),
        (b"no photo", "", "no JPEG or PNG"),
        (b"GIF89a" + b"\0" * 40, "", "no JPEG or PNG"),
        (None, "-1", "no number above 0"),
        (None, "inf", "no number above 0"),
        (None, "wide", "no number"),
    ],
)
def test_what_can_not_be_tried_is_told_and_not_kept(
    desk: Desk, tmp_path: Path, body: bytes | None, scale: str, says: str
) -> None:
    client = desk.client()
    client.get("/console/try")
    sent = photo(tmp_path) if body is None else body
    page = client.post("/console/try", photo=(io.BytesIO(sent), "p.png"), mm_per_px=scale, keep="on")
    assert page.status_code in {400, 422}
    assert says in page.text
    assert desk.s3.objects == {}


def test_a_photo_that_is_too_large_is_refused_before_it_is_read(desk: Desk) -> None:
    client = desk.client()
    client.get("/console/try")
    assert client.post("/console/try", photo=(io.BytesIO(b"\0" * 21 * 1024 * 1024), "p.png")).status_code == 413


def test_a_run_that_is_slow_shows_its_times(desk: Desk) -> None:
    ended_at = AT + timedelta(days=1, hours=2)
    desk.loop.runs.steps["abc"] = (StepProgress("Fetch", "Failed", AT, ended_at, 2, "OOM", "", ""),)
    page = desk.client().get("/console/runs/abc").text
    assert "1 d 2 h" in page
    assert "OOM" in page
