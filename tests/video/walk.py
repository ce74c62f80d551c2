"""Once around the loop in a browser, as an annotator and whoever runs the loop see it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from selenium import webdriver

from phenoloop.demo.proof.bucket import Bucket
from phenoloop.demo.proof.desk import Desk
from phenoloop.demo.proof.known import Subjects
from phenoloop.demo.proof.stack import Doors
from phenoloop.demo.proof.work import annotate
from phenoloop.labelling.annotated import decode_regions
from phenoloop.labelling.config import parse_labelling_config
from tests.browser.annotator import Annotator, Place
from tests.browser.operator import Operator
from tests.conftest import eventually
from tests.video.film import Film

PREDICTED_WITHIN_S = 300.0
TRAINED_WITHIN_S = 1200.0
LIVE_WITHIN_S = 300.0
LAPSE_S = 15.0
"""Between two pictures of a run at work."""


class Walk:
    """On a running stack whose runs wait for a person's approval. Films, and takes the console's pictures."""

    def __init__(self, driver: webdriver.Chrome, status: Mapping[str, Any], subjects: Subjects, pictures: Path) -> None:
        self.film = Film(driver)
        doors, label_studio = Doors.of(status), status["label_studio"]
        self._subjects, self._config = subjects, parse_labelling_config(doors.label_config)
        self._desk, self._bucket = Desk(doors), Bucket(doors)
        self._annotator = Annotator(driver, doors.label_studio_url, pictures)
        self._operator = Operator(driver, status["console"], pictures)
        self._annotator.log_in(label_studio["user"], label_studio["password"])
        self._operator.log_in()

    def run(self) -> None:
        self._bring_photos()
        self._see_the_start()
        self._correct_one()
        self._annotate_the_rest()
        run = self._see_it_learn()
        self._approve(run)
        self._see_what_became_better()

    def _bring_photos(self) -> None:
        """Each is a task with a pre-annotation."""
        self._bucket.put_photos(self._subjects.annotated)
        self._desk.import_photos()
        release, count = self._bucket.live_release(), len(self._subjects.open) + len(self._subjects.annotated)
        eventually(lambda: self._desk.predicted_by(release) >= count, within_s=PREDICTED_WITHIN_S)

    def _see_the_start(self) -> None:
        self._operator.open()
        self.film.shoot("The console: a first chain is live that was never trained", seconds=3)

    def _correct_one(self) -> None:
        task = self._tasks()[self._subjects.annotated[0].name]
        self._annotator.open_task(self._desk.project_id, task)
        self.film.shoot("A photo opens in Label Studio, annotated by the live chain", seconds=3)
        self._annotator.select_region(0)
        self._annotator.use_tool("brush-tool")
        self.film.shoot("The annotator takes the brush ...", seconds=1.5)
        self._annotator.drag(*self._across_the_first_object(task))
        self.film.shoot("... puts right what is wrong ...", seconds=2)
        self._annotator.submit()
        self.film.shoot("... and submits", seconds=2)

    def _annotate_the_rest(self) -> None:
        release = self._bucket.live_release()
        rest = self._subjects.annotated[1:]

        def saved(count: int) -> None:
            if count % 8 == 0 or count == len(rest):
                self._operator.open()
                self.film.shoot(f"A simulated annotator does {count} more; the console counts corrections", seconds=1.5)

        annotate(self._desk, self._config, rest, model_version=release, on_saved=saved)

    def _see_it_learn(self) -> str:
        """The run that starts by itself."""
        run = eventually(lambda: next(iter(self._bucket.runs()), None), within_s=120)
        started_s, shot_s = time.monotonic(), 0.0
        while self._bucket.run_end(run) is None:
            if time.monotonic() - shot_s > LAPSE_S:
                self._operator.open(f"/runs/{run}")
                self.film.shoot(f"A training run starts by itself ({time.monotonic() - started_s:.0f} s)", seconds=0.5)
                shot_s = time.monotonic()
            if time.monotonic() - started_s > TRAINED_WITHIN_S:
                raise TimeoutError(f"Run {run} did not end.")
            time.sleep(1.0)
        return run

    def _approve(self, run: str) -> None:
        self._operator.open(f"/runs/{run}")
        self._operator.take_picture("console-run")
        self.film.shoot("The run is done: the new chain was measured beside the live one", seconds=3)
        self._operator.open(f"/runs/{run}/report")
        self.film.shoot("Its report", seconds=2)
        before = self._bucket.live_release()
        self._operator.open()
        self._operator.take_picture("console-decision")
        self.film.shoot("It waits for a person ...", seconds=2)
        self._operator.approve("the report is convincing")
        self.film.shoot("... who approves it", seconds=1.5)
        self._until(
            "New endpoints start, and are tried before they go live", lambda: self._bucket.live_release() != before
        )

    def _see_what_became_better(self) -> None:
        release, task = self._bucket.live_release(), self._tasks()[self._subjects.open[0].name]
        self._until("The new chain is live; open tasks follow", lambda: release in self._desk.versions_on([task])[task])
        self._annotator.open_task(self._desk.project_id, task)
        self.film.shoot("An open task has its new pre-annotation", seconds=3)
        self._operator.try_photo(self._subjects.tests[0].path, mm_per_px="0.25")
        self._operator.take_picture("console-try")
        self.film.shoot("Any photo can be tried at the console", seconds=3)
        self._operator.open("/releases")
        self._operator.take_picture("console-releases")
        self.film.shoot("Every chain, what it measured and how it came live", seconds=3)
        self._operator.open()
        self._operator.take_picture("console-overview")
        self.film.shoot("From a save to a better pre-annotation: the loop is closed", seconds=4)

    def _until(self, caption: str, happened: Callable[[], bool]) -> None:
        started_s = time.monotonic()
        while not happened():
            self._operator.open()
            self.film.shoot(caption, seconds=0.5)
            if time.monotonic() - started_s > LIVE_WITHIN_S:
                raise TimeoutError(caption)
            time.sleep(4.0)
        self._operator.open()
        self.film.shoot(caption, seconds=1.5)

    def _tasks(self) -> Mapping[str, int]:
        return self._desk.tasks_by_photo()

    def _across_the_first_object(self, task: int) -> tuple[Place, Place]:
        """A stroke through the middle of it."""
        first = decode_regions(self._desk.open_task(task).result)[0]
        x0, y0, x1, y1 = first.box_px

        def place(share: float) -> Place:
            return (x0 + share * (x1 - x0)) / first.width_px, (y0 + share * (y1 - y0)) / first.height_px

        return place(0.35), place(0.65)
