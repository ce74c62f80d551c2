"""What whoever runs the loop sees and does at the console, in a real browser. Pictures are in artifacts/browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.annotator import chromium
from tests.browser.operator import Operator
from tests.browser.test_annotator import PICTURES
from tests.conftest import RunningStack, eventually

pytestmark = pytest.mark.browser

PHONE_PX = 400


@pytest.fixture(scope="module")
def operator(stack: RunningStack) -> Iterator[Operator]:
    with chromium() as driver:
        person = Operator(driver, stack.status()["console"], PICTURES)
        person.log_in()
        yield person


@pytest.fixture
def photo(stack: RunningStack) -> Path:
    return min((stack.data_dir / "generated").rglob("*.jpg"))


def test_the_overview_says_what_is_live_and_what_the_loop_waits_for(operator: Operator, stack: RunningStack) -> None:
    text = operator.open()
    assert stack.status()["release"] in text
    assert "changed annotations" in text
    assert "Something went wrong" not in text
    operator.take_picture("console-overview")


@pytest.mark.parametrize("page", ["", "/releases", "/runs", "/try"])
def test_a_page_loads_all_of_its_own_and_nothing_else_and_fits_a_phone(operator: Operator, page: str) -> None:
    operator.complaints()
    operator.open(page)
    assert operator.complaints() == []
    assert not operator.is_wider_than(PHONE_PX)


def test_a_photo_is_tried_and_shown_with_what_the_live_chain_found(operator: Operator, photo: Path) -> None:
    rows = operator.try_photo(photo, mm_per_px="0.25")
    assert rows
    assert all(float(row[3]) > 0 for row in rows)
    assert operator.complaints() == []
    operator.take_picture("console-try")


def test_a_photo_that_is_kept_becomes_a_task(operator: Operator, stack: RunningStack, photo: Path) -> None:
    project = stack.status()["label_studio"]["project_id"]
    assert operator.try_photo(photo, keep=True)

    def incoming() -> list[str]:
        tasks = stack.label_studio().tasks(project)
        return [uri for task in tasks if "/incoming/" in (uri := str(task.data["image"]))]

    assert eventually(incoming, within_s=120)


def test_a_dropped_photo_is_as_if_chosen(operator: Operator) -> None:
    assert operator.drop("carrots.jpg") == [1, "carrots.jpg"]


def test_there_is_no_way_back_from_the_only_chain(operator: Operator, stack: RunningStack) -> None:
    live = stack.status()["release"]
    assert "nothing could take its place" in operator.roll_back("worse than before")
    assert stack.status()["release"] == live
