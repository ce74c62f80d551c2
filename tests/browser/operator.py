"""Whoever runs the loop, at the console in headless Chromium."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

LEAST_HEIGHT_PX = 300
DROP = """
const box = document.getElementById("drop"), moved = new DataTransfer();
moved.items.add(new File(["photo"], arguments[0], {type: "image/jpeg"}));
box.dispatchEvent(new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true}));
return [box.querySelector("input").files.length, box.querySelector("span").textContent];
"""


class Operator:
    def __init__(self, driver: webdriver.Chrome, console: Mapping[str, str], pictures: Path) -> None:
        """`console` as `phenoloop status --json` tells it: url, user, password."""
        self._driver, self._url, self._pictures = driver, console["url"], pictures
        address, known = urlsplit(self._url), f"{quote(console['user'])}:{quote(console['password'])}"
        self._with_credentials = f"{address.scheme}://{known}@{address.netloc}{address.path}"
        pictures.mkdir(parents=True, exist_ok=True)

    def log_in(self) -> None:
        """The browser keeps the credentials for the rest."""
        self._driver.get(self._with_credentials)

    def open(self, page: str = "") -> str:
        """What the page says; `page` is what follows `/console`."""
        self._driver.get(self._url + page)
        return self.text()

    def text(self) -> str:
        return self._driver.find_element(By.TAG_NAME, "body").text

    def try_photo(self, photo: Path, *, mm_per_px: str = "", keep: bool = False) -> list[list[str]]:
        """The rows of the table of what was found."""
        self.open("/try")
        self._one("input[name=photo]").send_keys(str(photo.resolve()))
        self._one("input[name=mm_per_px]").send_keys(mm_per_px)
        if keep:
            self._one("input[name=keep]").click()
        self._one("form.try button").click()
        self._wait("#found, .problem")
        rows = self._driver.find_elements(By.CSS_SELECTOR, "#found tbody tr")
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]

    def drop(self, name: str) -> list[Any]:
        """How many files the form holds after one was dropped, and what the box says."""
        self.open("/try")
        return list(self._driver.execute_script(DROP, name))

    def approve(self, reason: str) -> str:
        """The chain that waits, on the page that is open; what the next page says."""
        self._one(".decision input[name=reason]").send_keys(reason)
        self._one(".decision button.good").click()
        self._wait(".done")
        return self.text()

    def roll_back(self, reason: str) -> str:
        """What the next page says."""
        self.open()
        self._one("#live summary").click()
        self._one("#live input[name=reason]").send_keys(reason)
        self._one("#live button.bad").click()
        self._wait(".done, [role=alert]")
        return self.text()

    def is_wider_than(self, width_px: int) -> bool:
        """Whether the page that is open would have to be scrolled sideways."""
        size = {"width": width_px, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        width = self._driver.execute_script("return document.documentElement.scrollWidth")
        self._driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        return int(width) > width_px

    def complaints(self) -> list[str]:
        """What the browser found wrong since it was asked last, such as something that the page's policy forbids."""
        return [entry["message"] for entry in self._driver.get_log("browser") if entry["level"] == "SEVERE"]

    def take_picture(self, name: str, *, width_px: int = 1280) -> Path:
        """Of the whole page that is open."""
        size = {"width": width_px, "height": LEAST_HEIGHT_PX, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        size["height"] = int(self._driver.execute_script("return document.documentElement.scrollHeight"))
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        file = self._pictures / f"{name}.png"
        self._driver.save_screenshot(str(file))
        self._driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        return file

    def _one(self, selector: str) -> WebElement:
        return self._driver.find_element(By.CSS_SELECTOR, selector)

    def _wait(self, selector: str, *, within_s: float = 60.0) -> None:
        waiting = WebDriverWait(self._driver, within_s, poll_frequency=0.2)
        waiting.until(lambda _: self._driver.find_elements(By.CSS_SELECTOR, selector))
