"""An annotator in headless Chromium: logs in, opens tasks, uses the editor's tools, looks at pictures of the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1600,1900",
)
Place = tuple[float, float]
"""On the photo, as shares of its width and height."""
REGION_TITLE = ".lsf-outliner-item__title"
PICTURES_ARE_THERE = "return document.images.length > 0 && [...document.images].every(image => image.complete)"
"""Until then the editor knows no places on the photo, and forgets what is selected."""


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium with its driver. A missing program is an error, never a skipped test."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        raise RuntimeError(f"Install {', '.join(missing)} (Debian: chromium chromium-driver) to run the browser tests.")
    options = Options()
    options.binary_location = str(programs["chromium"])
    for flag in CHROMIUM_FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(str(programs["chromedriver"])))
    try:
        yield driver
    finally:
        driver.quit()


class Annotator:
    def __init__(self, driver: webdriver.Chrome, label_studio_url: str, pictures: Path) -> None:
        self._driver, self._url, self._pictures = driver, label_studio_url, pictures
        pictures.mkdir(parents=True, exist_ok=True)

    def log_in(self, user: str, password: str) -> None:
        self._driver.get(f"{self._url}/user/login")
        self._one("input[name=email]").send_keys(user)
        self._one("input[name=password]").send_keys(password)
        self._one("button[type=submit]").click()
        self._wait(lambda: "/user/login" not in self._driver.current_url)

    def open_task(self, project_id: int, task_id: int) -> None:
        """Open the task in the editor and wait for its photo and its first region."""
        self._driver.get(f"{self._url}/projects/{project_id}/data?task={task_id}")
        self._one("canvas")
        self._wait(lambda: bool(self._driver.execute_script(PICTURES_ARE_THERE)))
        self.wait_for_regions(1)

    def open_and_delete_region(self, project_id: int, task_id: int, index: int) -> list[str]:
        """The labels of the regions left."""
        self.open_task(project_id, task_id)
        before = self.wait_for_regions(index + 1)
        self.select_region(index)
        ActionChains(self._driver).send_keys(Keys.BACKSPACE).perform()
        self._wait(lambda: len(self.regions()) == len(before) - 1)
        return self.regions()

    def regions(self) -> list[str]:
        """The labels of the regions in the outliner, top to bottom."""
        return [text.split("\n")[-1] for text in self._read(REGION_TITLE, "innerText")]

    def wait_for_regions(self, count: int) -> list[str]:
        """The labels, once there are `count` regions or more. The outliner lists what fits; a tall window shows all."""
        self._wait(lambda: len(self.regions()) >= count)
        return self.regions()

    def region_kinds(self) -> list[str]:
        """The kinds of the regions in the outliner: brushregion, rectangleregion, ..."""
        classes = self._read(".lsf-tree__node", "className")
        return [
            name.removeprefix("lsf-tree__node_type_") for text in classes for name in text.split() if "_type_" in name
        ]

    def select_region(self, index: int) -> None:
        self._all(REGION_TITLE)[index].click()

    def use_tool(self, name: str) -> None:
        """By the tool's accessible name: brush-tool, eraser, move-tool, ..."""
        self._one(f"[aria-label={name}]").click()

    def click(self, place: Place) -> None:
        photo = self._one("canvas")
        ActionChains(self._driver).move_to_element_with_offset(photo, *_offset_px(photo, place)).click().perform()

    def drag(self, start: Place, end: Place) -> None:
        photo = self._one("canvas")
        actions = ActionChains(self._driver, duration=80)
        actions.move_to_element_with_offset(photo, *_offset_px(photo, start)).click_and_hold()
        for part in (0.25, 0.5, 0.75, 1.0):
            between = (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)
            actions.move_to_element_with_offset(photo, *_offset_px(photo, between))
        actions.release().perform()

    def use_smart_tool(self, name: str, label: str) -> None:
        """Turn on automatic annotation, take the tool, then the label it shall prompt with: in this order."""
        toggle = self._driver.find_element(By.CSS_SELECTOR, "[data-testid=bottombar-auto-annotation-toggle]")
        if not toggle.is_selected():  # Label Studio remembers it
            self._click_hidden(toggle)
        tool = self._wait(lambda: next(iter(self._all(f"[aria-label={name}]")), None))
        self._click_hidden(tool)
        row = {"rectangle-tool": 1, "key-point-tool": 2}[name]  # of configs/labelling/masks.xml
        [element for element in self._all(".lsf-label") if element.text.startswith(label)][row].click()

    def accept_suggestions(self) -> None:
        self._one("[data-testid=bottombar-accept-suggestions-button]").click()

    def submit(self) -> None:
        self._one("[aria-label='Submit current annotation']").click()
        self._one("[aria-label=submit]")

    def take_picture(self, name: str) -> Path:
        file = self._pictures / f"{name}.png"
        self._driver.save_screenshot(str(file))
        return file

    def _one(self, selector: str, *, within_s: float = 60.0) -> WebElement:
        def found() -> WebElement | bool:
            elements = [e for e in self._driver.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()]
            return elements[0] if elements else False

        element = self._wait(found, within_s=within_s)
        assert isinstance(element, WebElement)
        return element

    def _click_hidden(self, element: WebElement) -> None:
        """Tools in a folded group and the switch's checkbox take clicks but are not shown themselves."""
        self._driver.execute_script("arguments[0].click()", element)

    def _read(self, selector: str, attribute: str) -> list[str]:
        """In one go: the editor redraws its lists while one looks."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e[arguments[1]])"
        return [str(text) for text in self._driver.execute_script(script, selector, attribute)]

    def _all(self, selector: str) -> list[WebElement]:
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def _wait(self, condition, *, within_s: float = 60.0):  # type: ignore[no-untyped-def]
        redrawn = [StaleElementReferenceException]
        waiting = WebDriverWait(self._driver, within_s, poll_frequency=0.2, ignored_exceptions=redrawn)
        try:
            return waiting.until(lambda _: condition())
        except TimeoutException:
            self.take_picture("timed-out")
            raise


def _offset_px(photo: WebElement, place: Place) -> tuple[int, int]:
    """From the photo's centre, as WebDriver wants it."""
    return round((place[0] - 0.5) * photo.size["width"]), round((place[1] - 0.5) * photo.size["height"])
